"""The way to the gateway: one pooled transport a process, and a gateway for each merchant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from random import SystemRandom

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.core.signals import setting_changed
from requests.adapters import BaseAdapter

from django_wxpay import conf
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
from django_wxpay.protocol.v3.certificates import PlatformCertificate
from django_wxpay.services import clock
from django_wxpay.services.certificate_store import CertificateStore
from django_wxpay.services.latency.recording import record_call
from django_wxpay.services.transactions import require_no_transaction

_mounted: list[tuple[str, BaseAdapter]] = []


@cache
def transport() -> Transport:
    """Return this process's transport; it remembers which hosts failed."""
    config = conf.current()
    made = Transport(
        timeout=config.timeout,
        recovery_s=config.host_recovery_s,
        jitter=SystemRandom().random,
    )
    for prefix, adapter in _mounted:
        made.mount(prefix, adapter)
    return made


@cache
def platform_keys(alias: str) -> PlatformKeys:
    """Return the keys of WeChat Pay's that one v3 merchant believes, as this process knows them."""
    account = conf.merchant(alias)
    return PlatformKeys(account, store=CertificateStore(account.mch_id), now=clock.now)


def platform_key(alias: str, serial: str) -> RSAPublicKey | None:
    """Return WeChat Pay's key of this name, or None.

    One that is not known is looked for in the database and then, once a minute over all
    processes, at WeChat Pay.
    """
    return platform_keys(alias).find(serial, partial(_certificates, alias))


def refresh_platform_keys(alias: str) -> bool:
    """Download the certificates of one v3 merchant if they are due; say whether they are new.

    ``OutcomeUnknown`` where the latest download failed; what is known stays believed.
    """
    keys = platform_keys(alias)
    is_renewed = keys.refresh_if_due(partial(_certificates, alias))
    if keys.is_overdue:
        raise OutcomeUnknown(f"the platform certificates of {alias} could not be downloaded")
    return is_renewed


def _certificates(alias: str) -> Sequence[PlatformCertificate]:
    require_no_transaction("certificates")
    return _v3(alias).certificates()


def gateway(alias: str, *, api: Api | None = None) -> PaymentGateway:
    """Return the gateway of one merchant, for its own protocol or for ``api``.

    ``UnknownMerchant`` for an alias that is not in the settings.
    """
    if (api or conf.merchant(alias).api) is Api.V3:
        return _v3(alias)
    return v2_gateway(alias)


def v2_gateway(alias: str) -> V2Gateway:
    """Return the v2 gateway of one merchant; ``ConfigurationError`` if it has no key for it."""
    return _v2(conf.merchant(alias), partial(record_call, alias))


def gateway_at(
    alias: str,
    host: str,
    *,
    api: Api,
    heard: Callable[[CallRecord], None],
) -> V2Gateway | V3Gateway:
    """Return the gateway of one merchant that asks one host alone.

    ``heard`` is told of every attempt, which is recorded but counts in no figure.
    """

    def record(call: CallRecord) -> None:
        record_call(alias, call, is_counted=False)
        heard(call)

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


def _v3(alias: str) -> V3Gateway:
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

    This is how a simulator stands in for WeChat Pay without a socket; it outlives changed
    settings.
    """
    transport().mount(prefix, adapter)
    _mounted.append((prefix, adapter))


def unmount(prefix: str) -> None:
    """Undo the latest ``mount`` of ``prefix``; without one, a ``KeyError``."""
    transport().unmount(prefix)
    latest = max(at for at, (mounted, _) in enumerate(_mounted) if mounted == prefix)
    del _mounted[latest]


def _forget(*, setting: str, **_: object) -> None:
    if setting == "WXPAY":
        transport.cache_clear()
        platform_keys.cache_clear()


setting_changed.connect(_forget, dispatch_uid="django_wxpay.services.gateways")
