"""Attention: what of an order needs a person, and what ends it."""
