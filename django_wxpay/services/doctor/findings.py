"""Findings of the doctor, and the advice on failed calls.

A message or an advice is one line for a terminal, whatever text it quotes, and holds no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from django_wxpay.conf import Problem
from django_wxpay.models.choices import Attentions
from django_wxpay.protocol.failures import Failure

# Counting stops here, so that a check never reads millions of rows.
COUNTED_UP_TO: Final = 1000
_LONGEST_QUOTE: Final = 200


class Level(StrEnum):
    """The severity: an ERROR is to be fixed now, a WARNING soon."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    OK = "OK"


class Subject(StrEnum):
    """The subject of a finding, causes before what they cause."""

    CONFIGURATION = "configuration"
    DATABASE = "database"
    KEYS = "keys"
    HOSTS = "hosts"
    LATENCY = "latency"
    WORKER = "worker"
    ORDERS = "orders"
    NOTIFICATIONS = "notifications"
    EVENTS = "events"
    REPORTS = "reports"
    BILLS = "bills"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of a check; ``merchant`` is an alias, "" where it concerns all of them."""

    merchant: str
    subject: Subject
    level: Level
    message: str
    advice: str = ""


_LEVELS: Final = tuple(Level)
_SUBJECTS: Final = tuple(Subject)


def by_urgency(finding: Finding) -> tuple[int, int, str]:
    """Return the sort key: the worst first, then causes before what they cause."""
    order = _LEVELS.index(finding.level), _SUBJECTS.index(finding.subject)
    return *order, finding.merchant


def one_line(text: str) -> str:
    """Return text from outside as one short line without control characters."""
    line = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "?" for char in line)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[:_LONGEST_QUOTE]}..."


def in_words(problem: Problem) -> str:
    """Return what is wrong as a sentence that ends with the code of its check."""
    return f"{problem.message[:1].upper()}{problem.message[1:]} ({problem.code})."


def counted(number: int, noun: str) -> str:
    """Return "2 orders", or "1000 or more orders" where counting stopped."""
    more = " or more" if number >= COUNTED_UP_TO else ""
    return f"{number}{more} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, many: str) -> str:
    """Return the word, "waits" or "wait", that agrees with what ``counted`` returns."""
    return one if number == 1 else many


def local_time(moment: datetime) -> str:
    """Return a moment in the time zone of the settings."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"


def where(attention: Attentions) -> str:
    """Return " See /admin/...", the list of these orders; "" where no admin is mounted."""
    try:
        orders = reverse("admin:django_wxpay_order_changelist")
    except NoReverseMatch:
        return ""
    return f" See {orders}?attention={attention.value}."


_ADVICE: Final[Mapping[str, str]] = {
    Failure.DNS: "The name does not resolve from here: correct HOSTS, or this machine's DNS.",
    Failure.CONNECT: "Nothing can be reached there: correct HOSTS, or open the firewall or the "
    "proxy that stands in the way.",
    Failure.TLS: "The host's certificate is not trusted: look for a proxy in between, set this "
    "machine's clock, and name a private CA in REQUESTS_CA_BUNDLE.",
    Failure.TIMEOUT: "It accepts the connection and does not answer in time: the host or the "
    "network is too slow. If only this machine sees it, look at its network; otherwise wait, and "
    "write to WeChat Pay's support if it lasts.",
    Failure.RESET: "The connection breaks: look for a firewall or a proxy that cuts it; otherwise "
    "wait, and write to WeChat Pay's support if it lasts.",
    Failure.HTTP_5XX: "The host itself is out of order. Another host takes its place; wait, and "
    "write to WeChat Pay's support if it lasts.",
    Failure.UNREADABLE: "What answers there is not WeChat Pay: correct HOSTS, or look for a proxy "
    "or a portal that answers with a page of its own.",
    Failure.BAD_ANSWER: "It answers what WeChat Pay never answers: correct HOSTS and API, and "
    "report it to the developers if both are right.",
    Failure.BAD_SIGNATURE: "Compare the keys in the settings with the merchant platform. If they "
    "are right, the answers are changed on their way to this machine: find out by whom.",
    Failure.PROBE: "WeChat Pay signed wrongly on purpose, to test the verification: nothing to do.",
}
_UNKNOWN_FAILURE: Final = "Look at these calls under API reports in the admin."


def advice_for_failure(failure: str) -> str:
    """Return the advice on calls without a trustworthy answer, by the kind of failure."""
    return _ADVICE.get(failure, _UNKNOWN_FAILURE)
