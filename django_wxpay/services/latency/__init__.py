"""Verbs of latency: record, roll up, summarise and prune."""
