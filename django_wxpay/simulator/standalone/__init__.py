"""The simulator without a Django project: its configuration, and the folder of its keys."""
