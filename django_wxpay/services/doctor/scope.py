"""What a diagnosis looks at: which merchants, how far back, and held against what.

Settings that are wrong leave no merchant to ask, but what the database tells can be said
all the same.
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
class Examination:
    """``aliases`` are looked at, and if ``is_of_all`` also those that only tables still name.

    ``accounts`` are their settings, by alias: none if ``is_configured`` is false.
    ``is_asking`` if hosts are asked as well.
    """

    aliases: tuple[str, ...]
    is_of_all: bool
    is_configured: bool
    accounts: Mapping[str, Merchant]
    limits: LatencyLimits
    report_level: str
    hours: int
    is_asking: bool
    now: datetime

    def lookups(self, column: str) -> dict[str, tuple[str, ...]]:
        """Return the condition that leaves only rows whose ``column`` is looked at."""
        return {} if self.is_of_all else {f"{column}__in": self.aliases}

    def includes(self, alias: str) -> bool:
        """Say whether rows of this merchant are looked at."""
        return self.is_of_all or alias in self.aliases


def examination(merchants: Collection[str] | None, *, hours: int, ask: bool) -> Examination:
    """Return what there is to look at; ``UnknownMerchant`` for an alias that no setting names."""
    known = conf.aliases()
    for alias in merchants or ():
        if alias not in known:
            raise UnknownMerchant(f'no merchant "{alias}" in WXPAY["MERCHANTS"]')
    aliases = tuple(alias for alias in known if merchants is None or alias in merchants)
    config = _config()
    return Examination(
        aliases=aliases,
        is_of_all=merchants is None,
        is_configured=config is not None,
        accounts={alias: config.merchants[alias] for alias in aliases} if config else {},
        limits=config.latency_limits if config else conf.default_latency_limits(),
        report_level=config.report_level if config else "",
        hours=hours,
        is_asking=ask,
        now=clock.now(),
    )


def _config() -> conf.Config | None:
    try:
        return conf.current()
    except ConfigurationError:
        return None
