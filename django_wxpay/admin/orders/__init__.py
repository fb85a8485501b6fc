"""Admin pages of an order."""
