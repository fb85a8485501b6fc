"""Reading of ``settings.WXPAY``, and the problems found in it.

Nothing else in the package reads ``settings``, and a key leaves them as a ``Secret``. The rows are
in ``schema``, the checks of keys that belong together in ``credentials``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, Final

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from django_wxpay.conf import project
from django_wxpay.conf.reading import read_pem, read_sealed
from django_wxpay.conf.schema import (
    DEFAULT_LATENCY_LIMITS,
    DEFAULT_QUICK_PAY,
    DEFAULT_RECEIVER_TIMEOUT_S,
    MERCHANT_SETTINGS,
    SETTINGS,
    is_shown,
)
from django_wxpay.protocol.errors import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Api, Merchant, Mode, Region, SignType
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.secrets import Secret

__all__ = [
    "MERCHANT_SETTINGS",
    "SETTINGS",
    "Config",
    "LatencyLimits",
    "Problem",
    "QuickPay",
    "aliases",
    "current",
    "default_latency_limits",
    "is_silenced",
    "merchant",
    "merchants",
    "problems",
    "receiver_timeout_s",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the code of its check, and a sentence that names it.

    ``merchant`` is the alias of the one it concerns, "" where it concerns all of them.
    """

    code: str
    message: str
    merchant: str = ""


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


# The slug of notify_url, as Django's path converter reads it.
_ALIAS: Final = Text(max=64, alphabet="[-a-zA-Z0-9_]", described="letters, digits, - and _")


def problems() -> tuple[Problem, ...]:
    """Return what is wrong with ``settings.WXPAY`` and then with the settings around it."""
    raw = _wxpay()
    around = (Problem(code, message) for code, message in project.problems(raw))
    return (*_problems(raw), *around)


def is_silenced(code: str) -> bool:
    """Return whether the project has silenced a system check, by its code without the app."""
    return f"django_wxpay.{code}" in django_settings.SILENCED_SYSTEM_CHECKS


@cache
def current() -> Config:
    """Return the settings; ``ConfigurationError`` names the first thing wrong with them."""
    errors = [problem for problem in problems() if problem.code.startswith("E")]
    if errors:
        raise ConfigurationError(errors[0].message)
    raw: Mapping[str, Any] = _wxpay()
    value = {row.name: raw.get(row.name, row.default) for row in SETTINGS}
    connect, read = value["TIMEOUT"]
    classes = value["API_PERMISSION_CLASSES"]
    return Config(
        notify_base_url=str(value["NOTIFY_BASE_URL"]).rstrip("/"),
        merchants={alias: _merchant(alias, entry) for alias, entry in raw["MERCHANTS"].items()},
        timeout=(float(connect), float(read)),
        host_recovery_s=float(value["HOST_RECOVERY_S"]),
        receiver_timeout_s=float(value["RECEIVER_TIMEOUT_S"]),
        close_unpaid_after_h=value["CLOSE_UNPAID_AFTER_H"],
        quick_pay=_quick_pay(value["QUICK_PAY"]),
        report_level=value["REPORT_LEVEL"],
        api_report_retention_days=value["API_REPORT_RETENTION_DAYS"],
        retention_days=dict(value["RETENTION_DAYS"]),
        latency_limits=_limits(value["LATENCY_LIMITS"]),
        bill_storage=value["BILL_STORAGE"],
        api_permission_classes=None if classes is None else tuple(classes),
    )


def aliases() -> tuple[str, ...]:
    """Return the alias of every merchant, as far as settings that are wrong name any."""
    raw = _wxpay()
    entries = raw.get("MERCHANTS") if isinstance(raw, Mapping) else None
    return tuple(map(str, entries)) if isinstance(entries, Mapping) else ()


def merchants() -> Mapping[str, Merchant]:
    """Return every merchant by its alias."""
    return current().merchants


def default_latency_limits() -> LatencyLimits:
    """Return the limits where ``LATENCY_LIMITS`` is not set, or is wrong."""
    return _limits({})


def receiver_timeout_s() -> float:
    """Return ``RECEIVER_TIMEOUT_S``; events are delivered with settings that are wrong, too."""
    try:
        return current().receiver_timeout_s
    except ConfigurationError:
        return DEFAULT_RECEIVER_TIMEOUT_S


def merchant(alias: str) -> Merchant:
    """Return one merchant; an alias that is not in the settings is ``UnknownMerchant``."""
    try:
        return current().merchants[alias]
    # A list or a dict in the place of an alias cannot be looked up at all.
    except (KeyError, TypeError):
        raise UnknownMerchant(f'no merchant "{alias}" in WXPAY["MERCHANTS"]') from None


def _wxpay() -> Any:
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
    if not isinstance(entries, Mapping) or not entries:
        yield Problem("E002", 'WXPAY["MERCHANTS"] is missing, empty or not a dict')
        return
    for alias, entry in entries.items():
        found = list(_merchant_problems(alias, entry)) or _key_problems(alias, entry)
        yield from (replace(problem, merchant=str(alias)) for problem in found)
    for name in raw.keys() - known:
        yield Problem("W001", f'WXPAY["{name}"] is not a setting')


def _merchant_problems(alias: object, entry: object) -> Iterator[Problem]:
    where = f'WXPAY["MERCHANTS"]["{alias}"]'
    if not isinstance(alias, str) or _ALIAS.problem(alias):
        yield Problem("E009", f"{where}: an alias is {_ALIAS.text}")
    if not isinstance(entry, Mapping):
        yield Problem("E002", f"{where} is not a dict")
        return
    for row in MERCHANT_SETTINGS:
        if row.name == "HOSTS" and row.name not in entry:
            continue
        # First of all: whatever rule an example breaks, what helps is a value in its place.
        if problem := _credentials().placeholder_problem(row, entry.get(row.name, row.default)):
            yield Problem("E029", f'{where}["{row.name}"] {problem}')
            continue
        if problem := row.problem(entry.get(row.name, row.default)):
            yield Problem(row.code, f'{where}["{row.name}"] {problem}')
            continue
        for words in _credentials().pem_problems(row, entry.get(row.name, row.default)):
            yield Problem("E014", f'{where}["{row.name}"] {words}')
    if entry.get("API", "v2") == "v2" and not entry.get("API_KEY"):
        yield Problem("E012", f'{where}["API_KEY"] is missing')
    for name in entry.keys() - {row.name for row in MERCHANT_SETTINGS}:
        yield Problem("W001", f'{where}["{name}"] is not a setting')


def _credentials() -> Any:
    # It reads certificates, and its library takes longer to load than Django's settings: not
    # when Django starts, but when keys are looked at.
    return import_module("django_wxpay.conf.credentials")


def _key_problems(alias: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    for code, name, problem in _credentials().problems(_merchant(alias, entry)):
        yield Problem(code, f'WXPAY["MERCHANTS"]["{alias}"]["{name}"] {problem}')


def _limits(value: Mapping[str, float]) -> LatencyLimits:
    whole = {**DEFAULT_LATENCY_LIMITS, **value}
    return LatencyLimits(failure_rate=whole["FAILURE_RATE"], p95_ms=int(whole["P95_MS"]))


def _quick_pay(value: Mapping[str, float]) -> QuickPay:
    whole = {**DEFAULT_QUICK_PAY, **value}
    return QuickPay(poll_s=float(whole["POLL_S"]), wait_s=float(whole["WAIT_S"]))


def _merchant(alias: str, entry: Mapping[str, Any]) -> Merchant:
    value = {row.name: entry.get(row.name, row.default) for row in MERCHANT_SETTINGS}
    region = Region(value["REGION"])
    return Merchant(
        alias=alias,
        mch_id=value["MCH_ID"],
        appid=value["APPID"],
        appids=tuple(value["APPIDS"]),
        mode=Mode(value["MODE"]),
        region=region,
        api=Api(value["API"]),
        sub_appid=value["SUB_APPID"],
        sub_mch_id=value["SUB_MCH_ID"],
        merchant_category_code=value["MERCHANT_CATEGORY_CODE"],
        api_key=value["API_KEY"],
        sign_type=SignType(value["SIGN_TYPE"]),
        client_cert=_shown_pem(value["CLIENT_CERT"]),
        client_key=read_pem(Secret.of(value["CLIENT_KEY"])),
        api_v3_key=value["API_V3_KEY"],
        private_key=read_pem(Secret.of(value["PRIVATE_KEY"])),
        cert_serial_no=value["CERT_SERIAL_NO"],
        wechatpay_public_key=_shown_pem(value["WECHATPAY_PUBLIC_KEY"]),
        wechatpay_public_key_id=value["WECHATPAY_PUBLIC_KEY_ID"],
        platform_certificates=tuple(map(_shown_pem, value["PLATFORM_CERTIFICATES"])),
        hosts=tuple(host.rstrip("/") for host in value["HOSTS"] or DEFAULT_HOSTS[region]),
    )


def _shown_pem(value: str) -> str:
    return read_pem(Secret(value)).reveal()


# Tests override settings, so a cached configuration must not outlive them.
def _forget(*, setting: str, **_: object) -> None:
    if setting in {"WXPAY", "USE_TZ"}:
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="django_wxpay.conf")
