"""A customer who pays before unifiedorder is answered: first notified, then answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v2.requests import unifiedorder
from django_wxpay.protocol.v2.xml import encode_xml
from django_wxpay.simulator import DEMO_MERCHANTS, create_app, running

MERCHANT = DEMO_MERCHANTS[0]
ROUNDS = 20


@contextmanager
def shop(events: list[str]) -> Iterator[str]:
    """Serve a notify_url that takes its time, and yield its address."""

    class Notify(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(0.02)
            events.append("notified")
            body = b"<xml><return_code>SUCCESS</return_code></xml>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Notify)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    serving.join()


def placed(number: int, notify_url: str) -> bytes:
    terms = OrderTerms(
        appid=MERCHANT.appid,
        mch_id=MERCHANT.mch_id,
        trade_type="NATIVE",
        body="Tea",
        out_trade_no=f"EARLY{number:05d}",
        total_fee=1,
        product_id="TEA",
        spbill_create_ip="127.0.0.1",
        notify_url=notify_url,
    )
    key, sign_type = MERCHANT.api_key, MERCHANT.sign_type
    return encode_xml(unifiedorder(terms, sign_type=sign_type, key=key, nonce="nonce"))


def test_the_notification_has_been_there_and_back_before_the_answer_comes() -> None:
    events: list[str] = []
    with shop(events) as notify_url, running(create_app()) as url:
        for number in range(ROUNDS):
            fault = {"fault": "before_answer", "operation": "unifiedorder"}
            requests.post(f"{url}/_simulator/faults", json=fault, timeout=5)
            answer = requests.post(
                f"{url}/pay/unifiedorder", data=placed(number, notify_url), timeout=5
            )
            assert "prepay_id" in answer.text
            assert len(events) == number + 1
