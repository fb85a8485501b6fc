"""Gateways: one pooled transport a process, and a gateway for each merchant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from random import SystemRandom
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.signals import setting_changed
from requests.adapters import BaseAdapter

from django_wxpay import conf
from django_wxpay.conf.directories import MOST_KEPT
from django_wxpay.gateway import (
    CallRecord,
    PaymentGateway,
    PlatformKeys,
    Transport,
    V2Gateway,
    V3Gateway,
)
from django_wxpay.protocol.errors import ConfigurationError, OutcomeUnknown
from django_wxpay.protocol.merchants import Api, Merchant
from django_wxpay.protocol.v3.certificates import PlatformCertificate, read_certificate
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.services import clock, patience
from django_wxpay.services.certificates import CertificateStore
from django_wxpay.services.latency.recording import record_call
from django_wxpay.services.transactions import require_no_transaction

# Kept apart from the transport, which a change of settings replaces.
_mounted: list[tuple[str, BaseAdapter]] = []


@cache
def transport() -> Transport:
    """Return this process's transport, which remembers the hosts that failed."""
    config = conf.current()
    shared = Transport(
        timeout=config.timeout,
        recovery_s=config.host_recovery_s,
        jitter=SystemRandom().random,
    )
    for prefix, adapter in _mounted:
        shared.mount(prefix, adapter)
    return shared


class _KeptKeys:
    """WeChat Pay's keys for each v3 merchant, as this process knows them.

    They are those of an account: where another one has its alias since, they are made anew.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Merchant, PlatformKeys]] = {}

    def __call__(self, alias: str) -> PlatformKeys:
        account = conf.merchant(alias)
        kept = self._kept.get(alias)
        if kept is not None and kept[0] is account:
            return kept[1]
        store = CertificateStore(account.mch_id)
        keys = PlatformKeys(account, store=store, now=clock.now, run=patience.run_for)
        # The oldest makes room, and comes back when its merchant is called again.
        self._kept.pop(alias, None)
        while len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(list(self._kept))), None)
        self._kept[alias] = account, keys
        return keys

    def cache_clear(self) -> None:
        """Forget all of them."""
        self._kept.clear()


platform_keys: Final = _KeptKeys()


def platform_key(alias: str, serial: str) -> RSAPublicKey | None:
    """Return WeChat Pay's key of this serial number, or None.

    An unknown serial is looked up in the database and then, at most once a minute over all
    processes, downloaded from WeChat Pay.
    """
    return platform_keys(alias).find(serial, partial(_certificates, alias))


def platform_key_of_past(alias: str, serial: str) -> RSAPublicKey | None:
    """Return the key of this serial for what was verified with it before, or None.

    That of a certificate which has ended as well: what it signed may be replayed years later.
    """
    pem = CertificateStore(conf.merchant(alias).mch_id).of_serial(key_name(serial))
    if pem is not None:
        with suppress(ConfigurationError):
            return read_certificate(pem).public_key
    return platform_key(alias, serial)


def refresh_platform_keys(alias: str) -> bool:
    """Download the certificates of one v3 merchant if they are due; return whether it did.

    Raises ``OutcomeUnknown`` where the latest download failed; the known keys stay trusted.
    """
    keys = platform_keys(alias)
    is_renewed = keys.refresh_if_due(partial(_certificates, alias))
    if keys.is_overdue:
        raise OutcomeUnknown(f"the platform certificates of {alias} could not be downloaded")
    return is_renewed


def _certificates(alias: str) -> Sequence[PlatformCertificate]:
    require_no_transaction("certificates")
    return v3_gateway(alias).certificates()


def gateway(alias: str, *, api: Api | None = None) -> PaymentGateway:
    """Return the gateway of one merchant, for its own protocol or for ``api``.

    Raises ``UnknownMerchant`` for an alias that is not in the settings.
    """
    if (api or conf.merchant(alias).api) is Api.V3:
        return v3_gateway(alias)
    return v2_gateway(alias)


def v2_gateway(alias: str) -> V2Gateway:
    """Return the v2 gateway of one merchant. Raises ``ConfigurationError`` if it has no v2 key."""
    return _v2(conf.merchant(alias), partial(record_call, alias))


def gateway_at(
    alias: str,
    host: str,
    *,
    api: Api,
    on_attempt: Callable[[CallRecord], None],
) -> V2Gateway | V3Gateway:
    """Return the gateway of one merchant that calls one host only.

    ``on_attempt`` is called after each attempt, which is recorded but counts in no figure.
    """

    def record(call: CallRecord) -> None:
        record_call(alias, call, is_counted=False)
        on_attempt(call)

    account = replace(conf.merchant(alias), hosts=(host,))
    return _v3_of(account, record) if api is Api.V3 else _v2(account, record)


def _v2(account: Merchant, record: Callable[[CallRecord], None]) -> V2Gateway:
    if not account.api_key:
        raise ConfigurationError(f'merchant "{account.alias}" has no key for v2')
    return V2Gateway(
        account,
        transport=transport(),
        now=clock.now,
        nonce=clock.nonce,
        record=record,
    )


def v3_gateway(alias: str) -> V3Gateway:
    """Return the v3 gateway of one merchant. Raises ``ConfigurationError`` if it has no v3 keys."""
    return _v3_of(conf.merchant(alias), partial(record_call, alias))


def _v3_of(account: Merchant, record: Callable[[CallRecord], None]) -> V3Gateway:
    if not account.api_v3_key:
        raise ConfigurationError(f'merchant "{account.alias}" has no keys for v3')
    return V3Gateway(
        account,
        transport=transport(),
        now=clock.now,
        nonce=clock.nonce,
        record=record,
        keys=platform_keys(account.alias),
    )


def mount(prefix: str, adapter: BaseAdapter) -> None:
    """Send every call to addresses that start with ``prefix`` through ``adapter``.

    A simulator stands in for WeChat Pay like this without a socket. A mount outlives changed
    settings; the platform certificates of whoever answered before do not outlive a mount.
    """
    platform_keys.cache_clear()
    transport().mount(prefix, adapter)
    _mounted.append((prefix, adapter))


def unmount(prefix: str) -> None:
    """Undo the latest ``mount`` of ``prefix``. Raises ``KeyError`` if there is none."""
    platform_keys.cache_clear()
    transport().unmount(prefix)
    latest = max(at for at, (mounted, _) in enumerate(_mounted) if mounted == prefix)
    del _mounted[latest]


def _clear_caches(*, setting: str, **_: object) -> None:
    if setting == "WXPAY":
        transport.cache_clear()
        platform_keys.cache_clear()


setting_changed.connect(_clear_caches, dispatch_uid="django_wxpay.services.gateways")
