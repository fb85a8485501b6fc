"""Tables of a shop that has sold for four weeks, filled by one statement each.

Each row is that of a factory, with what differs from row to row written as SQL of its number
``n``, so a million take as long as the database needs for its indexes. What waits or went wrong is
as rare as it is in a shop, except that nothing listens to ``order_closed``: its events wait for
good.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import models

from django_wxpay.models import (
    ApiReport,
    HourlyLatency,
    Notification,
    Order,
    OrderEvent,
    Prepay,
    Promotion,
    Refund,
    ReportBacklog,
)
from tests.factories import (
    ApiReportFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PrepayFactory,
    PromotionFactory,
    RefundFactory,
)
from tests.tables import connection

SPAN: Final = timedelta(days=28)
# Orders that wait for their customer, and calls that no hour counts yet.
OPEN: Final = 200
UNCOUNTED: Final = 100
# What went wrong of older orders has been dealt with, whatever the size of the shop.
RECENT: Final = 10_000
# One statement is one transaction, and of ten million rows that would be a long one.
_CHUNK: Final = 1_000_000
# Every thousandth of a thousandth: no database has to recurse a million times for it.
_SERIES: Final = (
    "WITH RECURSIVE digits(d) AS (SELECT 0 UNION ALL SELECT d + 1 FROM digits WHERE d < 999), "
    "series(n) AS (SELECT {first} + a.d * 1000 + b.d FROM digits a CROSS JOIN digits b "
    "WHERE a.d * 1000 + b.d < {count}) "
)
_HOST: Final = "api.mch.weixin.qq.com"
_STANDBY: Final = "api2.mch.weixin.qq.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The rows of the two largest tables; the others are in proportion to ``orders``."""

    orders: int
    reports: int


def fill(size: Size) -> None:
    """Fill the empty tables, and let the database look at them as it does by itself in time."""
    now = datetime.now(UTC)
    if size.orders:
        _fill_orders(size.orders, now)
        _fill_log(size.orders, now)
    _fill_calls(size.reports, now)
    _gather_statistics()


def number(n: int) -> str:
    """Return the ``out_trade_no`` of the order with the key ``n``."""
    return f"T{1_000_000_000 + n}"


def text(prefix: str, n: str = "n") -> str:
    """Return SQL for ``prefix`` and a number of ten digits."""
    digits = f"(1000000000 + {n})"
    if connection.vendor == "mysql":
        return f"CONCAT('{prefix}', {digits})"
    return f"'{prefix}' || {digits}"


def before(moment: datetime, seconds: str) -> str:
    """Return SQL for the time that is so many seconds before ``moment``."""
    written = moment.strftime("%Y-%m-%d %H:%M:%S")
    if connection.vendor == "mysql":
        return f"TIMESTAMP('{written}') - INTERVAL ({seconds}) SECOND"
    if connection.vendor == "postgresql":
        return f"TIMESTAMPTZ '{written}+00' - ({seconds}) * INTERVAL '1 second'"
    return f"datetime('{written}', (0 - ({seconds})) || ' seconds')"


def fill_table(sample: models.Model, count: int, differing: Mapping[str, str]) -> None:
    """Insert rows like ``sample``, with the keys 1 to ``count``; ``differing`` is SQL of ``n``."""
    columns = {"id": "n", **differing}
    constants: list[Any] = []
    expressions = []
    fields = [field for field in sample._meta.concrete_fields if not field.generated]
    for field in fields:
        if field.column in columns:
            expressions.append(columns[field.column])
        else:
            expressions.append("%s")
            value = getattr(sample, field.attname)
            constants.append(field.get_db_prep_save(value, connection))
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    table = quote(sample._meta.db_table)
    with connection.cursor() as cursor:
        for first in range(1, count + 1, _CHUNK):
            series = _SERIES.format(first=first, count=min(_CHUNK, count + 1 - first))
            select = f"SELECT {', '.join(expressions)} FROM series"  # noqa: S608
            cursor.execute(f"INSERT INTO {table} ({names}) {series}{select}", constants)
        for statement in connection.ops.sequence_reset_sql(no_style(), [type(sample)]):
            cursor.execute(statement)


def _fill_orders(count: int, now: datetime) -> None:
    is_open = f"n > {count - OPEN}"
    is_paid = f"NOT ({is_open}) AND n %% 10 <> 0"
    created_at = before(now, _age(count))
    an_hour_ago_or_in_one = before(now, "(n %% 2) * 7200 - 3600")
    order: Order = OrderFactory.build(paid=True)
    order.pk = 0
    merchant = "CASE WHEN n %% 20 = 3 THEN 'other' ELSE 'default' END"
    state = (
        f"CASE WHEN {is_open} THEN 'NOTPAY' WHEN n %% 10 = 0 THEN 'CLOSED' "
        "WHEN n %% 50 = 1 THEN 'REFUND' ELSE 'SUCCESS' END"
    )
    fill_table(
        order,
        count,
        {
            "merchant": merchant,
            "out_trade_no": text("T"),
            "reference": text("S"),
            "trade_type": "CASE n %% 4 WHEN 0 THEN 'NATIVE' WHEN 1 THEN 'APP' ELSE 'JSAPI' END",
            "trade_state": state,
            "transaction_id": f"CASE WHEN {is_paid} THEN {text('42')} END",
            "success_time": f"CASE WHEN {is_paid} THEN {created_at} END",
            "next_check_at": f"CASE WHEN {is_open} THEN {an_hour_ago_or_in_one} END",
            "placed_at": created_at,
            "created_at": created_at,
            "updated_at": created_at,
        },
    )
    fill_table(
        PrepayFactory.build(order=order),
        count,
        {
            "order_id": "n",
            "prepay_id": text("wx"),
            "created_at": created_at,
            "expires_at": before(now, f"{_age(count)} - 7200"),
        },
    )
    fill_table(
        NotificationFactory.build(order=order),
        count,
        {
            "order_id": "n",
            "merchant": merchant,
            "kind": "CASE WHEN n %% 50 = 1 THEN 'refund' ELSE 'payment' END",
            "fingerprint": text("f"),
            "out_trade_no": text("T"),
            "transaction_id": text("42"),
            "outcome": (
                "CASE WHEN n %% 2000 = 7 THEN 'FAILED' WHEN n %% 5000 = 3 THEN 'CONFLICT' "
                "WHEN n %% 20 = 5 THEN 'IGNORED' ELSE 'APPLIED' END"
            ),
            # Of those that failed one in five was given up, and the others are tried now and then.
            "retries": "CASE WHEN n %% 2000 = 7 THEN 12 ELSE 0 END",
            "next_retry_at": (
                "CASE WHEN n %% 2000 = 7 AND n %% 10000 <> 7 "
                f"THEN {before(now, '(n %% 7000) - 3500')} END"
            ),
            "created_at": created_at,
            "updated_at": created_at,
        },
    )
    refunds = max(1, count // 50)
    refunded = "(n - 1) * 50 + 1"
    refunded_at = before(now, f"{_age(refunds)}")
    fill_table(
        RefundFactory.build(order=order, paid_back=True),
        refunds,
        {
            "order_id": refunded,
            "out_refund_no": text("R"),
            "refund_id": text("50"),
            "position": "1",
            "refund_status": (
                f"CASE WHEN n > {refunds - 20} THEN 'PROCESSING' WHEN n %% 500 = 3 "
                f"AND n > {refunds - RECENT} THEN 'ABNORMAL' WHEN n %% 100 = 7 THEN 'CLOSED' "
                "ELSE 'SUCCESS' END"
            ),
            "next_check_at": (f"CASE WHEN n > {refunds - 20} THEN {an_hour_ago_or_in_one} END"),
            "created_at": refunded_at,
            "updated_at": refunded_at,
        },
    )
    is_waiting = f"n > {count - 20}"
    is_recent = f"n > {count - RECENT}"
    is_refused = f"n %% 5000 = 9 AND {is_recent}"
    fill_table(
        OrderEventFactory.build(order=order),
        count,
        {
            "order_id": "n",
            "kind": (
                "CASE WHEN n %% 10 = 0 THEN 'CLOSED' WHEN n %% 5000 = 3 THEN 'CONFLICTED' "
                "ELSE 'PAID' END"
            ),
            "notification_id": "n",
            "resolved_at": (f"CASE WHEN n %% 5000 = 3 AND NOT ({is_recent}) THEN {created_at} END"),
            "created_at": created_at,
            "dispatched_at": (
                f"CASE WHEN NOT ({is_waiting} OR {is_refused} OR n %% 10 = 0) THEN {created_at} END"
            ),
            "dispatch_attempts": "CASE WHEN n %% 10 = 0 THEN 0 ELSE 1 END",
            "dispatch_error": f"CASE WHEN {is_refused} THEN 'ValueError: no' ELSE '' END",
            "next_dispatch_at": (
                f"CASE WHEN {is_waiting} OR {is_refused} "
                f"THEN {before(now, '(n %% 7) * 600 - 1800')} END"
            ),
        },
    )
    promotions = max(1, count // 20)
    fill_table(
        PromotionFactory.build(order=order),
        promotions,
        {"order_id": "(n - 1) * 20 + 1", "promotion_id": text("P")},
    )


def _fill_log(count: int, now: datetime) -> None:
    clerk = get_user_model().objects.create(username="clerk")
    kind = ContentType.objects.get_for_model(Order)
    entry = LogEntry(user=clerk, content_type=kind, action_flag=CHANGE, object_repr="T")
    key = "CAST(n AS CHAR)" if connection.vendor == "mysql" else "CAST(n AS TEXT)"
    differing = {"object_id": key, "action_time": before(now, _age(count))}
    fill_table(entry, count, differing)


def _fill_calls(count: int, now: datetime) -> None:
    report = ApiReportFactory.build()
    # Now and then the primary host is away for a while.
    is_away = "n %% 1000 < 10"
    host = f"CASE WHEN {is_away} THEN '{_STANDBY}' ELSE '{_HOST}' END"
    paths = ("unifiedorder", "orderquery", "closeorder", "micropay")
    path = " ".join(f"WHEN {at} THEN '/pay/{name}'" for at, name in enumerate(paths))
    fill_table(
        report,
        count,
        {
            "merchant": "CASE WHEN n %% 20 = 3 THEN 'other' ELSE 'default' END",
            "host": host,
            "is_standby": _flag(is_away),
            "interface_url": f"CASE n %% 4 {path} END",
            "out_trade_no": text("T"),
            "execute_time_ms": "40 + n %% 300",
            "failure": "CASE WHEN n %% 200 = 11 THEN 'TIMEOUT' ELSE '' END",
            "created_at": before(now, _age(count)),
            "report_status": f"CASE WHEN n > {count} * 0.8 THEN 'PENDING' ELSE 'SENT' END",
            "is_rolled_up": _flag(f"n <= {count - UNCOUNTED}"),
        },
    )
    hours = int(SPAN / timedelta(hours=1))
    hour = now.replace(minute=0, second=0, microsecond=0)
    fill_table(
        HourlyLatency(merchant="default", interface_url="", host=_HOST, hour=hour),
        hours * len(paths),
        {
            "interface_url": f"CASE n %% 4 {path} END",
            "hour": before(hour, "((n - 1 - (n - 1) %% 4) / 4) * 3600"),
            "calls": "100",
            "fastest_ms": "40",
            "slowest_ms": "339",
        },
    )
    fill_table(
        ReportBacklog(hour=hour), hours, {"hour": before(hour, "(n - 1) * 3600"), "waiting": "n"}
    )


def _age(count: int) -> str:
    # Not a float: MariaDB would take "2.4e-05" for one, and the others do not agree on division.
    step = f"{SPAN.total_seconds() / count:.6f}"
    return f"({count} - n) * {step}"


def _flag(condition: str) -> str:
    if connection.vendor == "postgresql":
        return f"({condition})"
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _gather_statistics() -> None:
    tables = [model._meta.db_table for model in LARGE]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in tables:
                cursor.execute(f'VACUUM ANALYZE "{table}"')
        elif connection.vendor == "mysql":
            cursor.execute(f"ANALYZE TABLE {', '.join(tables)}")
            cursor.fetchall()


# The tables that grow with the orders of a shop.
LARGE: Final[tuple[type[models.Model], ...]] = (
    ApiReport,
    LogEntry,
    Notification,
    Order,
    OrderEvent,
    Prepay,
    Promotion,
    Refund,
)
