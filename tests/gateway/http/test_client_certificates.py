"""Client certificates: shown to the calls that need one alone, and on no disk in clear."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from django_wxpay.gateway.http import adapter
from django_wxpay.gateway.http.failures import NoResponse
from django_wxpay.gateway.http.messages import ClientCertificate, HttpRequest
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.keys import load_private_key
from tests.gateway.conftest import Authority
from tests.protocol.v3 import keys
from tests.wechatpay.transport import DOCUMENT, Host, says

Start = Callable[..., Host]


def certificate_of(key: str, name: str) -> str:
    private, now = load_private_key(key), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=private.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


OURS = ClientCertificate(certificate_of(keys.MERCHANT_KEY, "ours"), Secret(keys.MERCHANT_KEY))
THEIRS = ClientCertificate(certificate_of(keys.PLATFORM_KEY, "theirs"), Secret(keys.PLATFORM_KEY))


@pytest.fixture
def strict(
    host: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Host:
    """A host that asks for one of the two certificates."""
    context = authority.context()
    trusted = tmp_path / "clients.pem"
    trusted.write_text(OURS.pem + THEIRS.pem)
    context.load_verify_locations(trusted)
    context.verify_mode = ssl.CERT_REQUIRED
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    return host(says(DOCUMENT), context=context)


def ask(transport: Transport, there: Host, client: ClientCertificate | None) -> bytes:
    request = HttpRequest(
        host=there.url, path="/secapi/pay/refund", body=b"signed", client_certificate=client
    )
    return transport.send(request).body


def test_a_host_that_asks_for_a_certificate_is_shown_the_merchants(
    transport: Transport, strict: Host
) -> None:
    for _ in range(2):
        assert ask(transport, strict, OURS) == DOCUMENT
    assert strict.connections == 1
    # No merchant rides on another's connection.
    assert ask(transport, strict, THEIRS) == DOCUMENT
    assert strict.connections == 2


def test_without_one_nothing_is_answered(transport: Transport, strict: Host) -> None:
    assert ask(transport, strict, OURS) == DOCUMENT
    with pytest.raises(NoResponse):
        ask(transport, strict, None)
    assert len(strict.requests) == 1


@pytest.mark.parametrize(
    ("client", "problem"),
    [
        (ClientCertificate("nothing", OURS.key), "CLIENT_CERT cannot be read"),
        (ClientCertificate(OURS.pem, THEIRS.key), "CLIENT_KEY is not its key"),
        (ClientCertificate(OURS.pem, Secret("nothing")), "CLIENT_KEY is not the PEM"),
    ],
)
def test_what_does_not_belong_together_is_a_configuration_error_and_names_no_key(
    transport: Transport, strict: Host, client: ClientCertificate, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        ask(transport, strict, client)
    assert "nothing" not in str(caught.value)
    assert strict.requests == []


def test_the_key_is_on_no_disk_in_clear_and_gone_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []
    really = ssl.SSLContext.load_cert_chain

    def load(context: ssl.SSLContext, certfile: Path, **more: Any) -> None:
        seen.append(certfile.read_text())
        assert certfile.parent.stat().st_mode & 0o77 == 0
        really(context, certfile, **more)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    adapter._ssl_context.cache_clear()
    assert adapter.ssl_context(None, OURS) is adapter.ssl_context(None, OURS)
    adapter._ssl_context.cache_clear()

    (written,) = seen
    assert "ENCRYPTED PRIVATE KEY" in written
    assert keys.MERCHANT_KEY.splitlines()[1] not in written
    assert list(tmp_path.iterdir()) == []
    assert keys.MERCHANT_KEY.splitlines()[1] not in repr(OURS)
