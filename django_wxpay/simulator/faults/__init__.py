"""Scripted faults of the simulator."""
