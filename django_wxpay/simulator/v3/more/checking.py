"""Checks that the other products have in common: bodies, numbers and repeated requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema.protocols import Validator

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Rule, Text
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.simulator.v3.admission import (
    Call,
    check_permission,
    checked_parameters,
    read_body,
)
from django_wxpay.simulator.v3.answers import V3Refusal, invalid, wrong
from django_wxpay.simulator.v3.schemas import Members, text
from django_wxpay.simulator.v3.validation import first_problem

SHARE_NUMBER: Final = Text(max=64, alphabet="[0-9A-Za-z_|*@-]", described="letters, digits, _-|*@")
BILL_NUMBER: Final = Text(max=32, alphabet="[0-9A-Za-z]", described="letters and digits")
BOOLEAN: Final = {"type": "boolean"}
SUB_MERCHANT: Final[dict[Mode, Members]] = {
    Mode.COMMON: {},
    Mode.INSTITUTIONAL: {"sub_mchid": text(ID)},
}


def checked_body(call: Call, validator: Validator) -> dict[str, Any]:
    """Return the body of a call that has no query; refuse one that breaks a rule."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = first_problem(validator, body)
    if problem:
        raise invalid(problem)
    check_permission(call)
    return body


def checked_appid(call: Call, appid: str, *, at: str) -> None:
    """Refuse an appid that is not bound to the merchant."""
    if appid not in call.account.appids:
        raise V3Refusal("APPID_MCHID_NOT_MATCH", detail={"field": at, "location": "body"})


def checked_key(call: Call, rule: Rule, name: str) -> str:
    """Return the number in the path; refuse one that breaks its rule, or a query."""
    checked_parameters(call, frozenset())
    check_permission(call)
    problem = rule.problem(call.route.key)
    if problem:
        raise wrong(name, problem, value=call.route.key, location="url")
    return call.route.key


def refuse_another(first: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    """Refuse a number that was used with another body; both have their sealed texts opened."""
    differing = [name for name in {**first, **again} if first.get(name) != again.get(name)]
    if differing:
        raise refusal("请求参数与首次请求不一致", f"Other parameters at first: {differing[0]}.")


def refusal(chinese: str, english: str, *, code: str = "INVALID_REQUEST") -> V3Refusal:
    """Return a refusal in both languages."""
    return V3Refusal(code, chinese=chinese, english=english)


def missing(chinese: str, english: str) -> V3Refusal:
    """Return the refusal of a number that nobody knows."""
    return refusal(chinese, english, code="RESOURCE_NOT_EXISTS")
