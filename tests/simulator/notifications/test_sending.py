"""Notifications to the shop: content, rhythm and end (protocol-v2 section 7)."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from django_wxpay.protocol import v2
from django_wxpay.protocol.merchants import Region
from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    ControlError,
    Options,
    Reply,
    Simulator,
    create_app,
)
from tests.simulator.calling import (
    ACKNOWLEDGED,
    APPID,
    INSTITUTION,
    INSTITUTION_KEY,
    KEY,
    MCH_ID,
    NOT_ACKNOWLEDGED,
    NOTIFY_URL,
    NUMBER,
    Merchant,
    Shop,
)

RHYTHM = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600]


def moments(app: Simulator) -> list[datetime]:
    return [datetime.fromisoformat(row["at"]) for row in app.ledger()["notifications"]]


def test_the_shop_is_notified_at_once(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place(attach="x & y", device_info="WEB")
    paid = app.pay(MCH_ID, NUMBER)
    [message] = shop.received
    assert shop.urls == [NOTIFY_URL]
    assert shop.headers[0]["Content-Type"] == "text/xml"
    assert shop.headers[0]["User-Agent"] == "Mozilla/4.0"
    assert v2.verify(message, KEY)
    assert (message["return_code"], message["result_code"]) == ("SUCCESS", "SUCCESS")
    assert (message["appid"], message["mch_id"]) == (APPID, MCH_ID)
    assert (message["out_trade_no"], message["total_fee"]) == (NUMBER, "100")
    assert (message["attach"], message["device_info"]) == ("x & y", "WEB")
    assert message["transaction_id"] == paid["transaction_id"]
    assert paid["notification"] == "accepted"
    assert not {"trade_state", "sign_type", "version", "sub_mch_id"} & message.keys()


def test_a_mainland_notification_has_neither_a_return_msg_nor_the_currency_of_cny(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    merchant.place(out_trade_no="T20260101000002", fee_type="USD")
    app.pay(MCH_ID, "T20260101000002", rate_value=650000000)
    plain, foreign = shop.received
    assert not {"return_msg", "cash_fee_type"} & plain.keys()
    assert (plain["cash_fee"], plain["fee_type"]) == ("100", "CNY")
    assert (foreign["fee_type"], foreign["cash_fee_type"]) == ("USD", "CNY")


def test_a_global_notification_has_both(shop: Shop) -> None:
    account = replace(DEMO_MERCHANTS[0], region=Region.GLOBAL)
    app = create_app([account], deliver=shop)
    Merchant(app).place()
    app.pay(MCH_ID, NUMBER)
    [message] = shop.received
    assert (message["return_msg"], message["cash_fee_type"]) == ("OK", "CNY")


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_notification_is_signed_as_the_order_was(
    app: Simulator, shop: Shop, sign_type: str
) -> None:
    Merchant(app, sign_type=sign_type).place(sign_type=sign_type)
    app.pay(MCH_ID, NUMBER)
    [message] = shop.received
    assert message["sign_type"] == sign_type
    assert v2.verify(message, KEY, sign_type)


def test_a_notification_to_an_institution_names_its_sub_merchant(
    app: Simulator, institution: Merchant, shop: Shop
) -> None:
    institution.place(sub_appid="wx1111111111111111")
    app.pay(INSTITUTION, NUMBER)
    [message] = shop.received
    assert v2.verify(message, INSTITUTION_KEY)
    assert (message["mch_id"], message["sub_mch_id"]) == (INSTITUTION, MCH_ID)
    assert message["sub_appid"] == "wx1111111111111111"
    assert message["sub_is_subscribe"] == "N"


@pytest.mark.parametrize(("version", "is_included"), [("1.0", True), (None, False)])
def test_promotions_are_sent_for_orders_with_a_version(
    app: Simulator, merchant: Merchant, shop: Shop, version: str | None, is_included: bool
) -> None:
    merchant.place(version=version)
    app.pay(MCH_ID, NUMBER, coupons=[{"coupon_id": "c1", "coupon_fee": 10}])
    assert ("promotion_detail" in shop.received[0]) is is_included
    assert shop.received[0]["coupon_id_0"] == "c1"


def test_an_acknowledged_notification_is_not_sent_again(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert app.advance(10 * 86_400) == 0
    assert len(shop.received) == 1


def test_a_shop_that_never_acknowledges_is_notified_in_the_real_rhythm(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    shop.usually = Reply(200, NOT_ACKNOWLEDGED)
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert app.advance(10 * 86_400) == 15
    at = moments(app)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert gaps == [timedelta(seconds=gap) for gap in RHYTHM]
    assert at[-1] - at[0] == timedelta(hours=24, minutes=4)
    assert app.ledger()["trades"][0]["notification"] == "exhausted"
    assert app.ledger()["waiting"] == []


def test_each_try_has_a_nonce_of_its_own(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    shop.answers = [Reply(200, NOT_ACKNOWLEDGED)]
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert app.advance(14) == 0
    assert app.advance(1) == 1
    first, second = shop.received
    assert first["nonce_str"] != second["nonce_str"]
    assert {**first, "nonce_str": "", "sign": ""} == {**second, "nonce_str": "", "sign": ""}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"success"),
        Reply(200, b""),
        Reply(200, b'{"code": "SUCCESS"}'),
        Reply(200, b"<html>SUCCESS</html>"),
        Reply(200, b"<xml><return_code>OK</return_code></xml>"),
        Reply(500, ACKNOWLEDGED),
        Reply(204, ACKNOWLEDGED),
        Reply(302, ACKNOWLEDGED),
        OSError("nobody there"),
        TimeoutError(),
    ],
)
def test_anything_but_a_proper_success_is_sent_again(
    app: Simulator, merchant: Merchant, shop: Shop, reply: Reply | OSError
) -> None:
    shop.answers = [reply]
    merchant.place()
    assert app.pay(MCH_ID, NUMBER)["notification"] == "pending"
    assert app.advance(15) == 1
    assert [row["accepted"] for row in app.ledger()["notifications"]] == [False, True]


@pytest.mark.parametrize(
    "body",
    [
        b"<xml><return_code>SUCCESS</return_code></xml>",
        b'<?xml version="1.0"?>\n<xml>\n <return_code><![CDATA[SUCCESS]]></return_code>\n</xml>',
    ],
)
def test_a_success_may_be_written_in_other_ways(
    app: Simulator, merchant: Merchant, shop: Shop, body: bytes
) -> None:
    shop.answers = [Reply(200, body)]
    merchant.place()
    assert app.pay(MCH_ID, NUMBER)["notification"] == "accepted"


def test_the_ledger_shows_every_attempt(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    shop.answers = [ConnectionRefusedError("nobody there"), Reply(500, b"\xff oops")]
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    [waiting] = app.ledger()["waiting"]
    assert (waiting["out_trade_no"], waiting["attempt"]) == (NUMBER, 2)
    assert waiting["due_at"] == "2026-01-01T12:00:15.000+08:00"
    app.advance(30)
    rows = app.ledger()["notifications"]
    assert [row["attempt"] for row in rows] == [1, 2, 3]
    assert [row["status"] for row in rows] == [None, 500, 200]
    assert [row["accepted"] for row in rows] == [False, False, True]
    assert rows[0]["error"] == "ConnectionRefusedError: nobody there"
    assert rows[1]["body"] == "\ufffd oops"
    assert {row["url"] for row in rows} == {NOTIFY_URL}


def test_a_clock_that_is_moved_elsewhere_is_followed(shop: Shop) -> None:
    now = [datetime.fromisoformat("2026-01-01T12:00:00+08:00")]
    app = create_app(clock=lambda: now[0], deliver=shop)
    shop.answers = [Reply(200, NOT_ACKNOWLEDGED)]
    Merchant(app).place()
    app.pay(MCH_ID, NUMBER)
    assert app.deliver_due() == 0
    now[0] += timedelta(seconds=15)
    assert app.deliver_due() == 1
    assert app.now() == now[0]


def test_a_paid_order_can_be_notified_again(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    with pytest.raises(ControlError, match="not been paid"):
        app.notify(MCH_ID, NUMBER)
    app.pay(MCH_ID, NUMBER)
    app.advance(86_400)
    app.notify(MCH_ID, NUMBER)
    assert len(shop.received) == 2
    assert shop.received[0]["transaction_id"] == shop.received[1]["transaction_id"]


def test_a_shop_that_raises_inside_the_process_is_recorded(
    merchant: Merchant,
) -> None:
    def broken(*_: object) -> Reply:
        raise LookupError("the shop's own mistake")

    app = create_app(deliver=broken)
    Merchant(app).place()
    with pytest.raises(LookupError):
        app.pay(MCH_ID, NUMBER)
    ledger = app.ledger()
    assert ledger["trades"][0]["trade_state"] == "SUCCESS"
    assert len(ledger["waiting"]) == 1


def test_a_reset_stops_all_notifications(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    shop.usually = Reply(200, NOT_ACKNOWLEDGED)
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    app.reset()
    assert app.advance(86_400) == 0
    assert len(shop.received) == 1
    assert app.ledger()["notifications"] == []


def test_a_reset_while_a_notification_is_on_its_way_brings_nothing_back() -> None:
    app = create_app(deliver=lambda *_: resetting())

    def resetting() -> Reply:
        app.reset()
        return Reply(200, NOT_ACKNOWLEDGED)

    Merchant(app).place()
    app.pay(MCH_ID, NUMBER)
    assert app.ledger()["waiting"] == []
    assert app.ledger()["notifications"] == []


def test_a_shop_may_call_the_gateway_during_a_notification() -> None:
    asked: list[str] = []

    def asking(url: str, body: bytes, headers: object) -> Reply:
        asked.append(merchant.state())
        return Reply(200, ACKNOWLEDGED)

    app = create_app(deliver=asking)
    merchant = Merchant(app)
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    assert asked == ["SUCCESS"]


def test_a_live_simulator_can_be_asked_for_with_a_deliver_of_ones_own(shop: Shop) -> None:
    app = create_app(deliver=shop, options=Options(live=False))
    Merchant(app).place()
    app.pay(MCH_ID, NUMBER)
    assert len(shop.received) == 1
