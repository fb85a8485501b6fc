"""Reconciling: every kind of difference is found once, rightly named, and gone when mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import transaction

from django_wxpay.exceptions import (
    BillStorageError,
    InsideTransaction,
    InvalidBill,
    InvalidParameter,
)
from django_wxpay.models import Bill, Discrepancy, Fee, Order, Refund
from django_wxpay.services.bills.reconciling import reconcile
from django_wxpay.signals import bill_reconciled
from tests.factories import OrderFactory, RefundFactory
from tests.services.bills.conftest import (
    DAY,
    MORNING,
    bill_of,
    found,
    paid_back,
    refund_row,
    row,
    sold,
)
from tests.tables import connection
from tests.wechatpay import bills
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing

pytestmark = pytest.mark.django_db


def state() -> list[Any]:
    """Return all that reconciling writes."""
    tables = (Bill, Discrepancy, Fee, Order, Refund)
    return [list(table.objects.order_by("id").values()) for table in tables]


def test_a_day_that_agrees_keeps_its_fees_and_asks_nobody(gateway: ScriptedTransport) -> None:
    orders = [sold() for _ in range(3)]
    refund = paid_back(orders[0])
    Order.objects.filter(pk=orders[0].pk).update(trade_state="REFUND")
    bill = bill_of(*map(row, orders), refund_row(refund))
    result = reconcile(bill)
    assert (result.compared, result.asked, result.fees) == (4, 0, 4)
    assert (result.opened, result.gone, result.open) == (0, 0, 0)
    assert (bill.status, bill.reconciled_at is not None) == ("RECONCILED", True)
    assert [fee.fee_e5 for fee in Fee.objects.order_by("fee_e5")] == [-27000, 60000, 60000, 60000]
    assert gateway.calls == []


def test_running_it_again_changes_nothing(gateway: ScriptedTransport) -> None:
    one, other = sold(), sold()
    bill = bill_of(
        row(one), row(other, 订单金额="2.00"), row(one, 商户订单号="T9", 微信订单号="W9")
    )
    assert reconcile(bill).opened == 2
    before = state()
    again = reconcile(bill)
    assert (again.fees, again.opened, again.gone, again.open) == (0, 0, 0, 2)
    assert state() == before


def test_a_payment_without_an_order_is_missing_here(gateway: ScriptedTransport) -> None:
    stranger = OrderFactory.build(paid=True, total_fee=100)
    bill = bill_of(row(stranger))
    assert reconcile(bill).open == 1
    assert found() == [("MISSING_HERE", stranger.out_trade_no)]
    difference = Discrepancy.objects.get()
    assert (difference.ours, difference.local_order) == (None, None)
    assert difference.theirs == {
        "out_trade_no": stranger.out_trade_no,
        "transaction_id": stranger.transaction_id,
        "trade_state": "SUCCESS",
        "total_fee": 100,
        "fee_type": "CNY",
    }
    # Mended: the order is found and entered.
    stranger.success_time = MORNING
    stranger.save()
    again = reconcile(bill)
    assert (again.gone, again.open, again.fees) == (1, 0, 1)
    assert found("RESOLVED") == [("MISSING_HERE", stranger.out_trade_no)]
    assert Discrepancy.objects.get().resolution == "GONE"


def test_a_lost_notification_is_asked_for_and_settled(gateway: ScriptedTransport) -> None:
    order = OrderFactory.create(out_trade_no="T1", trade_state="NOTPAY", total_fee=100)
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    paid = OrderFactory.build(out_trade_no="T1", transaction_id=PAID["transaction_id"])
    result = reconcile(bill_of(row(paid, 订单金额="1.00")))
    assert (result.asked, result.fees, result.open) == (1, 1, 0)
    order.refresh_from_db()
    assert order.is_paid
    assert Discrepancy.objects.count() == 0


def test_what_wechat_pay_still_calls_unpaid_is_unpaid_here_until_it_is_paid(
    gateway: ScriptedTransport,
) -> None:
    order = OrderFactory.create(out_trade_no="T1", trade_state="NOTPAY", total_fee=100)
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    paid = OrderFactory.build(out_trade_no="T1", transaction_id=PAID["transaction_id"])
    bill = bill_of(row(paid, 订单金额="1.00"))
    assert reconcile(bill).open == 1
    assert found() == [("UNPAID_HERE", "T1")]
    difference = Discrepancy.objects.get()
    assert (difference.local_order, difference.ours["trade_state"]) == (order, "NOTPAY")
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    assert reconcile(bill).open == 0
    assert found("RESOLVED") == [("UNPAID_HERE", "T1")]


def test_an_order_that_cannot_be_asked_for_says_why_and_is_not_another_difference(
    gateway: ScriptedTransport,
) -> None:
    OrderFactory.create(out_trade_no="T1", trade_state="NOTPAY", total_fee=100)
    gateway.answers["/pay/orderquery"] = requests.ReadTimeout()
    paid = OrderFactory.build(out_trade_no="T1", transaction_id=PAID["transaction_id"])
    bill = bill_of(row(paid, 订单金额="1.00"))
    reconcile(bill)
    difference = Discrepancy.objects.get()
    assert difference.ours["answer"] == "OutcomeUnknown"
    Discrepancy.objects.update(status="RESOLVED", resolution="PERSON", note="it is known")
    gateway.answers["/pay/orderquery"] = refused("ORDERNOTEXIST")
    assert reconcile(bill).opened == 0
    assert found("RESOLVED") == [("UNPAID_HERE", "T1")]


def test_a_merchant_that_does_not_answer_is_left_alone(gateway: ScriptedTransport) -> None:
    rows = []
    for number in range(9):
        OrderFactory.create(out_trade_no=f"T{number}", trade_state="NOTPAY")
        rows.append(row(OrderFactory.build(out_trade_no=f"T{number}", transaction_id=f"W{number}")))
    gateway.answers["/pay/orderquery"] = requests.ReadTimeout()
    result = reconcile(bill_of(*rows))
    assert (result.asked, result.open) == (5, 9)


def test_a_payment_that_is_not_in_the_bill_is_missing_there(gateway: ScriptedTransport) -> None:
    order = sold()
    bill = bill_of(row(sold()))
    assert reconcile(bill).open == 1
    assert found() == [("MISSING_THERE", order.out_trade_no)]
    difference = Discrepancy.objects.get()
    assert (difference.theirs, difference.local_order) == (None, order)
    # It was of midnight: the next day's bill has it.
    next_day = bill_of(row(order), bill_date=DAY + timedelta(days=1))
    assert (reconcile(next_day).gone, reconcile(bill).open) == (1, 0)
    assert found("RESOLVED") == [("MISSING_THERE", order.out_trade_no)]


@pytest.mark.parametrize(
    ("column", "value", "kind", "name"),
    [("订单金额", "2.00", "AMOUNT", "total_fee"), ("货币种类", "HKD", "CURRENCY", "fee_type")],
)
def test_another_value_of_a_payment_is_one_difference(
    gateway: ScriptedTransport, column: str, value: str, kind: str, name: str
) -> None:
    order = sold()
    bill = bill_of(row(order, **{column: value}))
    assert reconcile(bill).open == 1
    assert found() == [(kind, order.out_trade_no)]
    difference = Discrepancy.objects.get()
    assert difference.ours[name] != difference.theirs[name]
    assert Fee.objects.get().order == order
    Order.objects.update(**{name: difference.theirs[name]})
    assert (reconcile(bill).open, found("RESOLVED")) == (0, [(kind, order.out_trade_no)])


def test_another_transaction_is_another_payment(gateway: ScriptedTransport) -> None:
    order = sold()
    reconcile(bill_of(row(order, 微信订单号="4200000000202601010000009999")))
    assert found() == [("MISSING_HERE", order.out_trade_no)]
    difference = Discrepancy.objects.get()
    assert difference.ours["transaction_id"] == order.transaction_id
    assert Fee.objects.count() == 0


def test_a_transaction_of_another_order_is_shown_beside_the_row(gateway: ScriptedTransport) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    reconcile(bill_of(row(order, 商户订单号="T9")))
    assert found() == [("MISSING_HERE", "T9")]
    assert Discrepancy.objects.get().local_order == order


def test_a_row_that_the_bill_has_twice_is_one_payment(gateway: ScriptedTransport) -> None:
    good, bad = sold(), sold()
    wrong = row(bad, 订单金额="2.00")
    result = reconcile(bill_of(row(good), row(good), wrong, wrong))
    assert (result.open, result.fees) == (1, 2)
    assert Fee.objects.count() == 2


def test_of_two_aliases_with_one_number_the_paid_one_counts(gateway: ScriptedTransport) -> None:
    OrderFactory.create(merchant="old", out_trade_no="T1", total_fee=700)
    order = sold(out_trade_no="T1", success_time=MORNING - timedelta(hours=20))
    OrderFactory.create(merchant="older", out_trade_no="T1", total_fee=700)
    assert reconcile(bill_of(row(order))).open == 0


def test_a_sale_that_was_reversed_is_no_difference(gateway: ScriptedTransport) -> None:
    order = OrderFactory.create(trade_state="REVOKED", total_fee=100)
    there = OrderFactory.build(paid=True, out_trade_no=order.out_trade_no, total_fee=100)
    gone = row(there, 交易状态="REVOKED", 商户退款单号="X1", 微信退款单号="X2")
    stranger = row(OrderFactory.build(paid=True), 交易状态="REVOKED")
    assert reconcile(bill_of(row(there), gone, stranger)).open == 0
    assert gateway.calls == []


def test_a_reversal_of_the_next_day_is_asked_for(gateway: ScriptedTransport) -> None:
    order = OrderFactory.create(trade_state="REVOKED", total_fee=100)
    there = OrderFactory.build(paid=True, out_trade_no=order.out_trade_no, total_fee=100)
    gateway.answers["/pay/orderquery"] = standing("REVOKED")
    result = reconcile(bill_of(row(there)))
    assert (result.asked, result.open) == (1, 0)


def test_a_reversal_of_a_sale_that_is_paid_here_is_a_difference(gateway: ScriptedTransport) -> None:
    order = sold()
    gateway.answers["/pay/orderquery"] = requests.ReadTimeout()
    reconcile(bill_of(row(order), row(order, 交易状态="REVOKED")))
    assert found() == [("REFUND_MISSING_HERE", order.out_trade_no)]


def refund_there(refund: Refund, status: str = "SUCCESS") -> Callable[[dict[str, str]], Any]:
    """Answer a refundquery with a refund that WeChat Pay has."""
    return lambda sent: {
        "out_trade_no": refund.order.out_trade_no,
        "transaction_id": refund.order.transaction_id,
        "total_fee": refund.order.total_fee,
        "refund_count": 1,
        "out_refund_no_0": refund.out_refund_no,
        "refund_id_0": refund.refund_id,
        "refund_fee_0": refund.refund_fee,
        "refund_status_0": status,
        "refund_success_time_0": "2026-01-02 09:30:00",
    }


def test_a_refund_of_the_platform_is_asked_for_and_entered(gateway: ScriptedTransport) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    refund = RefundFactory.build(order=order, refund_fee=45)
    gateway.answers["/pay/refundquery"] = refund_there(refund)
    result = reconcile(bill_of(refund_row(refund)))
    assert (result.asked, result.fees, result.open) == (1, 1, 0)
    billed = Fee.objects.get().refund
    assert billed is not None
    assert billed.out_refund_no == refund.out_refund_no


def test_a_refund_that_nobody_knows_is_missing_here_until_it_is_found(
    gateway: ScriptedTransport,
) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    refund = RefundFactory.build(order=order, refund_fee=45)
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    bill = bill_of(refund_row(refund))
    assert reconcile(bill).open == 1
    assert found() == [("REFUND_MISSING_HERE", refund.out_refund_no)]
    difference = Discrepancy.objects.get()
    assert (difference.local_order, difference.ours) == (order, None)
    gateway.answers["/pay/refundquery"] = refund_there(refund)
    assert (reconcile(bill).gone, len(found())) == (1, 0)


def test_a_refund_of_an_unknown_order_is_missing_here(gateway: ScriptedTransport) -> None:
    stranger = RefundFactory.build(order=OrderFactory.build(paid=True), refund_fee=45)
    result = reconcile(bill_of(refund_row(stranger)))
    assert (result.asked, found()) == (0, [("REFUND_MISSING_HERE", stranger.out_refund_no)])


def test_a_refund_of_an_order_that_is_unpaid_here_asks_for_both(gateway: ScriptedTransport) -> None:
    order = OrderFactory.create(out_trade_no="T1", trade_state="NOTPAY", total_fee=100)
    there = OrderFactory.build(
        out_trade_no="T1", transaction_id=PAID["transaction_id"], total_fee=100
    )
    refund = RefundFactory.build(order=there, refund_fee=45)
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    gateway.answers["/pay/refundquery"] = refund_there(refund)
    result = reconcile(bill_of(refund_row(refund)))
    assert (result.asked, result.open) == (2, 0)
    assert Refund.objects.get().order == order


def test_of_two_aliases_with_one_refund_the_proven_one_counts(gateway: ScriptedTransport) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    hint = {"order": order, "refund_id": "", "refund_fee": 7, "out_refund_no": "R1"}
    RefundFactory.create(**hint, merchant="old")
    refund = paid_back(order, out_refund_no="R1", success_time=MORNING - timedelta(hours=20))
    RefundFactory.create(**hint, merchant="older")
    assert reconcile(bill_of(refund_row(refund))).open == 0


def test_another_refund_id_is_another_refund(gateway: ScriptedTransport) -> None:
    refund = paid_back(sold(success_time=MORNING - timedelta(days=3)))
    gateway.answers["/pay/refundquery"] = requests.ReadTimeout()
    reconcile(bill_of(refund_row(refund, 微信退款单号="5039")))
    assert found() == [("REFUND_MISSING_HERE", refund.out_refund_no)]
    assert Discrepancy.objects.get().local_refund == refund


def test_a_refund_id_of_another_number_is_another_refund(gateway: ScriptedTransport) -> None:
    refund = paid_back(sold(success_time=MORNING - timedelta(days=3)))
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    reconcile(bill_of(refund_row(refund), refund_row(refund, 商户退款单号="R9")))
    assert found() == [("REFUND_MISSING_HERE", "R9")]


def test_another_amount_of_a_refund_is_a_difference(gateway: ScriptedTransport) -> None:
    refund = paid_back(sold(success_time=MORNING - timedelta(days=3)))
    bill = bill_of(refund_row(refund, 申请退款金额="0.50"))
    reconcile(bill)
    assert found() == [("REFUND_AMOUNT", refund.out_refund_no)]
    Refund.objects.update(refund_fee=50)
    assert (reconcile(bill).gone, found()) == (1, [])


def test_a_refund_that_is_still_on_its_way_here_is_asked_for(gateway: ScriptedTransport) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    refund = RefundFactory.create(order=order, refund_fee=45)
    gateway.answers["/pay/refundquery"] = refund_there(refund, "PROCESSING")
    bill = bill_of(refund_row(refund))
    assert reconcile(bill).asked == 1
    assert found() == [("REFUND_STATUS", refund.out_refund_no)]
    gateway.answers["/pay/refundquery"] = refund_there(refund)
    assert (reconcile(bill).gone, found()) == (1, [])


@pytest.mark.parametrize(
    ("theirs", "ours", "kinds"),
    [
        ("PROCESSING", "SUCCESS", []),
        ("PROCESSING", "PROCESSING", []),
        ("", "SUCCESS", []),
        ("FAIL", "CLOSED", []),
        ("CHANGE", "ABNORMAL", []),
        ("FAIL", "SUCCESS", ["REFUND_STATUS"]),
        ("SUCCESS", "CLOSED", ["REFUND_STATUS"]),
    ],
)
def test_the_statuses_of_a_refund_agree_or_not(
    gateway: ScriptedTransport, theirs: str, ours: str, kinds: list[str]
) -> None:
    gateway.answers["/pay/refundquery"] = requests.ReadTimeout()
    order = sold(success_time=MORNING - timedelta(days=3))
    refund = paid_back(order, refund_status=ours)
    reconcile(bill_of(refund_row(refund, 退款状态=theirs)))
    assert [kind for kind, _ in found()] == kinds


def test_a_refund_that_no_bill_has_is_missing_there(gateway: ScriptedTransport) -> None:
    order = sold(success_time=MORNING - timedelta(days=3))
    refund = paid_back(order)
    bill = bill_of(row(sold()))
    reconcile(bill)
    assert found() == [("REFUND_MISSING_THERE", refund.out_refund_no)]
    # The bill of the day on which it was accepted has it.
    reconcile(bill_of(refund_row(refund, 退款状态="PROCESSING"), bill_date=DAY - timedelta(days=1)))
    assert (found(), len(found("RESOLVED"))) == ([], 1)
    assert reconcile(bill).open == 0


def test_a_day_without_business_there_is_compared_too(gateway: ScriptedTransport) -> None:
    order = sold()
    bill = Bill.objects.create(
        merchant="default",
        mch_id=order.mch_id,
        kind="trade",
        bill_date=DAY,
        status="EMPTY",
        created_at=MORNING,
    )
    result = reconcile(bill)
    assert (result.compared, found()) == (0, [("MISSING_THERE", order.out_trade_no)])
    assert (bill.status, bill.reconciled_at is not None) == ("EMPTY", True)


def test_a_bill_of_one_sub_merchant_is_compared_with_its_orders(gateway: ScriptedTransport) -> None:
    sold(sub_mch_id="1900000201")
    order = sold(sub_mch_id="1900000200")
    paid_back(order, out_refund_no="R1")
    reconcile(bill_of(sub_mch_id="1900000200"))
    assert found() == [("MISSING_THERE", order.out_trade_no), ("REFUND_MISSING_THERE", "R1")]


def test_what_a_person_has_resolved_stays_so_until_the_values_change(
    gateway: ScriptedTransport,
) -> None:
    order = sold()
    bill = bill_of(row(order, 订单金额="2.00"))
    reconcile(bill)
    Discrepancy.objects.update(
        status="RESOLVED", resolution="PERSON", note="a rebate", resolved_by="boss"
    )
    assert (reconcile(bill).opened, found()) == (0, [])
    Order.objects.update(total_fee=300)
    assert (reconcile(bill).opened, found()) == (1, [("AMOUNT", order.out_trade_no)])
    difference = Discrepancy.objects.get()
    assert (difference.resolved_by, difference.note) == ("", "a rebate")


def test_what_was_gone_and_is_found_again_is_open_again(gateway: ScriptedTransport) -> None:
    order = sold()
    bill = bill_of(row(order, 订单金额="2.00"))
    for total_fee, opened, gone in ((100, 1, 0), (200, 0, 1), (100, 1, 0)):
        Order.objects.update(total_fee=total_fee)
        result = reconcile(bill)
        assert (result.opened, result.gone) == (opened, gone)
    assert Discrepancy.objects.count() == 1


def test_a_bill_that_is_cut_changes_nothing(gateway: ScriptedTransport, tmp_path: Any) -> None:
    sold()
    bill = bill_of(row(sold()))
    whole = (tmp_path / bill.file).read_bytes()
    (tmp_path / bill.file).write_bytes(whole[: len(whole) // 2])
    before = state()
    with pytest.raises((EOFError, InvalidBill, BillStorageError)):
        reconcile(bill)
    assert state() == before


def test_a_file_of_other_totals_is_not_the_one_that_was_downloaded(
    gateway: ScriptedTransport,
) -> None:
    bill = bill_of(row(sold()), totals={"CNY": {"paid": 1}})
    with pytest.raises(InvalidBill, match="not the file that was downloaded"):
        reconcile(bill)
    assert (bill.status, Fee.objects.count()) == ("DOWNLOADED", 0)


def test_only_a_trade_bill_with_its_file_is_compared(gateway: ScriptedTransport) -> None:
    with pytest.raises(InvalidParameter, match="kind"):
        reconcile(bill_of(kind="fundflow"))
    pending = bill_of(bill_date=DAY + timedelta(days=1))
    Bill.objects.filter(pk=pending.pk).update(file="", status="PENDING")
    with pytest.raises(InvalidParameter, match="not downloaded"):
        reconcile(pending)


def test_it_refuses_to_wait_for_the_network_in_a_transaction(gateway: ScriptedTransport) -> None:
    bill = bill_of()
    with transaction.atomic(using=connection.alias), pytest.raises(InsideTransaction):
        reconcile(bill)


def test_the_signal_brings_the_open_differences_and_survives_its_receivers(
    gateway: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    def bad(**kwargs: Any) -> None:
        raise ValueError("the mail server is away")

    def good(sender: Any, bill: Bill, discrepancies: Any, **kwargs: Any) -> None:
        heard.append((sender, bill.status, [each.kind for each in discrepancies]))

    bill_reconciled.connect(bad)
    bill_reconciled.connect(good)
    try:
        reconcile(bill_of(row(sold(), 订单金额="2.00")))
    finally:
        bill_reconciled.disconnect(bad)
        bill_reconciled.disconnect(good)
    assert heard == [(Bill, "RECONCILED", ["AMOUNT"])]
    assert "receiver" in caplog.text


def test_a_fee_has_the_currency_that_is_paid_out() -> None:
    order = sold(fee_type="JPY", total_fee=100)
    other = sold(fee_type="JPY", total_fee=200)
    header = [*bills.ALL, "结算币种"]
    priced = {"货币种类": "JPY", "结算币种": "CNY", "手续费": "0.04200", "应结订单金额": "5.00"}
    bill = bill_of(
        row(order, 订单金额="100", **priced),
        # Looked at one by one, for its amount is another.
        row(other, 订单金额="210", **priced),
        header=header,
    )
    reconcile(bill)
    fees = Fee.objects.order_by("order_id")
    assert [(fee.fee_e5, fee.currency) for fee in fees] == [(420_000, "CNY")] * 2
