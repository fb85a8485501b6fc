"""WeChat Pay's side of APIv3: what it signs, lists and refuses, and a gateway to hear it."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from django_wxpay.gateway import CallRecord, PlatformKeys, Transport, V3Gateway
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.authorization import read_authorization, request_message
from django_wxpay.protocol.v3.certificates import PlatformCertificate
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.protocol.v3.keys import load_private_key
from django_wxpay.protocol.v3.signing import signed_headers, verify
from tests.gateway.scripted import Fake
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import NOW

Told = tuple[int, bytes, dict[str, str]]

PRIMARY, STANDBY = "https://primary.test", "https://standby.test"
REQUEST_ID = "08D0A9C7B10610D60118C2F0A8EF0120-0"


def written(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def signed(
    content: object = b"",
    status: int = 200,
    *,
    serial: str = keys.PLATFORM_SERIAL,
    key: str = keys.PLATFORM_KEY,
    at: int = keys.NOW,
) -> Told:
    """Return an answer as WeChat Pay signs it; octets are taken as they are."""
    body = content if isinstance(content, bytes) else written(content)
    headers = signed_headers(
        body, serial=serial, private_key=key, timestamp=at, nonce="0a5ccb1cfb2add2f751351f363c1ead1"
    )
    return status, body, headers | {"Request-ID": REQUEST_ID}


def refusal(status: int, code: str, message: str = "no", **members: Any) -> Told:
    """Return an error answer, which nobody signs."""
    return status, written({"code": code, "message": message} | members), {"Request-ID": "08D0-7"}


def spoilt(told: Told, **headers: str | None) -> Told:
    """Return an answer with other headers; None takes one away."""
    status, body, said = told
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    merged = {**said, **changes}
    return status, body, {name: value for name, value in merged.items() if value is not None}


def probe(told: Told) -> Told:
    """Return an answer signed wrongly on purpose, as WeChat Pay does to try us out."""
    signature = told[2]["Wechatpay-Signature"]
    return spoilt(told, Wechatpay_Signature=f"WECHATPAY/SIGNTEST/{signature[19:]}")


def certificate(serial: str, key: str = keys.PUBLIC_MODE_KEY) -> str:
    """Return the PEM of a certificate made here, TEST ONLY; it was over long ago."""
    private = load_private_key(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST ONLY")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=int(serial, 16),
        not_valid_before=NOW - timedelta(days=2),
        not_valid_after=NOW - timedelta(days=1),
    )
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


YOUNG_SERIAL = "0" * 38 + "AB"
YOUNG = certificate(YOUNG_SERIAL)
YOUNG_KEY = keys.PUBLIC_MODE_KEY
OLD = keys.PLATFORM_CERTIFICATE


def listing(pems: dict[str, str], api_v3_key: str = keys.API_V3_KEY) -> bytes:
    """Return the list of certificates, by serial, sealed under ``api_v3_key``."""
    entries = [
        {
            "serial_no": serial,
            "effective_time": "2024-01-01T08:00:00+08:00",
            "expire_time": "2034-01-01T08:00:00+08:00",
            "encrypt_certificate": encrypt_resource(
                pem.encode(),
                api_v3_key=api_v3_key,
                nonce="61f9c719728a",
                associated_data="certificate",
                original_type="certificate",
            ),
        }
        for serial, pem in pems.items()
    ]
    return written({"data": entries})


class MemoryStore:
    """A store in memory that does what the one in the database does."""

    def __init__(self, *pems: str, claimed_at: datetime | None = None) -> None:
        self.pems = list(pems)
        self.claimed_at = claimed_at
        self.looks = 0
        self.asked: list[timedelta] = []
        self._lock = threading.Lock()

    def certificates(self) -> Sequence[str]:
        self.looks += 1
        return tuple(self.pems)

    def keep(self, certificates: Iterable[PlatformCertificate]) -> None:
        self.pems += [one.pem for one in certificates if one.pem not in self.pems]

    def may_download(self, *, every: timedelta) -> bool:
        with self._lock:
            self.asked.append(every)
            if self.claimed_at is not None and self.now() < self.claimed_at + every:
                return False
            self.claimed_at = self.now()
            return True

    def now(self) -> datetime:
        return NOW


class Till:
    """A v3 gateway, its two hosts and everything that happened.

    The old platform certificate is in the store, and was fetched a moment ago.
    """

    def __init__(self, *scripts: Any, merchant: Merchant, store: MemoryStore | None = None) -> None:
        self.pauses: list[float] = []
        self.transport = Transport(sleep=self.pauses.append)
        self.hosts = [Fake(*script) for script in scripts]
        for url, fake in zip(merchant.hosts, self.hosts, strict=False):
            self.transport.mount(url, fake)
        self.records: list[CallRecord] = []
        self.store = store or MemoryStore(OLD, claimed_at=NOW)
        self.now = NOW
        self.store.now = lambda: self.now  # type: ignore[method-assign]
        self.keys = PlatformKeys(merchant, store=self.store, now=lambda: self.now)
        numbers = itertools.count(1)
        self.gateway = V3Gateway(
            merchant,
            transport=self.transport,
            now=lambda: self.now,
            nonce=lambda: f"nonce{next(numbers)}",
            record=self.records.append,
            keys=self.keys,
        )

    @property
    def asked(self) -> list[int]:
        return [len(host.requests) for host in self.hosts]

    @property
    def paths(self) -> list[str]:
        return [request.path_url for request in self.hosts[0].requests]

    @property
    def failures(self) -> list[str]:
        return [str(record.failure) for record in self.records]

    def sent(self, host: int = 0, at: int = -1) -> requests.PreparedRequest:
        return self.hosts[host].requests[at]


def is_signed_by_us(method: str, path: str, body: bytes, authorization: str) -> bool:
    """Say whether what arrived is what the test merchant's key signed."""
    read = read_authorization(authorization)
    if read is None:
        return False
    message = request_message(
        method=method,
        url_path=path,
        body=body,
        timestamp=read.timestamp,
        nonce=read.nonce_str,
    )
    return verify(message, read.signature, keys.MERCHANT_CERTIFICATE)
