"""What a million calls cost those who look at them, against ten thousand.

The summaries of the admin and of REST are read at both sizes, in turns, and a call is written
down. The calls lie in the same month, a hundred of them not rolled up yet.
``WXPAY_TEST_DATABASE`` chooses the database, as for the tests.

Run: python -m tests.benchmarks.bench_latency [ROWS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from tests.benchmarks.databases import set_up, use
from tests.benchmarks.measuring import FULL, Action, Result, Scale, cost, show
from tests.benchmarks.two_sizes import REACH, SMALL, both_sizes, measured

# So many calls in a row, so that going over to the other database does not count.
CAPTURED = 20


def results(scale: Scale) -> Iterator[Result]:
    """Yield the rows of reading and of writing."""
    set_up()
    from tests.plans import lists
    from tests.plans.filling import Size, fill

    kinds = {"latency summary": lambda: list(lists.latency_pages())}
    with both_sizes(scale, lambda rows: fill(Size(orders=0, reports=rows))) as (small, large):
        limit = "the same pages at 10,000 calls"
        yield from measured((small, large), kinds, scale, limit=limit)
        yield cost(
            f"writing down one call: {scale.rows:,} rows over {SMALL:,}",
            "the same at 10,000 calls",
            ours=_capturing(large),
            bare=_capturing(small),
            reach=REACH,
            scale=scale,
        )


def _capturing(name: str) -> Action:
    from django_wxpay.gateway import CallRecord
    from django_wxpay.services.latency.recording import record_call

    values: dict[str, Any] = {field.name: "" for field in fields(CallRecord)}
    values |= {
        "api": "v2",
        "mch_id": "1900000109",
        "interface_url": "https://api.mch.weixin.qq.com/pay/unifiedorder",
        "host": "api.mch.weixin.qq.com",
        "execute_time_ms": 87,
        "http_status": 200,
        "is_standby": False,
    }
    record: Callable[..., CallRecord] = CallRecord

    def capture() -> None:
        use(name)
        for _ in range(CAPTURED):
            record_call("default", record(**values | {"started_at": datetime.now(UTC)}))

    return capture


def main() -> None:
    """Measure and print."""
    scale = Scale(rows=int(sys.argv[1])) if sys.argv[1:] else FULL
    show(list(results(scale)))


if __name__ == "__main__":
    main()
