"""The table of settings: each with its name, its default, what is wrong with a value, and why."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django_wxpay.protocol.merchants import Api, Mode, Region, SignType

DEFAULT_LATENCY_LIMITS: Final[dict[str, float]] = {"FAILURE_RATE": 0.05, "P95_MS": 3000}

# Further back than calendars reach.
_MOST_DAYS: Final = 36_500


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: ``problem`` says in a few words what is wrong with a value, "" if nothing."""

    name: str
    default: object
    code: str
    problem: Callable[[Any], str]
    doc: str


def _wrong_seconds(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number of seconds"
    return "" if math.isfinite(value) and value > 0 else "is not a positive, finite time"


def _wrong_days(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return "is not a whole number of days"
    return "" if 1 <= value <= _MOST_DAYS else f"is not between 1 and {_MOST_DAYS} days"


def _wrong_limits(value: object) -> str:
    if not isinstance(value, dict) or value.keys() - {"FAILURE_RATE", "P95_MS"}:
        return 'is not a dict of "FAILURE_RATE" and "P95_MS"'
    rate, p95_ms = value.get("FAILURE_RATE", 0), value.get("P95_MS", 1)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        return 'holds a "FAILURE_RATE" that is not a share from 0 to 1'
    if isinstance(p95_ms, bool) or not isinstance(p95_ms, int) or p95_ms < 1:
        return 'holds a "P95_MS" that is not a whole number of milliseconds above zero'
    return ""


def _wrong_timeout(value: object) -> str:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return "is not a pair (connect, read) of seconds"
    return next((problem for part in value if (problem := _wrong_seconds(part))), "")


def _parts(value: object) -> SplitResult | None:
    try:
        return urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        # Brackets that hold no IPv6 address.
        return None


def _wrong_base_url(value: object) -> str:
    parts = _parts(value)
    if parts is None or not parts.netloc:
        return "is not an absolute address such as https://shop.example.com"
    if parts.scheme not in {"http", "https"}:
        return "is not an http or https address"
    if "?" in str(value) or "#" in str(value):
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
    return "" if value in ("off", "errors", "all") else 'is none of "off", "errors", "all"'


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
        'Which calls wxpay_report sends to payitil/report: "off", "errors" or "all".',
    ),
    Setting(
        "API_REPORT_RETENTION_DAYS",
        30,
        "E021",
        _wrong_days,
        "Days for which every call is kept as a row; what they came to, by the hour, is kept on.",
    ),
    Setting(
        "LATENCY_LIMITS",
        DEFAULT_LATENCY_LIMITS,
        "E022",
        _wrong_limits,
        "What wxpay_doctor takes for well: the share of calls that fail, 0 to 1, and milliseconds.",
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
