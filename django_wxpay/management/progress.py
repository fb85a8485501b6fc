"""A line on a terminal that shows that a command is at work; nothing where there is no terminal.

It goes to the standard error, so that what a command prints can be piped, and is gone at the end.
A command that is done within ``QUIET_S`` seconds never shows it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.management.base import OutputWrapper

QUIET_S: Final = 2.0
_EVERY_S: Final = 1.0
_CLEAR: Final = "\r\x1b[2K"


@contextmanager
def progress(stream: OutputWrapper, doing: str, *, quiet_s: float = QUIET_S) -> Iterator[None]:
    """Show on ``stream`` what is done and for how many seconds, while the block runs.

    ``stream`` is a command's ``stderr``.
    """
    if not stream.isatty():
        yield
        return
    is_over = threading.Event()
    shown = threading.Thread(
        target=_show, args=(stream, doing, quiet_s, is_over), name="wxpay-progress"
    )
    shown.start()
    try:
        yield
    finally:
        is_over.set()
        shown.join()


def _show(stream: OutputWrapper, doing: str, quiet_s: float, is_over: threading.Event) -> None:
    began = time.monotonic()
    if is_over.wait(quiet_s):
        return
    while True:
        _write(stream, f"{_CLEAR}{doing}: {time.monotonic() - began:.0f} s")
        if is_over.wait(_EVERY_S):
            break
    _write(stream, _CLEAR)


def _write(stream: OutputWrapper, text: str) -> None:
    # Neither in the colour of an error nor as a line of its own.
    stream.write(text, str, ending="")
    stream.flush()
