"""Requests to endpoints that the package does not know."""
