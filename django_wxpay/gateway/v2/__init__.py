"""The client of the v2 protocol."""
