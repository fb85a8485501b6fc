"""Whether certificates are in their time: the merchant's own, and WeChat Pay's.

Of WeChat Pay's the one that lasts longest counts: the others have been replaced. Where its
public key is in the settings they count no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.models import PlatformCertificate
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.services.doctor.findings import Finding, Level, Subject, at
from django_wxpay.services.doctor.scope import Examination

# WeChat Pay lists the next one a day before it uses it; a month leaves time to see none come.
SOON: Final = timedelta(days=30)

_RENEW: Final = (
    "Apply for a new API certificate on the merchant platform, then set CLIENT_CERT, CLIENT_KEY, "
    "PRIVATE_KEY and CERT_SERIAL_NO from it."
)
_DOWNLOAD: Final = (
    "It is downloaded by itself while calls to WeChat Pay are made: look whether /v3/certificates "
    "fails under API reports, or set WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID instead."
)


def own_certificates(seen: Examination) -> Iterator[Finding]:
    """Yield how long each merchant's ``CLIENT_CERT`` is good for, where it has one."""
    for account in seen.accounts.values():
        if account.client_cert:
            yield _own(account, seen.now)


def platform_certificates(seen: Examination) -> Iterator[Finding]:
    """Yield whether WeChat Pay's answers can be verified, where certificates are for that."""
    for account in seen.accounts.values():
        if account.api_v3_key and not account.wechatpay_public_key_id:
            yield _platform(account, seen)


def _own(account: Merchant, now: datetime) -> Finding:
    try:
        ends_at = read_certificate(account.client_cert).not_after
    except ConfigurationError as problem:
        return _finding(
            account,
            Level.WARNING,
            f"CLIENT_CERT is {problem}.",
            "Give apiclient_cert.pem of this merchant.",
        )
    return _judged(account, "its own certificate (CLIENT_CERT)", ends_at, now, advice=_RENEW)


def _platform(account: Merchant, seen: Examination) -> Finding:
    kept = PlatformCertificate.objects.filter(mch_id=account.mch_id)
    ends = [read_certificate(pem).not_after for pem in account.platform_certificates]
    ends += kept.order_by().values_list("expire_time", flat=True)
    if not ends:
        return _finding(
            account,
            # Where hosts are asked, what they answer tells whether it can be had.
            Level.OK if seen.is_asking else Level.WARNING,
            "No platform certificate is known yet: the first signed answer brings one.",
            "Run this without --offline: that tells whether one can be downloaded.",
        )
    return _judged(account, "WeChat Pay's certificate", max(ends), seen.now, advice=_DOWNLOAD)


def _judged(
    account: Merchant,
    name: str,
    ends_at: datetime,
    now: datetime,
    *,
    advice: str,
) -> Finding:
    subject = name[0].upper() + name[1:]
    if ends_at <= now:
        return _finding(account, Level.ERROR, f"{subject} expired on {at(ends_at)}.", advice)
    if ends_at - now <= SOON:
        return _finding(account, Level.WARNING, f"{subject} expires on {at(ends_at)}.", advice)
    return _finding(account, Level.OK, f"{subject} is good until {at(ends_at)}.")


def _finding(account: Merchant, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(
        merchant=account.alias,
        subject=Subject.KEYS,
        level=level,
        message=message,
        advice=advice,
    )
