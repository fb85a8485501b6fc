"""A shop with large tables, filled once for the tests of this folder.

``WXPAY_TEST_ROWS`` is the number of its orders, with ten calls each; without it there are as few
as give the plans of a million. The far end of the admin's lists moves with them, for a list that
ends with its table is rightly sorted as a whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker

from django_wxpay.admin import base, spreadsheets
from django_wxpay.admin.orders import filters
from tests.benchmarks.databases import database
from tests.factories import UserFactory
from tests.plans.explaining import Query, recorded, too_long
from tests.plans.filling import Size, fill
from tests.selling import HOST, granting_v2, mounted
from tests.tables import connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID

FEW: Final = 20_000
ROWS: Final = int(os.environ.get("WXPAY_TEST_ROWS", FEW))
SIZE: Final = Size(orders=ROWS, reports=ROWS if ROWS == FEW else 10 * ROWS)
# What a page or a batch may look at beyond the rows that it asks for by its LIMIT.
_SLACK: Final = 2_000
_LIMIT: Final = re.compile(r"LIMIT (\d+)(?: OFFSET (\d+))?")

HoldsPlans = Callable[[], AbstractContextManager[None]]


@pytest.fixture(scope="package")
def tables(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Fill a database of its own, and commit: jobs read it from threads of their own."""
    with django_db_blocker.unblock(), database("plans"):
        fill(SIZE)
        UserFactory(username="boss", is_staff=True, is_superuser=True)
        yield


@pytest.fixture(autouse=True)
def no_numbers_of_other_tests() -> None:
    """Number on: these tests keep their rows, in one database for all."""


@pytest.fixture(autouse=True)
def wxpay(settings: Any, monkeypatch: pytest.MonkeyPatch, tables: None) -> None:
    monkeypatch.setattr(base, "FARTHEST", min(base.FARTHEST, ROWS // 200))
    # So do what a filter finds by keys, and the slices of a file, whose every row is read whole.
    monkeypatch.setattr(spreadsheets, "_AT_ONCE", 50)
    monkeypatch.setattr(filters, "MOST", min(filters.MOST, ROWS // 200))
    # A page costs its rows, and its plan is the same for fewer.
    monkeypatch.setattr(base.ReadOnlyAdmin, "list_per_page", 10)
    account = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": account, "other": account},
        # A day's rows of the four weeks are over.
        "API_REPORT_RETENTION_DAYS": 27,
        "RETENTION_DAYS": {
            "Notification": 27,
            "OrderEvent": 27,
            "Prepay": 27,
            "HourlyLatency": 27,
            "RefusalCount": 27,
        },
    }


@pytest.fixture
def gateway(wxpay: None) -> Iterator[ScriptedTransport]:
    with mounted(granting_v2(), HOST) as scripted:
        yield scripted


@pytest.fixture
def boss(tables: None) -> Client:
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(UserFactory._meta.model.objects.get(username="boss"))
    return browser


@pytest.fixture
def no_long_way() -> HoldsPlans:
    """Hold every query made meanwhile to the rows that it asks for."""
    return _no_long_way


@contextmanager
def _no_long_way() -> Iterator[None]:
    with recorded() as queries:
        yield
    assert queries, "nothing was asked of a large table"
    found = [line for query in queries for line in long_ways(query)]
    assert not found, "\n".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excuse:
    """A query that may read more than it asks for, by a part of its text, and why.

    One that is ``at_a_million`` is held like any other in the tables of the default run.
    """

    part: str
    reason: str
    vendor: str = ""
    at_a_million: bool = False

    def covers(self, query: Query) -> bool:
        is_here = self.vendor in {"", connection.vendor}
        is_meant = ROWS > FEW or not self.at_a_million
        return is_here and is_meant and self.part in query.sql.replace("`", '"')


EXCUSES: Final = (
    Excuse(
        part='"django_wxpay_apireport"."failure" > %s',
        reason="any failure, newest first: no index both finds them and has them in that order, "
        "so those that did not fail are passed over; without statistics SQLite always does so",
    ),
    Excuse(
        part='"django_wxpay_orderevent"."dispatched_at" IS NULL',
        vendor="sqlite",
        reason="what is not delivered, newest first: SQLite sorts all that wait",
    ),
    Excuse(
        part='"dispatched_at" IS NULL AND "django_wxpay_orderevent"."kind" IN',
        vendor="mysql",
        reason="what waits for a receiver, newest first: MariaDB sorts all of several kinds",
    ),
    Excuse(
        part='"django_wxpay_apireport"."failure" = %s ORDER BY',
        vendor="mysql",
        reason="one kind of failure, newest first: MariaDB's index has the keys of one moment in "
        "their own order and not backwards, so it passes over the other calls instead of sorting",
    ),
    Excuse(
        part='FROM "django_wxpay_refund" ORDER BY',
        vendor="mysql",
        reason="the last page of refunds: it begins after a quarter of the table, and more",
    ),
    Excuse(
        part='"kind" = %s) ORDER BY "django_wxpay_orderevent"."created_at" DESC',
        at_a_million=True,
        reason="what may have been paid twice: each payment since the job last succeeded, and "
        "those of a day the first time",
    ),
    Excuse(
        part='COUNT("django_wxpay_order"."id") AS "pk__count"',
        at_a_million=True,
        reason="the first page counts what was placed and paid today (services.overview)",
    ),
    Excuse(
        part='SELECT COUNT(*) FROM (SELECT "django_wxpay_order"."id" AS "col1" FROM '
        '"django_wxpay_order" WHERE ("django_wxpay_order"."created_at" BETWEEN',
        vendor="postgresql",
        reason="a count of rows found by their keys: PostgreSQL reads the index of the time that "
        "they lie in, where it reckons that to be cheaper than a look for each key",
    ),
    Excuse(
        part='"trade_state" = %s) ORDER BY "django_wxpay_order"."success_time" DESC',
        at_a_million=True,
        reason="paid orders of a state: one in fifty is REFUND, so for each of a page fifty others "
        "are passed over, however large the table is",
    ),
    Excuse(
        part='"merchant" IN (%s)',
        reason="the doctor of one merchant looks at the rows of the others, or on SQLite, which "
        "has no statistics, at all of its own; a person asks for it",
    ),
    Excuse(
        part='"django_wxpay_notification"."merchant") IN (%s)',
        at_a_million=True,
        reason="the same: events that wait for a receiver have their merchant from two tables",
    ),
    Excuse(
        part='"report_status" = %s ORDER BY "django_wxpay_apireport"."created_at" DESC',
        vendor="postgresql",
        reason="calls of a status, newest first: PostgreSQL passes over those that wait, for it "
        "expects each status all over the table",
    ),
    Excuse(
        part='"dispatched_at" IS NULL AND "django_wxpay_orderevent"."dispatch_error" = %s',
        vendor="postgresql",
        reason="what waits for the worker: PostgreSQL takes the mark and the kind for independent, "
        "and expects enough of them early in the table",
    ),
    Excuse(
        part='"django_wxpay_orderevent"."dispatch_attempts" > %s',
        reason="the doctor looks at whatever was not delivered, and asks to be run, not to wait",
    ),
)


def long_ways(query: Query) -> list[str]:
    """Return a line for each large table of which ``query`` reads more than it asks for."""
    if any(excuse.covers(query) for excuse in EXCUSES):
        return []
    asked = [int(number or 0) for pair in _LIMIT.findall(query.sql) for number in pair]
    return [f"{each}: {query.sql}" for each in too_long(query, sum(asked) + _SLACK)]
