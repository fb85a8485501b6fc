"""Addresses of lists and actions that no database can answer, asked of a row of each model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from tests.admin.conftest import ADMIN, MODELS
from tests.admin.test_base import CLASSES, one_of_each
from tests.tables import ALIAS, atomic

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rows")]

MESSAGE = "No row can have what this address asks for, so all rows are shown."
HUGE = "9" * 40
HOSTILE = [
    ("created_at__gte", "0001-01-01"),
    ("created_at__lt", "0001-01-01T00:00:00+08:00"),
    ("created_at__gte", "9999-12-31T23:59:59-12:00"),
    ("created_at__gte", "2026-01-01T00:00:00+23:59"),
    ("created_at__gte", "2026-01-01T00:00:00Z\0"),
    ("created_at", "9999-12-31"),
    ("created_at__in", "2026-01-01,0001-01-01"),
    ("created_at__year", "0"),
    ("created_at__year", "9999"),
    ("created_at__year", HUGE),
    ("created_at__month", HUGE),
    ("created_at__date", "0001-01-01"),
    ("created_at__week_day", HUGE),
    ("id", HUGE),
    ("id__gt", HUGE),
    ("id__in", f"1,{HUGE}"),
    ("id__in", "1,x"),
    ("pk__in", HUGE),
    ("pk__in", "1,x"),
    ("id", "٣"),
    ("out_trade_no", "a\0b"),
    ("out_trade_no", "x" * 513),
    ("out_trade_no__regex", "("),
    ("out_trade_no__iregex", "[[:nothing:]]"),
    ("q", "a\0b"),
    ("q", "x" * 513),
    ("x\0y", "1"),
]


@pytest.fixture(scope="module")
def rows(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the rows once for all tests here: what a test does is rolled back to them."""
    with django_db_blocker.unblock(), atomic():
        one_of_each()
        yield
        transaction.set_rollback(True, using=ALIAS)


@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_what_no_database_can_answer_is_a_message(boss: Client, name: str, value: str) -> None:
    answer = boss.get(f"{ADMIN}/order/", {name: value}, follow=True)
    assert answer.status_code == 200
    assert answer.redirect_chain == [(f"{ADMIN}/order/?e=1", 302)]
    assert MESSAGE in answer.content.decode()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_no_list_fails_at_any_of_it(boss: Client, model: str, name: str, value: str) -> None:
    answer = boss.get(f"{ADMIN}/{model}/", {name: value}, follow=True)
    assert answer.status_code in {200, 400}


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        ("order", "total_fee__gte", HUGE),
        ("order", "exchange_rate", HUGE),
        ("order", "exchange_rate__gt", "NaN"),
        ("order", "coupons", "1"),
        ("order", "coupons__x", "1"),
        ("order", "prepays", HUGE),
        ("order", "prepays__id__gt", HUGE),
        ("orderevent", "order", HUGE),
        ("orderevent", "order__id", HUGE),
        ("notification", "body", "x"),
        ("notification", "attempts", HUGE),
        ("apireport", "is_standby", "2"),
        ("apireport", "execute_time_ms__lt", HUGE),
    ],
)
def test_every_kind_of_column_is_held(boss: Client, model: str, name: str, value: str) -> None:
    answer = boss.get(f"{ADMIN}/{model}/", {name: value}, follow=True)
    assert (answer.status_code, MESSAGE in answer.content.decode()) == (200, True)


@pytest.mark.parametrize("chosen", [HUGE, "x", "٣", "1\0", "\ud800".encode("utf-8", "replace")])
@pytest.mark.parametrize("model", ["order", "notification", "orderevent"])
def test_no_action_is_run_on_a_row_that_cannot_be(boss: Client, model: str, chosen: Any) -> None:
    action = {"order": "query_now", "notification": "replay", "orderevent": "tell"}[model]
    answer = boss.post(
        f"{ADMIN}/{model}/", {"action": action, "_selected_action": [chosen]}, follow=True
    )
    assert (answer.status_code, MESSAGE in answer.content.decode()) == (200, True)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_row_that_could_be_found(model: str) -> None:
    assert CLASSES[model].objects.exists()
