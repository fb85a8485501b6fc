"""wechatpy, an independent client, against the simulator."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    Reply,
    Simulator,
    create_app,
    running,
    tls_context,
)
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
from tests.simulator.http.certificates import Authority

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


def test_wechatpy_charges_a_payment_code_and_reverses(url: str, simulator: Simulator) -> None:
    pay = client(url)
    code = simulator.payment_code(mch_id=MCH_ID)
    sold = dict(
        pay.micropay.create(
            "青瓷茶杯", 12_850, code["auth_code"], client_ip="127.0.0.1", out_trade_no=NUMBER
        )
    )
    assert pay.check_signature(sold)
    assert (sold["trade_type"], sold["openid"]) == ("MICROPAY", code["openid"])
    queried = dict(pay.micropay.query(out_trade_no=NUMBER))
    assert pay.check_signature(queried)
    assert (queried["trade_state"], queried["transaction_id"]) == (
        "SUCCESS",
        sold["transaction_id"],
    )
    for by in ({"out_trade_no": NUMBER}, {"transaction_id": sold["transaction_id"]}):
        reversed_ = dict(pay.order.reverse(**by))
        assert pay.check_signature(reversed_)
        assert (reversed_["result_code"], reversed_["recall"]) == ("SUCCESS", "N")
    assert pay.micropay.query(out_trade_no=NUMBER)["trade_state"] == "REVOKED"
    [trade] = simulator.ledger()["trades"]
    assert (trade["charges"], trade["reversals"]) == (1, 1)


def test_wechatpy_waits_for_a_password(url: str, simulator: Simulator) -> None:
    pay = client(url)
    simulator.inject("code_password_pays")
    with pytest.raises(WeChatPayException) as asked:
        # The digits of the documentation's own example.
        pay.micropay.create(
            "cup", 1, "120061098828009406", client_ip="127.0.0.1", out_trade_no=NUMBER
        )
    assert asked.value.errcode == "USERPAYING"
    assert pay.micropay.query(out_trade_no=NUMBER)["trade_state"] == "USERPAYING"
    simulator.advance(10)
    assert pay.micropay.query(out_trade_no=NUMBER)["trade_state"] == "SUCCESS"
    assert simulator.ledger()["trades"][0]["charges"] == 1


def test_wechatpy_sells_for_a_sub_merchant(url: str, simulator: Simulator) -> None:
    pay = client(url, mch_id=INSTITUTION, api_key=INSTITUTION_KEY, sub_mch_id=SUB_MCH_ID)
    code = simulator.payment_code()["auth_code"]
    sold = pay.micropay.create("cup", 1, code, client_ip="127.0.0.1", out_trade_no=NUMBER)
    assert (sold["sub_mch_id"], sold["result_code"]) == (SUB_MCH_ID, "SUCCESS")
    assert pay.order.reverse(out_trade_no=NUMBER)["recall"] == "N"


def refund(pay: WeChatPay, **fields: Any) -> dict[str, Any]:
    given = {"total_fee": 12_850, "refund_fee": 2850, "out_refund_no": "R1", **fields}
    answer = dict(pay.refund.apply(**{"out_trade_no": NUMBER, **given}))
    assert pay.check_signature(answer)
    return answer


def test_wechatpy_refunds_and_queries_refunds(url: str, simulator: Simulator) -> None:
    pay = client(url)
    place(pay)
    simulator.pay(MCH_ID, NUMBER, coupons=[{"coupon_id": "1", "coupon_fee": 850}])
    first = refund(pay, refund_desc="杯子碎了 & <gone>")
    assert (first["refund_fee"], first["out_refund_no"]) == ("2850", "R1")
    assert refund(pay)["refund_id"] == first["refund_id"]
    refund(pay, out_refund_no="R2", refund_fee=10_000)
    simulator.settle_refund(MCH_ID, "R1")
    numbers = [
        {"refund_id": first["refund_id"]},
        {"out_refund_no": "R1"},
        {"transaction_id": first["transaction_id"]},
        {"out_trade_no": NUMBER},
    ]
    for number in numbers:
        found = dict(pay.refund.query(**number))
        assert pay.check_signature(found)
        assert (found["refund_status_0"], found["refund_fee_0"]) == ("SUCCESS", "2850")
    assert (found["refund_count"], found["refund_status_1"]) == ("2", "PROCESSING")
    assert found["coupon_refund_fee"] == "850"
    assert len(simulator.ledger()["refunds"]) == 2


def test_wechatpy_reads_a_refund_notification(
    url: str, simulator: Simulator, delivered: Delivered, notified: threading.Event
) -> None:
    pay = client(url)
    place(pay)
    simulator.pay(MCH_ID, NUMBER)
    assert notified.wait(5)
    notified.clear()
    refund(pay, notify_url=NOTIFY_URL)
    simulator.settle_refund(MCH_ID, "R1")
    assert notified.wait(5)
    opened = pay.parse_refund_notify_result(delivered[-1])
    assert (opened["out_refund_no"], opened["refund_fee"]) == ("R1", 2850)
    assert opened["refund_status"] == "SUCCESS"


def test_wechatpy_refunds_for_a_sub_merchant(url: str, simulator: Simulator) -> None:
    pay = client(url, mch_id=INSTITUTION, api_key=INSTITUTION_KEY, sub_mch_id=SUB_MCH_ID)
    place(pay)
    simulator.pay(INSTITUTION, NUMBER)
    assert refund(pay)["sub_mch_id"] == SUB_MCH_ID
    assert pay.refund.query(out_refund_no="R1")["sub_mch_id"] == SUB_MCH_ID


def test_wechatpy_raises_the_refusal_of_a_refund(url: str, simulator: Simulator) -> None:
    pay = client(url)
    place(pay)
    with pytest.raises(WeChatPayException) as unpaid:
        refund(pay)
    assert unpaid.value.errcode == "ORDERNOTEXIST"
    simulator.pay(MCH_ID, NUMBER)
    with pytest.raises(WeChatPayException) as over:
        refund(pay, refund_fee=12_851)
    assert over.value.errcode == "ERROR"
    with pytest.raises(WeChatPayException) as missing:
        pay.refund.query(out_refund_no="R9")
    assert missing.value.errcode == "REFUNDNOTEXIST"
    assert simulator.ledger()["refunds"] == []


def test_wechatpy_shows_its_certificate_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, "tests")
    own = authority.issue(MCH_ID)
    simulator = create_app(
        [replace(DEMO_MERCHANTS[0], client_cert=own.pem)],
        deliver=lambda *_: Reply(200, ACKNOWLEDGED),
    )
    server = authority.issue("127.0.0.1").files
    tls = tls_context(*server, client_certificates=simulator.client_certificates)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority.file)
    with running(simulator, tls=tls) as url:
        pay = client(url, mch_cert=own.files[0], mch_key=own.files[1])
        place(pay)
        simulator.pay(MCH_ID, NUMBER)
        assert refund(pay)["result_code"] == "SUCCESS"
        with pytest.raises(WeChatPayException):
            refund(client(url), out_refund_no="R2")
    assert len(simulator.ledger()["refunds"]) == 1
