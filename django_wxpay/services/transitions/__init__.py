"""The one door: the only writers of an order's and a refund's state, and the outbox."""
