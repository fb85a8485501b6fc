"""The control plane over HTTP: JSON in, JSON out, and a reason for every refusal."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator import ControlError, Reply, Simulator, create_app
from django_wxpay.simulator.faults.script import CATALOGUE
from tests.simulator.calling import HOST, MCH_ID, NOT_ACKNOWLEDGED, NUMBER, Merchant, Shop

ORDER = {"mch_id": MCH_ID, "out_trade_no": NUMBER}
VERBS = ["pay", "trade", "notify", "refund-notice", "clock", "faults", "keys", "reset"]
SECRETS = ["TESTKEY", "TESTONLYapiv3key", "PRIVATE KEY"]


def test_the_customer_pays(merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    response = merchant.control("pay", {**ORDER, "coupons": [{"coupon_id": "1", "coupon_fee": 3}]})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json()["trade_state"] == "SUCCESS"
    assert response.json()["payment"]["cash_fee"] == "97"
    assert len(shop.received) == 1


def test_what_curl_sends_by_default_is_understood(merchant: Merchant) -> None:
    merchant.place()
    response = merchant.session.post(
        f"{HOST}/_simulator/pay",
        data=json.dumps(ORDER),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.json()["trade_state"] == "SUCCESS"


def test_a_state_is_set_without_telling(merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    response = merchant.control("trade", {**ORDER, "trade_state": "USERPAYING"})
    assert response.json()["trade_state"] == "USERPAYING"
    assert merchant.state() == "USERPAYING"
    assert shop.received == []


def test_a_notification_is_sent_again(merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    merchant.control("pay", ORDER)
    assert merchant.control("notify", ORDER).status_code == 200
    assert len(shop.received) == 2


def test_the_clock_is_moved_and_what_becomes_due_is_sent(merchant: Merchant, shop: Shop) -> None:
    shop.usually = Reply(200, NOT_ACKNOWLEDGED)
    merchant.place()
    merchant.control("pay", ORDER)
    moved = merchant.control("clock", {"advance_s": 30}).json()
    assert moved == {"now": "2026-01-01T12:00:30.000+08:00", "speed": 1.0, "sent": 2}
    assert merchant.get("/_simulator/clock").json()["now"] == "2026-01-01T12:00:30.000+08:00"


def test_the_clock_can_run_fast(app: Simulator, merchant: Merchant) -> None:
    assert merchant.control("clock", {"speed": 60}).json()["speed"] == 60
    app.set_speed(2.5)
    assert merchant.get("/_simulator/clock").json()["speed"] == 2.5


def test_the_ledger_begins_empty_and_shows_no_key(merchant: Merchant) -> None:
    ledger = merchant.get("/_simulator/ledger").json()
    assert ledger["now"] == "2026-01-01T12:00:00.000+08:00"
    for name in ("trades", "refunds", "reports", "notifications", "waiting", "requests"):
        assert ledger[name] == []
    assert ledger["merchants"][0] == {
        "mch_id": MCH_ID,
        "name": "default",
        "mode": "common",
        "region": "mainland",
        "appids": ["wx8888888888888888"],
    }
    merchant.place()
    merchant.control("pay", ORDER)
    for name in ("ledger", "merchants", "faults", "keys"):
        expected = merchant.get(f"/_simulator/{name}").text
        assert not [key for key in SECRETS if key in expected]
    assert not [key for key in SECRETS if key in merchant.get("/_simulator/").text]


def test_no_key_is_in_a_repr(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    expected = repr(app) + repr(vars(app))
    assert not [key for key in SECRETS if key in expected]


def test_the_ledger_shows_the_trade(merchant: Merchant) -> None:
    granted = merchant.place(attach="x")
    [trade] = merchant.get("/_simulator/ledger").json()["trades"]
    assert (trade["trade_state"], trade["total_fee"]) == ("NOTPAY", 100)
    assert (trade["attach"], trade["notification"], trade["payment"]) == ("x", "", {})
    [prepay] = trade["prepays"]
    assert prepay["prepay_id"] == granted["prepay_id"]
    assert prepay["code_url"] == granted["code_url"]
    assert trade["page"] == prepay["page"] == f"/_simulator/phone/{granted['code_url'][-7:]}"
    assert prepay["expires_at"] == "2026-01-01T14:00:00.000+08:00"


def test_a_reset_forgets_everything(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    merchant.control("faults", {"fault": "html"})
    merchant.control("clock", {"advance_s": 5, "speed": 7})
    ledger = merchant.control("reset").json()
    assert (ledger["trades"], ledger["requests"], ledger["speed"]) == ([], [], 1.0)
    assert ledger["now"] == "2026-01-01T12:00:00.000+08:00"
    assert merchant.query()["err_code"] == "ORDERNOTEXIST"


def test_faults_are_scripted_listed_and_called_off(merchant: Merchant) -> None:
    fault = {"fault": "answered-after-timeout", "operation": "closeorder", "times": 2}
    # Without the catalogue, which would fill the terminal of whoever scripts one with curl.
    assert merchant.control("faults", fault).json() == {
        "waiting": [
            {
                "fault": "answered_after_timeout",
                "operation": "closeorder",
                "times": 2,
                "seconds": 20,
                "count": 1,
                "executed": True,
                "host": "",
            }
        ]
    }
    [waiting] = merchant.get("/_simulator/faults").json()["waiting"]
    assert waiting["fault"] == "answered_after_timeout"
    assert merchant.control("faults", method="DELETE").json() == {"waiting": []}


def test_the_catalogue_describes_every_fault(merchant: Merchant) -> None:
    catalogue = merchant.get("/_simulator/faults").json()["catalogue"]
    assert [row["fault"] for row in catalogue] == list(CATALOGUE)
    assert all(row["description"] and row["strikes"] for row in catalogue)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_fault_can_be_scripted_by_its_name(merchant: Merchant, name: str) -> None:
    response = merchant.control("faults", {"fault": name.replace("_", "-").upper()})
    assert [row["fault"] for row in response.json()["waiting"]] == [name]


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("pay", {}, "mch_id is missing"),
        ("pay", {"mch_id": MCH_ID}, "out_trade_no is missing"),
        ("pay", {"mch_id": 1900000109, "out_trade_no": NUMBER}, "mch_id is not a text"),
        ("pay", {**ORDER, "colour": "red"}, "colour is not an argument here"),
        ("pay", {**ORDER, "coupons": "all"}, "coupons is not a list of objects"),
        ("pay", {**ORDER, "coupons": [1]}, "coupons is not a list of objects"),
        ("pay", {**ORDER, "force": "yes"}, "force is neither true nor false"),
        ("pay", {**ORDER, "cash_fee": 1.5}, "cash_fee is not a whole number"),
        ("pay", {**ORDER, "cash_fee": True}, "cash_fee is not a number"),
        ("pay", {**ORDER, "cash_fee": -1}, "cash_fee is not between 0 and 2147483647"),
        ("pay", {**ORDER, "openid": "a\x00"}, "openid is not a text"),
        ("pay", {**ORDER, "openid": "\ud800"}, "openid is not a text"),
        (
            "pay",
            {**ORDER, "promotion_detail": [{"name": "\ud800"}]},
            "promotion_detail cannot be written as JSON",
        ),
        ("trade", ORDER, "trade_state is missing"),
        ("clock", {"advance_s": "15"}, "advance_s is not a number"),
        ("clock", {"advance_s": 1e12}, "advance_s is not between 0 and 31622400"),
        ("clock", {"speed": 0}, "speed is more than 0"),
        ("faults", {}, f"no such fault; there are: {', '.join(CATALOGUE)}"),
        ("faults", {"fault": "slow", "times": 0}, "times and count are at least 1"),
        ("faults", {"fault": "slow", "count": 0}, "times and count are at least 1"),
        ("faults", {"fault": "slow", "operation": "refundmoney"}, None),
        ("faults", {"fault": "slow", "operation": "notify"}, None),
        ("faults", {"fault": "lost", "operation": "orderquery"}, None),
        ("faults", {"fault": "gremlins"}, None),
        ("faults", {"fault": "slow", "seconds": "3"}, "seconds is not a number"),
        ("reset", {"hard": True}, "hard is not an argument here"),
    ],
)
def test_a_mistake_is_named(
    merchant: Merchant, path: str, body: dict[str, Any], detail: str | None
) -> None:
    merchant.place()
    response = merchant.control(path, body)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"
    assert detail is None or response.json()["detail"] == detail
    assert merchant.get("/_simulator/faults").json()["waiting"] == []
    assert merchant.state() == "NOTPAY"


@pytest.mark.parametrize("verb", ["pay", "trade", "notify"])
def test_a_trade_that_was_not_placed_is_not_found(merchant: Merchant, verb: str) -> None:
    body = {**ORDER, **({"trade_state": "SUCCESS"} if verb == "trade" else {})}
    response = merchant.control(verb, body)
    assert response.status_code == 404
    assert response.json()["code"] == "unknown_trade"


def test_paying_twice_is_refused_with_a_code(merchant: Merchant) -> None:
    merchant.place()
    merchant.control("pay", ORDER)
    response = merchant.control("pay", ORDER)
    assert (response.status_code, response.json()["code"]) == (400, "already_paid")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("body", [b"[]", b"{", b"null", b"\xff", b"x" * 70_000, b"[" * 60_000])
def test_a_body_that_is_no_json_object_is_refused(
    merchant: Merchant, verb: str, body: bytes
) -> None:
    response = merchant.session.post(f"{HOST}/_simulator/{verb}", data=body)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid"


@pytest.mark.parametrize("verb", [*VERBS, "ledger", "merchants"])
def test_a_method_that_a_path_does_not_have(merchant: Merchant, verb: str) -> None:
    response = merchant.control(verb, method="PATCH")
    assert (response.status_code, response.json()["code"]) == (405, "not_allowed")
    assert response.headers["Allow"]


@pytest.mark.parametrize(
    "path",
    [
        "/_simulator/repayment",
        "/_simulator/static/x",
        "/_simulator/static",
        "/_simulator/simulator.css",
    ],
)
def test_a_path_that_does_not_exist(merchant: Merchant, path: str) -> None:
    response = merchant.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_time_cannot_be_moved_beyond_its_end() -> None:
    end = datetime(9999, 6, 1, tzinfo=BEIJING)
    app = create_app(clock=lambda: end)
    with pytest.raises(ControlError, match="beyond the end of time"):
        app.advance(366 * 86_400)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NESTED = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=8), PLAIN)
JSON = NESTED | st.lists(NESTED, max_size=3) | st.dictionaries(st.text(max_size=8), NESTED)
NAMES = ["mch_id", "out_trade_no", "trade_state", "fault", "operation", "times", "seconds", "speed"]


@given(
    verb=st.sampled_from(VERBS),
    body=st.dictionaries(st.sampled_from([*NAMES, "advance_s", "coupons", "count", "host"]), JSON),
)
def test_whatever_is_wished_for_is_done_or_refused_with_a_reason(
    verb: str, body: dict[str, Any]
) -> None:
    merchant = Merchant(create_app(deliver=Shop()))
    response = merchant.session.post(f"{HOST}/_simulator/{verb}", data=json.dumps(body))
    assert response.status_code in {200, 400, 404}
    assert isinstance(response.json(), dict)


def test_a_form_does_the_same_and_leads_back_home(app: Simulator, merchant: Merchant) -> None:
    form = {"fault": "slow", "operation": "*", "times": "2", "seconds": ""}
    response = merchant.session.post(f"{HOST}/_simulator/faults", data=form, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/_simulator/")
    [waiting] = merchant.get("/_simulator/faults").json()["waiting"]
    assert (waiting["fault"], waiting["times"], waiting["seconds"]) == ("slow", 2, 3)
    moved = merchant.session.post(f"{HOST}/_simulator/clock", data={"advance_s": "15"})
    assert isinstance(moved, requests.Response)
    assert app.ledger()["now"] == "2026-01-01T12:00:15.000+08:00"


def test_a_form_with_nonsense_is_refused(merchant: Merchant) -> None:
    response = merchant.session.post(f"{HOST}/_simulator/clock", data={"advance_s": "soon"})
    assert (response.status_code, response.json()["detail"]) == (400, "advance_s is not a number")
