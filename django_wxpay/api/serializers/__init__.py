"""How rows look as JSON, and what JSON may become an order."""
