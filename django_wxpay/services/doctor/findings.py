"""What a diagnosis is made of: findings, each about one merchant and one subject.

Every message and every advice is one line that a terminal can show, whatever the wire or a
receiver said, and none holds a key.

What a person does about a call that brought nothing to believe, by the kind of failure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.utils import timezone

from django_wxpay.gateway import Failure

# Beyond this nobody counts on: "1000 or more" says enough.
COUNTED_UP_TO: Final = 1000
_LONGEST_QUOTE: Final = 200


class Level(StrEnum):
    """How bad it is: an ERROR is to be mended now, a WARNING soon."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    OK = "OK"


class Subject(StrEnum):
    """What a finding is about, in the order in which one thing explains the next."""

    CONFIGURATION = "configuration"
    DATABASE = "database"
    KEYS = "keys"
    HOSTS = "hosts"
    LATENCY = "latency"
    WORKER = "worker"
    NOTIFICATIONS = "notifications"
    EVENTS = "events"
    REPORTS = "reports"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``merchant`` is an alias, "" for what concerns all of them; ``advice`` says what to do."""

    merchant: str
    subject: Subject
    level: Level
    message: str
    advice: str = ""


_LEVELS: Final = tuple(Level)
_SUBJECTS: Final = tuple(Subject)


def by_urgency(finding: Finding) -> tuple[int, int, str]:
    """Return what sorts findings: the worst first, then causes before what they cause."""
    order = _LEVELS.index(finding.level), _SUBJECTS.index(finding.subject)
    return *order, finding.merchant


def quoted(text: str) -> str:
    """Return what somebody else said, as one short line without control characters."""
    line = " ".join(text.split())
    shown = "".join(char if char.isprintable() else "?" for char in line)
    return shown if len(shown) <= _LONGEST_QUOTE else f"{shown[:_LONGEST_QUOTE]}..."


def counted(number: int, noun: str) -> str:
    """Return a number of things in words; from ``COUNTED_UP_TO`` on, nobody counted on."""
    more = " or more" if number >= COUNTED_UP_TO else ""
    return f"{number}{more} {noun}{'' if number == 1 else 's'}"


def at(moment: datetime) -> str:
    """Return a moment in the time zone of the settings."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"


_ADVICE: Final[Mapping[str, str]] = {
    Failure.DNS: "The name does not resolve from here: correct HOSTS, or this machine's DNS.",
    Failure.CONNECT: "Nothing can be reached there: correct HOSTS, or open the firewall or the "
    "proxy that stands in the way.",
    Failure.TLS: "The host's certificate is not believed: look for a proxy in between, set this "
    "machine's clock, and name a private CA in REQUESTS_CA_BUNDLE.",
    Failure.TIMEOUT: "It takes the connection and does not answer in time: the host or the way "
    "there is too slow. If only this machine sees it, look at its network; else wait, and tell "
    "WeChat Pay's support if it lasts.",
    Failure.RESET: "The connection breaks: look for a firewall or a proxy that cuts it; else "
    "wait, and tell WeChat Pay's support if it lasts.",
    Failure.HTTP_5XX: "The host itself is out of order. Another host takes its place; wait, and "
    "tell WeChat Pay's support if it lasts.",
    Failure.UNREADABLE: "What answers there is not WeChat Pay: correct HOSTS, or look for a proxy "
    "or a portal that answers with a page of its own.",
    Failure.BAD_ANSWER: "It answers what WeChat Pay does not say: correct HOSTS and API, and tell "
    "the developers if both are right.",
    Failure.BAD_SIGNATURE: "Compare the keys in the settings with the merchant platform. If they "
    "are right, somebody stands between this machine and WeChat Pay: find out who.",
    Failure.PROBE: "WeChat Pay signed wrongly on purpose, to see that we notice: nothing to do.",
}
_UNHEARD_OF: Final = "Look at these calls under API reports in the admin."


def advice_on(failure: str) -> str:
    """Return what to do about a kind of failure."""
    return _ADVICE.get(failure, _UNHEARD_OF)
