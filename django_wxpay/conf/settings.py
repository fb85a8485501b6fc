"""Reading of ``settings.WXPAY``, and the problems found in it.

Nothing else in the package reads ``settings``, and a key leaves them as a ``Secret``. The rows are
in ``schema``, the checks of keys that belong together in ``credentials``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from django_wxpay.conf import project
from django_wxpay.conf.directories import Directory
from django_wxpay.conf.entries import Problem, entry_problems, read_entry
from django_wxpay.conf.reading import read_sealed
from django_wxpay.conf.schema import (
    DEFAULT_LATENCY_LIMITS,
    DEFAULT_QUICK_PAY,
    DEFAULT_RECEIVER_TIMEOUT_S,
    DEFAULT_RETENTION_DAYS,
    SETTINGS,
    is_shown,
)
from django_wxpay.conf.sources import open_source, source_problems
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.secrets import Secret

_changes = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimits:
    """The limits beyond which latency is a problem: failures as a share, 0 to 1, and a p95."""

    failure_rate: float
    p95_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickPay:
    """The pause between two queries of a payment by code, and the wait before it is reversed."""

    poll_s: float
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings, read and checked."""

    notify_base_url: str
    merchants: Mapping[str, Merchant]
    timeout: tuple[float, float]
    host_recovery_s: float
    receiver_timeout_s: float
    close_unpaid_after_h: float | None
    quick_pay: QuickPay
    report_level: str
    api_report_retention_days: int
    retention_days: Mapping[str, int | None]
    latency_limits: LatencyLimits
    bill_storage: str
    api_permission_classes: tuple[str, ...] | None
    sealing_keys: tuple[Secret, ...] = field(repr=False)


def problems() -> tuple[Problem, ...]:
    """Return what is wrong with ``settings.WXPAY`` and then with the settings around it."""
    raw = as_written()
    around = (Problem(code, message) for code, message in project.problems(raw))
    return (*_problems(raw), *around)


def is_silenced(code: str) -> bool:
    """Return whether the project has silenced a system check, by its code without the app."""
    return f"django_wxpay.{code}" in django_settings.SILENCED_SYSTEM_CHECKS


def current() -> Config:
    """Return the settings; ``ConfigurationError`` names the first thing wrong with them."""
    return _read(_changes)


# By the number of changes: a thread that began to read before one must not be believed after it.
@lru_cache(maxsize=2)
def _read(_changes: int) -> Config:
    errors = [problem for problem in problems() if problem.code.startswith("E")]
    if errors:
        raise ConfigurationError(errors[0].message)
    raw: Mapping[str, Any] = as_written()
    value = {row.name: raw.get(row.name, row.default) for row in SETTINGS}
    connect, read = value["TIMEOUT"]
    classes = value["API_PERMISSION_CLASSES"]
    return Config(
        notify_base_url=str(value["NOTIFY_BASE_URL"]).rstrip("/"),
        merchants=_merchants(raw["MERCHANTS"]),
        timeout=(float(connect), float(read)),
        host_recovery_s=float(value["HOST_RECOVERY_S"]),
        receiver_timeout_s=float(value["RECEIVER_TIMEOUT_S"]),
        close_unpaid_after_h=value["CLOSE_UNPAID_AFTER_H"],
        quick_pay=_quick_pay(value["QUICK_PAY"]),
        report_level=value["REPORT_LEVEL"],
        api_report_retention_days=value["API_REPORT_RETENTION_DAYS"],
        retention_days={**DEFAULT_RETENTION_DAYS, **value["RETENTION_DAYS"]},
        latency_limits=_limits(value["LATENCY_LIMITS"]),
        bill_storage=value["BILL_STORAGE"],
        api_permission_classes=None if classes is None else tuple(classes),
        sealing_keys=tuple(value["SEALING_KEYS"]),
    )


def sealing_keys() -> tuple[Secret, ...]:
    """Return the keys under which merchants' keys are sealed: the first seals, all open."""
    return current().sealing_keys


def default_latency_limits() -> LatencyLimits:
    """Return the limits where ``LATENCY_LIMITS`` is not set, or is wrong."""
    return _limits({})


def receiver_timeout_s() -> float:
    """Return ``RECEIVER_TIMEOUT_S``; events are delivered with settings that are wrong, too."""
    try:
        return current().receiver_timeout_s
    except ConfigurationError:
        return DEFAULT_RECEIVER_TIMEOUT_S


def as_written() -> Any:
    """Return ``settings.WXPAY`` unchecked, its keys as ``Secret``; None where it is missing."""
    return read_sealed(lambda: getattr(django_settings, "WXPAY", None), is_shown=is_shown)


def _problems(raw: object) -> Iterator[Problem]:
    if not isinstance(raw, Mapping):
        yield Problem("E001", "settings.WXPAY is missing or is not a dict")
        return
    known = {row.name for row in SETTINGS} | {"MERCHANTS"}
    for row in SETTINGS:
        if problem := row.problem(raw.get(row.name, row.default)):
            yield Problem(row.code, f'WXPAY["{row.name}"] {problem}')
    entries = raw.get("MERCHANTS")
    if isinstance(entries, Secret) and entries:
        yield from source_problems(entries, has_sealing_keys=bool(raw.get("SEALING_KEYS")))
    elif not isinstance(entries, Mapping) or not entries:
        yield Problem("E002", 'WXPAY["MERCHANTS"] is missing, empty or not a dict')
        return
    else:
        for alias, entry in entries.items():
            yield from entry_problems(alias, entry, f'WXPAY["MERCHANTS"]["{alias}"]')
    for name in raw.keys() - known:
        yield Problem("W001", f'WXPAY["{name}"] is not a setting')


def _merchants(entries: Mapping[str, Any] | Secret) -> Mapping[str, Merchant]:
    if isinstance(entries, Mapping):
        return {alias: read_entry(alias, entry) for alias, entry in entries.items()}
    return Directory(open_source(entries))


def _limits(value: Mapping[str, float]) -> LatencyLimits:
    whole = {**DEFAULT_LATENCY_LIMITS, **value}
    return LatencyLimits(failure_rate=whole["FAILURE_RATE"], p95_ms=int(whole["P95_MS"]))


def _quick_pay(value: Mapping[str, float]) -> QuickPay:
    whole = {**DEFAULT_QUICK_PAY, **value}
    return QuickPay(poll_s=float(whole["POLL_S"]), wait_s=float(whole["WAIT_S"]))


# Tests override settings, so a cached configuration must not outlive them.
def _forget(*, setting: str, **_: object) -> None:
    global _changes  # noqa: PLW0603
    if setting in {"WXPAY", "USE_TZ"}:
        _changes += 1


setting_changed.connect(_forget, dispatch_uid="django_wxpay.conf")
