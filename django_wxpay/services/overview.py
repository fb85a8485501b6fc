"""The state of the shop at a glance: today's takings, and what waits, fails or ends soon.

A fixed number of queries, each a range of an index; what may be many is counted up to a limit. Only
the takings are added up to the last payment, at about a microsecond each: a hundred thousand on one
day take a tenth of a second. An index that holds all that is added saves a quarter of that at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Self

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import Coalesce
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
from django_wxpay.models.choices import TRADE_STATES, Attentions, DiscrepancyStatuses
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.states import PAID
from django_wxpay.services import clock
from django_wxpay.services.accounts.database import accounts_in_use, merchant_numbers
from django_wxpay.services.attention.cases import needing
from django_wxpay.services.latency.summary import Period, measure
from django_wxpay.services.notifications.refusals import refused_since
from django_wxpay.services.transactions import retry_on_lock
from django_wxpay.services.transitions.dispatch import heard_kinds

# Counting stops here.
COUNTED_UP_TO: Final = 1000
_HOURS: Final = 24
# Each number is a range of an index; some databases take no thousands of values in one statement.
_NUMBERS_AT_ONCE: Final = 500


class Counted(int):
    """A number of rows; ``is_cut`` where counting stopped, and there may be more."""

    is_cut: bool

    def __new__(cls, many: int, *, is_cut: bool) -> Self:
        made = super().__new__(cls, many)
        made.is_cut = is_cut
        return made


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
    to take, up to 1000. ``failing_in_part`` is by job what of its work fails though it runs.
    ``refused`` counts the notifications refused in 24 hours. ``p95_ms`` and ``failure_rate`` are
    the worst of an interface and host in 24 hours; None without calls. ``keys_end_at`` is the first
    end of WeChat Pay's certificates in use, None where none is.
    """

    at: datetime
    since: datetime
    takings: Sequence[Takings]
    placed: int
    paid_of_placed: int
    waiting: Counted
    attention: Mapping[Attentions, Counted]
    undelivered: Counted
    last_job_at: datetime | None
    failing_jobs: Sequence[str]
    failing_in_part: Mapping[str, str]
    refused: int
    calls: int
    failure_rate: float | None
    p95_ms: int | None
    keys_end_at: datetime | None
    open_differences: Counted

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
        waiting=count_up_to_limit(Order.objects.filter(next_check_at__isnull=False)),
        attention={kind: _needing(kind) for kind in Attentions},
        undelivered=count_undelivered(),
        last_job_at=max((job.finished_at for job in jobs if job.finished_at), default=None),
        failing_jobs=[job.name for job in jobs if job.failures_in_a_row],
        failing_in_part={
            job.name: parts
            for job in jobs
            if not job.failures_in_a_row and (parts := job.failing_parts(now))
        },
        refused=refused_since(now - timedelta(hours=_HOURS)),
        calls=sum(row.count for row in calls),
        failure_rate=max((row.failure_rate for row in calls), default=None),
        p95_ms=max((row.p95_ms for row in calls), default=None),
        keys_end_at=_keys_end_at(),
        open_differences=count_up_to_limit(
            Discrepancy.objects.filter(status=DiscrepancyStatuses.OPEN)
        ),
    )


def _needing(kind: Attentions) -> Counted:
    found = needing([kind])
    return Counted(len(found.keys), is_cut=found.is_cut)


def _takings(since: datetime) -> list[Takings]:
    received = [row for numbers in _pieces(_mch_ids()) for row in _received(numbers, since)]
    # Neither of one status, nor by the merchant itself: SQLite would go through all refunds that an
    # index has of the one, or in the order of the other.
    back = Refund.objects.filter(success_time__gte=since).order_by()
    merchant_of = Coalesce("merchant", "merchant")
    sums_back: Any = back.values_list(merchant_of, "order__fee_type", "refund_status")
    sums_back = sums_back.annotate(Sum("refund_fee"))
    returned: list[tuple[str, str, str, int]] = retry_on_lock(partial(list, sums_back))
    payments: dict[tuple[str, str], tuple[int, int]] = {}
    for merchant, fee_type, many, total in received:
        # One alias may have had two numbers.
        before = payments.get((merchant, fee_type), (0, 0))
        payments[merchant, fee_type] = before[0] + many, before[1] + total
    refunds = {
        (merchant, fee_type): total
        for merchant, fee_type, status, total in returned
        if status == RefundStatus.SUCCESS
    }
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


def _received(numbers: list[str], since: datetime) -> list[tuple[str, str, int, int]]:
    paid = Order.objects.filter(
        mch_id__in=numbers,
        success_time__gte=since,
        trade_state__in=[state.value for state in PAID],
    )
    sums: Any = paid.order_by().values_list("merchant", "fee_type")
    return retry_on_lock(partial(list, sums.annotate(Count("pk"), Sum("total_fee"))))


def _pieces(numbers: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(numbers), _NUMBERS_AT_ONCE):
        yield numbers[start : start + _NUMBERS_AT_ONCE]


def _placed(since: datetime) -> Counter[str]:
    # Each state is a range of an index. Without them SQLite would walk along all of it, to group.
    states = list(TRADE_STATES)
    orders = Order.objects.filter(trade_state__in=states, created_at__gte=since).order_by()
    rows = orders.values_list("trade_state").annotate(Count("pk"))
    return Counter(dict(retry_on_lock(partial(list, rows))))


def _mch_ids() -> list[str]:
    return sorted({mch_id for _, mch_id in retry_on_lock(merchant_numbers)})


def _keys_end_at() -> datetime | None:
    """Return when the first merchant has no platform certificate left, of those that use them."""
    using = _with_certificates()
    ends: dict[str, datetime] = {}
    for numbers in _pieces(using):
        kept = PlatformCertificate.objects.filter(mch_id__in=numbers).order_by()
        latest: Any = kept.values_list("mch_id").annotate(Max("expire_time"))
        ends |= dict(retry_on_lock(partial(list, latest)))
    return min(ends.values(), default=None)


def _with_certificates() -> list[str]:
    """Return the numbers of the merchants that verify with platform certificates."""
    if (rows := accounts_in_use()) is not None:
        using = rows.exclude(sealed_api_v3_key="").filter(wechatpay_public_key_id="")
        return retry_on_lock(partial(list, using.values_list("mch_id", flat=True).distinct()))
    try:
        return sorted(
            {
                account.mch_id
                for account in conf.accounts()
                if account.api_v3_key and not account.wechatpay_public_key_id
            }
        )
    except ConfigurationError:
        return []


def count_undelivered() -> Counted:
    """Return how many events receivers are still to take, up to 1000."""
    waiting = OrderEvent.objects.filter(dispatched_at__isnull=True, kind__in=heard_kinds())
    return count_up_to_limit(waiting)


def count_up_to_limit(rows: QuerySet[Any]) -> Counted:
    """Return how many ``rows`` there are, up to 1000."""
    keys = rows.order_by().values_list("pk", flat=True)[:COUNTED_UP_TO]
    many = retry_on_lock(keys.count)
    return Counted(many, is_cut=many >= COUNTED_UP_TO)
