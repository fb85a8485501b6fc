"""How a v3 call is held against its schema and its merchant, before any order is looked at.

First what the gateway does not know or cannot read, then whose order it is, then whether the
merchant may (protocol-v3 sections 1.4, 3.1 and 7.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Rule
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.fields import ID, NUMBER
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.v3.authorizing import Call
from django_wxpay.simulator.v3.bodies import (
    problems_of_close_body,
    problems_of_create_body,
    problems_of_query,
)
from django_wxpay.simulator.v3.refusals import V3Refusal, invalid, wrong

_UNDOCUMENTED: Final = 270924358
_IDENTITY: Final = {Mode.COMMON: {"mchid"}, Mode.INSTITUTIONAL: {"sp_mchid", "sub_mchid"}}


def checked_create(call: Call, options: Options) -> dict[str, Any]:
    """Return the body of an order that keeps every rule."""
    checked_parameters(call, frozenset())
    body = _body(call)
    problem = problems_of_create_body(
        body,
        region=call.route.region,
        mode=_mode(call),
        trade_type=call.route.trade_type,
    )
    if problem:
        raise invalid(problem)
    _check_contract(body, options)
    _check_identity(call, body, options, location="body", pointer="/")
    appid = body.get("appid") or body["sp_appid"]
    if appid not in call.account.appids:
        raise V3Refusal("APPID_MCHID_NOT_MATCH")
    return body


def checked_query(call: Call, options: Options) -> str:
    """Check a query and return the sub-merchant whose order it asks for, "" for none."""
    known = _IDENTITY[_mode(call)]
    parameters = checked_parameters(call, known)
    problem = problems_of_query(parameters, mode=_mode(call))
    if problem:
        raise invalid(problem)
    _check_numbers(call)
    _check_identity(call, parameters, options, location="query", pointer="")
    return parameters.get("sub_mchid", "")


def checked_close(call: Call, options: Options) -> str:
    """Check a close and return the sub-merchant whose order it is about, "" for none."""
    checked_parameters(call, frozenset())
    body = _body(call)
    problem = problems_of_close_body(body, mode=_mode(call))
    if problem:
        raise invalid(problem)
    _check_numbers(call)
    _check_identity(call, body, options, location="body", pointer="/")
    return str(body.get("sub_mchid", ""))


def checked_parameters(call: Call, known: frozenset[str] | set[str]) -> dict[str, str]:
    """Return the query parameters, each at most once and none that nobody knows."""
    pairs = parse_qsl(call.request.target.partition("?")[2], keep_blank_values=True)
    parameters = dict(pairs)
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise V3Refusal(
            "PARAM_ERROR",
            chinese="存在未定义的参数",
            english="There are undocumented parameters.",
            # As it was observed.
            detail={"location": None, "value": [f"/query/{name}" for name in unknown]},
            number=_UNDOCUMENTED,
        )
    if len(parameters) < len(pairs):
        raise wrong(pairs[0][0], "given more than once", location="query")
    return parameters


def check_permission(call: Call) -> None:
    """Refuse a merchant of the other region, or of the other mode."""
    account, route = call.account, call.route
    if account.region is not route.region or route.mode not in {None, account.mode}:
        raise V3Refusal("NO_AUTH")


def _mode(call: Call) -> Mode:
    return call.route.mode or call.account.mode


def _body(call: Call) -> dict[str, Any]:
    if call.request.content_type != "application/json":
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="Http头Content-Type须为application/json",
            english="The Content-Type header has to be application/json.",
        )
    try:
        return read_object(call.request.body)
    except MalformedMessage as error:
        raise wrong("", str(error)) from None


def _check_numbers(call: Call) -> None:
    numbers: tuple[tuple[str, str, Rule], ...] = (
        ("out_trade_no", call.route.out_trade_no, NUMBER[call.route.region]),
        ("transaction_id", call.route.transaction_id, ID),
    )
    for name, number, rule in numbers:
        problem = rule.problem(number) if number else ""
        if problem:
            raise wrong(name, problem, value=number, location="url")


def _check_contract(body: Mapping[str, Any], options: Options) -> None:
    code = body.get("merchant_category_code")
    if code and options.merchant_category_codes and code not in options.merchant_category_codes:
        raise wrong("/merchant_category_code", "not in the list", value=code)


def _check_identity(
    call: Call, said: Mapping[str, Any], options: Options, *, location: str, pointer: str
) -> None:
    name = "mchid" if "mchid" in said else "sp_mchid"
    if said[name] != call.account.mch_id:
        issue = "not the mchid in Authorization"
        raise wrong(f"{pointer}{name}", issue, value=said[name], location=location)
    check_permission(call)
    sub_mchid = said.get("sub_mchid")
    foreign = options.sub_mch_ids and sub_mchid not in options.sub_mch_ids
    if sub_mchid and (foreign or not sub_mchid.isdigit()):
        raise V3Refusal("MCH_NOT_EXISTS")
