"""The profile of a path that misses its reach: the places where its own time goes.

The profiler makes every call of a Python function dearer, and leaves C code as it is. So a share
says where to look, and no ratio is ever taken from it.
"""

from __future__ import annotations

import cProfile
import pstats
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

CALLS: Final = 50
_SHOWN: Final = 8
_LONG_S: Final = 1.0
_LEAST: Final = 0.02
# Of these a part is named, and of every other library the whole.
_DEPTH: Final = {"django_wxpay": 3, "django": 3, "tests": 2}
_METHOD: Final = re.compile(r"<method '(\w+)' of '([\w.]+)' objects>")
_FUNCTION: Final = re.compile(r"<(?:built-in method|function) ([\w.]+)(?: at 0x\w+)?>")


def profile_of(action: Callable[[], object], *, calls: int = CALLS) -> tuple[str, ...]:
    """Run ``action`` so many times, and return its places with their share, the largest first.

    The first line is how many functions one call calls.
    """
    began = perf_counter()
    action()
    # One call that takes long says as much as many short ones.
    calls = calls if perf_counter() - began < _LONG_S else 1
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        for _ in range(calls):
            action()
    finally:
        profiler.disable()
    stats = pstats.Stats(profiler)
    own: Counter[str] = Counter()
    functions = 0
    for (file, _, name), (_, count, time, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        own[place_of(file, name)] += time
        functions += count
    total = sum(own.values()) or 1.0
    shares = [(place, time / total) for place, time in own.most_common(_SHOWN)]
    lines = [f"{place} {share:.0%}" for place, share in shares if share >= _LEAST]
    return (f"{functions / calls:,.0f} calls of functions", *lines)


def place_of(file: str, name: str) -> str:
    """Return the package, or the function of C, to which a function's own time is counted."""
    if file == "~":
        if method := _METHOD.fullmatch(name):
            return f"{method[2]}.{method[1]}"
        function = _FUNCTION.fullmatch(name)
        return function[1] if function else name.strip("<>")
    parts = Path(file).with_suffix("").parts
    for root, depth in _DEPTH.items():
        if root in parts:
            at = len(parts) - 1 - parts[::-1].index(root)
            return ".".join(parts[at : at + depth])
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return f"Python's {parts[-2] if parts[-1] == '__init__' else parts[-1]}" if parts else file
