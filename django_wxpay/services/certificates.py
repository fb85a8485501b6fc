"""Platform certificates: their table, which all processes share, and their renewal.

``gateway.v3.platform_keys`` decides when a download is due. This module does not know
gateways, which import it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import Error, IntegrityError

from django_wxpay import conf
from django_wxpay.models import CertificateDownload, PlatformCertificate
from django_wxpay.protocol.errors import OutcomeUnknown, WXPayError
from django_wxpay.protocol.v3.certificates import PlatformCertificate as Downloaded
from django_wxpay.services import clock
from django_wxpay.services.claims import claim
from django_wxpay.services.transactions import atomic, require_no_transaction, retry_on_lock

logger = logging.getLogger("django_wxpay.worker")


class CertificateStore:
    """The stored certificates of one mch_id, and the claim on their next download.

    A lock costs a moment and no call: it is met before one is sent, or with its answer in hand.
    """

    def __init__(self, mch_id: str) -> None:
        self._mch_id = mch_id

    def certificates(self) -> Sequence[str]:
        """Return the PEMs of those that have not expired."""
        rows = PlatformCertificate.objects.filter(
            mch_id=self._mch_id,
            expire_time__gt=clock.now(),
        )
        return retry_on_lock(lambda: list(rows.values_list("pem", flat=True)))

    def of_serial(self, serial: str) -> str | None:
        """Return the PEM of this serial, though it may have expired; None if it was never here."""
        rows = PlatformCertificate.objects.filter(mch_id=self._mch_id, serial_no=serial)
        return retry_on_lock(rows.values_list("pem", flat=True).first)

    def has_expired(self) -> bool:
        """Return whether one of them has expired."""
        rows = PlatformCertificate.objects.filter(mch_id=self._mch_id)
        return retry_on_lock(rows.filter(expire_time__lte=clock.now()).exists)

    def keep(self, listed: Iterable[Downloaded]) -> None:
        """Insert certificates that are new, and update the dates of the others."""
        now = clock.now()
        for one in listed:
            columns: dict[str, Any] = {
                "pem": one.pem,
                "effective_time": one.not_before,
                "expire_time": one.not_after,
            }
            retry_on_lock(
                partial(
                    PlatformCertificate.objects.update_or_create,
                    mch_id=self._mch_id,
                    serial_no=one.serial_no,
                    defaults=columns,
                    create_defaults=columns | {"created_at": now},
                )
            )

    def may_download(self, *, every: timedelta) -> bool:
        """Claim the one download of this mch_id in ``every``, over all processes."""
        return retry_on_lock(lambda: self._claim(every))

    def _claim(self, every: timedelta) -> bool:
        now = clock.now()
        row = CertificateDownload.objects.filter(mch_id=self._mch_id)
        if claim(row, "claimed_at", now, due_by=now - every, longest=timedelta()):
            return True
        if row.exists():
            return False
        try:
            # The savepoint, because PostgreSQL ends a transaction with a failed INSERT in it.
            with atomic():
                CertificateDownload.objects.create(mch_id=self._mch_id, claimed_at=now)
        except IntegrityError:
            return False
        return True


def refresh_certificates(
    refresh: Callable[[str], bool], *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Call ``refresh`` for every v3 merchant that uses certificates; return how many are renewed.

    An error of one merchant stops no other: ``OutcomeUnknown`` is raised after the last one.
    Raises ``InsideTransaction`` in an open transaction. Ends early, between two merchants,
    when ``stop`` returns True. Source: protocol-v3 section 2.6.
    """
    require_no_transaction("refresh_certificates")
    renewed, failed = 0, []
    for alias in (account.alias for account in conf.accounts() if account.api_v3_key):
        if stop():
            break
        try:
            renewed += refresh(alias)
        except (WXPayError, Error) as error:
            logger.warning("certificates of merchant %s not renewed: %s", alias, error)
            failed.append(alias)
    if failed:
        raise OutcomeUnknown(f"platform certificates not renewed: {', '.join(failed)}")
    return renewed
