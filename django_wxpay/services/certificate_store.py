"""Where downloaded certificates are kept: in the database, once for all processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from django.db import IntegrityError, transaction

from django_wxpay.models import CertificateDownload, PlatformCertificate
from django_wxpay.protocol.v3.certificates import PlatformCertificate as Downloaded
from django_wxpay.services import clock


class CertificateStore:
    """The certificates of one mch_id, and the leave to download more of them."""

    def __init__(self, mch_id: str) -> None:
        self._mch_id = mch_id

    def certificates(self) -> Sequence[str]:
        """Return the PEMs of those that have not expired."""
        kept = PlatformCertificate.objects.filter(
            mch_id=self._mch_id,
            expire_time__gt=clock.now(),
        )
        return list(kept.values_list("pem", flat=True))

    def keep(self, listed: Iterable[Downloaded]) -> None:
        """Keep what is new, and take over the dates of what is known."""
        now = clock.now()
        for one in listed:
            PlatformCertificate.objects.update_or_create(
                mch_id=self._mch_id,
                serial_no=one.serial_no,
                defaults={
                    "pem": one.pem,
                    "effective_time": one.not_before,
                    "expire_time": one.not_after,
                },
                create_defaults={
                    "pem": one.pem,
                    "effective_time": one.not_before,
                    "expire_time": one.not_after,
                    "created_at": now,
                },
            )

    def may_download(self, *, every: timedelta) -> bool:
        """Take the leave if nobody took it within ``every``: a conditional update decides."""
        now = clock.now()
        mine = CertificateDownload.objects.filter(mch_id=self._mch_id)
        if mine.filter(claimed_at__lte=now - every).update(claimed_at=now):
            return True
        if mine.exists():
            return False
        try:
            with transaction.atomic():
                CertificateDownload.objects.create(mch_id=self._mch_id, claimed_at=now)
        except IntegrityError:
            return False
        return True
