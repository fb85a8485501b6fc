"""Claims of rows, and pauses that grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test.utils import CaptureQueriesContext

from django_wxpay.models import Order
from django_wxpay.services import clock
from django_wxpay.services.claims import backoff, claim, claim_as_seen, second_half
from tests.factories import OrderFactory
from tests.tables import connection

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("held_until", "claimed"),
    [
        (None, 1),
        (NOW - SECOND, 1),
        (NOW, 1),
        (NOW + SECOND, 0),
        # Another machine's clock is a little ahead ...
        (NOW + 2 * MINUTE, 0),
        # ... or so far that nobody can have it for as long as that.
        (NOW + 2 * MINUTE + SECOND, 1),
        (NOW + 365 * 24 * 60 * MINUTE, 1),
    ],
)
def test_a_row_is_free_without_a_lease_and_once_its_lease_is_over(
    held_until: datetime | None,
    claimed: int,
) -> None:
    order = OrderFactory(placing_until=held_until)
    assert (
        claim(Order.objects.filter(pk=order.pk), "placing_until", NOW + MINUTE, longest=MINUTE)
        == claimed
    )
    order.refresh_from_db()
    assert order.placing_until == (NOW + MINUTE if claimed else held_until)


@pytest.mark.django_db
def test_what_is_claimed_is_not_claimed_again_and_nothing_else_is_touched() -> None:
    order, other = OrderFactory(), OrderFactory()
    rows = Order.objects.filter(pk=order.pk)
    assert claim(rows, "placing_until", NOW + MINUTE, longest=MINUTE, err_code="mine") == 1
    assert claim(rows, "placing_until", NOW + 2 * MINUTE, longest=MINUTE, err_code="another's") == 0
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.placing_until, order.err_code) == (NOW + MINUTE, "mine")
    assert (other.placing_until, other.err_code) == (None, "")


@pytest.mark.django_db
def test_a_row_that_somebody_has_is_not_written_to() -> None:
    order = OrderFactory(placing_until=NOW + MINUTE)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        claim(
            Order.objects.filter(pk=order.pk), "placing_until", NOW + 2 * MINUTE, longest=2 * MINUTE
        )
    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


@pytest.mark.django_db
def test_of_several_rows_the_free_ones_are_claimed() -> None:
    free, held = OrderFactory(), OrderFactory(placing_until=NOW + MINUTE)
    rows = Order.objects.filter(pk__in=[free.pk, held.pk])
    assert claim(rows, "placing_until", NOW + 2 * MINUTE, longest=2 * MINUTE) == 1
    held.refresh_from_db()
    assert held.placing_until == NOW + MINUTE


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("age", "claimed"),
    [(MINUTE - SECOND, 0), (MINUTE, 1), (-MINUTE, 0), (-MINUTE - SECOND, 1)],
)
def test_a_column_that_says_when_a_row_was_taken_is_claimed_by_its_age(
    age: timedelta,
    claimed: int,
) -> None:
    order = OrderFactory(placing_until=NOW - age)
    rows = Order.objects.filter(pk=order.pk)
    assert claim(rows, "placing_until", NOW, due_by=NOW - MINUTE, longest=timedelta()) == claimed


def test_pauses_double_up_to_the_longest() -> None:
    pauses = [backoff(failures, MINUTE, 5 * MINUTE) for failures in (0, 1, 2, 3, 10_000)]
    assert pauses == [MINUTE, 2 * MINUTE, 4 * MINUTE, 5 * MINUTE, 5 * MINUTE]
    assert backoff(1, 0.5, 5.0) == 1.0


def test_what_is_claimed_as_it_was_seen_is_one_callers(db: None) -> None:
    order = OrderFactory(next_check_at=NOW)
    rows = Order.objects.filter(pk=order.pk)
    ahead = NOW + timedelta(days=400)
    assert claim_as_seen(rows, "next_check_at", ahead, seen=NOW) == 1
    assert claim_as_seen(rows, "next_check_at", NOW + MINUTE, seen=NOW) == 0
    assert claim_as_seen(rows, "next_check_at", None, seen=ahead) == 1
    order.refresh_from_db()
    assert order.next_check_at is None
    assert claim_as_seen(rows, "next_check_at", NOW, seen=None) == 1


@pytest.mark.parametrize(
    ("rows", "second"),
    [
        ("", ""),
        ("a1", "a1"),
        ("a1 b1", "b1"),
        ("a1 b1 c1", "b1 c1"),
        # All of a key, in their order.
        ("a1 b1 a2 c1 b2 d1", "c1 d1"),
        ("a1 a2 a3", "a1 a2 a3"),
    ],
)
def test_the_second_half_is_one_of_keys(rows: str, second: str) -> None:
    assert list(second_half(rows.split(), key=lambda row: row[0])) == second.split()


@pytest.mark.django_db
def test_of_two_who_saw_one_moment_the_first_gives_it_another() -> None:
    order = OrderFactory(next_check_at=NOW)
    rows = Order.objects.filter(pk=order.pk)
    assert claim_as_seen(rows, "next_check_at", NOW + MINUTE, seen=NOW) == 1
    assert claim_as_seen(rows, "next_check_at", NOW + 2 * MINUTE, seen=NOW) == 0
    order.refresh_from_db()
    assert order.next_check_at == NOW + MINUTE
