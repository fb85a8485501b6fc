"""The line that shows that a command is at work: on a terminal, and only there."""

from __future__ import annotations

import io
import threading

import pytest
from django.core.management.base import OutputWrapper

from django_wxpay.management.progress import progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_a_terminal_shows_what_is_done_and_is_clean_afterwards() -> None:
    terminal = Terminal()
    with progress(OutputWrapper(terminal), "Deleting", quiet_s=0):
        assert terminal.written.wait(10)
    assert terminal.getvalue() == "\r\x1b[2KDeleting: 0 s\r\x1b[2K"


def test_a_short_command_shows_nothing() -> None:
    terminal = Terminal()
    with progress(OutputWrapper(terminal), "Deleting"):
        pass
    assert terminal.getvalue() == ""


def test_what_is_no_terminal_stays_quiet() -> None:
    piped = io.StringIO()
    before = threading.active_count()
    with progress(OutputWrapper(piped), "Deleting", quiet_s=0):
        assert threading.active_count() == before
    assert piped.getvalue() == ""


def test_an_error_ends_it_too() -> None:
    terminal = Terminal()
    with (
        pytest.raises(ValueError, match="lost"),
        progress(OutputWrapper(terminal), "Deleting", quiet_s=0),
    ):
        assert terminal.written.wait(10)
        raise ValueError("lost")
    assert terminal.getvalue().endswith("\r\x1b[2K")
    assert not any(thread.name == "wxpay-progress" for thread in threading.enumerate())
