"""Latency of gateway calls: recording, roll-up, summary."""
