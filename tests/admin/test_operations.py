"""Background jobs in the admin: how each is doing, at a glance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from django_wxpay.models import BackgroundJob
from tests.admin.conftest import ADMIN
from tests.factories import BackgroundJobFactory

pytestmark = pytest.mark.django_db


def listed(boss: Client) -> str:
    return boss.get(f"{ADMIN}/backgroundjob/").content.decode()


def test_a_job_that_went_well_says_so_and_what_it_came_to(boss: Client) -> None:
    BackgroundJobFactory()
    text = listed(boss)
    assert 'wxpay-good">OK<' in text
    assert "3 calls reported" in text
    assert 'wxpay-bad"' not in text


def test_a_job_that_fails_says_so_and_its_page_says_why(boss: Client) -> None:
    job = BackgroundJobFactory(failing=True)
    assert 'wxpay-bad">Failing<' in listed(boss)
    page = boss.get(f"{ADMIN}/backgroundjob/{job.pk}/change/").content.decode()
    assert "OperationalError: the database is away" in page
    assert "3 calls reported" in page, "the result of the last success"


def test_a_job_that_has_never_ended_is_neither_well_nor_failing(boss: Client) -> None:
    BackgroundJobFactory(finished_at=None, succeeded_at=None, counts={})
    text = listed(boss)
    assert 'wxpay-quiet">Not finished yet<' in text


def test_a_job_that_nobody_has_run_for_hours_does_not_pass_for_well(boss: Client) -> None:
    BackgroundJobFactory(started_at=datetime.now(UTC) - timedelta(hours=3, minutes=1))
    text = listed(boss)
    assert 'wxpay-waiting">Not run lately<' in text
    BackgroundJob.objects.update(finished_at=datetime.now(UTC) - timedelta(hours=2, minutes=59))
    assert 'wxpay-good">OK<' in listed(boss)


def test_jobs_stand_in_the_order_of_their_names(boss: Client) -> None:
    for name in ("reports", "events", "latency"):
        BackgroundJobFactory(name=name)
    rows = boss.get(f"{ADMIN}/backgroundjob/").context["cl"].result_list
    assert [job.name for job in rows] == ["events", "latency", "reports"]
