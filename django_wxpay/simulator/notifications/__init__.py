"""Notifications sent by the simulator."""
