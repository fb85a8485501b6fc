"""The simulator's other products of APIv3."""
