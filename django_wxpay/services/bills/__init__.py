"""Bills: fetched, kept, and compared with the orders and refunds of their day."""
