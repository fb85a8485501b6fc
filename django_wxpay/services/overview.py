"""The state of the shop at a glance: today's takings, and what waits, fails or ends soon.

A fixed number of queries, each a range of an index; what may be many is counted up to a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from django_wxpay import conf
from django_wxpay.models import (
    BackgroundJob,
    Discrepancy,
    Order,
    OrderEvent,
    PlatformCertificate,
    Refund,
)
from django_wxpay.models.choices import Attentions, DiscrepancyStatuses
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.states import PAID
from django_wxpay.services import clock
from django_wxpay.services.attention.cases import count_needing
from django_wxpay.services.latency.summary import Period, measure
from django_wxpay.services.transactions import retry_on_lock
from django_wxpay.services.transitions.dispatch import heard_kinds

# Counting stops here.
COUNTED_UP_TO: Final = 1000
_HOURS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Takings:
    """What one merchant took today in one currency, in minor units."""

    merchant: str
    fee_type: str
    payments: int
    paid: int
    refunded: int

    @property
    def net(self) -> int:
        """What was paid, less what was paid back; below zero on a day of refunds."""
        return self.paid - self.refunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The state at ``at``. Today begins at midnight in the time zone of the settings.

    ``placed`` and ``paid_of_placed`` count the orders that were created today. ``waiting`` and
    ``undelivered`` count orders that WeChat Pay is asked for, and events that receivers are still
    to take, up to 1000. ``p95_ms`` and ``failure_rate`` are the worst of an interface and host in
    24 hours; None without calls. ``keys_end_at`` is the first end of WeChat Pay's certificates in
    use, None where none is.
    """

    at: datetime
    since: datetime
    takings: Sequence[Takings]
    placed: int
    paid_of_placed: int
    waiting: int
    attention: Mapping[Attentions, int]
    undelivered: int
    last_job_at: datetime | None
    failing_jobs: Sequence[str]
    calls: int
    failure_rate: float | None
    p95_ms: int | None
    keys_end_at: datetime | None
    open_differences: int

    @property
    def success_rate(self) -> float | None:
        """The share, 0 to 1, of today's orders that are paid; None before the first."""
        return self.paid_of_placed / self.placed if self.placed else None


def overview() -> Overview:
    """Read the state of the shop. Database only."""
    now = clock.now()
    since = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    placed = _placed(since)
    jobs: list[BackgroundJob] = retry_on_lock(partial(list, BackgroundJob.objects.order_by("name")))
    calls = measure(Period.covering(before=now, span=timedelta(hours=_HOURS))).summary()
    return Overview(
        at=now,
        since=since,
        takings=_takings(since),
        placed=sum(placed.values()),
        paid_of_placed=sum(placed[state.value] for state in PAID),
        waiting=_up_to_limit(Order.objects.filter(next_check_at__isnull=False)),
        attention=count_needing(),
        undelivered=_up_to_limit(
            OrderEvent.objects.filter(dispatched_at__isnull=True, kind__in=heard_kinds())
        ),
        last_job_at=max((job.finished_at for job in jobs if job.finished_at), default=None),
        failing_jobs=[job.name for job in jobs if job.failures_in_a_row],
        calls=sum(row.count for row in calls),
        failure_rate=max((row.failure_rate for row in calls), default=None),
        p95_ms=max((row.p95_ms for row in calls), default=None),
        keys_end_at=_keys_end_at(),
        open_differences=_up_to_limit(Discrepancy.objects.filter(status=DiscrepancyStatuses.OPEN)),
    )


def _takings(since: datetime) -> list[Takings]:
    paid = Order.objects.filter(
        mch_id__in=_mch_ids(),
        success_time__gte=since,
        trade_state__in=[state.value for state in PAID],
    )
    sums: Any = paid.order_by().values_list("merchant", "fee_type")
    sums = sums.annotate(Count("pk"), Sum("total_fee"))
    received: list[tuple[str, str, int, int]] = retry_on_lock(partial(list, sums))
    back = Refund.objects.filter(success_time__gte=since, refund_status=RefundStatus.SUCCESS)
    sums_back: Any = back.order_by().values_list("merchant", "order__fee_type")
    sums_back = sums_back.annotate(Sum("refund_fee"))
    returned: list[tuple[str, str, int]] = retry_on_lock(partial(list, sums_back))
    payments = {(merchant, fee_type): (many, total) for merchant, fee_type, many, total in received}
    refunds = {(merchant, fee_type): total for merchant, fee_type, total in returned}
    return [
        Takings(
            merchant=merchant,
            fee_type=fee_type,
            payments=payments.get((merchant, fee_type), (0, 0))[0],
            paid=payments.get((merchant, fee_type), (0, 0))[1],
            refunded=refunds.get((merchant, fee_type), 0),
        )
        for merchant, fee_type in sorted({*payments, *refunds})
    ]


def _placed(since: datetime) -> Counter[str]:
    orders = Order.objects.filter(created_at__gte=since).order_by()
    rows = orders.values_list("trade_state").annotate(Count("pk"))
    return Counter(dict(retry_on_lock(partial(list, rows))))


def _mch_ids() -> list[str]:
    try:
        return sorted({account.mch_id for account in conf.current().merchants.values()})
    except ConfigurationError:
        return []


def _keys_end_at() -> datetime | None:
    """Return when the first merchant has no platform certificate left, of those that use them."""
    try:
        accounts = conf.current().merchants.values()
    except ConfigurationError:
        return None
    using = {
        account.mch_id
        for account in accounts
        if account.api_v3_key and not account.wechatpay_public_key_id
    }
    kept = PlatformCertificate.objects.filter(mch_id__in=using).order_by()
    ends: dict[str, datetime] = {}
    rows: list[tuple[str, datetime]] = retry_on_lock(
        partial(list, kept.values_list("mch_id", "expire_time"))
    )
    for mch_id, expire_time in rows:
        ends[mch_id] = max(expire_time, ends.get(mch_id, expire_time))
    return min(ends.values(), default=None)


def _up_to_limit(rows: QuerySet[Any]) -> int:
    keys = rows.order_by().values_list("pk", flat=True)[:COUNTED_UP_TO]
    return retry_on_lock(keys.count)
