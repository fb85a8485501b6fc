"""Which keys of WeChat Pay's are believed for one merchant, and how new ones are learnt.

The key is the one that ``Wechatpay-Serial`` names, never any other (protocol-v3 section 2.3).
Public keys come from the settings alone; platform certificates are downloaded, kept in a
vault that all processes share, and never forgotten because a download failed. An unknown
serial may cause a download, but no more than one a minute over all processes, so that
strangers cannot make us call.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.errors import ConfigurationError, WXPayError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate
from django_wxpay.protocol.v3.keys import load_public_key
from django_wxpay.protocol.v3.signing import key_name

logger = logging.getLogger("django_wxpay.gateway")

# Together less than the twelve hours of protocol-v3 section 2.6: how old what is kept may grow, and
# how
# often a process looks. After a download that failed, the next look tries again.
REFRESH_AFTER: Final = timedelta(hours=11)
LOOK_AFTER: Final = timedelta(minutes=30)
STRANGERS_PAUSE: Final = timedelta(minutes=1)
# A callback has to be answered within five seconds (protocol-v3 section 6.4), also behind a slow
# download.
PATIENCE_S: Final = 4.0

# What names a certificate; nothing else is looked for.
_CERTIFICATE: Final = re.compile("[0-9A-F]{40}")

Download = Callable[[], Sequence[PlatformCertificate]]


class KeyVault(Protocol):
    """Where one merchant's certificates are kept, and who may fetch new ones."""

    def certificates(self) -> Sequence[str]:
        """Return the PEMs that are kept."""
        ...

    def keep(self, certificates: Iterable[PlatformCertificate]) -> None:
        """Keep these beside those that are there."""
        ...

    def may_download(self, *, every: timedelta) -> bool:
        """Take the one leave to download in ``every``, over all processes."""
        ...


class PlatformKeys:
    """The keys of one merchant; one object serves all threads of a process.

    Making one asks nobody. ``ConfigurationError`` for a key in the settings that is none.
    """

    def __init__(
        self,
        merchant: Merchant,
        *,
        vault: KeyVault,
        now: Callable[[], datetime],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._merchant = merchant
        self._vault = vault
        self._now = now
        self._patience_s = patience_s
        self._known: dict[str, RSAPublicKey] = {}
        self._read_pems: set[str] = set()
        # Held while a download runs; what is known is found without it.
        self._learning = threading.Lock()
        self._looked_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._is_overdue = False
        self._has_missed_a_refresh = False
        if merchant.wechatpay_public_key_id:
            name = key_name(merchant.wechatpay_public_key_id)
            self._known[name] = load_public_key(merchant.wechatpay_public_key)
        self._learn(map(read_certificate, merchant.platform_certificates))

    def known(self, serial: str) -> RSAPublicKey | None:
        """Return the key that ``serial`` names if this process knows it; asks nobody."""
        return self._known.get(key_name(serial))

    def find(self, serial: str, download: Download) -> RSAPublicKey | None:
        """Return the key that ``serial`` names, or None.

        A certificate that this process does not know is looked for in the vault, and then,
        if nobody asked within the last minute, at WeChat Pay. Never raises for a download
        that fails, and never waits long for one that another thread makes: what is known
        stays, and a callback refused meanwhile is sent again.
        """
        name = key_name(serial)
        is_to_be_looked_for = name not in self._known and _CERTIFICATE.fullmatch(name)
        if is_to_be_looked_for and self._learning.acquire(timeout=self._patience_s):
            try:
                self._look_for(name, download)
            finally:
                self._learning.release()
        return self._known.get(name)

    def refresh_if_due(self, download: Download) -> bool:
        """Download anew twice a day, where certificates are used at all; say whether it did.

        Returns at once while another thread is at it. Never raises for a download that fails.
        """
        if self._is_within(LOOK_AFTER, self._looked_at):
            return False
        if not self._learning.acquire(blocking=False):
            return False
        try:
            self._looked_at = self._now()
            return self._refresh(download)
        finally:
            self._learning.release()

    @property
    def is_overdue(self) -> bool:
        """Whether certificates are used here and the latest refresh could not bring any."""
        return self._has_missed_a_refresh

    def _look_for(self, name: str, download: Download) -> None:
        # Whoever held the lock may have learnt it.
        if name not in self._known:
            self._look_into_the_vault()
        if name not in self._known and self._may_ask_for_a_stranger():
            self._download(download)

    def _may_ask_for_a_stranger(self) -> bool:
        # The vault writes; a stranger a moment must not cost as many writes.
        if self._is_within(STRANGERS_PAUSE, self._asked_at):
            return False
        self._asked_at = self._now()
        return self._vault.may_download(every=STRANGERS_PAUSE)

    def _refresh(self, download: Download) -> bool:
        are_used = self._look_into_the_vault() or bool(self._merchant.platform_certificates)
        every = LOOK_AFTER if self._is_overdue else REFRESH_AFTER
        is_due = are_used and self._vault.may_download(every=every)
        if is_due:
            self._download(download)
        # What a stranger's serial failed to bring is nobody's loss where none are used.
        self._has_missed_a_refresh = are_used and self._is_overdue
        return is_due and not self._is_overdue

    def _look_into_the_vault(self) -> bool:
        """Learn what is new in there, and say whether there is anything at all."""
        kept = self._vault.certificates()
        for pem in kept:
            if pem not in self._read_pems:
                self._read_pems.add(pem)
                self._learn_kept(pem)
        return bool(kept)

    def _learn_kept(self, pem: str) -> None:
        try:
            self._learn([read_certificate(pem)])
        except ConfigurationError as problem:
            logger.warning(
                "a certificate kept for %s is unreadable: %s", self._merchant.alias, problem
            )

    def _download(self, download: Download) -> None:
        self._is_overdue = True
        try:
            certificates = download()
        except WXPayError as problem:
            # The message of our own errors holds no key and no body.
            logger.warning("certificates of %s not refreshed: %s", self._merchant.alias, problem)
            return
        self._learn(certificates)
        self._vault.keep(certificates)
        self._is_overdue = False

    def _learn(self, certificates: Iterable[PlatformCertificate]) -> None:
        for certificate in certificates:
            self._read_pems.add(certificate.pem)
            # A name keeps its key: no list can put another in the place of one that is believed.
            self._known.setdefault(certificate.serial_no, certificate.public_key)

    def _is_within(self, span: timedelta, since: datetime | None) -> bool:
        # A clock that went back must not make us wait for longer than agreed.
        return since is not None and timedelta() <= self._now() - since < span
