"""What a diagnosis is made of: findings, each about one merchant and one subject.

Every message and every advice is one line that a terminal can show, whatever the wire or a
receiver said, and none holds a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.utils import timezone

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
