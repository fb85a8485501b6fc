"""The simulator as an HTTP proxy: WeChat Pay's names end in it, and no others lead anywhere."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from django_wxpay.protocol import v2
from django_wxpay.simulator import DEMO_MERCHANTS, Simulator, create_app, running, tls_context
from django_wxpay.simulator.http.proxy import HOSTS
from django_wxpay.simulator.standalone.folder import Folder
from tests.simulator.calling import MCH_ID, NUMBER, ORDER, Merchant

HOST = "api.mch.weixin.qq.com"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("keys"), now=datetime.now(UTC))


@pytest.fixture(scope="module")
def certificate(folder: Folder) -> str:
    return folder.merchant(MCH_ID)


@pytest.fixture(scope="module")
def context(folder: Folder, certificate: str) -> ssl.SSLContext:
    return tls_context(*folder.host(), client_certificates=[certificate], client_ca=folder.ca)


@pytest.fixture
def app(certificate: str) -> Iterator[Simulator]:
    app = create_app([replace(DEMO_MERCHANTS[0], client_cert=certificate)])
    yield app
    app.reset()


@pytest.fixture
def url(app: Simulator, context: ssl.SSLContext) -> Iterator[str]:
    with running(app, proxy=context) as url:
        yield url


class Client(Merchant):
    """Calls WeChat Pay by its name, through the proxy."""

    def __init__(self, app: Simulator, url: str, folder: Folder, host: str = HOST) -> None:
        super().__init__(app, host=f"https://{host}")
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"http": url, "https": url}
        self.session.verify = str(folder.ca)


@pytest.fixture
def client(app: Simulator, url: str, folder: Folder) -> Iterator[Client]:
    client = Client(app, url, folder)
    yield client
    client.session.close()


def said(url: str, octets: bytes, *, most: int = 65_536) -> bytes:
    """Send ``octets`` to the proxy, and return what it says until it hangs up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(octets)
        answer = b""
        while len(answer) < most and (piece := connection.recv(65_536)):
            answer += piece
    return answer


@pytest.mark.parametrize("host", HOSTS[:-1])
def test_every_host_of_wechat_pay_ends_here(
    app: Simulator, url: str, folder: Folder, host: str
) -> None:
    client = Client(app, url, folder, host)
    assert client.place()["result_code"] == "SUCCESS"
    assert app.ledger()["requests"][-1]["host"] == host
    client.session.close()


def test_a_connection_through_the_proxy_is_kept(client: Client, app: Simulator) -> None:
    client.place()
    assert [client.state() for _ in range(3)] == ["NOTPAY"] * 3
    assert len(client.session.adapters["https://"].proxy_manager) == 1


def test_a_refund_wants_the_certificate_inside_the_tunnel(client: Client, folder: Folder) -> None:
    client.place()
    client.app.pay(MCH_ID, NUMBER)
    refund = {
        "out_trade_no": NUMBER,
        "out_refund_no": "R1",
        "total_fee": "100",
        "refund_fee": "40",
    }
    home = folder.path / MCH_ID
    files = (str(home / "apiclient_cert.pem"), str(home / "apiclient_key.pem"))
    uncertified = client.post("/secapi/pay/refund", client.signed(refund))
    assert (uncertified.status_code, uncertified.headers["Server"]) == (400, "nginx")
    certified = client.post("/secapi/pay/refund", client.signed(refund), cert=files)
    assert v2.decode_xml(certified.content)["result_code"] == "SUCCESS"


def test_a_body_in_chunks_passes_the_tunnel(client: Client) -> None:
    pieces = iter([client.signed(ORDER)[:10], client.signed(ORDER)[10:]])
    response = client.session.post(f"{client.host}/pay/unifiedorder", data=pieces, timeout=5)
    assert response.request.headers["Transfer-Encoding"] == "chunked"
    assert v2.decode_xml(response.content)["result_code"] == "SUCCESS"


def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(client: Client, url: str) -> None:
    body = client.signed(ORDER)
    head = (
        f"POST https://{HOST}/pay/unifiedorder HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Expect: 100-continue\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = said(url, head.encode() + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "authority",
    [
        "example.com:443",
        "127.0.0.1:22",
        "api.mch.weixin.qq.com:80",
        "api.mch.weixin.qq.com",
        "api.mch.weixin.qq.com.example.com:443",
        "evil-api.mch.weixin.qq.com:443",
        ":443",
        "443",
        "[::1]:443",
    ],
)
def test_a_tunnel_to_elsewhere_is_refused(app: Simulator, url: str, authority: str) -> None:
    answer = said(url, f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"nowhere else" in answer
    assert app.ledger()["requests"] == []


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/pay/unifiedorder",
        "https://example.com/",
        "http://127.0.0.1:22/",
        "ftp://api.mch.weixin.qq.com/",
        "https://api.mch.weixin.qq.com:8443/pay/unifiedorder",
        "https://api.mch.weixin.qq.com:x/",
        "https://[::1/",
        "api.mch.weixin.qq.com/pay",
        "*",
    ],
)
def test_an_address_of_elsewhere_is_refused(app: Simulator, url: str, address: str) -> None:
    answer = said(url, f"POST {address} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert app.ledger()["requests"] == []


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("port", ["", ":443", ":80"])
def test_an_address_instead_of_a_tunnel_is_a_call(
    app: Simulator, client: Client, url: str, scheme: str, port: str
) -> None:
    body = client.signed(ORDER)
    head = (
        f"POST {scheme}://{HOST}{port}/pay/unifiedorder HTTP/1.1\r\n"
        f"Host: {HOST}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = said(url, head.encode() + body)
    if port == {"https": ":80", "http": ":443"}[scheme]:
        assert answer.startswith(b"HTTP/1.1 403 ")
        return
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert v2.decode_xml(answer.partition(b"\r\n\r\n")[2])["result_code"] == "SUCCESS"


def test_without_a_tunnel_no_certificate_can_be_shown(client: Client, url: str) -> None:
    body = client.signed({"out_trade_no": NUMBER, "out_refund_no": "R1"})
    head = (
        f"POST https://{HOST}/secapi/pay/refund HTTP/1.1\r\n"
        f"Host: {HOST}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    assert b"No required SSL certificate was sent" in said(url, head.encode() + body)


def test_a_query_is_signed_as_it_was_sent(url: str, app: Simulator) -> None:
    target = "/v3/pay/transactions/out-trade-no/%54-1?mchid=1&x=a%2Fb#part"
    said(
        url, f"GET https://{HOST}{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    [call] = app.ledger()["requests"]
    assert (call["out_trade_no"], call["err_code"]) == ("T-1", "SIGN_ERROR")


def test_a_client_that_does_not_trust_the_ca_gets_no_further(url: str, app: Simulator) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": url}
        with pytest.raises(requests.exceptions.SSLError):
            session.post(f"https://{HOST}/pay/unifiedorder", data=b"x", timeout=5)
    assert app.ledger()["requests"] == []


def test_what_is_not_tls_inside_a_tunnel_is_no_call(url: str, app: Simulator) -> None:
    head = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
    call = b"POST /pay/unifiedorder HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head)
        assert connection.recv(1024) == b"HTTP/1.1 200 Connection established\r\n\r\n"
        connection.sendall(call)
        rest = b""
        # What it has not read is answered with a reset, on some systems.
        with suppress(ConnectionResetError):
            while piece := connection.recv(1024):
                rest += piece
    assert not rest.startswith(b"HTTP")
    assert app.ledger()["requests"] == []


def test_the_page_is_there_beside_the_proxy(url: str, client: Client, folder: Folder) -> None:
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{url}/_simulator/", timeout=5).status_code == 200
    inside = client.session.get("https://wx.tenpay.com/_simulator/ledger", timeout=5)
    assert inside.json()["trades"] == []


def test_a_customer_pays_at_the_address_in_the_answer(client: Client) -> None:
    scene = json.dumps({"h5_info": {"type": "Wap", "wap_url": "x", "wap_name": "x"}})
    placed = client.place(trade_type="MWEB", scene_info=scene)
    assert placed["mweb_url"].startswith("https://wx.tenpay.com/")
    page = client.session.get(
        placed["mweb_url"], headers={"Referer": "https://shop.example/"}, timeout=5
    )
    assert (page.status_code, "Pay" in page.text) == (200, True)


def test_a_reset_inside_a_tunnel_is_a_real_one(client: Client) -> None:
    client.app.inject("reset")
    with pytest.raises(requests.ConnectionError):
        client.place()
    assert client.place()["result_code"] == "SUCCESS"


def test_tls_and_proxy_share_a_port(
    app: Simulator, context: ssl.SSLContext, folder: Folder
) -> None:
    with running(app, tls=context, proxy=context) as url:
        assert url.startswith("https://127.0.0.1:")
        direct = Merchant(app, host=url)
        direct.session = requests.Session()
        direct.session.trust_env = False
        direct.session.verify = str(folder.ca)
        assert direct.place()["result_code"] == "SUCCESS"
        proxied = Client(app, url.replace("https", "http"), folder)
        assert proxied.state() == "NOTPAY"
        proxied.session.close()
        direct.session.close()


def test_without_a_proxy_a_tunnel_is_no_way(app: Simulator) -> None:
    with running(app) as url:
        head = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = said(url, head.encode())
    assert b"Connection established" not in answer


def test_closing_the_server_closes_its_tunnels(
    app: Simulator, context: ssl.SSLContext, folder: Folder
) -> None:
    before = threading.active_count()
    with running(app, proxy=context) as url:
        client = Client(app, url, folder)
        client.place()
    with pytest.raises(requests.ConnectionError):
        client.place()
    client.session.close()
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(5)
    assert threading.active_count() <= before


@pytest.mark.parametrize("call", [b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\x00\r\n\r\n"])
def test_what_is_no_request_is_refused_as_nginx_does(url: str, call: bytes) -> None:
    answer: Any = said(url, call).lower()
    assert b"<center>nginx</center>" in answer
    assert not any(word in answer for word in (b"simul", b"python", b"explanation"))
