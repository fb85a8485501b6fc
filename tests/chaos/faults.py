"""Faults of the run: which strike what, and how often each was set."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Final

from tests.chaos import calls

_ANSWERS: Final = (
    *("reset", "reset_after", "http_500", "http_502", "html", "empty", "truncated", "half_xml"),
    *("systemerror", "systemerror_after", "bad_signature", "wrong_mch_id", "wrong_appid"),
    *("answered_after_timeout", "timeout", "unavailable", "rate_limited", "signtest"),
    "unknown_trade_state",
)
_NOTICES: Final = (
    *("lost", "lost", "lost", "duplicate", "concurrent", "reordered", "late"),
    *("bad_signature", "unsigned", "wrong_amount", "wrong_currency", "wrong_appid"),
    *("wrong_mch_id", "extra_field", "doctype", "stale_timestamp", "tampered_ciphertext"),
)
_PLACING: Final = ("before_answer",)
_REFUNDS: Final = ("not_enough", "refund_abnormal", "refund_closed")

_Kind = tuple[tuple[str, ...], tuple[str, ...]]
# What a fault may be and which calls it may strike, by what is about to happen.
_KINDS: Final[dict[str, tuple[_Kind, ...]]] = {
    "placing": ((_ANSWERS, ("unifiedorder", "orderquery")), (_PLACING, ("unifiedorder",))),
    "paying": ((_NOTICES, ("notify",)),),
    "scanning": ((_ANSWERS, ("micropay", "orderquery", "reverse")),),
    "refunding": (
        (_ANSWERS, ("refund", "refund", "refundquery")),
        (_NOTICES, ("notify",)),
        (_REFUNDS, ("refund",)),
    ),
}
# Ours waits two seconds for an answer; a late notification is behind the first sweep.
_SECONDS: Final = {"late": 8, "reordered": 4, "answered_after_timeout": 3, "timeout": 3}
_COPIES: Final = 8


class Faults:
    """Faults that strike a ``share`` of what happens."""

    def __init__(self, share: float, seed: float) -> None:
        self._share = share
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.set: Counter[str] = Counter()

    def strike(self, what: str) -> None:
        """Let a fault wait for ``what`` is about to happen, or none."""
        with self._lock:
            if self._dice.random() >= self._share:
                return
            names, operations = self._dice.choice(_KINDS[what])
            name, operation = self._dice.choice(names), self._dice.choice(operations)
            self.set[name] += 1
        more = {"seconds": _SECONDS[name]} if name in _SECONDS else {}
        more |= {"count": _COPIES} if name == "concurrent" else {}
        calls.simulator("faults", {"fault": name, "operation": operation, **more})
