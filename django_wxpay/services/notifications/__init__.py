"""Notifications: receiving, processing, answering and retrying them."""
