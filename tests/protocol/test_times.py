"""Times: Beijing's clock on the wire, whatever the zone of the machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.times import parse_t14, to_t14, within_calendar


def test_a_moment_is_written_in_beijing_time():
    assert to_t14(datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC)) == "20260101000000"


def test_14_digits_are_read_as_beijing_time_eight_hours_ahead_to_the_minute():
    moment = parse_t14("20260101000130")

    assert moment == datetime(2025, 12, 31, 16, 1, 30, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(hours=8)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="a time without a zone is a guess"):
        to_t14(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="a time without a zone is a guess"):
        within_calendar(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026010100000", "202601010000000", "2026010100000x", "20260101000000\n",
     "٢٠٢٦٠١٠١٠٠٠٠٠٠"],
)  # fmt: skip
def test_what_is_not_14_digits_is_refused(text):
    with pytest.raises(ValueError, match="not the 14 digits of yyyyMMddHHmmss"):
        parse_t14(text)


@pytest.mark.parametrize(
    "text",
    ["20261301000000", "20260230000000", "20260101250000", "20260101006000", "20260101000060",
     "20260101000061", "20260001000000", "00000101000000"],
)  # fmt: skip
def test_14_digits_that_name_no_moment_are_refused(text):
    with pytest.raises(ValueError, match=r"does not match|unconverted|out of range|must be in"):
        parse_t14(text)


@given(
    st.datetimes(),
    st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)),
)
def test_a_moment_within_the_calendar_can_be_shown_in_every_zone(naive, offset):
    moment = naive.replace(tzinfo=timezone(offset))
    if not 1000 <= naive.year <= 9999:
        with pytest.raises(ValueError, match="outside the calendar of 1001 to 9998"):
            within_calendar(moment)
    if not 1001 <= naive.year <= 9998:
        return
    same = within_calendar(moment)
    assert within_calendar(same) == same == moment
    # MySQL's first year, and the largest offset that PostgreSQL reads.
    assert same.astimezone(UTC).year >= 1000
    assert abs(same.utcoffset()) < timedelta(hours=16)
    for hours in (-23, 23):
        assert same.astimezone(timezone(timedelta(hours=hours))) == moment


@given(
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(-12, 14),
)
def test_what_is_written_is_read_back_to_the_second(naive, hours):
    moment = naive.replace(tzinfo=timezone(timedelta(hours=hours)))

    assert parse_t14(to_t14(moment)) == moment.replace(microsecond=0)
