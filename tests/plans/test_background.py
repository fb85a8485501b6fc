"""Jobs, checks, notifications and calls: each finds its rows among however many."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_wxpay import services
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.v2 import encode_xml, encrypt_req_info
from django_wxpay.services.doctor.diagnosis import diagnose
from django_wxpay.services.worker import jobs
from django_wxpay.services.worker.jobs import JOBS, Job
from tests.factories import OrderEventFactory, OrderFactory
from tests.plans.conftest import ROWS, HoldsPlans
from tests.plans.filling import number
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, payment_notice, refused, standing

pytestmark = pytest.mark.plans
# It asks for merchants' certificates, of which no table is large.
ON_LARGE_TABLES = [job for job in JOBS if job.name != "certificates"]
NATIVE = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 100, "product_id": "P1"}


def notice(n: int, **changes: Any) -> bytes:
    fields = {"total_fee": 1250, "cash_fee": 1250, "transaction_id": f"43{n:026d}"}
    return payment_notice(number(n), **fields | changes)


@pytest.mark.parametrize("job", ON_LARGE_TABLES, ids=lambda job: job.name)
def test_a_job(
    gateway: ScriptedTransport,
    no_long_way: HoldsPlans,
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
) -> None:
    # Its queries are the same, however many of them a run makes.
    for name in ("_EVENTS", "_NOTIFICATIONS", "_CHECKS", "_REPORTS", "_ROLLED_UP", "_PRUNED"):
        monkeypatch.setattr(jobs, name, 20)
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    gateway.answers["/payitil/report"] = {}
    for _ in range(2):
        order = OrderFactory(paid=True, reference="paid twice")
        OrderEventFactory(order=order, created_at=datetime.now(UTC))
    with no_long_way():
        result = job.run(lambda: False)
    assert any(result.counts.values()), "it has found nothing to do"


def test_the_doctor(gateway: ScriptedTransport, no_long_way: HoldsPlans) -> None:
    with no_long_way():
        assert diagnose(ask=False)
    with no_long_way():
        assert diagnose(merchants=["other"], ask=False)


def test_a_replay_of_all_that_failed(gateway: ScriptedTransport, no_long_way: HoldsPlans) -> None:
    with no_long_way():
        call_command("wxpay_replay", limit=5)


def test_notifications_of_a_payment(gateway: ScriptedTransport, no_long_way: HoldsPlans) -> None:
    address = reverse("django_wxpay:notify-payment", kwargs={"merchant": "default"})
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    paid = notice(ROWS - 40)
    contradicting, doubtful = notice(ROWS - 80, total_fee=1), notice(ROWS - 41)
    of_nobody = payment_notice("NOBODY")
    for body in (paid, paid, contradicting, doubtful, of_nobody, of_nobody):
        with no_long_way():
            Client().post(address, data=body, content_type="text/xml")
    assert Order.objects.get(pk=ROWS - 40).is_paid


def test_notifications_of_a_refund(gateway: ScriptedTransport, no_long_way: HoldsPlans) -> None:
    address = reverse("django_wxpay:notify-refund", kwargs={"merchant": "default"})
    refund = Refund.objects.select_related("order").get(pk=2)
    gateway.answers["/pay/refundquery"] = refused("REFUNDNOTEXIST")
    for out_refund_no in (refund.out_refund_no, "R1"):
        inner = {
            "transaction_id": refund.order.transaction_id,
            "out_trade_no": refund.order.out_trade_no,
            "refund_id": refund.refund_id,
            "out_refund_no": out_refund_no,
            "total_fee": "1250",
            "refund_fee": "625",
            "settlement_refund_fee": "625",
            "refund_status": "SUCCESS",
            "success_time": "2026-01-01 08:00:00",
            "refund_recv_accout": "x",
            "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
            "refund_request_source": "API",
        }
        outer = {
            "return_code": "SUCCESS",
            "appid": APPID,
            "mch_id": MCH_ID,
            "nonce_str": "n",
            "req_info": encrypt_req_info(inner, API_KEY),
        }
        with no_long_way():
            Client().post(address, data=encode_xml(outer), content_type="text/xml")


def test_calls_about_an_order(gateway: ScriptedTransport, no_long_way: HoldsPlans) -> None:
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    gateway.answers["/pay/closeorder"] = {}
    with no_long_way():
        order, _ = services.get_or_create_order(**NATIVE, out_trade_no="PLANS0001", reference="P")
        services.unified_order(order)
    with no_long_way():
        services.query_order(order)
    with no_long_way():
        services.check_order(order)
    with no_long_way():
        services.close_order(order)
