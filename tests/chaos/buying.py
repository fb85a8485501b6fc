"""Customers: they buy online and at a till, meet faults, and some want their money back."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from tests.chaos import calls
from tests.chaos.faults import Faults
from tests.chaos.refunding import Clerks

# A customer that gets no answer presses the button again, and gives up in the end.
_TRIES: Final = 25
_PAUSE_S: Final = 0.3
_AT_THE_TILL_S: Final = 45
MERCHANTS: Final = (("default", "1900000109"), ("v3", "1900000110"))
_BEHAVIOURS: Final = (
    *("pays", "pays", "pays", "password_pays", "password_pays", "password_cancels"),
    *("password_ignored", "bank_error_pays", "bank_error_refuses", "not_enough", "expired"),
    "system_error_pays",
)


class Customers:
    """``count`` customers, one in four of them at a till; a ``share`` of their steps is struck."""

    def __init__(self, count: int, share: float, rng: random.Random, *, threads: int) -> None:
        self._count = count
        self._threads = threads
        self._dice = random.Random(rng.random())
        self._lock = threading.Lock()
        self._done = 0
        self.faults = Faults(share, rng.random())
        self.clerks = Clerks(self.faults, rng.random())
        self.counts: Counter[str] = Counter()

    def share_done(self) -> float:
        return self._done / self._count

    def buy(self) -> None:
        """Let every customer buy, some at a time; return when the last one has gone."""
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(self._serve, range(self._count)))

    def _serve(self, at: int) -> None:
        alias, mch_id = MERCHANTS[at % 2]
        sale = {
            "merchant": alias,
            "out_trade_no": f"CHAOS{at:06d}",
            "body": "Tea",
            "total_fee": self._throw(100, 999),
        }
        try:
            buy = self._buy_at_the_till if at % 4 > 1 else self._buy_online
            if order := buy(sale, mch_id):
                self.clerks.refund_some(order, mch_id, sale)
        finally:
            with self._lock:
                self._done += 1

    def _throw(self, low: int, high: int) -> int:
        with self._lock:
            return self._dice.randint(low, high)

    def _count_one(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1

    def _buy_online(self, sale: dict[str, Any], mch_id: str) -> int | None:
        """Place an order and pay it; return its key, None for one that is not paid."""
        self.faults.strike("placing")
        order = self._place({**sale, "trade_type": "NATIVE", "product_id": "P1"})
        if order is None:
            self._count_one("never placed")
            return None
        # Some walk away without paying.
        if self._throw(1, 10) == 1:
            self._count_one("walked away")
            return None
        self.faults.strike("paying")
        calls.simulator("pay", {"mch_id": mch_id, "out_trade_no": sale["out_trade_no"]})
        self._count_one("paid online")
        return order

    def _place(self, order: dict[str, Any]) -> int | None:
        for _ in range(_TRIES):
            status, answer = calls.shop("orders/", order)
            # 422: paid already, by a payment that was quicker than the answer.
            if status in {200, 201, 422}:
                return int(answer["id"])
            time.sleep(_PAUSE_S)
        return None

    def _buy_at_the_till(self, sale: dict[str, Any], mch_id: str) -> int | None:
        """Have a payment code scanned; return the key of the order, None if it is not paid."""
        behaviour = _BEHAVIOURS[self._throw(0, len(_BEHAVIOURS) - 1)]
        self.faults.strike("scanning")
        shown = calls.simulator("codes", {"behaviour": behaviour, "mch_id": mch_id}) or {}
        over = time.monotonic() + _AT_THE_TILL_S
        while time.monotonic() < over:
            content = {**sale, "auth_code": shown["auth_code"]}
            status, answer = calls.shop("orders/pay-by-code/", content)
            if status in {200, 201}:
                state = answer["trade_state"]
                self._count_one(f"at the till {state}")
                return int(answer["id"]) if state == "SUCCESS" else None
            if status == 422:
                self._count_one("at the till refused")
                return None
            # The same scan under the same number, as a till repeats it.
            time.sleep(_PAUSE_S)
        self._count_one("at the till left open")
        return None
