"""wechatpayv3, an independent client, against the simulator."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from wechatpayv3 import WeChatPay, WeChatPayType

from django_wxpay.protocol.merchants import Mode
from django_wxpay.simulator import DEMO_MERCHANTS, Reply, Simulator, create_app, running
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
)
from tests.protocol.v3 import keys
from tests.simulator.v3.calling import (
    ACKNOWLEDGED,
    APPID,
    MAINLAND,
    NOTIFY_URL,
    NUMBER,
    OPENID,
)
from tests.simulator.v3.clients import made

PARTNER, SUB_MCHID = "1900000119", "1900000120"
Notified = list[tuple[Mapping[str, str], bytes]]


@pytest.fixture
def notified() -> Notified:
    return []


@pytest.fixture
def arrived() -> threading.Event:
    return threading.Event()


@pytest.fixture
def simulator(notified: Notified, arrived: threading.Event) -> Simulator:
    def deliver(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        assert url == NOTIFY_URL
        notified.append((headers, body))
        arrived.set()
        return Reply(200, ACKNOWLEDGED)

    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    partner = replace(demo, alias="partner", mch_id=PARTNER, mode=Mode.INSTITUTIONAL)
    return create_app([demo, partner], deliver=deliver)


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with running(simulator) as url:
        yield url


@pytest.fixture(params=["certificate", "public_key", "migration"])
def mode(request: pytest.FixtureRequest, simulator: Simulator) -> str:
    simulator.set_key_mode(request.param)
    mode: str = request.param
    return mode


@pytest.fixture
def client(url: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> WeChatPay:
    return made(url, monkeypatch, mode=mode)


def place(client: WeChatPay, **members: Any) -> dict[str, Any]:
    given = {
        "description": "青瓷茶杯 & <saucer>",
        "out_trade_no": NUMBER,
        "amount": {"total": 12_850},
    }
    code, message = client.pay(**{**given, **members})
    assert code == 200, message
    answer: dict[str, Any] = json.loads(message)
    return answer


def query(client: WeChatPay, **by: str) -> dict[str, Any]:
    code, message = client.query(**(by or {"out_trade_no": NUMBER}))
    assert code == 200, message
    answer: dict[str, Any] = json.loads(message)
    return answer


def test_wechatpayv3_places_queries_and_closes(client: WeChatPay) -> None:
    assert place(client)["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert query(client)["trade_state"] == "NOTPAY"
    code, _ = client.close(NUMBER)
    assert code == 204
    assert query(client)["trade_state"] == "CLOSED"


def test_wechatpayv3_accepts_the_callback(
    client: WeChatPay, simulator: Simulator, notified: Notified, arrived: threading.Event
) -> None:
    place(client, attach="door 7")
    paid = simulator.pay(MAINLAND, NUMBER)
    assert arrived.wait(5)
    headers, body = notified[0]
    result = client.callback(headers, body)
    assert result["event_type"] == "TRANSACTION.SUCCESS"
    resource = result["resource"]
    assert (resource["out_trade_no"], resource["attach"]) == (NUMBER, "door 7")
    assert resource["amount"]["total"] == 12_850
    by_id = query(client, transaction_id=paid["transaction_id"])
    assert by_id == resource | {"promotion_detail": []}


def test_wechatpayv3_accepts_a_refund_callback(
    client: WeChatPay, simulator: Simulator, notified: Notified, arrived: threading.Event
) -> None:
    place(client)
    simulator.pay(MAINLAND, NUMBER)
    assert arrived.wait(5)
    notified.clear()
    arrived.clear()
    simulator.refund_notice(MAINLAND, NUMBER, "R1", refund_fee=50)
    assert arrived.wait(5)
    result = client.callback(*notified[0])
    assert result["event_type"] == "REFUND.SUCCESS"
    assert result["resource"]["amount"]["refund"] == 50


@pytest.mark.parametrize("fault", ["signtest", "other_body", "bad_signature"])
def test_wechatpayv3_refuses_what_is_not_ours(
    client: WeChatPay,
    simulator: Simulator,
    notified: Notified,
    arrived: threading.Event,
    fault: str,
) -> None:
    place(client)
    simulator.inject(fault, operation="notify")
    simulator.pay(MAINLAND, NUMBER)
    assert arrived.wait(5)
    assert client.callback(*notified[0]) is None


@pytest.mark.parametrize(
    ("pay_type", "members", "name"),
    [
        (WeChatPayType.JSAPI, {"payer": {"openid": OPENID}}, "prepay_id"),
        (WeChatPayType.MINIPROG, {"payer": {"openid": OPENID}}, "prepay_id"),
        (WeChatPayType.APP, {}, "prepay_id"),
        (
            WeChatPayType.H5,
            {"scene_info": {"payer_client_ip": "127.0.0.1", "h5_info": {"type": "Wap"}}},
            "h5_url",
        ),
    ],
)
def test_wechatpayv3_places_every_trade_type(
    client: WeChatPay, pay_type: WeChatPayType, members: dict[str, Any], name: str
) -> None:
    assert place(client, pay_type=pay_type, **members)[name]


def test_wechatpayv3_orders_for_a_sub_merchant(
    url: str, mode: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(url, monkeypatch, mode=mode, mchid=PARTNER, partner_mode=True)
    assert place(client, sub_mchid=SUB_MCHID)["code_url"]
    answer = query(client, out_trade_no=NUMBER, sub_mchid=SUB_MCHID)
    assert (answer["sp_mchid"], answer["sub_mchid"]) == (PARTNER, SUB_MCHID)
    assert client.close(NUMBER, sub_mchid=SUB_MCHID)[0] == 204


def test_wechatpayv3_returns_a_refusal(client: WeChatPay, simulator: Simulator) -> None:
    code, message = client.query(out_trade_no=NUMBER)
    assert (code, json.loads(message)["code"]) == (404, "ORDER_NOT_EXIST")
    place(client)
    simulator.pay(MAINLAND, NUMBER)
    code, message = client.close(NUMBER)
    assert (code, json.loads(message)["code"]) == (400, "ORDER_PAID")


def test_wechatpayv3_follows_a_rotation(
    url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.set_key_mode("certificate")
    client = made(url, monkeypatch, mode="certificate")
    place(client)
    simulator.rotate_certificate()
    simulator.switch_certificate()
    assert query(client)["trade_state"] == "NOTPAY"
    simulator.drop_certificate()
    assert query(client)["trade_state"] == "NOTPAY"
    downloads = [
        row for row in simulator.ledger()["requests"] if row["operation"] == "certificates"
    ]
    assert len(downloads) == 2


def test_wechatpayv3_with_the_wrong_key_gets_nowhere(
    url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(url, monkeypatch, mode="public_key", private_key=keys.MERCHANT_KEY)
    code, message = client.query(out_trade_no=NUMBER)
    assert (code, json.loads(message)["code"]) == (401, "SIGN_ERROR")
    simulator.set_key_mode("certificate")
    with pytest.raises(Exception, match="No wechatpay platform certificate"):
        made(url, monkeypatch, mode="certificate", private_key=keys.MERCHANT_KEY)


def test_wechatpayv3_prints_no_key(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("wechatpayv3-test")
    client = made(url, monkeypatch, mode="public_key", logger=logger)
    with caplog.at_level(logging.DEBUG):
        place(client)
    assert TEST_API_V3_KEY not in caplog.text


SCENE = {"device_ip": "203.0.113.7", "store_info": {"id": "0001", "out_id": "A1111"}}


def sell(client: WeChatPay, simulator: Simulator, **members: Any) -> dict[str, Any]:
    return place(
        client,
        pay_type=WeChatPayType.CODEPAY,
        payer={"auth_code": simulator.payment_code()["auth_code"]},
        scene_info=SCENE,
        **members,
    )


def test_wechatpayv3_charges_a_payment_code_and_reverses(
    client: WeChatPay, simulator: Simulator, notified: Notified
) -> None:
    sold = sell(client, simulator, settle_info={"profit_sharing": False}, support_fapiao=True)
    assert (sold["trade_state"], sold["trade_type"]) == ("SUCCESS", "MICROPAY")
    assert query(client)["transaction_id"] == sold["transaction_id"]
    for _ in range(2):
        code, message = client.codepay_reverse(NUMBER)
        assert code == 200, message
        assert json.loads(message) == {"appid": APPID, "mchid": MAINLAND, "out_trade_no": NUMBER}
    assert query(client)["trade_state"] == "REVOKED"
    [trade] = simulator.ledger()["trades"]
    assert (trade["charges"], trade["reversals"]) == (1, 1)
    assert notified == []


def test_wechatpayv3_sees_that_a_password_is_asked(client: WeChatPay, simulator: Simulator) -> None:
    simulator.inject("code_password_cancels")
    assert sell(client, simulator)["trade_state"] == "USERPAYING"
    simulator.advance(10)
    assert query(client)["trade_state"] == "PAYERROR"
    assert simulator.ledger()["trades"][0]["charges"] == 0


def test_wechatpayv3_sells_for_a_sub_merchant(
    url: str, mode: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(url, monkeypatch, mode=mode, mchid=PARTNER, partner_mode=True)
    sold = sell(client, simulator, sub_mchid=SUB_MCHID)
    assert (sold["sp_mchid"], sold["sub_mchid"]) == (PARTNER, SUB_MCHID)
    code, message = client.codepay_reverse(NUMBER, sub_mchid=SUB_MCHID)
    assert code == 200, message
    assert json.loads(message)["out_trade_no"] == NUMBER


def refund(client: WeChatPay, **members: Any) -> dict[str, Any]:
    given = {
        "out_refund_no": "R1",
        "out_trade_no": NUMBER,
        "amount": {"refund": 2850, "total": 12_850, "currency": "CNY"},
    }
    code, message = client.refund(**{**given, **members})
    assert code == 200, message
    answer: dict[str, Any] = json.loads(message)
    return answer


def test_wechatpayv3_refunds_and_queries_refunds(
    client: WeChatPay, simulator: Simulator, notified: Notified, arrived: threading.Event
) -> None:
    place(client)
    paid = simulator.pay(MAINLAND, NUMBER)
    assert arrived.wait(5)
    arrived.clear()
    made = refund(client, reason="杯子碎了", funds_account="AVAILABLE")
    assert (made["status"], made["amount"]["refund"]) == ("PROCESSING", 2850)
    again = refund(client, out_trade_no=None, transaction_id=paid["transaction_id"])
    assert again["refund_id"] == made["refund_id"]
    simulator.settle_refund(MAINLAND, "R1")
    assert arrived.wait(5)
    result = client.callback(*notified[-1])
    assert (result["event_type"], result["resource"]["refund_id"]) == (
        "REFUND.SUCCESS",
        made["refund_id"],
    )
    code, message = client.query_refund("R1")
    assert (code, json.loads(message)["status"]) == (200, "SUCCESS")
    assert len(simulator.ledger()["refunds"]) == 1


# wechatpayv3 compares the ends of certificates without their zone.
@pytest.mark.filterwarnings("ignore:Properties that return a na")
def test_wechatpayv3_sends_an_abnormal_refund_to_a_card(
    client: WeChatPay, simulator: Simulator
) -> None:
    place(client)
    simulator.pay(MAINLAND, NUMBER)
    made = refund(client)
    simulator.settle_refund(MAINLAND, "R1", "ABNORMAL")
    code, message = client.abnormal_refund(
        refund_id=made["refund_id"],
        out_refund_no="R1",
        type="USER_BANK_CARD",
        bank_type="ICBC_DEBIT",
        bank_account="6222020200112345",
        real_name="张三",
    )
    assert (code, json.loads(message)["user_received_account"]) == (200, "ICBC_DEBIT2345")
    simulator.settle_refund(MAINLAND, "R1")
    code, message = client.query_refund("R1")
    assert json.loads(message)["channel"] == "OTHER_BANKCARD"


def test_wechatpayv3_refunds_for_a_sub_merchant(
    url: str, mode: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = made(url, monkeypatch, mode=mode, mchid=PARTNER, partner_mode=True)
    place(client, sub_mchid=SUB_MCHID)
    simulator.pay(PARTNER, NUMBER)
    answer = refund(client, sub_mchid=SUB_MCHID)
    code, message = client.query_refund("R1", sub_mchid=SUB_MCHID)
    assert (code, json.loads(message)) == (200, answer)
    simulator.settle_refund(PARTNER, "R1", "ABNORMAL")
    code, message = client.abnormal_refund(
        answer["refund_id"], "R1", "MERCHANT_BANK_CARD", sub_mchid=SUB_MCHID
    )
    assert (code, json.loads(message)["status"]) == (200, "PROCESSING")


def test_wechatpayv3_returns_the_refusal_of_a_refund(
    client: WeChatPay, simulator: Simulator
) -> None:
    place(client)
    over = {"refund": 12_851, "total": 12_850, "currency": "CNY"}
    code, message = client.refund("R1", over, out_trade_no=NUMBER)
    assert (code, json.loads(message)["code"]) == (404, "RESOURCE_NOT_EXISTS")
    simulator.pay(MAINLAND, NUMBER)
    code, message = client.refund("R1", over, out_trade_no=NUMBER)
    assert (code, json.loads(message)["code"]) == (400, "INVALID_REQUEST")
    simulator.set_balance(MAINLAND, 1)
    code, message = client.refund("R1", over | {"refund": 2}, out_trade_no=NUMBER)
    assert (code, json.loads(message)["code"]) == (403, "NOT_ENOUGH")
    code, message = client.query_refund("R1")
    assert (code, json.loads(message)["code"]) == (404, "RESOURCE_NOT_EXISTS")
    assert simulator.ledger()["refunds"] == []
