"""Verbs of latency reports: send them to WeChat Pay, and count what waits."""
