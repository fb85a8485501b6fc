"""Customers: they place orders over REST until one has an answer, pay, and meet faults."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from django.conf import settings

_ANSWERS: Final = (
    "reset",
    "reset_after",
    "http_500",
    "http_502",
    "html",
    "empty",
    "truncated",
    "half_xml",
    "systemerror",
    "systemerror_after",
    "bad_signature",
    "answered_after_timeout",
)
_NOTICES: Final = (
    "lost",
    "duplicate",
    "concurrent",
    "reordered",
    "late",
    "bad_signature",
    "unsigned",
    "wrong_amount",
    "wrong_currency",
    "wrong_appid",
    "wrong_mch_id",
    "extra_field",
    "before_answer",
)
# A customer that gets no answer presses the button again, and gives up in the end.
_TRIES: Final = 25
_PAUSE_S: Final = 0.3


class Customers:
    """``count`` customers, some of whom meet one of the faults."""

    def __init__(self, count: int, share: float, rng: random.Random, *, threads: int) -> None:
        self._count = count
        self._threads = threads
        self._share = share
        self._dice = random.Random(rng.random())
        self._lock = threading.Lock()
        self._done = 0
        self.faults: Counter[str] = Counter()
        self.placed = 0
        self.given_up = 0

    def share_done(self) -> float:
        return self._done / self._count

    def buy(self) -> None:
        """Let every customer buy, some at a time; return when the last one has paid."""
        with ThreadPoolExecutor(self._threads) as pool:
            list(pool.map(self._buy, range(self._count)))

    def _buy(self, at: int) -> None:
        try:
            alias, mch_id = ("default", "1900000109") if at % 2 else ("v3", "1900000110")
            number = f"CHAOS{at:06d}"
            self._strike(_ANSWERS, "any")
            is_placed = self._place(alias, number)
            with self._lock:
                self.placed += is_placed
                self.given_up += not is_placed
            # Some walk away without paying.
            if is_placed and at % 20:
                self._strike(_NOTICES, "notify")
                _post(
                    f"{settings.SIMULATOR}/_simulator/pay",
                    {"mch_id": mch_id, "out_trade_no": number},
                )
        finally:
            with self._lock:
                self._done += 1

    def _place(self, alias: str, number: str) -> bool:
        order = {
            "merchant": alias,
            "out_trade_no": number,
            "trade_type": "NATIVE",
            "body": "Tea",
            "total_fee": 100 + self._dice.randrange(900),
            "product_id": "P1",
        }
        for _ in range(_TRIES):
            status, _answer = _post(f"{settings.SHOP}/wxpay/api/orders/", order)
            # 422: paid already, by a payment that was quicker than the answer.
            if status in {200, 201, 422}:
                return True
            time.sleep(_PAUSE_S)
        return False

    def _strike(self, names: tuple[str, ...], operation: str) -> None:
        with self._lock:
            if self._dice.random() >= self._share:
                return
            name = self._dice.choice(names)
            self.faults[name] += 1
        more = {"operation": "unifiedorder" if name == "before_answer" else operation}
        if name in {"late", "reordered", "answered_after_timeout"}:
            more["seconds"] = 3
        if name == "concurrent":
            more["count"] = 8
        _post(f"{settings.SIMULATOR}/_simulator/faults", {"fault": name, **more})


def _post(url: str, content: dict[str, Any]) -> tuple[int, Any]:
    """Return status and answer; 0 where there was none, as from a process that was killed."""
    request = urllib.request.Request(  # noqa: S310 - our own addresses
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, None
    except (OSError, ValueError):
        return 0, None
