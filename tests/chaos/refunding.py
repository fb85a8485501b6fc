"""Clerks: they refund over REST, alone and against each other, and the platform refunds as well."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.conf import settings

from tests.chaos import calls
from tests.chaos.faults import Faults

# Long enough for the sweep to find a payment that was never notified.
_PATIENCE_S: Final = 30
_PAUSE_S: Final = 0.5
_MOST_REFUSALS: Final = 3
_ALIASES: Final = {"1900000109": "default", "1900000110": "v3"}


class Clerks:
    """Clerks who refund the payments of customers; ``counts`` says how it went."""

    def __init__(self, faults: Faults, seed: float) -> None:
        self._faults = faults
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._plans: tuple[Callable[..., None], ...] = (
            *[self._none] * 4,
            self._part,
            self._part_by_part,
            self._two_clerks,
            self._pressed_twice,
            self._too_much,
            self._on_the_platform,
        )
        self.counts: Counter[str] = Counter()
        # What no call may ever come to.
        self.wrong: list[str] = []

    def refund_some(self, order: int, mch_id: str, sale: dict[str, Any]) -> None:
        """Refund one paid order in one of the ways, or not at all."""
        with self._lock:
            plan = self._dice.choice(self._plans)
        plan(order, mch_id, sale)

    def _none(self, *_: Any) -> None:
        pass

    def _part(self, order: int, _mch_id: str, sale: dict[str, Any]) -> None:
        self._ask(order, sale, "A", sale["total_fee"] // 3)

    def _part_by_part(self, order: int, _mch_id: str, sale: dict[str, Any]) -> None:
        for name in ("A", "B", "C"):
            self._ask(order, sale, name, sale["total_fee"] // 3)

    def _two_clerks(self, order: int, _mch_id: str, sale: dict[str, Any]) -> None:
        # Each takes more than half, so that one at most can.
        fee = sale["total_fee"] * 2 // 3
        results = self._at_once(*[(order, sale, name, fee) for name in ("A", "B")])
        if results.count("made") > 1:
            self.wrong.append(f"{sale['out_trade_no']}: two clerks have refunded the same money")

    def _pressed_twice(self, order: int, _mch_id: str, sale: dict[str, Any]) -> None:
        self._at_once(*[(order, sale, "A", sale["total_fee"] // 2)] * 2)

    def _too_much(self, order: int, _mch_id: str, sale: dict[str, Any]) -> None:
        if self._ask(order, sale, "A", sale["total_fee"] + 1) == "made":
            self.wrong.append(f"{sale['out_trade_no']}: more than was paid was refunded")
        self._ask(order, sale, "B", sale["total_fee"] // 2)
        # Whether or not the half was made: half of it may be, all of it may not be besides.
        if self._ask(order, sale, "C", sale["total_fee"]) == "made":
            self._count("all after a half that was refused")

    def _on_the_platform(self, order: int, mch_id: str, sale: dict[str, Any]) -> None:
        self._faults.strike("refunding")
        alias, number = _ALIASES[mch_id], sale["out_trade_no"]
        made = calls.simulator(
            "refund",
            {
                "mch_id": mch_id,
                "out_trade_no": number,
                "out_refund_no": f"P{number}",
                "refund_fee": sale["total_fee"] // 4,
                "notify_url": f"{settings.SHOP}/wxpay/notify/{alias}/refund/",
            },
        )
        self._count("on the platform" if made else "not on the platform")
        # Both at once may be more than was paid.
        self._ask(order, sale, "A", sale["total_fee"])

    def _at_once(self, *asked: tuple[int, dict[str, Any], str, int]) -> list[str]:
        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(lambda each: self._ask(*each), asked))

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _ask(self, order: int, sale: dict[str, Any], name: str, fee: int) -> str:
        """Ask for one refund under one number until there is an outcome, or patience ends."""
        number = f"{name}{sale['out_trade_no']}"
        self._faults.strike("refunding")
        result = self._outcome(order, {"refund_fee": fee, "out_refund_no": number})
        self._count(result)
        return result

    def _outcome(self, order: int, content: dict[str, Any]) -> str:
        over, refusals = time.monotonic() + _PATIENCE_S, 0
        while time.monotonic() < over:
            status, answer = calls.shop(f"orders/{order}/refunds/", content)
            if status in {200, 201}:
                return "made"
            if status == 422 and answer.get("kind") == "NOT_REFUNDABLE":
                if "not paid" not in answer.get("err_code_des", ""):
                    return "more than is left"
            elif status == 422:
                refusals += 1
                if refusals == _MOST_REFUSALS:
                    return "refused"
            elif status < 500 and status:
                self.wrong.append(f"{content}: {status} {answer}")
                return "wrong"
            time.sleep(_PAUSE_S)
        return "left open"
