"""wechatpy, an independent client, against the simulator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from django_wxpay.simulator import Reply, Simulator, create_app, running
from tests.simulator.calling import (
    ACKNOWLEDGED,
    APPID,
    INSTITUTION,
    INSTITUTION_KEY,
    KEY,
    MCH_ID,
    NOTIFY_URL,
    NUMBER,
    OPENID,
    SUB_MCH_ID,
)

Delivered = list[bytes]


@pytest.fixture
def delivered() -> Delivered:
    return []


@pytest.fixture
def notified() -> threading.Event:
    return threading.Event()


@pytest.fixture
def simulator(delivered: Delivered, notified: threading.Event) -> Simulator:
    def deliver(url: str, body: bytes, headers: object) -> Reply:
        assert url == NOTIFY_URL
        delivered.append(body)
        notified.set()
        return Reply(200, ACKNOWLEDGED)

    return create_app(deliver=deliver)


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with running(simulator) as url:
        yield url


def client(url: str, **identity: Any) -> WeChatPay:
    pay = WeChatPay(**{"appid": APPID, "api_key": KEY, "mch_id": MCH_ID, "timeout": 5, **identity})
    pay.API_BASE_URL = f"{url}/"
    return pay


def place(pay: WeChatPay, **fields: Any) -> dict[str, Any]:
    answer = pay.order.create(
        **{
            "trade_type": "NATIVE",
            "body": "青瓷茶杯 & <saucer>",
            "total_fee": 12_850,
            "notify_url": NOTIFY_URL,
            "client_ip": "127.0.0.1",
            "out_trade_no": NUMBER,
            "product_id": "P1001",
            **fields,
        }
    )
    assert pay.check_signature(dict(answer))
    return dict(answer)


def test_wechatpy_places_queries_and_closes(url: str) -> None:
    pay = client(url)
    placed = place(pay)
    assert placed["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    queried = dict(pay.order.query(out_trade_no=NUMBER))
    assert pay.check_signature(queried)
    assert queried["trade_state"] == "NOTPAY"
    closed = dict(pay.order.close(NUMBER))
    assert pay.check_signature(closed)
    assert closed["result_code"] == "SUCCESS"
    assert pay.order.query(out_trade_no=NUMBER)["trade_state"] == "CLOSED"


def test_wechatpy_accepts_the_notification(
    url: str, simulator: Simulator, delivered: Delivered, notified: threading.Event
) -> None:
    pay = client(url)
    place(pay, attach="door 7")
    coupons = [{"coupon_id": "1", "coupon_type": "NO_CASH", "coupon_fee": 50}]
    paid = simulator.pay(MCH_ID, NUMBER, coupons=coupons)
    assert notified.wait(5)
    result = pay.parse_payment_result(delivered[0])
    assert (result["total_fee"], result["cash_fee"], result["coupon_fee"]) == (12_850, 12_800, 50)
    assert result["settlement_total_fee"] == 12_800
    assert (result["out_trade_no"], result["attach"]) == (NUMBER, "door 7")
    assert result["transaction_id"] == paid["transaction_id"]
    by_id = dict(pay.order.query(transaction_id=paid["transaction_id"]))
    assert pay.check_signature(by_id)
    assert (by_id["trade_state"], by_id["out_trade_no"]) == ("SUCCESS", NUMBER)


def test_wechatpy_makes_up_its_own_number(url: str) -> None:
    assert place(client(url), out_trade_no=None)["prepay_id"]


@pytest.mark.parametrize(
    "fields",
    [
        {"trade_type": "JSAPI", "user_id": OPENID},
        {"trade_type": "APP"},
        {
            "trade_type": "MWEB",
            "scene_info": {"h5_info": {"type": "Wap", "wap_url": NOTIFY_URL, "wap_name": "S"}},
        },
    ],
)
def test_wechatpy_places_every_trade_type(url: str, fields: dict[str, Any]) -> None:
    placed = place(client(url), **fields)
    assert placed["trade_type"] == fields["trade_type"]
    assert ("mweb_url" in placed) == (fields["trade_type"] == "MWEB")


def test_wechatpy_signs_with_hmac(url: str) -> None:
    pay = client(url)
    answer = pay.order.create(
        "NATIVE",
        "cup",
        1,
        NOTIFY_URL,
        client_ip="127.0.0.1",
        out_trade_no=NUMBER,
        product_id="P1001",
        sign_type="HMAC-SHA256",
    )
    assert len(answer["sign"]) == 64


def test_wechatpy_orders_for_a_sub_merchant(url: str, simulator: Simulator) -> None:
    pay = client(url, mch_id=INSTITUTION, api_key=INSTITUTION_KEY, sub_mch_id=SUB_MCH_ID)
    assert place(pay)["sub_mch_id"] == SUB_MCH_ID
    assert pay.order.query(out_trade_no=NUMBER)["sub_mch_id"] == SUB_MCH_ID


def test_wechatpy_raises_a_refusal(url: str, simulator: Simulator) -> None:
    pay = client(url)
    with pytest.raises(WeChatPayException) as missing:
        pay.order.query(out_trade_no=NUMBER)
    assert missing.value.errcode == "ORDERNOTEXIST"
    place(pay)
    simulator.pay(MCH_ID, NUMBER)
    with pytest.raises(WeChatPayException) as paid:
        pay.order.close(NUMBER)
    assert paid.value.errcode == "ORDERPAID"


def test_wechatpy_with_the_wrong_key_gets_nowhere(url: str, simulator: Simulator) -> None:
    with pytest.raises(WeChatPayException) as refused:
        place(client(url, api_key="TESTKEYtestkeyTESTKEYtestkey0009"))
    assert (refused.value.return_code, refused.value.return_msg) == ("FAIL", "签名错误")
    assert simulator.ledger()["trades"] == []
