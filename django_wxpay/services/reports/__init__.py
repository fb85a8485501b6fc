"""Reports to payitil/report: the queue, sending, and Quick Pay sales."""
