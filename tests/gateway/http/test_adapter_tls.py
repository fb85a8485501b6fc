from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_wxpay.gateway.http import adapter
from django_wxpay.gateway.http.failures import NoResponse, UntrustedHost
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.failures import Failure
from tests.gateway.conftest import Authority
from tests.wechatpay.transport import DOCUMENT, Host, says

Start = Callable[..., Host]


def ask(transport: Transport, host: str) -> HttpResponse:
    return transport.send(HttpRequest(host=host, path="/pay/unifiedorder", body=b"signed"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The bundles that were read from disk, each time anew."""
    seen: list[str] = []
    really = ssl.SSLContext.load_verify_locations

    def load(context: ssl.SSLContext, cafile: Any = None, capath: Any = None) -> None:
        seen.append(str(cafile or capath))
        really(context, cafile, capath)

    adapter._ssl_context.cache_clear()
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", load)
    yield seen
    adapter._ssl_context.cache_clear()


def test_a_private_authority_is_trusted_by_its_bundle(
    host: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    there = host(says(DOCUMENT), context=authority.context())
    now = [0.0]
    transport = Transport(clock=lambda: now[0])
    for _ in range(4):
        assert ask(transport, there.url).body == DOCUMENT
    assert there.connections == 1
    now[0] = 8.0
    assert ask(transport, there.url).user_ip == "127.0.0.1"
    assert (len(there.requests), there.connections) == (5, 2)
    assert reads == [str(authority.bundle)]
    transport.close()


def test_the_bundle_is_read_once_for_all_transports(reads: list[str]) -> None:
    assert adapter.ssl_context() is adapter.ssl_context(None)
    assert len(reads) == 1


def test_a_folder_of_certificates_is_a_bundle_too(tmp_path: Path, reads: list[str]) -> None:
    context = adapter.ssl_context(str(tmp_path))
    assert reads == [str(tmp_path)]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bundle_that_cannot_be_read_is_a_configuration_error(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with pytest.raises(ConfigurationError, match="REQUESTS_CA_BUNDLE"):
        ask(Transport(), "https://127.0.0.1:1")


def test_an_unknown_authority_is_not_trusted_and_gets_nothing(
    transport: Transport, host: Start, authority: Authority
) -> None:
    there = host(says(DOCUMENT), context=authority.context())
    with pytest.raises(UntrustedHost) as caught:
        ask(transport, there.url)
    assert (caught.value.failure, caught.value.http_status) == (Failure.TLS, None)
    assert there.requests == []


@pytest.mark.parametrize(("address", "days"), [("127.0.0.2", 1), ("127.0.0.1", -1)])
def test_a_certificate_of_another_host_or_of_yesterday_is_not_trusted(
    transport: Transport,
    host: Start,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    days: int,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    there = host(says(DOCUMENT), context=authority.context(address, days=days))
    with pytest.raises(UntrustedHost):
        ask(transport, there.url)
    assert there.requests == []


def test_a_host_that_speaks_no_tls_is_missed_like_any_other(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speaks_plainly() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=speaks_plainly)
        thread.start()
        with pytest.raises(NoResponse) as caught:
            ask(transport, f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join(2)
    assert caught.value.failure is Failure.TLS
    assert not isinstance(caught.value, UntrustedHost)


def test_a_handshake_that_never_ends_is_a_time_out(impatient: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(NoResponse) as caught:
        ask(impatient, f"https://127.0.0.1:{listener.getsockname()[1]}")
    assert caught.value.failure is Failure.TIMEOUT
