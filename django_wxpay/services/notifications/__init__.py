"""Verbs of a notification: receive, parse, process, answer and retry."""
