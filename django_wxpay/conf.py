"""What ``settings.WXPAY`` may hold, and what it means.

One table row a setting: its name, its default, what is wrong with a value and what it is
for. Nothing else in the package reads ``settings``; ``current()`` is read afresh after
``setting_changed``, so tests may override settings as they like.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.core.signals import setting_changed

from django_wxpay import credentials
from django_wxpay.protocol.errors import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Api, Merchant, Mode, Region, SignType


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: the code of its check, and a sentence that names it."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: ``problem`` says in a few words what is wrong with a value, "" if nothing."""

    name: str
    default: object
    code: str
    problem: Callable[[Any], str]
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings, read and found good."""

    notify_base_url: str
    merchants: Mapping[str, Merchant]
    timeout: tuple[float, float]
    host_recovery_s: float
    report_level: str
    api_permission_classes: tuple[str, ...] | None


def _wrong_seconds(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number of seconds"
    return "" if math.isfinite(value) and value > 0 else "is not a positive, finite time"


def _wrong_timeout(value: object) -> str:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return "is not a pair (connect, read) of seconds"
    return next((problem for part in value if (problem := _wrong_seconds(part))), "")


def _wrong_base_url(value: object) -> str:
    if not isinstance(value, str) or not (parts := urlsplit(value)).netloc:
        return "is not an absolute address such as https://shop.example.com"
    if parts.scheme not in {"http", "https"}:
        return "is not an http or https address"
    if "?" in value or "#" in value:
        return "holds a query string, which WeChat Pay does not call"
    return "" if parts.path in {"", "/"} else "holds a path, which reverse() already provides"


def _wrong_text(value: object) -> str:
    return "" if isinstance(value, str) and value else "is not a text"


def _wrong_optional_text(value: object) -> str:
    return "" if isinstance(value, str) else "is not a text"


def _wrong_texts(value: object) -> str:
    if isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value):
        return ""
    return "is not a list of texts"


def _wrong_hosts(value: object) -> str:
    if not value or _wrong_texts(value):
        return "is not a list of addresses such as https://api.mch.weixin.qq.com"
    return next((problem for host in value if (problem := _wrong_base_url(host))), "")  # type: ignore[attr-defined]


def _wrong_classes(value: object) -> str:
    return "" if value is None else _wrong_texts(value)


def _wrong_api_key(value: object) -> str:
    if _wrong_optional_text(value):
        return "is not a text"
    return "" if value == "" or len(str(value)) == 32 else "is not 32 characters long"


def _not_one_of(words: type[Mode | Region | Api | SignType]) -> Callable[[object], str]:
    names = ", ".join(f'"{word.value}"' for word in words)
    return lambda value: "" if value in list(words) else f"is none of {names}"


def _not_a_level(value: object) -> str:
    return "" if value in {"off", "errors", "all"} else 'is none of "off", "errors", "all"'


SETTINGS: Final = (
    Setting(
        "NOTIFY_BASE_URL",
        None,
        "E003",
        _wrong_base_url,
        "Scheme and host under which WeChat Pay reaches this site; the path comes from reverse().",
    ),
    Setting(
        "TIMEOUT",
        (5, 15),
        "E004",
        _wrong_timeout,
        "Seconds to wait for a connection, and for an answer. It cannot be switched off.",
    ),
    Setting(
        "HOST_RECOVERY_S",
        180,
        "E004",
        _wrong_seconds,
        "Seconds for which a host that failed is passed over before it is tried again.",
    ),
    Setting(
        "REPORT_LEVEL",
        "all",
        "E005",
        _not_a_level,
        'Which calls are sent to payitil/report: "off", "errors" or "all".',
    ),
    Setting(
        "API_PERMISSION_CLASSES",
        None,
        "E006",
        _wrong_classes,
        "Dotted paths of REST permission classes; by default a login and the model permission.",
    ),
)

MERCHANT_SETTINGS: Final = (
    Setting("APPID", None, "E010", _wrong_text, "The appid that orders name."),
    Setting("APPIDS", (), "E010", _wrong_texts, "Further appids bound to MCH_ID."),
    Setting("MCH_ID", None, "E010", _wrong_text, "The merchant number."),
    Setting("MODE", "common", "E011", _not_one_of(Mode), '"common" or "institutional".'),
    Setting("REGION", "mainland", "E011", _not_one_of(Region), '"mainland" or "global".'),
    Setting("API", "v2", "E011", _not_one_of(Api), 'The protocol of new orders: "v2" or "v3".'),
    Setting("SUB_APPID", "", "E010", _wrong_optional_text, "Default appid of the sub-merchant."),
    Setting("SUB_MCH_ID", "", "E010", _wrong_optional_text, "Default sub-merchant number."),
    Setting("MERCHANT_CATEGORY_CODE", "", "E010", _wrong_optional_text, "For global v3 orders."),
    Setting("API_KEY", "", "E012", _wrong_api_key, "The 32-character v2 key."),
    Setting("SIGN_TYPE", "HMAC-SHA256", "E011", _not_one_of(SignType), '"HMAC-SHA256" or "MD5".'),
    Setting("CLIENT_CERT", "", "E010", _wrong_optional_text, "PEM or path, for mutual TLS."),
    Setting("CLIENT_KEY", "", "E010", _wrong_optional_text, "PEM or path, for mutual TLS."),
    Setting("API_V3_KEY", "", "E010", _wrong_optional_text, "The v3 key."),
    Setting("PRIVATE_KEY", "", "E010", _wrong_optional_text, "PEM or path of the v3 key pair."),
    Setting("CERT_SERIAL_NO", "", "E010", _wrong_optional_text, "Serial of our certificate."),
    Setting("WECHATPAY_PUBLIC_KEY", "", "E010", _wrong_optional_text, "PEM or path."),
    Setting("WECHATPAY_PUBLIC_KEY_ID", "", "E010", _wrong_optional_text, "PUB_KEY_ID_..."),
    Setting("PLATFORM_CERTIFICATES", (), "E010", _wrong_texts, "PEMs to start from."),
    Setting("HOSTS", None, "E013", _wrong_hosts, "Primary, then standby hosts; by region."),
)

_PEM_SETTINGS: Final = frozenset(
    {"CLIENT_CERT", "CLIENT_KEY", "PRIVATE_KEY", "WECHATPAY_PUBLIC_KEY", "PLATFORM_CERTIFICATES"},
)
_ALIAS: Final = re.compile(r"[-a-zA-Z0-9_]+", re.ASCII)


def problems() -> tuple[Problem, ...]:
    """Return everything that is wrong with ``settings.WXPAY``, the worst first."""
    return tuple(_problems(getattr(django_settings, "WXPAY", None)))


@cache
def current() -> Config:
    """Return the settings; ``ConfigurationError`` names the first thing wrong with them."""
    errors = [problem for problem in problems() if problem.code.startswith("E")]
    if errors:
        raise ConfigurationError(errors[0].message)
    raw: Mapping[str, Any] = django_settings.WXPAY
    value = {row.name: raw.get(row.name, row.default) for row in SETTINGS}
    connect, read = value["TIMEOUT"]
    classes = value["API_PERMISSION_CLASSES"]
    return Config(
        notify_base_url=str(value["NOTIFY_BASE_URL"]).rstrip("/"),
        merchants={alias: _merchant(alias, entry) for alias, entry in raw["MERCHANTS"].items()},
        timeout=(float(connect), float(read)),
        host_recovery_s=float(value["HOST_RECOVERY_S"]),
        report_level=value["REPORT_LEVEL"],
        api_permission_classes=None if classes is None else tuple(classes),
    )


def merchants() -> Mapping[str, Merchant]:
    """Return every merchant by its alias."""
    return current().merchants


def merchant(alias: str) -> Merchant:
    """Return one merchant; an alias that is not in the settings is ``UnknownMerchant``."""
    try:
        return current().merchants[alias]
    except KeyError:
        raise UnknownMerchant(f'no merchant "{alias}" in WXPAY["MERCHANTS"]') from None


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
        found = list(_merchant_problems(alias, entry))
        yield from found or _key_problems(alias, entry)
    for name in raw.keys() - known:
        yield Problem("W001", f'WXPAY["{name}"] is not a setting')


def _merchant_problems(alias: object, entry: object) -> Iterator[Problem]:
    where = f'WXPAY["MERCHANTS"]["{alias}"]'
    if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
        yield Problem("E009", f"{where}: an alias is letters, digits, - and _")
    if not isinstance(entry, Mapping):
        yield Problem("E002", f"{where} is not a dict")
        return
    for row in MERCHANT_SETTINGS:
        if row.name == "HOSTS" and row.name not in entry:
            continue
        if problem := row.problem(entry.get(row.name, row.default)):
            yield Problem(row.code, f'{where}["{row.name}"] {problem}')
        elif row.name in _PEM_SETTINGS and _unreadable(entry.get(row.name, row.default)):
            yield Problem("E014", f'{where}["{row.name}"] is neither a PEM nor a readable file')
    if entry.get("API", "v2") == "v2" and not entry.get("API_KEY"):
        yield Problem("E012", f'{where}["API_KEY"] is missing')
    for name in entry.keys() - {row.name for row in MERCHANT_SETTINGS}:
        yield Problem("W001", f'{where}["{name}"] is not a setting')


def _key_problems(alias: str, entry: Mapping[str, Any]) -> Iterator[Problem]:
    for code, name, problem in credentials.problems(_merchant(alias, entry)):
        yield Problem(code, f'WXPAY["MERCHANTS"]["{alias}"]["{name}"] {problem}')


def _unreadable(value: str | Sequence[str]) -> bool:
    try:
        for pem in [value] if isinstance(value, str) else value:
            _pem(pem)
    except (OSError, ValueError):
        return True
    return False


def _pem(value: str) -> str:
    """Return PEM text from PEM text (real newlines or literal ``\\n``) or from a file's path."""
    if not value or "-----BEGIN" in value:
        return value.replace("\\n", "\n")
    text = Path(value).read_text(encoding="ascii")
    if "-----BEGIN" not in text:
        raise ValueError("not a PEM")
    return text


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
        client_cert=_pem(value["CLIENT_CERT"]),
        client_key=_pem(value["CLIENT_KEY"]),
        api_v3_key=value["API_V3_KEY"],
        private_key=_pem(value["PRIVATE_KEY"]),
        cert_serial_no=value["CERT_SERIAL_NO"],
        wechatpay_public_key=_pem(value["WECHATPAY_PUBLIC_KEY"]),
        wechatpay_public_key_id=value["WECHATPAY_PUBLIC_KEY_ID"],
        platform_certificates=tuple(_pem(pem) for pem in value["PLATFORM_CERTIFICATES"]),
        hosts=tuple(host.rstrip("/") for host in value["HOSTS"] or DEFAULT_HOSTS[region]),
    )


def _forget(*, setting: str, **_: object) -> None:
    if setting == "WXPAY":
        current.cache_clear()


setting_changed.connect(_forget, dispatch_uid="django_wxpay.conf")
