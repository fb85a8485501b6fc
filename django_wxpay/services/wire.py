"""The way to the gateway: one pooled transport a process, and a gateway for each merchant."""

from __future__ import annotations

from functools import cache, partial

from django.core.signals import setting_changed
from requests.adapters import BaseAdapter

from django_wxpay import conf
from django_wxpay.gateway import PaymentGateway, Transport, open_gateway
from django_wxpay.services import clock
from django_wxpay.services.recording import record_call

_mounted: list[tuple[str, BaseAdapter]] = []


@cache
def transport() -> Transport:
    """Return this process's transport; it remembers which hosts failed."""
    config = conf.current()
    made = Transport(timeout=config.timeout, recovery_s=config.host_recovery_s)
    for prefix, adapter in _mounted:
        made.mount(prefix, adapter)
    return made


def gateway(alias: str) -> PaymentGateway:
    """Return the gateway of one merchant; ``ConfigurationError`` for an unknown alias."""
    return open_gateway(
        conf.merchant(alias),
        transport=transport(),
        now=clock.now,
        nonce=clock.nonce,
        record=partial(record_call, alias),
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


setting_changed.connect(_forget, dispatch_uid="django_wxpay.services.wire")
