"""The admin page of API latency."""
