"""Pruning of recorded calls.

Only rows that the roll-up counts are deleted, so no figure changes. A row that still waits to
be reported is deleted with the others of its age.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from django_wxpay import conf
from django_wxpay.models import ApiReport
from django_wxpay.services import clock
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock

_BATCH: Final = 500


def prune(*, limit: int | None = None, stop: Callable[[], bool] = lambda: False) -> int:
    """Delete up to ``limit`` calls (None: all) older than ``API_REPORT_RETENTION_DAYS``.

    Oldest first, a few hundred in a transaction. Ends early when ``stop`` returns True. Returns
    how many were deleted. Any number may run side by side.
    """
    require_no_transaction("prune")
    before = clock.now() - timedelta(days=conf.current().api_report_retention_days)
    old = ApiReport.objects.filter(created_at__lt=before, is_rolled_up=True)
    done = 0
    while not stop():
        size = _BATCH if limit is None else min(_BATCH, limit - done)
        pks = list(old.order_by("created_at", "id").values_list("pk", flat=True)[: max(0, size)])
        if not pks:
            break
        deleted, _ = retry_on_lock(partial(ApiReport.objects.filter(pk__in=pks).delete))
        done += deleted
    return done
