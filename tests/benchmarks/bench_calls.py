"""What a call costs over a kept connection, against a new one per call, as wechatpay SDKs do.

The simulator runs in a process of its own, once plainly and once behind TLS, as the real
gateway is. Both sides send the same signed bytes and read the same answer.

Run: python tests/benchmarks/bench_calls.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import requests
from measuring import in_turns, say, table

from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.v2 import V2Gateway
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.v2.replies import read_envelope, read_orderquery
from django_wxpay.protocol.v2.requests import orderquery
from django_wxpay.protocol.v2.xml import encode_xml
from django_wxpay.simulator import create_app
from django_wxpay.simulator.http.server import _Server
from tests.gateway.conftest import Authority
from tests.journeys.stage import DIRECT, MERCHANTS

TERMS = OrderTerms(
    appid=DIRECT.appid,
    mch_id=DIRECT.mch_id,
    trade_type="NATIVE",
    body="Tea",
    out_trade_no="BENCH0000001",
    total_fee=1250,
    product_id="TEA-1",
    spbill_create_ip="127.0.0.1",
    notify_url="http://127.0.0.1:9/notify/",
)


def serve(folder: str) -> None:
    """Serve the simulator until killed, behind TLS where a folder for certificates is given."""
    server = _Server(create_app(MERCHANTS), "127.0.0.1", 0)
    url = server.url
    if folder:
        context = Authority(Path(folder)).context()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = url.replace("http://", "https://")
    say(url)
    server.serve_forever()


@contextmanager
def served(folder: str = "") -> Iterator[str]:
    """Serve the simulator in another process and give its address."""
    command = [sys.executable, __file__, "--serve", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def measure(title: str, host: str) -> None:
    """Compare a call of ours with one that opens its own connection."""
    merchant = replace(DIRECT, hosts=(host,))
    transport = Transport()
    gateway = V2Gateway(
        merchant,
        transport=transport,
        now=lambda: datetime.now(UTC),
        nonce=lambda: "benchnonce",
        record=lambda _: None,
    )
    gateway.place(TERMS)
    ref = OrderRef(appid=DIRECT.appid, mch_id=DIRECT.mch_id, out_trade_no=TERMS.out_trade_no)
    key, sign_type = merchant.api_key, merchant.sign_type

    def with_a_connection_of_its_own() -> object:
        fields = orderquery(ref, sign_type=sign_type, key=key, nonce="benchnonce")
        answer = requests.post(
            f"{host}/pay/orderquery",
            data=encode_xml(fields),
            headers={"Content-Type": "text/xml"},
            timeout=(5, 15),
        )
        envelope = read_envelope(
            answer.content, merchant=merchant, sign_type=sign_type, appid=merchant.appid
        )
        return read_orderquery(envelope, ref)

    ours, theirs = "ours: one pooled connection", "requests.post: a connection a call"
    competitors = {ours: lambda: gateway.query(ref), theirs: with_a_connection_of_its_own}
    for clock, name in ((time.perf_counter, "elapsed"), (time.process_time, "our CPU")):
        times = in_turns(competitors, clock=clock, rounds=9, round_s=0.15)
        table(f"orderquery {title}, {name}", times, base=ours)
    transport.close()


def main() -> None:
    """Measure and print."""
    with served() as plain:
        measure("over plain HTTP", plain)
    with tempfile.TemporaryDirectory() as folder, served(folder) as secure:
        bundle = _bundle(Path(folder))
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        measure("over TLS", secure)


def _bundle(folder: Path) -> Path:
    """Return the usual bundle with the simulator's authority added: as large as in real life."""
    usual = Path(requests.certs.where()).read_bytes()
    bundle = folder / "bundle.pem"
    bundle.write_bytes(usual + b"\n" + (folder / "ca.pem").read_bytes())
    return bundle


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        main()
