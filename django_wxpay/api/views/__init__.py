"""The routes, one file a noun. Each asks a service and shows what it answers."""
