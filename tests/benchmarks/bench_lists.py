"""What a million orders cost those who look at them, against ten thousand.

Every list of the admin and of REST, with each filter, a search by number, the second page and the
last one, and the page of a row. ``WXPAY_TEST_DATABASE`` chooses the database, as for the tests.

Run: python -m tests.benchmarks.bench_lists [ROWS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import chain

from tests.benchmarks.databases import set_up
from tests.benchmarks.measuring import FULL, Result, Scale, show
from tests.benchmarks.two_sizes import both_sizes, measured

# Of a list of orders, and of any other list, in a quick run: its newest page, and the second.
QUICK_PAGES = 2


def results(scale: Scale) -> Iterator[Result]:
    """Yield one row for each kind of list or page."""
    set_up()
    from tests.plans import lists
    from tests.plans.filling import Size, fill

    def every(address_of: Callable[[str], Iterator[str]], *names: str) -> Callable[[], list[str]]:
        most = QUICK_PAGES if scale.is_quick else None
        return lambda: list(chain(*(list(address_of(name))[:most] for name in names)))

    others = [model for model in lists.ADMIN_LISTS if model != "order"]
    kinds = {
        "admin order list": every(lists.admin_list, "order"),
        "admin order page": every(lists.admin_pages, "order"),
        "every other admin list": every(lists.admin_list, *others),
        "REST order list": every(lists.rest_list, "orders"),
        "every other REST list": every(
            lists.rest_list, *(name for name in lists.REST_LISTS if name != "orders")
        ),
        "REST rows": lambda: list(lists.rest_details()),
    }
    with both_sizes(scale, lambda rows: fill(Size(orders=rows, reports=rows))) as names:
        yield from measured(names, kinds, scale, limit="the same pages at 10,000 rows")


def main() -> None:
    """Measure and print."""
    scale = Scale(rows=int(sys.argv[1])) if sys.argv[1:] else FULL
    show(list(results(scale)))


if __name__ == "__main__":
    main()
