"""Verbs of an order: create, place, check out, query and close."""
