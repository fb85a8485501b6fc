"""What SQLite alone has to be told: it does not know how few rows of a table are today's."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.plans.explaining import recorded, too_long
from tests.tables import connection

pytestmark = [
    pytest.mark.plans,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="others know how few there are"),
]


def test_what_was_paid_back_today_is_found_by_its_day(boss: Client) -> None:
    with recorded() as queries:
        assert boss.get(reverse("admin:app_list", args=["django_wxpay"])).status_code == 200
    (sums,) = (each for each in queries if 'SUM("django_wxpay_refund"' in each.sql)
    assert too_long(sums, 100) == []
