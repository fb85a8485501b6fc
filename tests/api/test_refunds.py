"""Refunds over HTTP: exactly the contract's keys, and filters that are served by an index."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from django_wxpay.models import Order, Refund
from django_wxpay.services.refunds import creating
from tests.api.conftest import API, is_chinese, refund_standing, refunded
from tests.factories import OrderFactory, RefundFactory
from tests.tables import connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT

pytestmark = pytest.mark.django_db
REFUNDS = f"{API}/refunds/"


@pytest.fixture
def viewer(as_holder: Callable[..., APIClient]) -> APIClient:
    return as_holder("view_refund")


def test_a_refund_is_shown_with_exactly_the_keys_of_the_contract(viewer: APIClient) -> None:
    noon = datetime(2026, 3, 1, 4, tzinfo=UTC)
    refund = RefundFactory(paid_back=True, created_at=noon)
    shown = viewer.get(f"{REFUNDS}{refund.pk}/").json()
    assert shown == {
        "id": refund.pk,
        "order": refund.order_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "refund_fee": 625,
        "refund_desc": "one cup too many",
        "refund_status": "SUCCESS",
        "success_time": "2026-03-01T13:00:00+08:00",
        "created_at": "2026-03-01T12:00:00+08:00",
    }
    assert list(shown)[-1] == "created_at"
    assert viewer.get(REFUNDS).json()["results"] == [shown]


def test_what_is_not_known_yet_is_empty_or_null(viewer: APIClient) -> None:
    refund = RefundFactory(refund_id="", refund_desc="")
    shown = viewer.get(f"{REFUNDS}{refund.pk}/").json()
    assert (shown["refund_id"], shown["refund_desc"], shown["success_time"]) == ("", "", None)


def test_refunds_come_newest_first_and_by_the_page(viewer: APIClient) -> None:
    made = [RefundFactory().pk for _ in range(3)][::-1]
    first = viewer.get(f"{REFUNDS}?page_size=2").json()
    second = viewer.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == made
    assert (first["previous"], second["next"]) == (None, None)


def test_each_filter_is_exact(viewer: APIClient) -> None:
    other = RefundFactory(order=OrderFactory(paid=True, merchant="other"), out_refund_no="R-1")
    back = RefundFactory(paid_back=True, out_refund_no="R-10")
    for name, value, expected in [
        ("merchant", "other", other),
        ("merchant", "default", back),
        ("order", other.order_id, other),
        ("out_refund_no", "R-1", other),
        ("refund_id", back.refund_id, back),
        ("refund_status", "SUCCESS", back),
        ("refund_status", "PROCESSING", other),
        ("created_after", back.created_at.isoformat(), back),
        ("created_before", back.created_at.isoformat(), other),
    ]:
        results = viewer.get(REFUNDS, {name: value}).json()["results"]
        assert [row["id"] for row in results] == [expected.pk], (name, value)
    assert viewer.get(REFUNDS, {"out_refund_no": "R-"}).json()["results"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("refund_status", "CHANGE"),
        ("refund_status", ""),
        ("order", "first"),
        ("order", "0"),
        ("order", str(10**30)),
        ("order", "9" * 5000),
        ("out_refund_no", ""),
        ("created_after", "yesterday"),
        ("refund_desc", "tea"),
    ],
)
def test_nonsense_is_a_400_keyed_by_its_name(viewer: APIClient, name: str, value: str) -> None:
    RefundFactory()
    answer = viewer.get(REFUNDS, {name: value})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert name in answer.json()


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads SQLite's plans")
@pytest.mark.parametrize(
    "query",
    ["", "merchant=a", "order=1", "out_refund_no=a", "refund_id=a", "refund_status=SUCCESS"],
)
def test_every_list_of_refunds_is_served_by_an_index(viewer: APIClient, query: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert viewer.get(f"{REFUNDS}?{query}").status_code == 200
    (sql,) = [row["sql"] for row in captured if "django_wxpay_refund" in row["sql"]]
    assert re.search("USING (COVERING )?INDEX", _plan(sql)), _plan(sql)


def _plan(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        rows: list[Any] = cursor.fetchall()
    return "; ".join(str(row[-1]) for row in rows)


# --- making them


@pytest.fixture
def paid() -> Order:
    return OrderFactory(paid=True)


@pytest.fixture
def cashier(as_holder: Callable[..., APIClient]) -> APIClient:
    return as_holder("add_refund")


def address(order: Order) -> str:
    return f"{API}/orders/{order.pk}/refunds/"


def test_a_refund_is_made_once_however_often_it_is_posted(
    cashier: APIClient, gateway: ScriptedTransport, paid: Order
) -> None:
    gateway.answers["/secapi/pay/refund"] = refunded
    posted = {"refund_fee": 1000, "out_refund_no": "R1", "refund_desc": "broken cup"}
    first, again = (cashier.post(address(paid), posted) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert {name: first.json()[name] for name in ("order", "refund_status", *posted)} == {
        "order": paid.pk,
        "refund_status": "PROCESSING",
        **posted,
    }
    assert gateway.paths() == ["/secapi/pay/refund"]


def test_another_amount_is_a_409_and_more_than_is_left_a_422(
    cashier: APIClient, gateway: ScriptedTransport, paid: Order
) -> None:
    gateway.answers["/secapi/pay/refund"] = refunded
    cashier.post(address(paid), {"refund_fee": 1000, "out_refund_no": "R1"})
    answer = cashier.post(address(paid), {"refund_fee": 999, "out_refund_no": "R1"})
    assert answer.status_code == 409
    assert answer.json() == {
        "code": "refund_conflict",
        "detail": "refund R1 exists with other parameters: refund_fee differ",
        "out_refund_no": "R1",
        "fields": ["refund_fee"],
        "id": paid.pk,
        "out_trade_no": paid.out_trade_no,
    }
    answer = cashier.post(address(paid), {"refund_fee": 251, "out_refund_no": "R2"})
    assert answer.status_code == 422
    body = answer.json()
    assert (body["code"], body["kind"], body["refundable"]) == ("refused", "NOT_REFUNDABLE", 250)
    assert (body["id"], body["out_trade_no"]) == (paid.pk, paid.out_trade_no)
    assert Refund.objects.count() == 1


def test_a_refund_that_is_in_hand_is_a_409_that_names_it(
    cashier: APIClient, gateway: ScriptedTransport, paid: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "_longest_call_s", lambda _refund: 0.0)
    answer = cashier.post(address(paid), {"refund_fee": 5, "out_refund_no": "R1"})

    body = answer.json()
    assert (answer.status_code, body["code"], answer.headers["Retry-After"]) == (409, "busy", "5")
    assert body["detail"].startswith("Another call sends refund R1,")
    assert (body["out_refund_no"], body["id"]) == ("R1", paid.pk)
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("answers", "status"), [(requests.ReadTimeout(), 504), (b"<html>no</html>", 502)]
)
def test_no_answer_to_a_refund_speaks_of_the_refund(
    cashier: APIClient, gateway: ScriptedTransport, paid: Order, answers: Any, status: int
) -> None:
    gateway.answers["/secapi/pay/refund"] = answers
    answer = cashier.post(address(paid), {"refund_fee": 5, "out_refund_no": "R1"})

    assert answer.status_code == status
    assert (
        "Refund R1 may or may not have been made; ask again under the same number."
        in (answer.json()["detail"])
    )


def test_a_reversed_order_has_its_money_back_already(
    cashier: APIClient, gateway: ScriptedTransport
) -> None:
    reversed_ = OrderFactory(paid=True, trade_state="REVOKED")
    answer = cashier.post(address(reversed_), {"refund_fee": 5})

    assert (answer.status_code, answer.json()["refundable"]) == (422, 0)
    assert answer.json()["err_code_des"] == "the order was reversed, so the money is back"
    assert gateway.calls == []


def test_an_order_that_is_not_paid_is_a_422(cashier: APIClient, gateway: ScriptedTransport) -> None:
    answer = cashier.post(address(OrderFactory()), {"refund_fee": 1})
    assert (answer.status_code, answer.json()["refundable"]) == (422, 0)
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("posted", "field"),
    [
        ({}, "refund_fee"),
        ({"refund_fee": 0}, "refund_fee"),
        ({"refund_fee": -5}, "refund_fee"),
        ({"refund_fee": 1.5}, "refund_fee"),
        ({"refund_fee": "5"}, "refund_fee"),
        ({"refund_fee": True}, "refund_fee"),
        ({"refund_fee": 5, "out_refund_no": "a b"}, "out_refund_no"),
        ({"refund_fee": 5, "refund_desc": "x" * 81}, "refund_desc"),
        ({"refund_fee": 5, "fee_type": "USD"}, "fee_type"),
        ({"refund_fee": 5, "total_fee": 5}, "total_fee"),
    ],
)
def test_what_breaks_a_rule_is_a_400_by_its_field(
    cashier: APIClient,
    gateway: ScriptedTransport,
    paid: Order,
    posted: dict[str, Any],
    field: str,
) -> None:
    answer = cashier.post(address(paid), posted)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    said = cashier.post(address(paid), posted, headers={"accept-language": "zh-hans"}).json()
    assert is_chinese(*said["errors"][field], said["detail"])
    assert (gateway.calls, Refund.objects.count()) == ([], 0)


def test_why_an_order_is_not_refunded_is_said_in_the_language_of_its_reader(
    cashier: APIClient, gateway: ScriptedTransport, paid: Order
) -> None:
    RefundFactory(order=paid, refund_fee=1, out_refund_no="R1")
    asked = [
        (OrderFactory(), {"refund_fee": 1}),
        (OrderFactory(paid=True, trade_state="REVOKED"), {"refund_fee": 1}),
        (paid, {"refund_fee": 1250}),
        (paid, {"refund_fee": 2, "out_refund_no": "R1"}),
    ]
    for order, posted in asked:
        answer = cashier.post(address(order), posted, headers={"accept-language": "zh-hans"})
        said = answer.json()
        assert answer.status_code in {409, 422}
        words = [said[name] for name in ("detail", "err_code_des", "advice") if said.get(name)]
        assert is_chinese(*words), words


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (refused("NOTENOUGH", "fund it"), 422, "refused"),
        (requests.ReadTimeout(), 504, "outcome_unknown"),
        (b"<html>", 502, "bad_answer"),
    ],
)
def test_every_bad_answer_names_the_refund_to_ask_for_again(
    cashier: APIClient,
    gateway: ScriptedTransport,
    paid: Order,
    said: Any,
    status: int,
    code: str,
) -> None:
    gateway.answers["/secapi/pay/refund"] = said
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    answer = cashier.post(address(paid), {"refund_fee": 5})
    body = answer.json()
    assert (answer.status_code, body["code"], body["id"]) == (status, code, paid.pk)
    assert body["out_refund_no"] == Refund.objects.get().out_refund_no
    # Under that number it goes through, once.
    gateway.answers["/secapi/pay/refund"] = refunded
    again = {"refund_fee": 5, "out_refund_no": body["out_refund_no"]}
    assert cashier.post(address(paid), again).status_code in {200, 201}
    assert Refund.objects.count() == 1


def test_a_query_shows_the_refund_as_it_stands(
    as_holder: Callable[..., APIClient], gateway: ScriptedTransport
) -> None:
    refund = RefundFactory()
    gateway.answers["/pay/refundquery"] = refund_standing(refund.out_refund_no)
    clerk = as_holder("change_refund")
    answer = clerk.post(f"{REFUNDS}{refund.pk}/query/")
    assert (answer.status_code, answer.json()["refund_status"]) == (200, "SUCCESS")

    gateway.answers["/pay/refundquery"] = requests.ReadTimeout()
    answer = clerk.post(f"{REFUNDS}{refund.pk}/query/")
    assert (answer.status_code, answer.json()["out_refund_no"]) == (504, refund.out_refund_no)


def test_a_stuck_refund_is_paid_out_otherwise_and_the_card_is_not_repeated(
    as_holder: Callable[..., APIClient], platform: ScriptedTransport, settings: Any
) -> None:
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": V3_MERCHANT | PUBLIC_KEY_MODE}}
    refund = RefundFactory(refund_status="ABNORMAL")
    path = f"/v3/refund/domestic/refunds/{refund.refund_id}/apply-abnormal-refund"
    platform.answers[path] = (
        200,
        {
            "refund_id": refund.refund_id,
            "out_refund_no": refund.out_refund_no,
            "status": "PROCESSING",
            "amount": {"refund": refund.refund_fee, "total": 1250, "currency": "CNY"},
        },
    )
    clerk = as_holder("add_refund")
    card = {
        "type": "USER_BANK_CARD",
        "bank_type": "ICBC_DEBIT",
        "bank_account": "6222020000000000",
        "real_name": "张三",
    }
    there = f"{REFUNDS}{refund.pk}/apply-abnormal-refund/"
    answer = clerk.post(there, card | {"bank_type": ""})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["bank_type"])
    answer = clerk.post(there, card)
    assert (answer.status_code, answer.json()["refund_status"]) == (200, "PROCESSING")
    assert card["bank_account"] not in answer.content.decode()
    answer = clerk.post(there, card)
    assert answer.status_code == 400, "it is not stuck any more"
