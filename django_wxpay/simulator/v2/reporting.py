"""payitil/report: the latency of one call, or a batch of a terminal's sales.

One path takes both forms. A request with ``trades``, or under the batch's interface, is a
batch (protocol-v2 section 8.5).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.protocol.request_fields import Field, check_fields
from django_wxpay.protocol.rules import WRITABLE, OneOf, Text, Time14, Whole
from django_wxpay.protocol.v2.batch_reports import BATCH_PATH, LARGEST_BATCH, SaleState
from django_wxpay.protocol.v2.fields import UNIFIEDORDER_RULES
from django_wxpay.simulator.state.world import Report, World
from django_wxpay.simulator.v2.admission import Call, check_required, checked
from django_wxpay.simulator.v2.refusals import invalid

# The date of the page that protocol-v2 section 8.5 has the names of a sale from.
_DOCUMENTED_IN: Final = "2025"

_SALE: Final[dict[str, Field]] = {
    "out_trade_no": UNIFIEDORDER_RULES["out_trade_no"],
    "begin_time": Field(Time14(), required=True),
    "end_time": Field(Time14(), required=True),
    "state": Field(OneOf(frozenset(SaleState)), required=True),
    "err_msg": Field(Text(min=0, max=LARGEST_BATCH, alphabet=WRITABLE)),
}


@dataclass(frozen=True, slots=True)
class _SaleList:
    """The rule of ``trades``: a JSON array of sales with the names of protocol-v2 section 8.5."""

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
    """Return the content of ``text``, None if it is not JSON."""
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
        return f"{unknown[0][:32]!a} is no name of a sale (documents of {_DOCUMENTED_IN})"
    problems = (_problem(name, row, sale.get(name)) for name, row in _SALE.items())
    return next(filter(None, problems), "")


def _problem(name: str, row: Field, value: object) -> str:
    if value is None and not row.required:
        return ""
    if not isinstance(value, str):
        return f"{name} is missing or no text"
    problem = row.rule.problem(value)
    return f"{name}: {problem}" if problem else ""


# There is room for 16 characters (protocol-v2 section 13), so no IPv6.
_IPV4: Final = Text(min=7, max=15, alphabet="[0-9.]", described="an IPv4 address")
_WORDS: Final = OneOf(frozenset({"SUCCESS", "FAIL"}))
_IDENTITY: Final = ("mch_id", "sub_appid", "sub_mch_id", "nonce_str", "sign", "sign_type")

REPORT_RULES: Final[dict[str, Field]] = {
    **{name: UNIFIEDORDER_RULES[name] for name in _IDENTITY},
    "appid": Field(UNIFIEDORDER_RULES["appid"].rule),
    "device_info": UNIFIEDORDER_RULES["device_info"],
    "interface_url": Field(Text(max=128), required=True),
    "execute_time_": Field(Whole(), required=True),
    "return_code": Field(_WORDS, required=True),
    "return_msg": Field(Text(max=128)),
    "result_code": Field(_WORDS, required=True),
    "err_code": Field(Text(max=32)),
    "err_code_des": Field(Text(max=128)),
    "out_trade_no": Field(Text(max=32)),
    "user_ip": Field(_IPV4, required=True),
    "time": Field(Time14()),
}

BATCH_RULES: Final[dict[str, Field]] = {
    **{name: UNIFIEDORDER_RULES[name] for name in ("appid", *_IDENTITY)},
    "device_info": UNIFIEDORDER_RULES["device_info"],
    "interface_url": Field(Text(max=127), required=True),
    "user_ip": Field(_IPV4, required=True),
    "trades": Field(_SaleList(), required=True),
}


# Names that some clients use; the wire name ends with an underscore (protocol-v2 section 8.2).
_MISNOMERS: Final = ("execute_time", "execute_time_cost")


def report(world: World, call: Call) -> dict[str, str]:
    """Record a report; its answer adds nothing to the envelope. Call with the lock held."""
    is_batch = "trades" in call.fields or _is_about_sales(call.fields)
    rules = BATCH_RULES if is_batch else REPORT_RULES
    # Beside the right name a wrong one is one of the unknown fields that the gateway tolerates.
    is_misnamed = not is_batch and "execute_time_" not in call.fields
    for name in _MISNOMERS:
        if name in call.fields and is_misnamed:
            raise invalid(name, "the field is called execute_time_")
    check_required(rules, call)
    if is_batch:
        _check_batch(call.fields)
    with checked():
        check_fields(rules, call.fields, mode=call.account.mode)
    kept = {name: text for name, text in call.fields.items() if name not in {"sign", "nonce_str"}}
    world.reports.append(Report(at=world.clock.now(), fields=kept))
    return {}


def _check_batch(fields: Mapping[str, str]) -> None:
    of_one_call = [*(REPORT_RULES.keys() - BATCH_RULES.keys()), *_MISNOMERS]
    for name in sorted(of_one_call):
        if name in fields:
            raise invalid(name, "it has no place beside trades")
    if not _is_about_sales(fields):
        raise invalid("interface_url", f"a batch is sent under {BATCH_PATH}")


def _is_about_sales(fields: Mapping[str, str]) -> bool:
    return fields.get("interface_url", "").endswith(BATCH_PATH)
