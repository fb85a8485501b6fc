"""Addresses of every list and page on large tables: with each filter, a search, and its far end."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.apps import apps
from django.urls import reverse

from django_wxpay.admin import base
from django_wxpay.models.choices import Attentions
from tests.plans.filling import number


def _periods(start: str, end: str) -> Iterator[dict[str, str]]:
    # Of today, of the last week, and of a day long ago: its rows are as far from the newest as any.
    yield {start: _moment(timedelta(days=1))}
    yield {start: _moment(timedelta(days=7))}
    yield {start: _moment(timedelta(days=27)), end: _moment(timedelta(days=26))}


def _moment(ago: timedelta) -> str:
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


_NO_SUCH: Final = "T9999999999"
# By the model of the list. A value that many rows have, one that few have, one that none has.
_ADMIN_FILTERS: Final[Mapping[str, tuple[dict[str, str], ...]]] = {
    "order": (
        *({"trade_state__exact": state} for state in ("SUCCESS", "NOTPAY", "CLOSED", "REVOKED")),
        *({"trade_type__exact": kind} for kind in ("NATIVE", "MICROPAY")),
        {"trade_state__exact": "CLOSED", "trade_type__exact": "MICROPAY"},
        *({"attention": kind} for kind in ("any", *Attentions.values)),
        # With what many rows have, what one has, and what none has.
        *({"q": q} for q in ("12.50", "S1000000", "000002", "1,250 JPY", "openid", "T9999999999")),
        {"q": "12.50", "trade_state__exact": "CLOSED"},
        *({"q": q, "paid": "week"} for q in ("12.50", "S1000000", "openid")),
        *({"q": q, "merchant": "other"} for q in ("12.50", "S1000000", "000002")),
        {"q": "12.50", "merchant": "none"},
        {"q": "12.50", "paid_from": "2000-01-01", "paid_to": "2000-01-31"},
        *({"o": order} for order in ("2", "-2", "4", "-4", "6", "-6")),
        {"o": "-2", "p": "2"},
        # Few rows are sorted, and many are not.
        *({"o": "2", "trade_state__exact": state} for state in ("SUCCESS", "NOTPAY", "REVOKED")),
        {"o": "-6", "q": "12.50"},
        *({"paid": paid} for paid in ("today", "yesterday", "week", "month", "no")),
        {"paid": "week", "p": "2"},
        *({"paid": "week", "o": order} for order in ("2", "4", "-6")),
        {"paid": "today", "o": "2"},
        {"paid": "week", "merchant": "other"},
        {"paid": "yesterday", "trade_state__exact": "REFUND"},
        {"paid_from": "2000-01-01", "paid_to": "2000-01-31"},
        {"paid_from": "2000-01-01"},
        *({"refunded": part} for part in ("partly", "fully")),
        {"refunded": "partly", "paid": "yesterday"},
        {"refunded": "partly", "paid": "month"},
        {"add_up": "yes"},
        {"add_up": "yes", "trade_state__exact": "NOTPAY"},
        {"add_up": "yes", "merchant": "other"},
    ),
    "notification": (
        *({"outcome__exact": outcome} for outcome in ("APPLIED", "FAILED", "CONFLICT", "IGNORED")),
        *({"kind__exact": kind} for kind in ("payment", "refund")),
        {"order__id__exact": "2"},
        {"order__id__exact": "51", "kind__exact": "refund"},
        # It offers no other order than its own.
        *({"o": order} for order in ("1", "2", "5", "-5")),
    ),
    "orderevent": (
        *({"kind__exact": kind} for kind in ("PAID", "CLOSED", "CONFLICTED", "REFUND_SETTLED")),
        *({"told": told} for told in ("yes", "no", "waiting", "failing", "receiver")),
        {"told": "no", "kind__exact": "CLOSED"},
    ),
    "apireport": (
        *({"failed": failed} for failed in ("yes", "no", "TIMEOUT", "TLS")),
        *({"host": host} for host in ("api.mch.weixin.qq.com", "api2.mch.weixin.qq.com")),
        {"host": "nowhere.example.com"},
        {"interface": "/pay/orderquery"},
        {"interface": "/pay/nothing"},
        *({"report_status__exact": status} for status in ("PENDING", "SENT", "FAILED")),
        {"failed": "yes", "merchant": "other"},
    ),
    "refund": (
        *({"refund_status__exact": status} for status in ("SUCCESS", "PROCESSING", "ABNORMAL")),
        {"order__id__exact": "51"},
    ),
    "prepay": (),
    "promotion": (),
}
_OF_A_MERCHANT: Final = frozenset({"order", "notification", "apireport", "refund"})
_SEARCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "order": ("421000000002", "S1000000002"),
    "notification": ("421000000002",),
    "orderevent": (),
    "apireport": (),
    "refund": ("R1000000001", "501000000001"),
    "prepay": ("wx1000000002",),
    "promotion": (),
}
_REST_FILTERS: Final[Mapping[str, tuple[dict[str, str], ...]]] = {
    "orders": (
        *({"trade_state": state} for state in ("SUCCESS", "NOTPAY", "REVOKED")),
        *({"trade_type": kind} for kind in ("NATIVE", "MICROPAY")),
        {"out_trade_no": number(2)},
        {"transaction_id": "421000000002"},
        {"reference": "S1000000002"},
        *_periods("paid_after", "paid_before"),
        *(
            {"paid_after": _moment(timedelta(days=2))} | asked
            for asked in ({"trade_state": "REFUND"}, {"merchant": "other"}, {"page_size": "200"})
        ),
        {"paid_after": "2000-01-01", "paid_before": "2000-02-01"},
        *({"attention": kind} for kind in Attentions.values),
    ),
    "refunds": (
        *({"refund_status": status} for status in ("SUCCESS", "PROCESSING", "ABNORMAL")),
        {"order": "51"},
        {"out_refund_no": "R1000000001"},
        {"refund_id": "501000000001"},
    ),
    "notifications": (
        *({"outcome": outcome} for outcome in ("APPLIED", "FAILED", "CONFLICT")),
        {"out_trade_no": number(2)},
        {"transaction_id": "421000000002"},
    ),
    "api-reports": (
        *({"failure": failure} for failure in ("TIMEOUT", "TLS")),
        *({"host": host} for host in ("api.mch.weixin.qq.com", "nowhere.example.com")),
        *({"report_status": status} for status in ("PENDING", "SENT", "FAILED")),
        {"out_trade_no": number(2)},
    ),
}
_MODELS: Final = {
    "orders": "order",
    "refunds": "refund",
    "notifications": "notification",
    "api-reports": "apireport",
}
ADMIN_LISTS: Final = tuple(_ADMIN_FILTERS)
REST_LISTS: Final = tuple(_REST_FILTERS)


def admin_list(model: str) -> Iterator[str]:
    """Yield the addresses of one list of the admin."""
    for asked in _of_admin_list(model):
        yield f"{reverse(f'admin:django_wxpay_{model}_changelist')}?{urlencode(asked)}"


def _of_admin_list(model: str) -> Iterator[dict[str, str]]:
    yield {}
    yield {"p": "2"}
    yield {"p": str(_last_page(model))}
    yield from _ADMIN_FILTERS[model]
    if model in _OF_A_MERCHANT:
        yield from ({"merchant": alias} for alias in ("default", "other", "none"))
        yield {"merchant": "other", "p": "2"}
    if model != "promotion":
        yield from _periods("created_at__gte", "created_at__lt")
    yield from ({"q": term} for term in (number(51), _NO_SUCH, *_SEARCHED[model]))


def _last_page(model: str) -> int:
    rows: Any = apps.get_model("django_wxpay", model)._default_manager.order_by()
    return -(-int(rows[: base.FARTHEST].count()) // base.ReadOnlyAdmin.list_per_page)


def admin_pages(model: str) -> Iterator[str]:
    """Yield the address of one row's page."""
    yield reverse(f"admin:django_wxpay_{model}_change", args=[_newest(model)])


def _newest(model: str) -> int:
    return int(apps.get_model("django_wxpay", model)._default_manager.latest("pk").pk)


def latency_pages() -> Iterator[str]:
    """Yield the addresses that sum calls up."""
    page = reverse("admin:django_wxpay_hourlylatency_changelist")
    yield page
    yield f"{page}?range=30d"
    summary = reverse("django_wxpay:api-reports-summary")
    yield summary
    yield f"{summary}?{urlencode({'created_after': _moment(timedelta(days=28))})}"


def rest_list(name: str) -> Iterator[str]:
    """Yield the addresses of one REST list."""
    address = reverse(f"django_wxpay:api-{name.removeprefix('api-')}")
    for asked in (*_of_rest_list(name), *_far_inside(name)):
        yield f"{address}?{urlencode(asked)}"


def _of_rest_list(name: str) -> Iterator[dict[str, str]]:
    yield {}
    yield {"page_size": "200"}
    yield from _REST_FILTERS[name]
    yield from ({"merchant": alias} for alias in ("default", "other", "none"))
    yield from _periods("created_after", "created_before")


def _far_inside(name: str) -> Iterator[dict[str, str]]:
    """Yield the pages on both sides of a row in the middle of the table, as their links do."""
    newest = _newest(_MODELS[name])
    row: Any = apps.get_model("django_wxpay", _MODELS[name])._default_manager.get(pk=newest // 2)
    place = {"p": row.created_at, "k": row.pk}
    yield from ({"cursor": _cursor(parts)} for parts in (place, {"r": 1, **place}))
    if name == "orders":
        paid = {"p": row.success_time or row.created_at, "k": row.pk}
        yield {"paid_after": "2000-01-01", "cursor": _cursor(paid)}


def _cursor(parts: Mapping[str, Any]) -> str:
    return b64encode(urlencode(parts).encode()).decode()


def rest_details() -> Iterator[str]:
    """Yield the address of one row of each kind that has one."""
    for name in ("order", "refund", "notification"):
        yield reverse(f"django_wxpay:api-{name}", args=[_newest(name)])
