"""An event of any product: sealed and signed for the shop, whose answer is returned."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_wxpay.protocol import v2, v3
from django_wxpay.simulator import ControlError, Reply, Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import TEST_API_V3_KEY
from tests.simulator.calling import KEY, MCH_ID, NOTIFY_URL, Merchant, Shop
from tests.simulator.v3.calling import MAINLAND, signed_by

COMPLAINT = {"complaint_id": "2002", "用户": ["说", {"a": 1.5}]}
GIVEN: dict[str, Any] = {
    "mch_id": MAINLAND,
    "notify_url": NOTIFY_URL,
    "event_type": "COMPLAINT.CREATE",
    "resource": COMPLAINT,
}


def test_a_v3_event_is_sealed_and_signed(app: Simulator, shop: Shop) -> None:
    shop.usually = Reply(200, b'{"code": "SUCCESS"}')
    assert app.announce(**GIVEN) == {
        "accepted": True,
        "status": 200,
        "body": '{"code": "SUCCESS"}',
        "error": "",
    }
    assert shop.urls == [NOTIFY_URL]
    assert signed_by(app, shop.headers[0], shop.bodies[0])
    envelope = json.loads(shop.bodies[0])
    assert envelope["event_type"] == "COMPLAINT.CREATE"
    assert envelope["resource"]["original_type"] == "complaint"
    assert v3.decrypt_resource(envelope["resource"], TEST_API_V3_KEY) == COMPLAINT

    assert app.announce(**GIVEN, id="EV-1", original_type="other")["accepted"]
    again = json.loads(shop.bodies[1])
    assert (again["id"], again["resource"]["original_type"]) == ("EV-1", "other")
    assert envelope["id"] not in {"", "EV-1"}


def test_a_v2_event_is_its_signed_fields(app: Simulator, shop: Shop) -> None:
    given = {"mch_id": MCH_ID, "notify_url": NOTIFY_URL, "api": "v2"}
    assert app.announce(**given, resource={"contract_id": "1", "change_type": "ADD"})["accepted"]
    fields = v2.decode_xml(shop.bodies[0])
    assert (fields["contract_id"], fields["mch_id"]) == ("1", MCH_ID)
    assert "sign_type" not in fields
    assert v2.verify(fields, KEY, "MD5")


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_a_v2_event_is_signed_as_it_says(app: Simulator, shop: Shop, sign_type: str) -> None:
    given = {"mch_id": MCH_ID, "notify_url": NOTIFY_URL, "api": "v2"}
    assert app.announce(**given, resource={"a": "1", "sign_type": sign_type})["accepted"]
    fields = v2.decode_xml(shop.bodies[0])
    assert fields["sign_type"] == sign_type
    assert v2.verify(fields, KEY, sign_type)


@pytest.mark.parametrize(
    ("reply", "status", "error"),
    [
        (Reply(503, b'{"code": "FAIL"}'), 503, ""),
        (Reply(200, b"<html>"), 200, ""),
        (ConnectionRefusedError("no"), None, "ConnectionRefusedError"),
    ],
)
def test_another_answer_is_no_acknowledgement_and_is_written_down(
    shop: Shop, reply: Any, status: int | None, error: str
) -> None:
    lines: list[str] = []
    shop.usually = reply
    app = create_app(deliver=shop, log=lines.append)
    answer = app.announce(**GIVEN)
    assert (answer["accepted"], answer["status"], answer["error"]) == (False, status, error)
    assert f"notified {NOTIFY_URL}: " in lines[-1]
    assert "COMPLAINT.CREATE" in lines[-1]
    assert app.advance(86_400) == 0, "it is sent once"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mch_id": "1"}, "unknown_merchant"),
        ({"resource": [1]}, "invalid"),
        ({"resource": {"a": float("nan")}}, "invalid"),
        ({"resource": {"a": "\ud83c"}}, "invalid"),
        ({"api": "v4"}, "invalid"),
        ({"api": "v2"}, "invalid"),
        ({"api": "v2", "event_type": "", "resource": {"a": 1}}, "invalid"),
        ({"mch_id": MCH_ID, "api": "v2", "event_type": "", "resource": {"a b": "1"}}, "invalid"),
        (
            {"mch_id": MCH_ID, "api": "v2", "event_type": "", "resource": {"sign_type": "RSA"}},
            "invalid",
        ),
        ({"notify_url": None}, "invalid"),
        ({"event_type": 7}, "invalid"),
        ({"more": "x"}, "invalid"),
    ],
)
def test_what_cannot_be_announced_is_refused_and_nothing_is_sent(
    app: Simulator, shop: Shop, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(ControlError) as error:
        app.announce(**(GIVEN | change))
    assert error.value.code == code
    assert shop.bodies == []


def test_a_merchant_without_the_key_is_told_so(app: Simulator, shop: Shop) -> None:
    for change in ({"mch_id": MCH_ID}, {"api": "v2", "event_type": "", "resource": {"a": "b"}}):
        with pytest.raises(ControlError) as error:
            app.announce(**(GIVEN | change))
        assert error.value.code == "no_key"
    assert shop.bodies == []


def test_the_route_is_the_one_that_repeats_a_payments_notification(
    merchant: Merchant, shop: Shop
) -> None:
    answer = merchant.control("notify", GIVEN)
    assert answer.status_code == 200
    assert set(answer.json()) == {"accepted", "status", "body", "error"}
    assert len(shop.bodies) == 1
    merchant.place()
    merchant.app.pay(MCH_ID, "T20260101000001")
    again = merchant.control("notify", {"mch_id": MCH_ID, "out_trade_no": "T20260101000001"})
    assert again.json()["out_trade_no"] == "T20260101000001"
    wrong = merchant.control("notify", GIVEN | {"resource": "text"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid")
