"""Scope of a diagnosis: the merchants, the hours and the limits.

Wrong settings leave no merchant to call, but the checks of the database run all the same. Of
thousands of merchants some are looked at one by one, those with the latest orders: whoever runs
this waits for it, and each host of each of them is called.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from django_wxpay import conf
from django_wxpay.conf import LatencyLimits, Problem
from django_wxpay.models import Order
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.services import clock

# Of more merchants than these some are looked at one by one, unless others are named.
MOST_MERCHANTS: Final = 50
# Among so many of the latest orders those are looked for.
_LATEST_ORDERS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """``aliases`` are checked, and if ``covers_all`` also merchants that only tables still name.

    ``accounts`` are their settings by alias: none if ``is_configured`` is false, and without those
    of a source that are out of order, for which ``problems`` say why. ``passed_over`` is how many
    merchants are not looked at one by one. ``calls_hosts``: whether every host is called as well.
    """

    aliases: tuple[str, ...]
    covers_all: bool
    is_configured: bool
    accounts: Mapping[str, Merchant]
    problems: tuple[Problem, ...]
    passed_over: int
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
    """Return the scope. Raises ``UnknownMerchant`` for an alias that is not in the settings.

    While a source has named none, or settings are no dict, the aliases are taken as they are given.
    """
    named = conf.aliases()
    known = dict.fromkeys(merchants or () if named is None else named)
    for alias in merchants or ():
        if alias not in known:
            raise conf.unknown(alias)
    aliases = tuple(alias for alias in known if merchants is None or alias in merchants)
    if merchants is None:
        aliases = _some(aliases)
    config = _config()
    accounts, broken = _accounts(aliases) if config else ({}, ())
    return Scope(
        aliases=aliases,
        covers_all=merchants is None,
        is_configured=config is not None,
        accounts=accounts,
        problems=broken,
        passed_over=0 if merchants is not None else len(known) - len(aliases),
        limits=config.latency_limits if config else conf.default_latency_limits(),
        report_level=config.report_level if config else "",
        hours=hours,
        calls_hosts=ask,
        now=clock.now(),
    )


def _some(aliases: tuple[str, ...]) -> tuple[str, ...]:
    """Return those with the latest orders, and then the others, up to ``MOST_MERCHANTS``."""
    if len(aliases) <= MOST_MERCHANTS:
        return aliases
    known = dict.fromkeys(aliases)
    try:
        latest = Order.objects.order_by("-created_at", "-id").values_list("merchant", flat=True)
        busy = [alias for alias in dict.fromkeys(latest[:_LATEST_ORDERS]) if alias in known]
    except (Error, ImproperlyConfigured):
        # The checks of the database say so.
        busy = []
    return tuple(dict.fromkeys([*busy, *aliases]))[:MOST_MERCHANTS]


def _accounts(aliases: tuple[str, ...]) -> tuple[dict[str, Merchant], tuple[Problem, ...]]:
    source = conf.directory()
    if source is None:
        return {alias: conf.merchant(alias) for alias in aliases}, ()
    try:
        len(source)
    except ConfigurationError as error:
        return {}, (Problem("E031", str(error)),)
    found = {alias: conf.find_merchant(alias) for alias in aliases}
    broken = [_problem(source, alias) for alias, account in found.items() if account is None]
    accounts = {alias: account for alias, account in found.items() if account is not None}
    return accounts, tuple(filter(None, broken))


def _problem(source: conf.Directory, alias: str) -> Problem | None:
    try:
        return source.problem(alias)
    except KeyError:
        words = f'merchant "{alias}": aliases() names it, and get() does not have it'
        return Problem("E031", words, alias)


def _config() -> conf.Config | None:
    try:
        return conf.current()
    except ConfigurationError:
        return None
