"""The quiet time behind the storm: what is still due is sent, and every job runs to its end."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django_wxpay import services
from django_wxpay.exceptions import WXPayError
from django_wxpay.models import Order
from django_wxpay.services import clock
from django_wxpay.services.worker.jobs import JOBS
from tests.chaos import shop
from tests.chaos.ledgers import key_of

_JOBS: Final = ("notifications", "sync", "events")
# Longer than every lease and most pauses of what was interrupted.
_STEP: Final = timedelta(minutes=10)
_ROUNDS: Final = 12
_LONGEST_S: Final = 120.0


@dataclass(slots=True)
class Asked:
    """The orders that only asking settled: ``missed`` were notified all the same."""

    lost: int = 0
    missed: list[str] = field(default_factory=list)


def ledger(simulator: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{simulator}/_simulator/ledger", timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)
        return found


def send_again(simulator: str) -> None:
    """Let WeChat Pay send what is waiting, until nothing is; its faults are over."""
    _send(f"{simulator}/_simulator/faults", method="DELETE")
    over = time.monotonic() + _LONGEST_S
    while time.monotonic() < over:
        found = ledger(simulator)
        # One that is on its way at this moment waits no more, and is not answered yet.
        is_on_its_way = any(trade["notification"] == "pending" for trade in found["trades"])
        if not found["waiting"] and not is_on_its_way:
            return
        # What would come in minutes and hours comes at once.
        for trade in found["trades"]:
            if trade["notification"] not in {"accepted", "lost", ""}:
                content = {name: trade[name] for name in ("mch_id", "out_trade_no")}
                _send(f"{simulator}/_simulator/notify", content)
        time.sleep(1)


def run_jobs() -> None:
    """Run the worker's jobs in this process, with a clock that hurries ahead."""
    shop.connect()
    before = clock.now
    try:
        for at in range(_ROUNDS):
            ahead = _STEP * at
            clock.now = lambda ahead=ahead: before() + ahead
            for job in JOBS:
                if job.name in _JOBS:
                    while job.run(lambda: False).has_more:
                        pass
    finally:
        clock.now = before


def ask_for(orders: list[tuple[str, str]], trades: list[dict[str, Any]]) -> Asked:
    """Ask for what no notification has settled, as a page of the shop's does."""
    states = {key_of(trade): trade["notification"] for trade in trades}
    asked = Asked()
    for merchant, number in orders:
        if states[merchant, number] == "lost":
            asked.lost += 1
        else:
            asked.missed.append(f"{merchant} {number} ({states[merchant, number]})")
        order = Order.objects.get(merchant=merchant, out_trade_no=number)
        for _ in range(3):
            try:
                services.query_order(order)
                break
            except WXPayError:
                time.sleep(1)
    return asked


def _send(url: str, content: dict[str, Any] | None = None, *, method: str = "POST") -> None:
    body = json.dumps(content or {}).encode()
    request = urllib.request.Request(  # noqa: S310 - our own address
        url, body, {"Content-Type": "application/json"}, method=method
    )
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310 - as above
