"""Hosts, certificates, and transports with and without patience."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from django_wxpay.gateway.http.transport import Transport
from tests.wechatpay.transport import Behaviour, Host

LONG_S, PATIENCE_S = 20.0, 0.5


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    for name in (*names, *(name.lower() for name in names), "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def host() -> Iterator[Callable[..., Host]]:
    running: list[Host] = []

    def start(*script: Behaviour, context: ssl.SSLContext | None = None) -> Host:
        running.append(Host(*script, context=context))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def nobody() -> Iterator[str]:
    """The URL of a port that is taken and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def transport() -> Iterator[Transport]:
    """A transport with more patience than any answer here takes, even on a busy machine."""
    made = Transport(timeout=(LONG_S, LONG_S))
    yield made
    made.close()


@pytest.fixture
def impatient() -> Iterator[Transport]:
    """A transport for hosts that do not answer in time."""
    made = Transport(timeout=(1.0, PATIENCE_S))
    yield made
    made.close()


class Authority:
    """A private CA: the file to trust it by, and server contexts under it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        certificate = self._certificate("Test CA", self.key, ca=True, days=1)
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, address: str = "127.0.0.1", *, days: int = 1) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._certificate(address, key, ca=False, days=days)
        path = self.folder / f"{address}{days}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _certificate(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool, days: int
    ) -> x509.Certificate:
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
        build = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - dt.timedelta(days=5))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if ca:
            usage = x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            )
            build = build.add_extension(usage, critical=True)
        else:
            names = [x509.IPAddress(ipaddress.ip_address(name))]
            build = build.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return build.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))
