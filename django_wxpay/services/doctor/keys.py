"""Checks of certificates: the merchant's own, and WeChat Pay's.

Of WeChat Pay's, the one that expires last counts, because it replaces the others. With its
public key in the settings, certificates are not used and not checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.models import PlatformCertificate
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.services.doctor.findings import Finding, Level, Subject, local_time
from django_wxpay.services.doctor.scope import Scope

# WeChat Pay lists a new one a day before it uses it. A month is enough to notice that none came.
SOON: Final = timedelta(days=30)

_RENEW: Final = (
    "Apply for a new API certificate on the merchant platform, then set CLIENT_CERT, CLIENT_KEY, "
    "PRIVATE_KEY and CERT_SERIAL_NO from it."
)
_DOWNLOAD: Final = (
    "It is downloaded by itself while calls to WeChat Pay are made: look whether /v3/certificates "
    "fails under API reports, or set WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID instead."
)


def check_own_certificates(scope: Scope) -> Iterator[Finding]:
    """Yield how long each merchant's ``CLIENT_CERT`` is valid, where it has one."""
    for account in scope.accounts.values():
        if account.client_cert:
            yield _own(account, scope.now)


def check_platform_certificates(scope: Scope) -> Iterator[Finding]:
    """Yield how long WeChat Pay's answers can be verified, where certificates are used."""
    for account in scope.accounts.values():
        if account.api_v3_key and not account.wechatpay_public_key_id:
            yield _platform(account, scope)


def _own(account: Merchant, now: datetime) -> Finding:
    try:
        ends_at = read_certificate(account.client_cert).not_after
    except ConfigurationError as error:
        return _finding(
            account,
            Level.WARNING,
            f"CLIENT_CERT is {error}.",
            "Give apiclient_cert.pem of this merchant.",
        )
    return _by_expiry(account, "Its own certificate (CLIENT_CERT)", ends_at, now, advice=_RENEW)


def _platform(account: Merchant, scope: Scope) -> Finding:
    kept = PlatformCertificate.objects.filter(mch_id=account.mch_id)
    ends = [read_certificate(pem).not_after for pem in account.platform_certificates]
    ends += kept.order_by().values_list("expire_time", flat=True)
    if not ends:
        return _finding(
            account,
            # Where hosts are called, their check downloads the certificates as well.
            Level.OK if scope.calls_hosts else Level.WARNING,
            "No platform certificate is known yet: the first signed answer brings one.",
            "Run this without --offline: that tries to download one.",
        )
    return _by_expiry(account, "WeChat Pay's certificate", max(ends), scope.now, advice=_DOWNLOAD)


def _by_expiry(
    account: Merchant,
    name: str,
    ends_at: datetime,
    now: datetime,
    *,
    advice: str,
) -> Finding:
    until = local_time(ends_at)
    if ends_at <= now:
        return _finding(account, Level.ERROR, f"{name} expired on {until}.", advice)
    if ends_at - now <= SOON:
        return _finding(account, Level.WARNING, f"{name} expires on {until}.", advice)
    return _finding(account, Level.OK, f"{name} is valid until {until}.")


def _finding(account: Merchant, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(
        merchant=account.alias,
        subject=Subject.KEYS,
        level=level,
        message=message,
        advice=advice,
    )
