"""Bills of the simulated WeChat Pay: fetched over each protocol, spoilt by each fault, compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import pytest

from django_wxpay import services
from django_wxpay.exceptions import BadAnswer, BillNotReady, InvalidBill, InvalidParameter
from django_wxpay.models import Bill, Discrepancy, Fee, Order
from django_wxpay.protocol.times import BEIJING
from django_wxpay.services import clock
from django_wxpay.simulator import Options
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS

pytestmark = pytest.mark.django_db(transaction=True)

HOST: Final = "http://127.0.0.1:9100"
KINDS: Final = [("v2", "mainland"), ("v3", "mainland"), ("v2", "global"), ("v3", "global")]


@dataclass
class Shop:
    """A shop on one day, and WeChat Pay beside it."""

    wxpay: SimulatedWXPay
    patch: pytest.MonkeyPatch
    api: str
    is_global: bool
    ahead: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def today(self) -> date:
        return self.now.astimezone(BEIJING).date()

    def sell(self, *, total_fee: int = 1800, pays: bool = True, **fields: Any) -> Order:
        sold = {"trade_type": "NATIVE", "body": "Tea, `green`", "product_id": "tea"} | fields
        if self.is_global:
            sold["fee_type"] = "HKD"
        order = services.checkout(total_fee=total_fee, **sold).order
        if pays:
            self.wxpay.pay(order)
            order.refresh_from_db()
        return order

    def wait_until(self, hour: int, minute: int = 0) -> date:
        """Let time pass until that hour of tomorrow in Beijing; return the day that is over."""
        day = self.today
        then = datetime.combine(day + timedelta(days=1), time(hour, minute), BEIJING)
        self.wait((then - self.now).total_seconds())
        return day

    def wait(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)
        self.wxpay.advance(seconds)
        self.patch.setattr(clock, "now", lambda: self.now)

    def open(self) -> None:
        """Let midnight pass where it is near, so that what is sold is of one day."""
        now = self.now.astimezone(BEIJING)
        midnight = datetime.combine(now.date() + timedelta(days=1), time(0), BEIJING)
        if midnight - now < timedelta(minutes=1):
            self.wait((midnight - now).total_seconds())


@pytest.fixture(params=KINDS, ids="-".join)
def shop(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    account = {**ACCOUNTS[request.param], "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": account},
    }
    with simulated_wxpay(Options(refund_settles_s=0.01)) as wxpay:
        shop = Shop(wxpay, monkeypatch, request.param[0], request.param[1] == "global")
        shop.open()
        yield shop


def open_ones() -> list[tuple[str, str]]:
    rows = Discrepancy.objects.filter(status="OPEN").order_by("kind", "number")
    return list(rows.values_list("kind", "number"))


def test_a_day_of_business_agrees_with_its_bill(shop: Shop) -> None:
    first, second = shop.sell(), shop.sell(total_fee=4500)
    shop.sell(pays=False)
    refund = services.create_refund(first, refund_fee=450)
    day = shop.wait_until(10, 30)
    services.query_refund(refund)
    bill = services.download_bill(bill_date=day)
    currency = "HKD" if shop.is_global else "CNY"
    rows = list(services.bill_rows(bill))
    assert [(row.out_trade_no, row.out_refund_no, row.total_fee or 0) for row in rows] == [
        (first.out_trade_no, "", 1800),
        (second.out_trade_no, "", 4500),
        (first.out_trade_no, refund.out_refund_no, 0),
    ]
    assert {row.body for row in rows} == {"Tea, `green`"}
    assert bill.totals[currency] | {"fees_e5": 0} == {
        "payments": 2, "paid": 6300, "refunds": 1, "refunded": 450, "fees_e5": 0,
    }  # fmt: skip
    run = services.reconcile(bill)
    assert (run.compared, run.opened, run.open, run.fees) == (3, 0, 0, 3)
    assert bill.status == "RECONCILED"
    assert [fee.fee_e5 for fee in Fee.objects.order_by("id")] == [1_100_000, 2_700_000, -300_000]
    again = services.reconcile(bill)
    assert (again.opened, again.gone, again.fees) == (0, 0, 0)


def test_what_was_lost_heals_by_itself(shop: Shop) -> None:
    paid = [shop.sell(pays=False) for _ in range(3)]
    for order in paid:
        shop.wxpay.inject("lost")
        shop.wxpay.pay(order)
    day = shop.wait_until(11)
    run = services.reconcile(services.download_bill(bill_date=day))
    assert (run.asked, run.open) == (3, 0)
    assert {order.trade_state for order in Order.objects.all()} == {"SUCCESS"}
    assert Fee.objects.count() == 3


@pytest.mark.parametrize(("hour", "minute"), [(1, 0), (9, 30), (9, 59)])
def test_a_bill_is_not_ready_before_ten(shop: Shop, hour: int, minute: int) -> None:
    shop.sell()
    day = shop.wait_until(hour, minute)
    with pytest.raises(BillNotReady):
        services.download_bill(bill_date=day)
    assert Bill.objects.get().status == "PENDING"


def test_an_idle_day_is_empty(shop: Shop) -> None:
    day = shop.wait_until(10)
    bill = services.download_bill(bill_date=day)
    assert bill.status == "EMPTY"
    assert services.reconcile(bill).open == 0
    with pytest.raises(InvalidParameter):
        services.download_bill(bill_date=day + timedelta(days=1))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("bill_not_ready", BillNotReady),
        ("bill_truncated", (BadAnswer, InvalidBill)),
        ("bill_broken_gzip", (BadAnswer, InvalidBill)),
        ("bill_wrong_hash", BadAnswer),
        ("http_502", Exception),
    ],
)
def test_a_fault_is_over_at_the_next_try(shop: Shop, fault: str, error: Any) -> None:
    if fault == "bill_wrong_hash" and shop.api == "v2":
        # It states no digest.
        fault, error = "html", BadAnswer
    shop.sell()
    day = shop.wait_until(10)
    shop.wxpay.inject(fault, operation="downloadbill")
    with pytest.raises(error):
        services.download_bill(bill_date=day)
    assert services.download_bill(bill_date=day).status == "DOWNLOADED"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("bill_row_missing", "MISSING_THERE"),
        ("bill_wrong_amount", "AMOUNT"),
        ("bill_foreign_row", "MISSING_HERE"),
    ],
)
def test_what_the_bill_says_wrongly_is_one_difference(shop: Shop, fault: str, kind: str) -> None:
    orders = [shop.sell(), shop.sell()]
    day = shop.wait_until(10)
    shop.wxpay.inject(fault)
    bill = services.download_bill(bill_date=day)
    number = "FOREIGN0001" if kind == "MISSING_HERE" else orders[0].out_trade_no
    for _ in range(2):
        services.reconcile(bill)
        assert open_ones() == [(kind, number)]


@pytest.mark.parametrize("fault", ["bill_extra_columns", "bill_old_columns"])
def test_other_columns_change_nothing(shop: Shop, fault: str) -> None:
    shop.sell()
    day = shop.wait_until(10)
    shop.wxpay.inject(fault)
    bill = services.download_bill(bill_date=day)
    assert services.reconcile(bill).open == 0
    (row,) = services.bill_rows(bill)
    assert row.total_fee == 1800


def test_a_fund_flow_has_each_payment_and_its_fee(shop: Shop) -> None:
    shop.sell()
    day = shop.wait_until(10)
    if shop.is_global and shop.api == "v3":
        with pytest.raises(InvalidParameter):
            services.download_bill(bill_date=day, kind="fundflow")
        return
    bill = services.download_bill(bill_date=day, kind="fundflow")
    assert [row.amount for row in services.bill_rows(bill)] == [1800, -11]
    other = services.download_bill(bill_date=day, kind="fundflow", account_type="FEES")
    assert other.status == "EMPTY"


def test_the_worker_fetches_and_reconciles_every_day_by_itself(shop: Shop) -> None:
    shop.sell()
    shop.wait_until(10, 5)
    (run,) = services.run_jobs("bills")
    assert dict(run.result.counts)["BILLS_RECONCILED"] == 0
    shop.wait_until(10, 20)
    (run,) = services.run_jobs("bills")
    assert dict(run.result.counts)["BILLS_RECONCILED"] == 2
    assert list(Bill.objects.order_by("bill_date").values_list("status", flat=True)) == [
        "RECONCILED",
        "EMPTY",
    ]
    (run,) = services.run_jobs("bills")
    assert not any(run.result.counts.values())
