"""Scripted hosts of a merchant, a v3 gateway between them, and certificates in memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import requests

from django_wxpay.gateway import CallRecord, PlatformKeys, Transport, V3Gateway
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.authorization import read_authorization, request_message
from django_wxpay.protocol.v3.certificates import PlatformCertificate
from django_wxpay.protocol.v3.signing import verify
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import NOW
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v3 import OLD

PRIMARY, STANDBY = "https://primary.test", "https://standby.test"


class MemoryStore:
    """A store in memory that does what the one in the database does."""

    def __init__(self, *pems: str, claimed_at: datetime | None = None) -> None:
        self.pems = list(pems)
        self.claimed_at = claimed_at
        self.looks = 0
        self.has_old_ones = False
        self.asked: list[timedelta] = []
        self._lock = threading.Lock()

    def certificates(self) -> Sequence[str]:
        self.looks += 1
        return tuple(self.pems)

    def has_expired(self) -> bool:
        return self.has_old_ones

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


class Counter:
    """A merchant's scripted hosts, the way to them and everything that happened."""

    def __init__(self, *scripts: Any, merchant: Merchant) -> None:
        self.pauses: list[float] = []
        self.transport = Transport(sleep=self.pauses.append)
        self.hosts = [ScriptedTransport(*script) for script in scripts]
        for url, fake in zip(merchant.hosts, self.hosts, strict=False):
            self.transport.mount(url, fake)
        self.records: list[CallRecord] = []

    @property
    def asked(self) -> list[int]:
        return [len(host.requests) for host in self.hosts]


class Till(Counter):
    """A v3 gateway between two scripted hosts.

    The old platform certificate is in the store, and was fetched a moment ago.
    """

    def __init__(self, *scripts: Any, merchant: Merchant, store: MemoryStore | None = None) -> None:
        super().__init__(*scripts, merchant=merchant)
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
