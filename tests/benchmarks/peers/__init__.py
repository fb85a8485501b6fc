"""Webhooks of others and ours, each in a process of its own that is told when to run."""
