"""Clients in Python, unmodified, with their hard-coded hosts, through the simulator's proxy."""

from __future__ import annotations

import gzip
import hashlib
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from wechatpayv3 import WeChatPay as WeChatPayV3
from wechatpayv3 import WeChatPayType
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from tests.thirdparty.conftest import API_KEY, API_V3_KEY, APPID, MERCHANTS, Simulated

PUBLIC_KEY_MODE, CERTIFICATE_MODE = MERCHANTS
Notice = tuple[dict[str, str], bytes]


@dataclass
class Shop:
    """A notify_url on this machine, and what arrives there."""

    url: str
    notices: queue.Queue[Notice] = field(default_factory=queue.Queue)

    def next(self) -> Notice:
        return self.notices.get(timeout=10)


@pytest.fixture
def shop() -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            shop.notices.put((dict(self.headers.items()), body))
            self.send_response(200)
            self.end_headers()
            is_json = self.headers["Content-Type"].startswith("application/json")
            xml = b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
            self.wfile.write(b'{"code":"SUCCESS"}' if is_json else xml)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = Shop(f"http://127.0.0.1:{server.server_port}/notify/")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield shop
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def led_here(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> Simulated:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.setenv(name, simulated.environment()[name])
    return simulated


def test_wechatpy(led_here: Simulated, shop: Shop) -> None:
    today = led_here.today()
    home = led_here.folder / PUBLIC_KEY_MODE
    pay = WeChatPay(
        appid=APPID,
        api_key=API_KEY,
        mch_id=PUBLIC_KEY_MODE,
        mch_cert=str(home / "apiclient_cert.pem"),
        mch_key=str(home / "apiclient_key.pem"),
        timeout=10,
    )
    assert pay.API_BASE_URL == "https://api.mch.weixin.qq.com/"
    order: dict[str, Any] = {
        "trade_type": "NATIVE",
        "body": "青瓷茶杯",
        "total_fee": 12_850,
        "notify_url": shop.url,
        "client_ip": "127.0.0.1",
        "product_id": "P1",
    }
    placed = pay.order.create(out_trade_no="wechatpy-1", **order)
    assert pay.check_signature(dict(placed))
    pay.order.create(out_trade_no="wechatpy-2", **order)
    assert pay.order.close("wechatpy-2")["result_code"] == "SUCCESS"
    led_here.control("pay", mch_id=PUBLIC_KEY_MODE, out_trade_no="wechatpy-1")
    paid = pay.parse_payment_result(shop.next()[1])
    assert (paid["out_trade_no"], paid["total_fee"]) == ("wechatpy-1", 12_850)
    queried = pay.order.query(out_trade_no="wechatpy-1")
    assert queried["transaction_id"] == paid["transaction_id"]
    numbers = {"out_trade_no": "wechatpy-1", "out_refund_no": "wechatpy-R1"}
    made = pay.refund.apply(12_850, 2850, notify_url=shop.url, **numbers)
    led_here.control(
        "refunds", mch_id=PUBLIC_KEY_MODE, out_refund_no="wechatpy-R1", status="SUCCESS"
    )
    refunded = pay.parse_refund_notify_result(shop.next()[1])
    assert refunded["refund_id"] == made["refund_id"]
    assert pay.refund.query(out_refund_no="wechatpy-R1")["refund_status_0"] == "SUCCESS"
    assert pay.tools.download_bill(today).count("`wechatpy-1,") == 2
    assert "wechatpy-R1" not in pay.tools.download_bill(today, "SUCCESS")
    assert "`" in pay.tools.download_fundflow(today)


def test_wechatpy_without_its_certificate_is_refused_a_refund(led_here: Simulated) -> None:
    pay = WeChatPay(appid=APPID, api_key=API_KEY, mch_id=PUBLIC_KEY_MODE, timeout=10)
    with pytest.raises(WeChatPayException) as refused:
        pay.refund.apply(100, 40, out_trade_no="wechatpy-1", out_refund_no="wechatpy-R2")
    assert refused.value.response.status_code == 400


def _client(led_here: Simulated, mch_id: str) -> WeChatPayV3:
    public = (led_here.folder / "wechatpay_public_key.pem").read_text()
    keys = {"public_key": public, "public_key_id": led_here.public_key_id}
    return WeChatPayV3(
        wechatpay_type=WeChatPayType.NATIVE,
        mchid=mch_id,
        private_key=(led_here.folder / mch_id / "apiclient_key.pem").read_text(),
        cert_serial_no=led_here.serial(mch_id),
        apiv3_key=API_V3_KEY,
        appid=APPID,
        timeout=(5, 10),
        **(keys if mch_id == PUBLIC_KEY_MODE else {}),
    )


def answer(told: tuple[int, str], status: int = 200) -> dict[str, Any]:
    assert told[0] == status, told
    read: dict[str, Any] = json.loads(told[1]) if told[1] else {}
    return read


# wechatpayv3 compares the ends of certificates without their zone.
@pytest.mark.filterwarnings("ignore:Properties that return a na")
@pytest.mark.parametrize("mch_id", [PUBLIC_KEY_MODE, CERTIFICATE_MODE])
def test_wechatpayv3(led_here: Simulated, shop: Shop, mch_id: str) -> None:
    today = led_here.today()
    pay = _client(led_here, mch_id)
    number, closed, refund = f"wechatpayv3-{mch_id}", f"closed-{mch_id}", f"R-{mch_id}"
    order = {"description": "青瓷茶杯", "amount": {"total": 12_850}, "notify_url": shop.url}
    assert answer(pay.pay(out_trade_no=number, **order))["code_url"]
    assert answer(pay.query(out_trade_no=number))["trade_state"] == "NOTPAY"
    answer(pay.pay(out_trade_no=closed, **order))
    answer(pay.close(closed), 204)
    led_here.control("pay", mch_id=mch_id, out_trade_no=number)
    paid = pay.callback(*shop.next())
    assert paid["event_type"] == "TRANSACTION.SUCCESS"
    assert (
        paid["resource"]["transaction_id"]
        == (answer(pay.query(out_trade_no=number))["transaction_id"])
    )
    amount = {"refund": 2850, "total": 12_850, "currency": "CNY"}
    made = answer(pay.refund(refund, amount, out_trade_no=number, notify_url=shop.url))
    led_here.control("refunds", mch_id=mch_id, out_refund_no=refund, status="SUCCESS")
    refunded = pay.callback(*shop.next())
    assert refunded["resource"]["refund_id"] == made["refund_id"]
    assert answer(pay.query_refund(refund))["status"] == "SUCCESS"
    bill = answer(pay.trade_bill(today.isoformat()))
    status, packed = pay.download_bill(bill["download_url"])
    text = gzip.decompress(packed)
    assert (status, text.count(f"`{number},".encode())) == (200, 2)
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == bill["hash_value"]


def test_a_client_that_does_not_trust_the_ca_reaches_nothing(
    led_here: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError):
        _client(led_here, PUBLIC_KEY_MODE).query(out_trade_no="never-placed")
