"""Refunds: creating, querying, checking, and the ways out of one that is stuck."""
