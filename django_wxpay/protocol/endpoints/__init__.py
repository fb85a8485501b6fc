"""Requests to endpoints that this package does not know: checked before anything is sent."""
