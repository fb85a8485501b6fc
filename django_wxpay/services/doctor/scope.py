"""Scope of a diagnosis: the merchants, the hours and the limits.

Wrong settings leave no merchant to call, but the checks of the database run all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from django_wxpay import conf
from django_wxpay.conf import LatencyLimits
from django_wxpay.protocol.errors import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.services import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """``aliases`` are checked, and if ``covers_all`` also merchants that only tables still name.

    ``accounts`` are their settings by alias: none if ``is_configured`` is false.
    ``calls_hosts``: whether every host is called as well.
    """

    aliases: tuple[str, ...]
    covers_all: bool
    is_configured: bool
    accounts: Mapping[str, Merchant]
    limits: LatencyLimits
    report_level: str
    hours: int
    calls_hosts: bool
    now: datetime

    def lookups(self, column: str) -> dict[str, tuple[str, ...]]:
        """Return the conditions of a query for rows whose ``column`` is an alias in scope."""
        return {} if self.covers_all else {f"{column}__in": self.aliases}

    def includes(self, alias: str) -> bool:
        return self.covers_all or alias in self.aliases


def scope_of(merchants: Collection[str] | None, *, hours: int, ask: bool) -> Scope:
    """Return the scope. Raises ``UnknownMerchant`` for an alias that is not in the settings."""
    known = conf.aliases()
    for alias in merchants or ():
        if alias not in known:
            raise UnknownMerchant(f'no merchant "{alias}" in WXPAY["MERCHANTS"]')
    aliases = tuple(alias for alias in known if merchants is None or alias in merchants)
    config = _config()
    return Scope(
        aliases=aliases,
        covers_all=merchants is None,
        is_configured=config is not None,
        accounts={alias: config.merchants[alias] for alias in aliases} if config else {},
        limits=config.latency_limits if config else conf.default_latency_limits(),
        report_level=config.report_level if config else "",
        hours=hours,
        calls_hosts=ask,
        now=clock.now(),
    )


def _config() -> conf.Config | None:
    try:
        return conf.current()
    except ConfigurationError:
        return None
