"""Platform certificates that will have no successor, as far as settings and tables show it.

A merchant without WeChat Pay's public key verifies by certificates alone, and by nothing once
the last of them has ended (protocol-v3 section 2.5). Nobody is asked: WeChat Pay's latest answer
is in the tables, and without them the certificates of the settings are all that is known. One
that is renewed by itself is no problem, however soon it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import Error

from django_wxpay import conf
from django_wxpay.conf import Problem
from django_wxpay.models import ApiReport, PlatformCertificate
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import NO_CERTIFICATES, read_certificate
from django_wxpay.protocol.v3.errors import lookup_v3
from django_wxpay.protocol.v3.requests import certificates_target
from django_wxpay.services import clock
from django_wxpay.services.accounts.database import accounts_in_use
from django_wxpay.services.doctor.findings import local_time
from django_wxpay.services.doctor.scope import scope_of
from django_wxpay.services.transactions import atomic

CODE: Final = "W017"
# WeChat Pay lists a new one a day before it uses it. A month is enough to notice that none came,
# and the move to the public key takes a week.
SOON: Final = timedelta(days=30)
# A download of certificates is due twice a day.
_REFUSED_WITHIN: Final = timedelta(days=2)


def verifies_by_certificates(account: Merchant) -> bool:
    """Return whether platform certificates alone verify what WeChat Pay says to this merchant."""
    return bool(account.api_v3_key) and not account.wechatpay_public_key_id


def settings_problem(account: Merchant, now: datetime) -> Problem | None:
    """Return that the last of ``PLATFORM_CERTIFICATES`` ends soon, or has ended. No query."""
    ends = _given(account)
    if not verifies_by_certificates(account) or not ends or max(ends) - now > SOON:
        return None
    verb = "ended" if max(ends) <= now else "ends"
    return Problem(
        CODE,
        f'merchant "{account.alias}": the last of PLATFORM_CERTIFICATES {verb} on '
        f"{local_time(max(ends))}, and there is no WECHATPAY_PUBLIC_KEY",
        account.alias,
    )


def known_ends(account: Merchant) -> list[datetime]:
    """Return when each certificate ends that is in the settings or was downloaded. One query."""
    kept = PlatformCertificate.objects.filter(mch_id=account.mch_id)
    return [*_given(account), *kept.order_by().values_list("expire_time", flat=True)]


def successor_problem(account: Merchant, last: datetime, now: datetime) -> Problem | None:
    """Return that no certificate follows the one that ends at ``last``, the last one known.

    For a merchant that verifies by certificates alone. One query.
    """
    if last > now and _lists_none(account, now):
        return Problem(
            CODE,
            f'merchant "{account.alias}": WeChat Pay\'s certificate is valid until '
            f"{local_time(last)} and has no successor: WeChat Pay lists none any more",
            account.alias,
        )
    # One that was downloaded and lasts longer is the successor.
    return settings_problem(account, now) if last - now <= SOON else None


def settings_problems() -> Iterator[Problem]:
    """Yield the problem of each merchant that stands in the settings."""
    if conf.directory() is None:
        now = clock.now()
        found = (settings_problem(account, now) for account in conf.accounts())
        yield from filter(None, found)


def successor_problems() -> Iterator[Problem]:
    """Yield what the tables add for each merchant, of thousands those with the latest orders.

    A source of the project's own is asked by the doctor, and not by a check that ``migrate`` runs.
    """
    if not _are_ours():
        return
    said = {each.merchant for each in settings_problems()}
    scope = scope_of(None, hours=1, ask=False)
    try:
        # Checks may run inside a test's transaction, which an error would otherwise break.
        with atomic():
            found = list(_successor_problems(scope.accounts.values(), scope.now))
    except Error:
        # The check of the tables says so.
        return
    yield from (each for each in found if each.merchant not in said)


def _successor_problems(accounts: Iterable[Merchant], now: datetime) -> Iterator[Problem]:
    for account in filter(verifies_by_certificates, accounts):
        ends = known_ends(account)
        problem = successor_problem(account, max(ends), now) if ends else None
        if problem:
            yield problem


def _are_ours() -> bool:
    try:
        return conf.directory() is None or accounts_in_use() is not None
    except ConfigurationError:
        return False


def _given(account: Merchant) -> list[datetime]:
    return [read_certificate(pem).not_after for pem in account.platform_certificates]


def _lists_none(account: Merchant, now: datetime) -> bool:
    """Say whether the latest download that was answered found no list (protocol-v3 section 2.5)."""
    path = certificates_target(account.region)
    answered = ApiReport.objects.filter(
        merchant=account.alias,
        interface_url__in=[host.rstrip("/") + path for host in account.hosts],
        created_at__gt=now - _REFUSED_WITHIN,
        failure="",
    )
    code = answered.order_by("-created_at").values_list("err_code", flat=True).first()
    return bool(code) and lookup_v3(0, str(code)).code in NO_CERTIFICATES
