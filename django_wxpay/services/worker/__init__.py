"""Background jobs: the table, one run, and the loop."""
