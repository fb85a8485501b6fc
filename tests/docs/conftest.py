"""Which of these tests a database has: on another one ``test_scaling`` runs them on PostgreSQL."""

from __future__ import annotations

import os

collect_ignore = (
    [] if os.environ.get("WXPAY_TEST_DATABASE") == "postgresql" else ["test_partitions.py"]
)
