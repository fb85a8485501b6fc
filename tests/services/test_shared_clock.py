"""The clock of a schedule that machines share: this machine's, unless it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_wxpay.services import claims, clock


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_a_clock_that_is_wrong_is_put_right_by_the_databases_and_said_so(
    db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, hours: int
) -> None:
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=hours))
    shared = claims.shared_clock()
    assert abs(shared() - now()) < timedelta(seconds=50)
    assert "the clock of this machine is wrong" in caplog.text


def test_a_clock_that_is_right_is_used_as_it_is(db: None) -> None:
    assert claims.shared_clock() is clock.now


def test_a_database_that_is_not_known_has_no_say(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_EPOCH", {})
    wrong = lambda: datetime(2020, 1, 1, tzinfo=UTC)  # noqa: E731
    monkeypatch.setattr(clock, "now", wrong)
    assert claims.shared_clock() is wrong
