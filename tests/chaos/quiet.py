"""The quiet time behind the storm: nothing is asked for by hand, and every job runs to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django_wxpay.services import clock
from django_wxpay.services.sync import sweep
from django_wxpay.services.worker.jobs import JOBS
from tests.chaos import calls, shop

_JOBS: Final = ("notifications", "sync", "events")
# Past the pauses of events and notifications that failed, and past the end of every prepay.
_STEPS: Final = (timedelta(minutes=10),) * 20
_CALM_S: Final = 15.0


def calm(revive: Callable[[], None]) -> None:
    """Let everything that is on its way arrive, while the shop is open; the faults are over."""
    calls.simulator("faults", {}, method="DELETE")
    found = calls.ledger()
    for refund in found["refunds"]:
        # Only WeChat Pay knows of these, and what did not arrive comes again some time.
        if _is_of_the_platform(refund) and refund["notification"] in {"pending", "exhausted"}:
            calls.simulator("refund-notice", _about(refund))
    # A few of what has arrived come once more, as they do.
    for trade in found["trades"][::5]:
        if trade["notification"] == "accepted":
            about = {name: trade[name] for name in ("mch_id", "out_trade_no")}
            calls.simulator("notify", about)
    over = time.monotonic() + _CALM_S
    while time.monotonic() < over and _is_busy():
        revive()
        time.sleep(0.5)


def _is_of_the_platform(refund: dict[str, Any]) -> bool:
    return bool(refund["source"] == "VENDOR_PLATFORM")


def _about(refund: dict[str, Any]) -> dict[str, Any]:
    names = ("mch_id", "out_trade_no", "out_refund_no", "refund_fee", "notify_url")
    status = refund["refund_status"]
    return {name: refund[name] for name in names} | {
        "status": "SUCCESS" if status == "PROCESSING" else status
    }


def _is_busy() -> bool:
    found = calls.ledger()
    soon = datetime.fromisoformat(found["now"]) + timedelta(seconds=_CALM_S)
    return any(refund["refund_status"] == "PROCESSING" for refund in found["refunds"]) or any(
        datetime.fromisoformat(each["due_at"]) < soon for each in found["waiting"]
    )


def hurry() -> datetime:
    """Run the worker's jobs in this process on clocks that hurry ahead; return where they end."""
    shop.connect()
    now, shared = clock.now, sweep.shared_clock
    ahead = timedelta()
    try:
        sweep.shared_clock = lambda: clock.now
        for step in _STEPS:
            _run_jobs()
            ahead += step
            clock.now = lambda ahead=ahead: now() + ahead
            # Each believes only what the other has signed at about this time.
            calls.simulator("clock", {"advance_s": step.total_seconds()})
        _run_jobs()
        return clock.now()
    finally:
        clock.now, sweep.shared_clock = now, shared


def _run_jobs() -> None:
    for job in JOBS:
        if job.name in _JOBS:
            while job.run(lambda: False).has_more:
                pass
