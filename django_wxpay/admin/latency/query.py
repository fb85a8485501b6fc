"""What may be chosen on the latency page: ranges, merchants and hosts, without asking a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from django_wxpay import conf
from django_wxpay.admin.latency.ranges import PRESETS, Asked
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.services.latency.summary import Latency


def ranges(wanted: Asked) -> list[tuple[str, Any, bool]]:
    """Return address, words, and whether it is the present one, of each range."""
    kept = {"merchant": wanted.scope.merchant, "host": wanted.scope.host}
    lookups = {name: value for name, value in kept.items() if value}
    return [
        (f"?{urlencode({'range': preset, **lookups})}", label, preset == wanted.preset)
        for preset, (_span, label) in PRESETS.items()
    ]


def merchants(wanted: Asked, summary: Sequence[Latency]) -> list[str]:
    """Return those of the settings and those that called; none where there is no choice."""
    config = _config()
    configured = config.merchants if config else ()
    return _several({*configured, *(row.merchant for row in summary)}, wanted.scope.merchant)


def hosts(wanted: Asked, summary: Sequence[Latency]) -> list[str]:
    """Return those of the settings and those that were called; none where there is no choice."""
    config = _config()
    accounts = config.merchants.values() if config else ()
    configured = {urlsplit(host).netloc for account in accounts for host in account.hosts}
    return _several({*configured, *(row.host for row in summary)}, wanted.scope.host)


def limits() -> conf.LatencyLimits | None:
    """Return what is still well."""
    config = _config()
    return config.latency_limits if config else None


def retention_days() -> int | None:
    """Return for how long single calls are kept."""
    config = _config()
    return config.api_report_retention_days if config else None


def _several(names: set[str], chosen: str) -> list[str]:
    every = sorted({*names, chosen} - {""})
    return every if len(every) > 1 or chosen else []


def _config() -> conf.Config | None:
    """Return the settings; those that are wrong do not take the page down."""
    try:
        return conf.current()
    except ConfigurationError:
        return None
