"""Rolling up: however many workers count the same calls, each is counted once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_wxpay.latency import Tally
from django_wxpay.models import ApiReport, HourlyLatency
from django_wxpay.services.latency import rollup
from django_wxpay.services.latency.rollup import roll_up, stored_tallies
from django_wxpay.services.retention import prune
from tests.factories import ApiReportFactory
from tests.races.running import Meeting, at_once

pytestmark = pytest.mark.races

NOON = datetime(2020, 5, 1, 12, 0, tzinfo=UTC)


def calls(count: int) -> None:
    """Make calls of six hours' rows: three hours, two hosts."""
    ApiReport.objects.bulk_create(
        ApiReportFactory.build(
            host=f"api{number % 2}.mch.weixin.qq.com",
            created_at=NOON + timedelta(hours=number % 3),
            execute_time_ms=number,
        )
        for number in range(count)
    )


def counted() -> Tally:
    total = Tally()
    for _, tally in stored_tallies(HourlyLatency.objects.all()):
        total.add(tally)
    return total


def test_four_workers_count_each_call_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_BATCH", 30)
    calls(600)
    runs = at_once(*[roll_up] * 4)
    # One that is overtaken for too long gives up; the next run takes what it left.
    roll_up()
    assert sum(run for run in runs if isinstance(run, int)) <= 600
    assert counted().calls == 600
    assert sum(counted().histogram.calls()) == 600
    assert HourlyLatency.objects.count() == 6
    assert set(HourlyLatency.objects.values_list("calls", flat=True)) == {100}
    assert not ApiReport.objects.filter(is_rolled_up=False).exists()


def test_two_workers_who_saw_the_same_calls_count_them_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls(40)
    meeting = Meeting(2)
    together = meeting.after(lambda: None)
    retry_on_lock = rollup.retry_on_lock

    def begin_together(action: object) -> object:
        together()
        return retry_on_lock(action)  # type: ignore[arg-type]

    monkeypatch.setattr(rollup, "retry_on_lock", begin_together)
    runs = at_once(*[roll_up] * 2)
    assert meeting.met == 2
    assert sorted(run if isinstance(run, int) else -1 for run in runs) == [0, 40]
    assert counted().calls == 40


def test_counting_and_pruning_side_by_side_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "_BATCH", 20)
    calls(300)
    at_once(roll_up, prune, roll_up, prune)
    roll_up()
    prune()
    assert counted().calls == 300
    assert not ApiReport.objects.exists()
