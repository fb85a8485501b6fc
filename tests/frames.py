"""What an error tracker would store: the variables of frames, and one level below them.

A tracker keeps the ``repr`` of every variable of every frame that an error passed, of the errors
that caused it as well. ``watched`` looks at them while no error happens at all: wherever one could.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import django_wxpay
from django_wxpay.protocol.secrets import Secret

_OURS: Final = str(Path(django_wxpay.__file__).parent)
_TESTS: Final = str(Path(__file__).parent)
# Whatever is done with a key is done by C, and what a function has been given is there at its end.
_EVENTS: Final = frozenset({"c_call", "return"})
# At one place: for merchants of every kind, and not for each turn of a loop.
_MOST_LOOKS: Final = 6
# To ask a row or a query for its repr would read the database.
_NOT_ASKED: Final = ("django.db", "django_wxpay.models")
# The one function that has to be given what it hides.
_MAKES_SECRETS: Final[CodeType] = Secret.__init__.__code__


def holders(frame: FrameType, needles: Iterable[str]) -> list[str]:
    """Return where one of ``needles`` stands in a frame, as "file:function variable"."""
    code = frame.f_code
    if code is _MAKES_SECRETS:
        return []
    place = f"{Path(code.co_filename).name}:{code.co_name}"
    found = []
    for name, value in list(frame.f_locals.items()):
        shown = list(_shown(value))
        if any(needle in text for needle in needles for text in shown):
            found.append(f"{place} {name}")
    return found


def of_error(error: BaseException, needles: Iterable[str]) -> list[str]:
    """Return where one of ``needles`` stands in what a tracker keeps of ``error``."""
    found = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        waiting += [link.__cause__, link.__context__]
        found += [
            f"{type(link).__name__} {n}" for n in [repr(link)] if any(x in n for x in needles)
        ]
        trace = link.__traceback__
        while trace is not None:
            if not trace.tb_frame.f_code.co_filename.startswith(_TESTS):
                found += holders(trace.tb_frame, needles)
            trace = trace.tb_next
    return found


@contextmanager
def watched(needles: Iterable[str]) -> Iterator[Watch]:
    """Look at each frame of ours whenever it calls C or returns, in every thread."""
    watch = Watch(tuple(needles))
    sys.setprofile(watch)
    threading.setprofile(watch)
    try:
        yield watch
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


class Watch:
    """A profile function: ``found`` is where needles stood, ``functions`` what has been seen."""

    def __init__(self, needles: tuple[str, ...]) -> None:
        self.found: set[str] = set()
        self.functions: set[str] = set()
        self._needles = needles
        self._looks: Counter[tuple[CodeType, int]] = Counter()

    def __call__(self, frame: FrameType, event: str, _arg: object) -> None:
        file = frame.f_code.co_filename
        if event not in _EVENTS or not file.startswith(_OURS):
            return
        here = frame.f_code, frame.f_lasti
        self._looks[here] += 1
        if self._looks[here] > _MOST_LOOKS:
            return
        self.functions.add(f"{Path(file).stem}.{frame.f_code.co_name}")
        self.found.update(holders(frame, self._needles))


def _shown(value: object) -> Iterator[str]:
    yield _repr(value)
    below: dict[str, Any] = {}
    if not isinstance(value, type):
        with contextlib.suppress(TypeError):
            below |= vars(value)
        for name in getattr(type(value), "__slots__", ()):
            if hasattr(value, name):
                below[name] = getattr(value, name)
    yield from map(_repr, below.values())


def _repr(value: object) -> str:
    if type(value).__module__.startswith(_NOT_ASKED):
        return ""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a repr of something half made
        return ""
