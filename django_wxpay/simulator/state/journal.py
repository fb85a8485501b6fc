"""Journal of the simulator: one line for each call and each notification, for a terminal.

It decides what such a line may say: no body, no key, and of an address neither a password nor a
query, in which a shop may keep a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.protocol.times import BEIJING

# The longest text that is taken over from a request.
_LONGEST: Final = 120


class Journal:
    """Writes lines with ``write``, and none without it."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write

    def call(self, at: datetime, method: str, path: str, status: int, *details: str) -> None:
        """Write the line of one call, answered with ``status``; empty ``details`` are left out."""
        if self._write is not None:
            words = (method, path, str(status), *details)
            self._line(at, " ".join(_plain(word) for word in words if word))

    def notification(
        self, at: datetime, url: str, outcome: str, out_trade_no: str, *, again_at: datetime | None
    ) -> None:
        """Write the line of one notification, sent or not, with the time of the next attempt."""
        if self._write is not None:
            next_try = f"; next try {clock_time(again_at, now=at)}" if again_at else ""
            number = _plain(out_trade_no)
            self._line(at, f"notified {shown_address(url)}: {outcome}{next_try} ({number})")

    def _line(self, at: datetime, text: str) -> None:
        if self._write is not None:
            # A terminal that is gone ends no call.
            with suppress(OSError, ValueError):
                self._write(f"{clock_time(at, now=at)} {text}")


def clock_time(moment: datetime, *, now: datetime) -> str:
    """Return ``moment`` in Beijing, with the date if that is another day than ``now``."""
    there, today = moment.astimezone(BEIJING), now.astimezone(BEIJING)
    return f"{there:%H:%M:%S}" if there.date() == today.date() else f"{there:%m-%d %H:%M:%S}"


def shown_address(url: str) -> str:
    """Return ``url`` without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "?"
    return _plain(f"{parts.scheme}://{host}{parts.path}")


def _plain(text: str) -> str:
    """Return ``text`` short, and without the characters that a terminal would obey."""
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST])
