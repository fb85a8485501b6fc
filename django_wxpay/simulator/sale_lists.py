"""What ``trades`` may hold: a JSON array of sales with the sheet's names, and no others (8.5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.protocol.fields import WRITABLE, OneOf, Text, Time14
from django_wxpay.protocol.v2.batch_reports import LARGEST_BATCH
from django_wxpay.protocol.v2.rules import UNIFIEDORDER_RULES, Field
from django_wxpay.protocol.v2.sales import SaleState

_SALE: Final[dict[str, Field]] = {
    "out_trade_no": UNIFIEDORDER_RULES["out_trade_no"],
    "begin_time": Field(Time14(), required=True),
    "end_time": Field(Time14(), required=True),
    "state": Field(OneOf(frozenset(SaleState)), required=True),
    "err_msg": Field(Text(min=0, max=LARGEST_BATCH, alphabet=WRITABLE)),
}


@dataclass(frozen=True, slots=True)
class SaleList:
    """The rule of ``trades``."""

    text: str = f"a JSON array of sales in at most {LARGEST_BATCH} bytes of UTF-8"

    def problem(self, value: str) -> str:
        """Say what is wrong with ``value``; "" when it is fine."""
        size = len(value.encode())
        if size > LARGEST_BATCH:
            return f"{size} bytes long"
        sales = _parsed(value)
        if not isinstance(sales, list) or not sales:
            return "not a JSON array of sales"
        return next(filter(None, map(_sale_problem, sales)), "")


def _parsed(text: str) -> object:
    """Return what ``text`` says, None for what is no JSON."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _sale_problem(sale: object) -> str:
    if not isinstance(sale, dict):
        return "a sale that is no JSON object"
    if unknown := sorted(sale.keys() - _SALE.keys()):
        return f"{unknown[0][:32]!a} is no name of a sale"
    problems = (_problem(name, row, sale.get(name)) for name, row in _SALE.items())
    return next(filter(None, problems), "")


def _problem(name: str, row: Field, value: object) -> str:
    if value is None and not row.required:
        return ""
    if not isinstance(value, str):
        return f"{name} is missing or no text"
    problem = row.rule.problem(value)
    return f"{name}: {problem}" if problem else ""
