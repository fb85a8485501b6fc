"""WeChat Pay's public keys for one merchant, and the download of new ones.

The key is the one that ``Wechatpay-Serial`` names, never any other (protocol-v3 section 2.3).
Public keys come from the settings alone; platform certificates are downloaded, kept in a
store that all processes share, and never forgotten because a download failed. One that has ended
is trusted until there is another: WeChat Pay brings an end forward, and may have had to.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.errors import ConfigurationError, OutcomeUnknown, Refused, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import (
    NO_CERTIFICATES,
    PlatformCertificate,
    read_certificate,
)
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import PublicKey, load_public_key

logger = logging.getLogger("django_wxpay.gateway")

# Together less than the twelve hours of protocol-v3 section 2.6: the age of what is stored, and
# how often a process checks it. After a download that failed, the next check tries again.
REFRESH_AFTER: Final = timedelta(hours=11)
CHECK_AFTER: Final = timedelta(minutes=30)
# Over all processes, so that forged callbacks cannot make us call WeChat Pay at will.
UNKNOWN_SERIAL_PAUSE: Final = timedelta(minutes=1)
# Each look into the store finds all that is there, whichever serial it was for.
LOOK_PAUSE: Final = timedelta(seconds=1)
# A genuine new certificate is there by then, unless WeChat Pay is slow. Anybody can invent a
# serial, and must not keep our threads waiting for longer.
WAIT_S: Final = 1.0
# In a call of our own nobody can invent one, and without the key its answer is worth nothing.
CALL_WAIT_S: Final = 30.0

# What names a certificate; nothing else is looked for.
_CERTIFICATE: Final = re.compile("[0-9A-F]{40}")

Download = Callable[[], Sequence[PlatformCertificate]]
# Runs an action, and waits for its end for so many seconds at most.
Runner = Callable[[Callable[[], None], float], None]


class KeyNotHereYet(OutcomeUnknown):
    """Whether a serial names a key is not known before a download has ended."""


class _Running:
    """A download that runs; ``is_vain`` is set when it has ended or was waited for in vain."""

    def __init__(self) -> None:
        self.has_ended, self.is_vain = threading.Event(), threading.Event()


def run_here(action: Callable[[], None], _wait_s: float) -> None:
    action()


class CertificateStore(Protocol):
    """One merchant's certificates as PEMs, and the turns of all processes to download new ones."""

    def certificates(self) -> Sequence[str]:
        """Return those that have not expired."""
        ...

    def has_expired(self) -> bool:
        """Return whether there is one that has expired."""
        ...

    def keep(self, certificates: Iterable[PlatformCertificate]) -> None:
        """Store these beside those that are there."""
        ...

    def may_download(self, *, every: timedelta) -> bool:
        """Take the one turn to download in ``every``, over all processes."""
        ...


class PlatformKeys:
    """The keys of one merchant; one object serves all threads of a process.

    Making one downloads nothing. Raises ``ConfigurationError`` for an unreadable key in the
    settings.
    """

    def __init__(
        self,
        merchant: Merchant,
        *,
        store: CertificateStore,
        now: Callable[[], datetime],
        wait_s: float = WAIT_S,
        run: Runner = run_here,
    ) -> None:
        self._merchant = merchant
        self._store = store
        self._now = now
        self._wait_s = wait_s
        self._run = run
        self._keys: dict[str, RSAPublicKey] = {}
        # What each PEM that was read names; one that could not be read names nothing.
        self._read_pems: dict[str, str] = {}
        self._seen_in_store: set[str] = set()
        # Held while the store is read, never while a download runs.
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._checked_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._downloaded_for_unknown_at: datetime | None = None
        self._is_overdue = False
        self._missed_refresh = False
        if merchant.wechatpay_public_key_id:
            name = key_name(merchant.wechatpay_public_key_id)
            self._keys[name] = load_public_key(merchant.wechatpay_public_key)
        self._add(map(read_certificate, merchant.platform_certificates))
        self._given = frozenset(self._keys)

    def known(self, serial: str) -> RSAPublicKey | None:
        """Return the key that ``serial`` names if this process knows it, else None; no download."""
        return self._keys.get(key_name(serial))

    def find(
        self, serial: str, download: Download, *, is_our_call: bool = False
    ) -> RSAPublicKey | None:
        """Return the key that ``serial`` names, or None.

        A certificate that this process does not know is looked for in the store and then, once a
        minute over all processes, at WeChat Pay. Never raises for a download that fails. Waits at
        most ``wait_s`` seconds for one, and not at all for one that others have waited for in
        vain: raises ``KeyNotHereYet`` while it runs. With ``is_our_call`` it waits for longer.
        """
        # WeChat Pay writes a serial as it is filed here.
        if key := self._keys.get(serial):
            return key
        name = key_name(serial)
        if name in self._keys or not _CERTIFICATE.fullmatch(name):
            return self._keys.get(name)
        # Twice, for what was waited for may have been a refresh that had nothing to do.
        if self._is_looked_for(name, download, is_our_call=is_our_call):
            self._is_looked_for(name, download, is_our_call=is_our_call)
        return self._keys.get(name)

    def for_encryption(self, download: Download) -> tuple[str, PublicKey]:
        """Return the serial and the key with which to seal personal data for WeChat Pay.

        The public key of the settings, else the certificate that expires last (protocol-v3
        section 9). Raises ``OutcomeUnknown`` where there is none, and none can be downloaded.
        """
        if self._merchant.wechatpay_public_key_id:
            name = self._merchant.wechatpay_public_key_id
            return name, self._keys[key_name(name)]
        newest = self._newest()
        if newest is None and self._store.may_download(every=UNKNOWN_SERIAL_PAUSE):
            self._download(download)
            newest = self._newest()
        if newest is None:
            raise OutcomeUnknown("there is no key of WeChat Pay's to seal with; ask again")
        return newest.serial_no, newest.public_key

    def _newest(self) -> PlatformCertificate | None:
        certificates = []
        for pem in (*self._merchant.platform_certificates, *self._store.certificates()):
            with suppress(ConfigurationError):
                certificates.append(read_certificate(pem))
        return max(certificates, key=lambda one: one.not_after, default=None)

    def _is_looked_for(self, name: str, download: Download, *, is_our_call: bool) -> bool:
        """Look for a key or wait for who does; return whether it was another in vain."""
        wait_s = CALL_WAIT_S if is_our_call else self._wait_s
        with self._lock:
            running = self._running
            is_mine = running is None and self._has_to_download(name, is_our_call=is_our_call)
            if is_mine:
                running = self._begin()
        if running is None:
            return False
        if is_mine:
            self._run_apart(partial(self._download_and_end, download, running), running, wait_s)
        else:
            (running.has_ended if is_our_call else running.is_vain).wait(wait_s)
        running.is_vain.set()
        if name not in self._keys and not running.has_ended.is_set():
            raise KeyNotHereYet("the platform certificates are being downloaded; ask again")
        return name not in self._keys and not is_mine

    def refresh_if_due(self, download: Download) -> bool:
        """Download anew twice a day, where certificates are used at all; return whether it did.

        Returns at once while another thread downloads. Never raises for a download that fails.
        """
        # Without the lock, which every invented serial takes: nearly always it is not due.
        if self._is_within(CHECK_AFTER, self._checked_at):
            return False
        with self._lock:
            if self._is_within(CHECK_AFTER, self._checked_at) or self._running is not None:
                return False
            self._checked_at = self._now()
            running = self._begin()
        try:
            return self._refresh(download)
        finally:
            self._end(running)

    @property
    def is_overdue(self) -> bool:
        """Whether certificates are used here and the latest refresh failed."""
        return self._missed_refresh

    def _begin(self) -> _Running:
        self._running = _Running()
        return self._running

    def _run_apart(self, action: Callable[[], None], running: _Running, wait_s: float) -> None:
        try:
            self._run(action, wait_s)
        except RuntimeError as problem:
            if running.has_ended.is_set():
                raise
            # The process may start no more threads. What never began would seem to run for good,
            # and no certificate would be downloaded again.
            self._end(running)
            raise KeyNotHereYet("the platform certificates cannot be downloaded now") from problem

    def _end(self, running: _Running) -> None:
        self._running = None
        running.has_ended.set()
        running.is_vain.set()

    def _download_and_end(self, download: Download, running: _Running) -> None:
        try:
            self._download(download)
        finally:
            self._end(running)

    def _has_to_download(self, name: str, *, is_our_call: bool = False) -> bool:
        # The thread that held the lock before may have added it. Many forged serials must not cost
        # as many queries; nobody can forge that of an answer to us.
        if name not in self._keys and (
            is_our_call or not self._is_within(LOOK_PAUSE, self._looked_at)
        ):
            self._looked_at = self._now()
            self._read_store()
        return name not in self._keys and self._may_download_for_unknown()

    def _may_download_for_unknown(self) -> bool:
        # The store writes a row; many forged serials must not cost as many writes.
        if self._is_within(UNKNOWN_SERIAL_PAUSE, self._downloaded_for_unknown_at):
            return False
        self._downloaded_for_unknown_at = self._now()
        return self._store.may_download(every=UNKNOWN_SERIAL_PAUSE)

    def _refresh(self, download: Download) -> bool:
        are_used = self._are_used()
        every = CHECK_AFTER if self._is_overdue else REFRESH_AFTER
        is_due = are_used and self._store.may_download(every=every)
        is_renewed = is_due and self._download(download)
        # Where no certificates are used, a failed download for a forged serial misses nothing.
        self._missed_refresh = are_used and self._is_overdue
        return is_renewed

    def _are_used(self) -> bool:
        if self._read_store() or self._merchant.platform_certificates:
            return True
        # Without the public key, one that ran out without a successor is missed, not done with.
        return not self._merchant.wechatpay_public_key_id and self._store.has_expired()

    def _read_store(self) -> bool:
        """Take over what is in the store, and return whether it holds anything at all."""
        stored = self._store.certificates()
        for pem in stored:
            if pem not in self._read_pems:
                self._read_pems[pem] = ""
                self._add_stored(pem)
        # What has ended is in the store no more. The last ones stay trusted, for without them no
        # answer could be verified.
        if stored:
            self._drop(self._seen_in_store.difference(stored))
            self._seen_in_store = set(stored)
        return bool(stored)

    def _drop(self, pems: Iterable[str]) -> None:
        for pem in pems:
            name = self._read_pems.pop(pem)
            if name not in self._given:
                self._keys.pop(name, None)

    def _add_stored(self, pem: str) -> None:
        try:
            certificate = read_certificate(pem)
        except ConfigurationError as problem:
            logger.warning(
                "a certificate stored for %s is unreadable: %s", self._merchant.alias, problem
            )
            return
        self._add([certificate])
        # However the row has written it.
        self._read_pems[pem] = certificate.serial_no

    def _download(self, download: Download) -> bool:
        """Add and keep what is listed; return whether there was a list."""
        self._is_overdue = True
        try:
            certificates = download()
        except WXPayError as problem:
            self._is_overdue = not self._has_migrated(problem)
            if self._is_overdue:
                # The message of our own errors holds no key and no body.
                logger.warning(
                    "certificates of %s not refreshed: %s", self._merchant.alias, problem
                )
            return False
        self._add(certificates)
        self._store.keep(certificates)
        self._is_overdue = False
        return True

    def _has_migrated(self, problem: WXPayError) -> bool:
        # With the public key in the settings this refusal is no failure: those certificates have
        # no successor (protocol-v3 section 2.5). They stay trusted until they end.
        has_none = isinstance(problem, Refused) and problem.kind in NO_CERTIFICATES
        return has_none and bool(self._merchant.wechatpay_public_key_id)

    def _add(self, certificates: Iterable[PlatformCertificate]) -> None:
        for certificate in certificates:
            self._read_pems[certificate.pem] = certificate.serial_no
            # A name keeps its key: no list can replace one that is trusted.
            self._keys.setdefault(certificate.serial_no, certificate.public_key)

    def _is_within(self, span: timedelta, since: datetime | None) -> bool:
        # A clock that went back must not prolong the wait.
        return since is not None and timedelta() <= self._now() - since < span
