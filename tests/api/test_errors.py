"""Errors that no other page of these tests happens upon, and the browsable pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import translation
from rest_framework import exceptions
from rest_framework.test import APIClient

from django_wxpay.api.errors import answer_error
from django_wxpay.exceptions import BadSignature, InsideTransaction, InvalidOrder, Refused
from tests.api.conftest import API
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
