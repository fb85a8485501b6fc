"""Admin pages of refunds: the making of one, and its list and page."""
