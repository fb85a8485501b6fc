"""Background jobs: the table of jobs, one run, and the loop around them."""
