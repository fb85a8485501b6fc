"""Search for orders by what a customer says: numbers or their ends, an amount, who has paid.

Each way is a range of an index, read for itself; put together in one condition, a database may
walk the whole table instead. So the merchant and the time that a filter asks for are looked for
among the first ten thousand rows of a way.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import EndsWith

from django_wxpay.admin import base
from django_wxpay.models.order import END_OF_NUMBER
from django_wxpay.protocol.money import LARGEST, decimals
from django_wxpay.services.attention.cases import Found

# Of each way; whoever gets as many has said too little.
MOST: Final = 200
_NEWEST: Final = 200
_AMOUNT: Final = re.compile(r"[¥￥$]? ?([0-9]{1,10})(?:[.]([0-9]{1,3}))? ?([A-Za-z]{3})?")
_BLANKS: Final = re.compile(r"\s+")
_HYPHENS: Final = re.compile(r"[\s-]+")
# Behind these, other characters follow than the next of their kind.
_LAST_OF_KIND: Final = frozenset("9zZ")
_NUMBERS: Final = ("out_trade_no", "transaction_id", "reference")
_WITH_END: Final = ("out_trade_no", "transaction_id")
_NEWEST_FIRST: Final = ("-created_at",)
# Of the lookups that a filter may ask for.
_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "": operator.eq,
    "gte": operator.ge,
    "lt": operator.lt,
}
# An order is made before it is paid; the clock here may be behind.
_CLOCKS: Final = timedelta(days=1)


def keys_found_by(term: str, orders: QuerySet[Any], wanted: Mapping[str, Any]) -> Found:
    """Return the keys of those of ``orders`` that ``term`` finds, up to 200 of each way.

    ``wanted`` are lookups of ``conditions_asked`` that each of them meets. There may be more where
    a way has more than 200 of them, or more than ten thousand rows to look at for ``wanted``.
    """
    keys: set[int] = set()
    is_cut = False
    most = base.FARTHEST if wanted else MOST
    for condition, order in _ways(term.strip(), orders):
        within = _created_within(wanted) if order == _NEWEST_FIRST else Q()
        # In the order of the index that finds them, so that nothing is sorted.
        rows = orders.filter(condition, within).order_by(*order)
        looked_at = list(rows.values("pk", "merchant", "created_at", "success_time")[: most + 1])
        found = [row["pk"] for row in looked_at[:most] if _meets(row, wanted)]
        is_cut = is_cut or len(looked_at) > most or len(found) > MOST
        keys.update(found[:MOST])
    return Found(keys=sorted(keys), is_cut=is_cut)


def _created_within(wanted: Mapping[str, Any]) -> Q:
    """Return the part of an index in the order of time in which all of ``wanted`` lie."""
    found = {name: wanted[name] for name in wanted if name.startswith("created_at__")}
    if "success_time__lt" in wanted:
        last = wanted["success_time__lt"] + _CLOCKS
        found["created_at__lt"] = min(last, found.get("created_at__lt", last))
    return Q(**found)


def _meets(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    for name, value in wanted.items():
        column, _, lookup = name.partition("__")
        if row[column] is None or not _COMPARED[lookup](row[column], value):
            return False
    return True


def _ways(term: str, orders: QuerySet[Any]) -> Iterator[tuple[Q, tuple[str, ...]]]:
    # A number may hold a hyphen, or may have been read out in groups.
    spellings = dict.fromkeys([term, _BLANKS.sub("", term), _HYPHENS.sub("", term)])
    for number in spellings:
        for column in _NUMBERS:
            yield Q(**{column: number}), ()
        yield Q(payer_openid=number), _NEWEST_FIRST
        if len(number) >= END_OF_NUMBER:
            yield from _parts(number)
    for amount in _amounts(term, orders):
        yield amount, _NEWEST_FIRST


def _parts(number: str) -> Iterator[tuple[Q, tuple[str, ...]]]:
    end = number[-END_OF_NUMBER:].lower()
    for column in _WITH_END:
        # Both lowered, because on MySQL "iendswith" follows the column, which tells case apart.
        whole_end = EndsWith(Lower(column), number.lower())
        yield Q(whole_end, **{f"{column}_end": end}), ()
    if following := _following(number):
        for column in _NUMBERS:
            # The prefix itself decides: letters stand in another order on another database.
            within = {f"{column}__gte": number, f"{column}__lt": following}
            yield Q(**within, **{f"{column}__startswith": number}), (f"-{column}",)


def _following(prefix: str) -> str:
    """Return a text that stands behind all that begin with ``prefix``; "" if none is certain."""
    kept = prefix.rstrip("".join(_LAST_OF_KIND))
    if not kept or not (kept[-1].isascii() and kept[-1].isalnum()):
        return ""
    return kept[:-1] + chr(ord(kept[-1]) + 1)


def _amounts(term: str, orders: QuerySet[Any]) -> Iterator[Q]:
    match = _AMOUNT.fullmatch(term.replace(",", ""))
    if not match:
        return
    units, fraction, currency = match[1], match[2] or "", (match[3] or "").upper()
    for fee_type in [currency] if currency else _lately(orders):
        places = decimals(fee_type)
        if len(fraction) <= places:
            total_fee = int(units + fraction.ljust(places, "0"))
            if 0 < total_fee <= LARGEST:
                yield Q(total_fee=total_fee, fee_type=fee_type)


def _lately(orders: QuerySet[Any]) -> set[str]:
    """Return the currencies of the newest orders, for an amount that is said without one."""
    newest = orders.order_by("-created_at", "-id").values_list("fee_type", flat=True)
    return set(newest[:_NEWEST])
