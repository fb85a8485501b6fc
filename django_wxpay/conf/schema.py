"""Table of the settings (default, check code, check of the value, doc), and of the checks' hints.

A table of our own, and no library of settings: each row carries its stable check code, its hint is
found by that code, a law holds the rows against what is read and documented, and a message never
quotes a value that may be a key.
"""

from __future__ import annotations

import math
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django_wxpay.conf.reading import Names, not_a_text
from django_wxpay.protocol.merchants import Api, Mode, Region, SignType
from django_wxpay.protocol.rules import OneOf, Rule, Text
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.fields import ID

DEFAULT_LATENCY_LIMITS: Final[dict[str, float]] = {"FAILURE_RATE": 0.05, "P95_MS": 3000}
DEFAULT_RECEIVER_TIMEOUT_S: Final = 60
DEFAULT_QUICK_PAY: Final[dict[str, float]] = {"POLL_S": 5, "WAIT_S": 45}
# A payer looks at a till; and a lease of one step has to end.
_LONGEST_QUICK_PAY_S: Final = 120
_LONGEST_RECEIVER_S: Final = 240
# Strangers can make rows of RefusalCount, if few. Every other table grows with the business.
DEFAULT_RETENTION_DAYS: Final[dict[str, int | None]] = {"RefusalCount": 90}
# The tables that may be pruned besides ApiReport.
_PRUNED: Final = ("Notification", "OrderEvent", "Prepay", "HourlyLatency", "RefusalCount")
# WeChat Pay repeats a notification for 24 hours and 4 minutes (protocol-v2 section 7.1, protocol-v3
# section 6.5), and its row is how a repetition is known. Six more days are for clocks that are
# wrong, for outages, and for the person who looks into one.
_LEAST_DAYS: Final = 7

# A hundred years; timedeltas and calendars end not far beyond.
_MOST_DAYS: Final = 36_500

_SEALING_KEY_OCTETS: Final = 32
_API_KEY: Final = Text(min=32, max=32)
_ON_ONE_LINE: Final = re.compile(f"{_API_KEY.alphabet}*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: ``problem`` returns what is wrong with a value in a few words, or "".

    One that ``is_secret`` is read as a ``Secret``.
    """

    name: str
    default: object
    code: str
    problem: Callable[[Any], str]
    doc: str
    is_secret: bool = False


def _as_text(value: object) -> str:
    # Environment variables are always texts.
    return " but a text: convert it" if isinstance(value, str) else ""


def _wrong_seconds(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is not a number of seconds{_as_text(value)}"
    return "" if math.isfinite(value) and value > 0 else "is not a positive, finite time"


def _wrong_receiver_timeout(value: object) -> str:
    if problem := _wrong_seconds(value):
        return problem
    # An event is called again after five minutes, and no receiver should still be at work then.
    return "" if value <= _LONGEST_RECEIVER_S else f"is longer than {_LONGEST_RECEIVER_S} s"  # type: ignore[operator]


def _wrong_days(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return f"is not a whole number of days{_as_text(value)}"
    return "" if 1 <= value <= _MOST_DAYS else f"is not between 1 and {_MOST_DAYS} days"


def _wrong_retention(value: object) -> str:
    if not isinstance(value, dict):
        return f"is not a dict of days, with keys of {', '.join(_PRUNED)}"
    if other := [name for name in value if name not in _PRUNED]:
        return f"has the key {other[0]!r}: rows of {', '.join(_PRUNED)} can be deleted, no others"
    for name, days in value.items():
        if days is not None and (problem := _wrong_days(days)):
            return f'has a "{name}" that {problem}'
        if days is not None and days < _LEAST_DAYS:
            return f'has a "{name}" of less than {_LEAST_DAYS} days'
    return ""


def _wrong_hours(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is not a number of hours{_as_text(value)}"
    return "" if 0 < value <= _MOST_DAYS * 24 else "is not a positive number of hours"


def _wrong_limits(value: object) -> str:
    if not isinstance(value, dict) or value.keys() - {"FAILURE_RATE", "P95_MS"}:
        return 'is not a dict of "FAILURE_RATE" and "P95_MS"'
    rate, p95_ms = value.get("FAILURE_RATE", 0), value.get("P95_MS", 1)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        return 'holds a "FAILURE_RATE" that is not a share from 0 to 1'
    if isinstance(p95_ms, bool) or not isinstance(p95_ms, int) or p95_ms < 1:
        return 'holds a "P95_MS" that is not a whole number of milliseconds above zero'
    return ""


def _wrong_quick_pay(value: object) -> str:
    if not isinstance(value, dict) or value.keys() - DEFAULT_QUICK_PAY.keys():
        return 'is not a dict of "POLL_S" and "WAIT_S"'
    for name, seconds in value.items():
        if problem := _wrong_seconds(seconds):
            return f'holds a "{name}" that {problem}'
        if seconds > _LONGEST_QUICK_PAY_S:
            return f'holds a "{name}" that is longer than {_LONGEST_QUICK_PAY_S} s'
    return ""


def _wrong_timeout(value: object) -> str:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return f"is not a pair (connect, read) of seconds{_as_text(value)}"
    return next((problem for part in value if (problem := _wrong_seconds(part))), "")


def _parts(value: object) -> SplitResult | None:
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
        # Read here, for whoever reads a port that is no number later meets an error.
        is_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        # Brackets that hold no IPv6 address, or a port that is none.
        return None
    return parts if is_place else None


def _wrong_base_url(value: object) -> str:
    parts = _parts(value)
    if parts is None:
        return _("is not an absolute address such as https://shop.example.com")
    if parts.scheme not in {"http", "https"}:
        return _("is not an http or https address")
    if "@" in parts.netloc:
        # An address stands in every record of a call, is shown to people and sent to WeChat Pay.
        return _("names a user or a password, which everybody would see who sees the address")
    if not re.fullmatch(r"[\w.:-]+|\[[0-9a-fA-F:.]+\](:[0-9]+)?", parts.netloc):
        return _("holds a character that no host name has")
    if "?" in str(value) or "#" in str(value):
        return _("holds a query string, which WeChat Pay does not call")
    is_bare = parts.path in {"", "/"}
    return "" if is_bare else _("holds a path, which reverse() already provides")


def _wrong_text(value: object) -> str:
    return "" if isinstance(value, str) else not_a_text(value)


def _wrong_secret(value: object) -> str:
    return "" if isinstance(value, Secret) or value == "" else not_a_text(value)


def _wrong_api_key(value: object) -> str:
    if not isinstance(value, Secret) or not value:
        return _wrong_secret(value)
    length, wrong = len(value.reveal()), ""
    if not _ON_ONE_LINE.fullmatch(value.reveal()):
        wrong = _("a character that is not allowed")
    elif length != _API_KEY.max:
        wrong = _("%(length)d chars long", length=length)
    return _does_not_fit(wrong, _API_KEY)


def _wrong_texts(value: object) -> str:
    if isinstance(value, list | tuple) and all(isinstance(item, str) and item for item in value):
        return ""
    return _("is not a list of texts")


def _does_not_fit(wrong: str, rule: Rule) -> str:
    if not wrong:
        return ""
    return _("does not fit: %(wrong)s (allowed: %(allowed)s)", wrong=wrong, allowed=rule.text)


def _required(rule: Rule) -> Callable[[object], str]:
    """Return the check that a value follows one of the protocol's rules."""

    def problem(value: object) -> str:
        if not isinstance(value, str) or not value:
            return not_a_text(value)
        wrong = rule.problem(value)
        return _does_not_fit(wrong, rule)

    return problem


def _optional(rule: Rule) -> Callable[[object], str]:
    required = _required(rule)
    return lambda value: "" if value == "" else required(value)


def _wrong_ids(value: object) -> str:
    return _wrong_texts(value) or next(filter(None, map(_required(ID), value)), "")  # type: ignore[call-overload]


def _wrong_hosts(value: object) -> str:
    if not value or _wrong_texts(value):
        return _("is not a list of addresses such as https://api.mch.weixin.qq.com")
    return next((problem for host in value if (problem := _wrong_base_url(host))), "")  # type: ignore[attr-defined]


def _wrong_alias(value: object) -> str:
    return "" if isinstance(value, str) and value else not_a_text(value)


def _wrong_classes(value: object) -> str:
    return "" if value is None else _wrong_texts(value)


def _wrong_sealing_keys(value: object) -> str:
    if not isinstance(value, list | tuple):
        return "is not a list of keys"
    for at, key in enumerate(value):
        if not isinstance(key, Secret):
            return f"[{at}] {not_a_text(key)}"
        try:
            octets = len(urlsafe_b64decode(key.octets()))
        except ValueError:
            octets = 0
        if octets != _SEALING_KEY_OCTETS:
            return f"[{at}] is not a key that Fernet.generate_key() has made"
    return ""


def _one_of(*words: str) -> Callable[[object], str]:
    return _required(OneOf(frozenset(words)))


SETTINGS: Final = (
    Setting(
        "NOTIFY_BASE_URL",
        None,
        "E003",
        _wrong_base_url,
        "Scheme and host under which WeChat Pay reaches this site, such as "
        "https://shop.example.com; the path comes from reverse().",
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
        "RECEIVER_TIMEOUT_S",
        DEFAULT_RECEIVER_TIMEOUT_S,
        "E004",
        _wrong_receiver_timeout,
        "Seconds for which a background job waits for a receiver of a signal, at most 240. "
        "On SQLite, where nobody else can write meanwhile, at most 15, or the database's timeout "
        "if that is longer.",
    ),
    Setting(
        "CLOSE_UNPAID_AFTER_H",
        None,
        "E027",
        _wrong_hours,
        "Hours after its creation when an unpaid order without time_expire is closed, after a "
        "query; None leaves it open.",
    ),
    Setting(
        "QUICK_PAY",
        DEFAULT_QUICK_PAY,
        "E026",
        _wrong_quick_pay,
        "Seconds between two queries of a payment by code, and after which it is reversed.",
    ),
    Setting(
        "REPORT_LEVEL",
        "all",
        "E005",
        _one_of("off", "errors", "all"),
        'Which calls are reported to WeChat Pay: "off", "errors" or "all". Every call is kept as a '
        "row either way.",
    ),
    Setting(
        "API_REPORT_RETENTION_DAYS",
        30,
        "E021",
        _wrong_days,
        "Days for which every call is kept as a row; the figures of each hour are kept for good.",
    ),
    Setting(
        "RETENTION_DAYS",
        DEFAULT_RETENTION_DAYS,
        "E021",
        _wrong_retention,
        'Days for which rows of other tables are kept, such as {"Notification": 180}, 7 or more; '
        "otherwise for good. Orders and refunds are never deleted.",
    ),
    Setting(
        "LATENCY_LIMITS",
        DEFAULT_LATENCY_LIMITS,
        "E022",
        _wrong_limits,
        "The limits of wxpay_doctor: the share of calls that fail, from 0 to 1, and the 95th "
        "percentile in milliseconds.",
    ),
    Setting(
        "BILL_STORAGE",
        "default",
        "E028",
        _wrong_alias,
        "The alias in STORAGES that keeps the files of bills. They hold every sale of a day: "
        "choose one that is not public.",
    ),
    Setting(
        "API_PERMISSION_CLASSES",
        None,
        "E006",
        _wrong_classes,
        "Dotted paths of REST permission classes; by default a login and the model permission.",
    ),
    Setting(
        "SEALING_KEYS",
        (),
        "E030",
        _wrong_sealing_keys,
        "Fernet keys for the keys of merchants in the database: the first seals, all open.",
        is_secret=True,
    ),
)

MERCHANT_SETTINGS: Final = (
    Setting("APPID", None, "E010", _required(ID), "The appid of an order that names none."),
    Setting(
        "APPIDS", (), "E010", _wrong_ids, "Further appids bound to MCH_ID, which an order may name."
    ),
    Setting("MCH_ID", None, "E010", _required(ID), "The merchant number that WeChat Pay gave you."),
    Setting(
        "MODE",
        "common",
        "E011",
        _one_of(*Mode),
        '"common", or "institutional": a service provider with sub-merchants.',
    ),
    Setting(
        "REGION",
        "mainland",
        "E011",
        _one_of(*Region),
        '"mainland" or "global": decides the hosts, and the paths of v3.',
    ),
    Setting("API", "v2", "E011", _one_of(*Api), 'The protocol of new orders: "v2" or "v3".'),
    Setting(
        "SUB_APPID",
        "",
        "E010",
        _optional(ID),
        "Institutional mode: the sub-merchant's appid where an order names none.",
    ),
    Setting(
        "SUB_MCH_ID",
        "",
        "E010",
        _optional(ID),
        "Institutional mode: the sub-merchant of an order that names none.",
    ),
    Setting(
        "MERCHANT_CATEGORY_CODE",
        "",
        "E010",
        _wrong_text,
        "Four digits, required for global orders over v3.",
    ),
    Setting(
        "API_KEY",
        "",
        "E012",
        _wrong_api_key,
        "The 32-character key of API v2; required for v2.",
        is_secret=True,
    ),
    Setting("SIGN_TYPE", "HMAC-SHA256", "E011", _one_of(*SignType), '"HMAC-SHA256" or "MD5".'),
    Setting(
        "CLIENT_CERT",
        "",
        "E010",
        _wrong_text,
        "apiclient_cert.pem, as text or path, which v2 asks for in refunds and reversals.",
    ),
    Setting(
        "CLIENT_KEY", "", "E010", _wrong_secret, "Its key; without it, PRIVATE_KEY.", is_secret=True
    ),
    Setting(
        "API_V3_KEY",
        "",
        "E010",
        _wrong_secret,
        "The 32-character APIv3 key; required for v3.",
        is_secret=True,
    ),
    Setting(
        "PRIVATE_KEY",
        "",
        "E010",
        _wrong_secret,
        "apiclient_key.pem, as text or path; required for v3.",
        is_secret=True,
    ),
    Setting(
        "CERT_SERIAL_NO",
        "",
        "E010",
        _wrong_text,
        "The serial number of the certificate of PRIVATE_KEY; required for v3.",
    ),
    Setting(
        "WECHATPAY_PUBLIC_KEY",
        "",
        "E010",
        _wrong_text,
        "pub_key.pem, as text or path; without it platform certificates are downloaded.",
    ),
    Setting(
        "WECHATPAY_PUBLIC_KEY_ID", "", "E010", _wrong_text, "The id of that key, PUB_KEY_ID_..."
    ),
    Setting(
        "PLATFORM_CERTIFICATES",
        (),
        "E010",
        _wrong_texts,
        "Certificates to start from, so that the first answer needs no download.",
    ),
    Setting(
        "HOSTS",
        None,
        "E013",
        _wrong_hosts,
        "Primary first, then the standby; by region if left out. May point at the simulator.",
    ),
)

_SHOWN: Final = frozenset(row.name for row in SETTINGS if not row.is_secret)
_SHOWN_OF_MERCHANT: Final = frozenset(row.name for row in MERCHANT_SETTINGS if not row.is_secret)


def is_shown(names: Names) -> bool:
    """Return whether what stands under ``names`` is a known setting and no secret."""
    match names:
        case [name]:
            return name in _SHOWN
        case ["MERCHANTS", _, name]:
            return name in _SHOWN_OF_MERCHANT
    return False
