"""Errors that no other page of these tests happens upon, and the browsable pages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import translation
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from django_wxpay import exceptions as ours
from django_wxpay.api.errors import answer_error
from django_wxpay.exceptions import BadSignature, InsideTransaction, InvalidOrder, Refused
from django_wxpay.protocol.error_codes import refusal
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.sentences import sentence
from tests.api.conftest import API, is_chinese
from tests.factories import OrderFactory, PrepayFactory


def _answered(exc: Exception) -> tuple[int, Any]:
    with translation.override("en"):
        answer = answer_error(exc, {"view": None})
    assert answer is not None
    return answer.status_code, answer.data


def test_the_class_of_an_error_decides_its_answer() -> None:
    assert _answered(Http404("order 7")) == (404, {"code": "not_found", "detail": "Not found."})
    assert _answered(PermissionDenied())[0] == 403
    assert _answered(BadSignature("no"))[0] == 502
    status, told = _answered(Refused("NOTENOUGH"))
    assert (status, told["advice"], told["kind"]) == (422, "", "NOTENOUGH")
    assert "id" not in told
    assert _answered(Refused("NO_AUTH", kind="NOAUTH"))[1]["kind"] == "NOAUTH"


CHINESE = re.compile("[一-鿿]")
_RULE = Text(max=3)
_PROBLEM, _RULE_TEXT = _RULE.problem("four"), _RULE.text
# Each with its status and code; of the root alone nothing is raised.
ANSWERED: dict[str, tuple[ours.WXPayError, int, str]] = {
    "ConfigurationError": (ours.ConfigurationError("API_KEY is missing"), 503, "misconfigured"),
    "UnknownMerchant": (ours.UnknownMerchant("nobody"), 503, "misconfigured"),
    "InvalidParameter": (ours.InvalidParameter("note", _PROBLEM, _RULE_TEXT), 400, "invalid"),
    "InvalidOrder": (ours.InvalidOrder("body", _PROBLEM, _RULE_TEXT), 400, "invalid"),
    "InvalidRefund": (ours.InvalidRefund("type", _PROBLEM), 400, "invalid"),
    "NotRefundable": (
        ours.NotRefundable(sentence("the order is not paid"), _RULE_TEXT, refundable=0),
        422,
        "refused",
    ),
    "OrderConflict": (ours.OrderConflict("T1", ("body", "total_fee")), 409, "order_conflict"),
    "RefundConflict": (ours.RefundConflict("R1"), 409, "refund_conflict"),
    "Refused": (refusal("NOTENOUGH", "余额不足"), 422, "refused"),
    "OrderPaid": (refusal("ORDERPAID"), 422, "refused"),
    "OrderClosed": (refusal("ORDERCLOSED"), 422, "refused"),
    "OutcomeUnknown": (ours.OutcomeUnknown("no answer came"), 504, "outcome_unknown"),
    "OrderBusy": (ours.OrderBusy("another call works on it"), 409, "busy"),
    "BadAnswer": (ours.BadAnswer("no document"), 502, "bad_answer"),
    "BadSignature": (ours.BadSignature("signed by somebody else"), 502, "bad_answer"),
    "BillNotReady": (ours.BillNotReady("not made yet"), 409, "not_ready"),
    "InvalidBill": (ours.InvalidBill("has no column", line=3), 502, "invalid_bill"),
    "BillStorageError": (ours.BillStorageError("is full"), 503, "bill_storage"),
}
# A fault of ours where it reaches a view: no caller of these routes can bring it about.
FAULTS = {"InsideTransaction", "MalformedMessage", "MessageTooLarge", "NotAuthentic"}


def test_every_class_of_error_has_its_answer() -> None:
    assert {*ANSWERED} | FAULTS | {"WXPayError"} == {*ours.__all__}
    for name in FAULTS:
        assert answer_error(getattr(ours, name)("no"), {}) is None


@pytest.mark.parametrize("name", ANSWERED)
def test_every_error_has_its_code_and_is_said_in_the_language_of_its_reader(name: str) -> None:
    error, status, code = ANSWERED[name]
    assert type(error).__name__ == name
    assert (_answered(error)[0], _answered(error)[1]["code"]) == (status, code)
    english, chinese = (_words(error, language) for language in ("en", "zh-hans"))
    assert english.keys() == chinese.keys()
    for key, words in chinese.items():
        assert is_chinese(re.sub("`.*`", "", words)), (key, words)
    for key, words in english.items():
        if key != "err_code_des":
            assert not CHINESE.search(words.replace("余额不足", "")), (key, words)


def _words(error: ours.WXPayError, language: str) -> dict[str, str]:
    """Return whatever of an answer is for people."""
    with translation.override(language):
        answer = answer_error(error, {"view": None})
        assert answer is not None
        body = json.loads(JSONRenderer().render(answer.data))
    found = {key: str(body[key]) for key in ("detail", "advice", "err_code_des") if body.get(key)}
    return found | {f"errors.{name}": " ".join(row) for name, row in body.get("errors", {}).items()}


def test_an_invalid_order_is_keyed_by_its_field_with_the_rule() -> None:
    status, told = _answered(InvalidOrder("body", "is too long", "at most 127 bytes"))
    assert status == 400
    assert told == {
        "detail": "Refused because of: body.",
        "body": ["is too long (at most 127 bytes)"],
        "errors": {"body": ["is too long (at most 127 bytes)"]},
        "code": "invalid",
    }
    assert _answered(InvalidOrder("body", "is missing"))[1]["body"] == ["is missing"]


def test_problems_that_are_no_fields_stay_sentences() -> None:
    assert _answered(exceptions.ValidationError(["one", "two"]))[1] == {
        "code": "invalid",
        "detail": "one two",
        "errors": {},
    }


def test_waiting_and_challenges_reach_the_headers() -> None:
    answer = answer_error(exceptions.Throttled(wait=7), {})
    assert answer is not None
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    challenged = exceptions.NotAuthenticated()
    challenged.auth_header = "Basic"  # type: ignore[attr-defined]
    answer = answer_error(challenged, {})
    assert answer is not None
    assert answer.headers["WWW-Authenticate"] == "Basic"


def test_an_api_error_with_many_codes_has_its_class_for_a_code() -> None:
    assert _answered(exceptions.APIException({"a": "b"}))[1]["code"] == "error"


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        ({"detail": "Token is invalid", "code": "x", "messages": [{"a": "b"}]}, "Token is invalid"),
        ({"messages": [{"message": "Token is invalid"}]}, "Token is invalid"),
        (["Token is invalid.", "It ended."], "Token is invalid. It ended."),
        ({}, ""),
    ],
)
def test_the_detail_of_an_error_is_a_sentence_whoever_raised_it(
    raised: object, sentence: str
) -> None:
    status, body = _answered(exceptions.AuthenticationFailed(raised))  # type: ignore[arg-type]
    assert (status, body["detail"]) == (401, sentence)


def test_a_fault_of_ours_stays_a_fault() -> None:
    assert answer_error(InsideTransaction("no"), {}) is None
    assert answer_error(ZeroDivisionError(), {}) is None


@pytest.mark.django_db
def test_the_sites_own_error_handler_is_not_asked(clerk: APIClient, settings: Any) -> None:
    settings.REST_FRAMEWORK = {"EXCEPTION_HANDLER": "nowhere.at.all"}
    assert clerk.get(f"{API}/orders/999/").json()["code"] == "not_found"


@pytest.mark.django_db
@pytest.mark.parametrize("route", ["", "{order}/", "{order}/parameters/", "{order}/query/"])
def test_the_browsable_pages_can_be_browsed(clerk: APIClient, route: str) -> None:
    prepay = PrepayFactory(live=True)
    for _ in range(60):
        OrderFactory()
    address = f"{API}/orders/" + route.format(order=prepay.order_id)
    answer = clerk.get(address, HTTP_ACCEPT="text/html")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.status_code == (405 if route.endswith("query/") else 200)
    assert b"django_wxpay" not in answer.content.replace(b"/wxpay/", b"")
