"""Refunds that are asked for by the sweep until they are over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.models import Order, Refund
from django_wxpay.services import clock
from tests.protocol.v3 import keys
from tests.services.conftest import new_order
from tests.services.refunds.conftest import NUMBER, TRANSACTION, Till
from tests.services.sync.ageing import pass_time
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def certificate(wxpay: dict[str, Any]) -> None:
    ours = {"CLIENT_CERT": keys.MERCHANT_CERTIFICATE, "CLIENT_KEY": keys.MERCHANT_KEY}
    wxpay["MERCHANTS"]["default"] |= ours


@pytest.fixture
def till(gateway: ScriptedTransport) -> Till:
    return Till(gateway)


@pytest.fixture
def refund(till: Till, gateway: ScriptedTransport) -> Refund:
    """Return a refund that WeChat Pay has accepted."""
    order = new_order(out_trade_no=NUMBER)
    Order.objects.update(trade_state="SUCCESS", transaction_id=TRANSACTION)
    order.refresh_from_db()
    made = services.create_refund(order, refund_fee=40, out_refund_no="R1")
    gateway.calls.clear()
    return made


def sweep(refund: Refund) -> services.SyncRun:
    run = services.sync_orders()
    refund.refresh_from_db()
    return run


def until_next(refund: Refund) -> timedelta:
    assert refund.next_check_at is not None
    return refund.next_check_at - refund.updated_at


def test_a_refund_is_asked_for_until_it_is_paid_back(till: Till, refund: Refund) -> None:
    pass_time(refund.order, minutes=2)
    assert sweep(refund) == services.SyncRun(found=1, settled=1)
    assert (refund.refund_status, until_next(refund)) == ("PROCESSING", timedelta(minutes=5))

    till.status = "SUCCESS"
    pass_time(refund.order, minutes=5)
    assert sweep(refund) == services.SyncRun(found=1, settled=1)
    assert (refund.refund_status, refund.next_check_at) == ("SUCCESS", None)


def test_a_refund_that_is_stuck_is_asked_for_daily_and_for_30_days(
    till: Till, refund: Refund
) -> None:
    till.status = "CHANGE"
    pass_time(refund.order, minutes=2)
    sweep(refund)
    assert (refund.refund_status, until_next(refund)) == ("ABNORMAL", timedelta(days=1))
    pass_time(refund.order, days=31)
    assert sweep(refund) == services.SyncRun(found=1, settled=1)
    assert refund.next_check_at is None


def test_a_refund_that_goes_on_after_30_days_is_asked_for_like_a_new_one(
    till: Till, refund: Refund, gateway: ScriptedTransport
) -> None:
    till.status = "CHANGE"
    pass_time(refund.order, days=31)
    sweep(refund)
    pass_time(refund.order, days=31)
    sweep(refund)
    assert (refund.refund_status, refund.next_check_at) == ("ABNORMAL", None)

    # A person has seen to it, and nobody notifies us.
    till.status = "PROCESSING"
    services.query_refund(refund)
    refund.refresh_from_db()
    assert (refund.refund_status, until_next(refund)) == ("PROCESSING", timedelta(minutes=1))
    pass_time(refund.order, minutes=2)
    assert sweep(refund).settled == 1
    assert until_next(refund) == timedelta(minutes=5)
    till.status = "SUCCESS"
    pass_time(refund.order, minutes=5)
    sweep(refund)
    assert (refund.refund_status, refund.next_check_at) == ("SUCCESS", None)


def test_a_refused_refund_that_is_made_again_after_30_days_is_asked_for_like_a_new_one(
    till: Till, refund: Refund, gateway: ScriptedTransport
) -> None:
    till.kept.clear()
    Refund.objects.update(refund_id=None, refund_status="CLOSED", next_check_at=None)
    pass_time(refund.order, days=40)
    refund = services.create_refund(refund.order, refund_fee=40, out_refund_no="R1")
    pass_time(refund.order, minutes=2)
    assert sweep(refund).settled == 1
    assert until_next(refund) == timedelta(minutes=5)


def test_a_refund_without_an_answer_is_due_again_after_a_pause(
    gateway: ScriptedTransport, refund: Refund
) -> None:
    gateway.answers["/pay/refundquery"] = requests.ReadTimeout("slow")
    pass_time(refund.order, minutes=10)
    assert sweep(refund) == services.SyncRun(found=1, settled=0, unanswered={"default": 1})
    assert refund.refund_status == "PROCESSING"
    assert refund.next_check_at is not None
    assert refund.next_check_at > clock.now()


def test_a_refund_that_was_never_accepted_is_sent_again_under_its_number(
    till: Till, gateway: ScriptedTransport, refund: Refund
) -> None:
    till.kept.clear()
    Refund.objects.update(refund_id=None)
    pass_time(refund.order, minutes=5)
    assert sweep(refund) == services.SyncRun(found=1, settled=1)
    assert gateway.paths() == ["/pay/refundquery", "/secapi/pay/refund"]
    assert (refund.refund_status, bool(refund.refund_id)) == ("PROCESSING", True)
    assert refund.next_check_at is not None


def test_a_refund_that_somebody_merely_hinted_at_is_asked_for_once(
    till: Till, refund: Refund
) -> None:
    till.kept.clear()
    Refund.objects.update(refund_id=None, position=None)
    pass_time(refund.order, minutes=5)
    assert sweep(refund) == services.SyncRun(found=1, settled=1)
    assert refund.next_check_at is None
