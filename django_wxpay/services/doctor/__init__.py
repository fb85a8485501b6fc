"""Checks of a running installation, one module a subject."""
