"""Pages at two sizes of the tables, read in turns: what a hundred times the rows costs a reader.

The small database has ``SMALL`` rows and the large one ``scale.rows``. A kind of page has one
figure, of all its pages read once in a round, after each has been read once to warm it. A page that
shows nothing of the small shop is left out. The others make no more queries at the larger size, or
there is no figure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from datetime import timezone as timezone_of
from typing import Any, Final

from tests.benchmarks.databases import database, use
from tests.benchmarks.measuring import Aim, Result, Scale, ratios, say

SMALL: Final = 10_000
REACH: Final = 1.2
# By the kind of page: its addresses in the database of now.
Kinds = Mapping[str, Callable[[], Sequence[str]]]
_ROUNDS: Final = 7
_QUICK_ROUNDS: Final = 3


@contextmanager
def both_sizes(scale: Scale, fill: Callable[[int], None]) -> Iterator[tuple[str, str]]:
    """Make the two databases, and return their names, the small one's first."""
    with database("small") as small:
        _prepare(fill, SMALL)
        with database("large") as large:
            _prepare(fill, scale.rows)
            yield small, large


def _prepare(fill: Callable[[int], None], rows: int) -> None:
    from django.contrib.auth import get_user_model

    fill(rows)
    get_user_model().objects.create(username="bench", is_staff=True, is_superuser=True)


def measured(names: tuple[str, str], kinds: Kinds, scale: Scale, *, limit: str) -> Iterator[Result]:
    """Yield a row for each kind; its note names the page that grows most."""
    from django.utils import timezone

    timezone.activate(_evening())
    pages = {kind: tuple(_in(name, of_one) for name in names) for kind, of_one in kinds.items()}
    empty = sum(_without_empty(names[0], of_one) for of_one in pages.values())
    for of_one in pages.values():
        _check_queries(names, of_one)
    # By kind, page and size: the seconds of each round.
    times: dict[str, list[tuple[list[float], list[float]]]] = {
        kind: [([], []) for _ in of_one[0]] for kind, of_one in pages.items()
    }
    for _ in range(_QUICK_ROUNDS if scale.is_quick else _ROUNDS):
        for size, name in enumerate(names):
            use(name)
            read = _reader()
            for kind, of_one in pages.items():
                for at, address in enumerate(of_one[size]):
                    times[kind][at][size].append(_seconds(read, address))
    for kind, of_one in pages.items():
        yield _result(kind, of_one[0], times[kind], scale, limit)
    if empty:
        say(f"    {empty} pages show nothing at {SMALL:,} rows and are left out")


def _evening() -> tzinfo:
    """Return a time zone where it is about 20:00 now.

    Elsewhere the small shop may have sold nothing today, and an empty page asks less.
    """
    hours = (20 - datetime.now(UTC).hour + 11) % 24 - 11
    return timezone_of(timedelta(hours=hours))


def _in(name: str, addresses: Callable[[], Sequence[str]]) -> list[str]:
    use(name)
    return list(addresses())


def _result(
    kind: str,
    addresses: Sequence[str],
    times: Sequence[tuple[list[float], list[float]]],
    scale: Scale,
    limit: str,
) -> Result:
    small, large = (
        [sum(taken) for taken in zip(*size, strict=True)] for size in zip(*times, strict=True)
    )
    low, middle, high = statistics.quantiles(ratios(large, small), n=4)
    # Of a single page the best times are less troubled by the machine than any one round's.
    growth = {
        address: min(of_large) / min(of_small)
        for address, (of_small, of_large) in zip(addresses, times, strict=True)
    }
    worst = max(growth, key=growth.__getitem__)
    return Result(
        path=f"{kind}: {scale.rows:,} rows over {SMALL:,}",
        limit=limit,
        figure=middle,
        reach=REACH,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        note=f"{len(growth)} pages; {worst} grows most, to {growth[worst]:.2f}",
    )


def _without_empty(small: str, pages: tuple[list[str], ...]) -> int:
    """Take out of both sizes what shows no row of the small one, and return how many."""
    use(small)
    read = _reader()
    empty = [at for at, address in enumerate(pages[0]) if _is_empty(read(address))]
    for of_size in pages:
        of_size[:] = [address for at, address in enumerate(of_size) if at not in empty]
    return len(empty)


def _is_empty(page: bytes) -> bool:
    is_list = b"change-list" in page or page.startswith(b'{"next"')
    return is_list and not (b'id="result_list"' in page or b'"results":[{' in page)


def _reader() -> Callable[[str], bytes]:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client()
    client.force_login(get_user_model().objects.get(username="bench"))

    def read(address: str) -> bytes:
        answer: Any = client.get(address)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code}")
        return bytes(answer.content)

    return read


def _seconds(read: Callable[[str], bytes], address: str) -> float:
    read(address)
    began = time.perf_counter()
    read(address)
    return time.perf_counter() - began


def _check_queries(names: tuple[str, str], pages: tuple[list[str], ...]) -> None:
    counts = [_queries(name, addresses) for name, addresses in zip(names, pages, strict=True)]
    for address, small, large in zip(pages[0], *counts, strict=True):
        # Fewer are right: of more rows than it adds up a list says no totals.
        if large > small:
            raise RuntimeError(f"{address}: {small} queries at {SMALL:,} rows, then {large}")


def _queries(name: str, addresses: Sequence[str]) -> list[int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    use(name)
    read = _reader()
    found = []
    for address in addresses:
        # The first of them fills Django's cache of content types.
        read(address)
        with CaptureQueriesContext(connection) as made:
            read(address)
        found.append(len(made))
    return found
