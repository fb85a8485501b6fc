"""Checks of keys: certificates, the merchant's own and WeChat Pay's, and the security echo.

Of WeChat Pay's certificates, the one that expires last counts, because it replaces the others.
With its public key in the settings, certificates are not used and not checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django_wxpay import conf
from django_wxpay.conf.hints import HINTS
from django_wxpay.protocol.errors import (
    ConfigurationError,
    InvalidParameter,
    MalformedMessage,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.services import calling, clock
from django_wxpay.services.doctor.findings import Finding, Level, Subject, in_words, local_time
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.doctor.successors import (
    CODE,
    SOON,
    known_ends,
    successor_problem,
    verifies_by_certificates,
)

_RENEW: Final = (
    "Apply for a new API certificate on the merchant platform, then set CLIENT_CERT, CLIENT_KEY, "
    "PRIVATE_KEY and CERT_SERIAL_NO from it."
)
_DOWNLOAD: Final = (
    "It is downloaded by itself while calls to WeChat Pay are made: look whether /v3/certificates "
    "fails under API reports, or set WECHATPAY_PUBLIC_KEY and WECHATPAY_PUBLIC_KEY_ID instead."
)
_ECHO: Final = "/v3/security/echo"
_COMPARE: Final = (
    "Compare PRIVATE_KEY and CERT_SERIAL_NO with the merchant's API certificate, and "
    "WECHATPAY_PUBLIC_KEY with its id, on the merchant platform."
)


def check_own_certificates(scope: Scope) -> Iterator[Finding]:
    """Yield how long each merchant's ``CLIENT_CERT`` is valid, where it has one."""
    for account in scope.accounts.values():
        if account.client_cert:
            yield _own(account, scope.now)


def check_platform_certificates(scope: Scope) -> Iterator[Finding]:
    """Yield how long WeChat Pay's answers can be verified, where certificates are used."""
    for account in scope.accounts.values():
        if verifies_by_certificates(account):
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
    ends = known_ends(account)
    if not ends:
        return _finding(
            account,
            # Where hosts are called, their check downloads the certificates as well.
            Level.OK if scope.calls_hosts else Level.WARNING,
            "No platform certificate is known yet: the first signed answer brings one.",
            "Run this without --offline: that tries to download one.",
        )
    last = max(ends)
    # What has ended is an error, whatever was to come after it.
    is_open = last > scope.now and not conf.is_silenced(CODE)
    if is_open and (problem := successor_problem(account, last, scope.now)):
        return _finding(account, Level.WARNING, in_words(problem), HINTS[CODE])
    return _by_expiry(account, "WeChat Pay's certificate", last, scope.now, advice=_DOWNLOAD)


def check_echo(account: Merchant) -> Iterator[Finding]:
    """Yield what WeChat Pay's own test of signature and encryption says, where it is offered.

    Source: protocol-v3 section 13.2. Whatever refuses the test itself is no finding: not every
    merchant has it, and the check of the hosts says what is wrong with a call.
    """
    if not account.api_v3_key:
        return
    try:
        problem = _echo_problem(account.alias, clock.nonce())
    except (ConfigurationError, Refused, OutcomeUnknown):
        return
    if problem:
        yield _finding(account, Level.ERROR, f"WeChat Pay's security echo {problem}.", _COMPARE)
    else:
        yield _finding(account, Level.OK, "WeChat Pay's security echo is what was sent.")


def _echo_problem(alias: str, text: str) -> str:
    sealed = calling.encrypt_sensitive(alias, text)
    body = {"echo_message": text, "encrypted_echo_message": sealed}
    answer = calling.call(alias, "POST", _ECHO, json=body, idempotent=True)
    if not isinstance(answer, dict) or answer.get("echo_message") != text:
        return "gives back another text than it was given"
    try:
        opened = calling.decrypt_sensitive(alias, answer.get("encrypted_echo_message", ""))
    except (MalformedMessage, InvalidParameter):
        opened = ""
    return "" if opened == text else "is encrypted for another key than PRIVATE_KEY"


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
