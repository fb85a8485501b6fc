"""Sync: orders that WeChat Pay is asked for, because no notification has settled them."""
