"""Query plans on large tables: every list, job, check and notification, on each database."""
