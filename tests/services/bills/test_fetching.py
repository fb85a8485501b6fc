"""The job of bills: whose it fetches, of which days, and when it tries again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import Bill
from django_wxpay.protocol.v2.xml import encode_xml
from django_wxpay.services import clock, run_jobs
from django_wxpay.services.bills.days import day_bounds, latest_due, yesterday
from django_wxpay.services.bills.fetching import BillsRun, fetch_bills
from tests.factories import OrderFactory
from tests.selling import mounted
from tests.tables import atomic
from tests.wechatpay import v2
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db(transaction=True)

HOST: Final = "http://bills.test"
# Noon in Beijing.
NOON: Final = datetime(2026, 1, 5, 4, 0, tzinfo=UTC)
IDLE: Final = (
    200,
    encode_xml({"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}),
)
LATE: Final = 200, encode_xml({"return_code": "FAIL", "return_msg": "Bill Creating"})


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def move(moment: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: moment)

    move(NOON)
    return move


@pytest.fixture
def wechat(settings: Any, now: Callable[[datetime], None]) -> Iterator[ScriptedTransport]:
    entry = {"APPID": v2.APPID, "MCH_ID": v2.MCH_ID, "API_KEY": v2.API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": entry,
            "second": entry | {"APPID": "wx7777777777777777"},
            "other": entry | {"MCH_ID": "1900000777"},
        },
    }
    with mounted(ScriptedTransport(IDLE), HOST) as scripted:
        yield scripted


def paid(days_ago: int, **fields: Any) -> None:
    moment = NOON - timedelta(days=days_ago)
    OrderFactory.create(**{"paid": True, "mch_id": v2.MCH_ID, "success_time": moment} | fields)


def fetched() -> list[tuple[str, str]]:
    rows = Bill.objects.order_by("id").values_list("merchant", "bill_date")
    return [(merchant, day.isoformat()) for merchant, day in rows]


def test_a_day_is_beijings() -> None:
    first, next_one = day_bounds(date(2026, 1, 2))
    assert first == datetime(2026, 1, 1, 16, tzinfo=UTC)
    assert next_one - first == timedelta(days=1)
    assert yesterday(datetime(2026, 1, 4, 15, 59, tzinfo=UTC)) == date(2026, 1, 3)
    assert yesterday(datetime(2026, 1, 4, 16, 0, tzinfo=UTC)) == date(2026, 1, 4)
    assert latest_due(datetime(2026, 1, 5, 2, 9, tzinfo=UTC)) == date(2026, 1, 3)
    assert latest_due(datetime(2026, 1, 5, 2, 10, tzinfo=UTC)) == date(2026, 1, 4)


def test_missed_days_are_caught_up_from_the_first_payment_on(wechat: ScriptedTransport) -> None:
    paid(3)
    run = fetch_bills()
    assert run == BillsRun(found=3, fetched=3, reconciled=3)
    assert fetched() == [("default", f"2026-01-0{day}") for day in (2, 3, 4)]
    assert fetch_bills() == BillsRun()
    assert len(wechat.requests) == 3


def test_a_merchant_who_has_sold_nothing_yet_costs_no_call(wechat: ScriptedTransport) -> None:
    paid(0)
    OrderFactory.create(mch_id=v2.MCH_ID)
    assert fetch_bills() == BillsRun()
    assert wechat.requests == []


def test_each_mch_id_has_its_bills_fetched_once(wechat: ScriptedTransport) -> None:
    paid(1)
    paid(1, merchant="second")
    paid(1, merchant="other", mch_id="1900000777")
    assert fetch_bills().reconciled == 2
    assert fetched() == [("default", "2026-01-04"), ("other", "2026-01-04")]


def test_no_more_than_ninety_days_are_caught_up(wechat: ScriptedTransport) -> None:
    paid(300)
    assert fetch_bills(limit=200).reconciled == 90
    assert fetched()[0] == ("default", (date(2026, 1, 5) - timedelta(days=90)).isoformat())


def test_a_run_is_bounded_and_ends_when_it_is_told_to(wechat: ScriptedTransport) -> None:
    paid(5)
    paid(5, merchant="other", mch_id="1900000777")
    assert fetch_bills(stop=lambda: True) == BillsRun()
    assert fetch_bills(limit=2).reconciled == 2
    assert fetched() == [("default", "2025-12-31"), ("default", "2026-01-01")]


def test_what_is_not_ready_is_tried_again_half_an_hour_later(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    paid(1)
    wechat.script = [LATE, IDLE]
    assert fetch_bills() == BillsRun(found=1, not_ready=1)
    now(NOON + timedelta(minutes=29))
    assert fetch_bills() == BillsRun()
    now(NOON + timedelta(minutes=30))
    assert fetch_bills() == BillsRun(found=1, fetched=1, reconciled=1)


def test_a_day_that_fails_keeps_no_other_waiting(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    paid(2)
    wechat.script = [(502, b""), IDLE]
    assert fetch_bills() == BillsRun(found=2, fetched=1, reconciled=1, failed=1)
    assert fetch_bills() == BillsRun()
    now(NOON + timedelta(minutes=31))
    assert fetch_bills() == BillsRun(found=1, fetched=1, reconciled=1)


def test_before_ten_past_ten_yesterday_is_not_asked_for(
    wechat: ScriptedTransport, now: Callable[[datetime], None]
) -> None:
    paid(1)
    now(datetime(2026, 1, 5, 2, 9, tzinfo=UTC))
    assert fetch_bills() == BillsRun()
    now(datetime(2026, 1, 5, 2, 10, tzinfo=UTC))
    assert fetch_bills().reconciled == 1


def test_the_worker_has_it_as_a_job(wechat: ScriptedTransport) -> None:
    paid(1)
    (run,) = run_jobs("bills")
    assert str(run.result) == "1 bill reconciled"


def test_nothing_is_fetched_inside_a_transaction(wechat: ScriptedTransport) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        fetch_bills()
