"""When WeChat Pay is asked: the moments of an order and of a refund, and the pauses in trouble."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.services.sync.schedule import (
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    OrderSchedule,
    next_refund_check,
    pause_without_answer,
)

NOW = datetime(2026, 1, 1, 4, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
EARLY = [
    5 * SECOND,
    30 * SECOND,
    MINUTE,
    3 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
]
ages = st.timedeltas(min_value=timedelta(), max_value=40 * DAY)


def of(
    *,
    prepay: timedelta = 2 * HOUR,
    expire: timedelta | None = None,
    closes: timedelta | None = None,
) -> OrderSchedule:
    return OrderSchedule(
        placed_at=NOW,
        prepay_ends_at=NOW + prepay,
        time_expire=None if expire is None else NOW + expire,
        closes_at=None if closes is None else NOW + closes,
    )


def moments(schedule: OrderSchedule) -> list[timedelta]:
    """Return every moment at which an order is asked for that is always asked for in time."""
    found, at = [], NOW
    while (following := schedule.next_after(at)) is not None:
        found.append(following - NOW)
        at = following
    return found


def test_an_order_is_asked_for_ever_less_often_and_a_last_time_after_its_prepay() -> None:
    assert moments(of()) == [*EARLY, 2 * HOUR, 2 * HOUR + 5 * MINUTE]


def test_an_order_with_an_end_is_asked_for_at_its_end_and_when_it_is_closed() -> None:
    assert moments(of(expire=3 * HOUR)) == [*EARLY, 2 * HOUR, 3 * HOUR, 3 * HOUR + MINUTE]


def test_nothing_is_asked_after_an_end_that_comes_early() -> None:
    expected = [5 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert moments(of(prepay=2 * MINUTE, expire=2 * MINUTE)) == expected
    assert moments(of(prepay=5 * MINUTE)) == [*EARLY[:-1]]


def test_an_order_that_is_closed_after_hours_is_asked_for_then() -> None:
    assert moments(of(closes=24 * HOUR)) == [*EARLY, 2 * HOUR, 2 * HOUR + 5 * MINUTE, 24 * HOUR]


@pytest.mark.parametrize(
    ("schedule", "after", "is_closed"),
    [
        (of(expire=HOUR), HOUR + 59 * SECOND, False),
        (of(expire=HOUR), HOUR + 60 * SECOND, True),
        (of(), 1000 * DAY, False),
        (of(closes=24 * HOUR), 24 * HOUR - SECOND, False),
        (of(closes=24 * HOUR), 24 * HOUR, True),
        # Its own end counts, not the setting.
        (of(expire=48 * HOUR, closes=24 * HOUR), 24 * HOUR, False),
    ],
)
def test_an_order_is_closed_a_minute_after_its_end_or_after_the_hours_of_the_setting(
    schedule: OrderSchedule, after: timedelta, is_closed: bool
) -> None:
    assert schedule.is_to_be_closed(NOW + after) is is_closed


@given(age=ages, expire=st.none() | ages, closes=st.none() | ages, prepay=ages)
def test_the_next_moment_lies_ahead_and_there_is_none_past_the_end(
    age: timedelta, expire: timedelta | None, closes: timedelta | None, prepay: timedelta
) -> None:
    schedule = of(prepay=prepay, expire=expire, closes=closes)
    now = NOW + age
    following = schedule.next_after(now)
    last = max(moments(schedule), default=timedelta())
    assert (following is None) == (age >= last)
    assert following is None or now < following <= NOW + last


@given(expire=st.none() | ages, closes=st.none() | ages, prepay=ages)
def test_an_order_that_is_to_be_closed_is_asked_for_at_that_moment(
    expire: timedelta | None, closes: timedelta | None, prepay: timedelta
) -> None:
    schedule = of(prepay=prepay, expire=expire, closes=closes)
    at = expire + MINUTE if expire is not None else closes
    if at is not None and at > timedelta():
        assert at in moments(schedule)
        assert schedule.is_to_be_closed(NOW + at)


def refund_moments(*, is_stuck: bool = False) -> list[timedelta]:
    found, at = [], NOW
    while (following := next_refund_check(NOW, at, is_stuck=is_stuck)) is not None:
        found.append(following - NOW)
        at = following
    return found


def test_a_refund_is_asked_for_ever_less_often_and_then_daily_for_30_days() -> None:
    early = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR]
    assert refund_moments() == [*early, *(day * DAY for day in range(1, 31))]


def test_a_refund_that_is_stuck_is_asked_for_daily_for_30_days() -> None:
    assert refund_moments(is_stuck=True) == [day * DAY for day in range(1, 31)]


@given(age=ages, is_stuck=st.booleans())
def test_a_refund_is_never_asked_for_twice_in_one_moment(age: timedelta, is_stuck: bool) -> None:
    following = next_refund_check(NOW, NOW + age, is_stuck=is_stuck)
    assert (following is None) == (age >= 30 * DAY)
    assert following is None or following > NOW + age


@given(age=st.timedeltas(min_value=-DAY, max_value=4000 * DAY))
def test_the_pause_without_an_answer_grows_with_the_age_between_its_bounds(age: timedelta) -> None:
    pause = pause_without_answer(NOW, NOW + age)
    assert SHORTEST_PAUSE <= pause <= LONGEST_PAUSE
    assert pause <= pause_without_answer(NOW, NOW + age + HOUR)


def test_the_pause_without_an_answer_is_half_a_minute_at_first_and_an_hour_at_most() -> None:
    assert pause_without_answer(NOW, NOW) == 30 * SECOND
    assert pause_without_answer(NOW, NOW + HOUR) == 6 * MINUTE
    assert pause_without_answer(NOW, NOW + 365 * DAY) == HOUR
