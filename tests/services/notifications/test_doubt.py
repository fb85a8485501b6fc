"""Payments that are signed and prove nothing by themselves: WeChat Pay is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.test import Client

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.protocol import v2
from django_wxpay.services import clock, gateways
from django_wxpay.services.notifications import receiving
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.signals import order_conflicted, order_paid
from tests.services.conftest import HOST, new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, MCH_ID, PAID, payment_notice, refused, standing
from tests.wechatpay.v3 import paid_notice, scripted_v3, signature, trade

pytestmark = pytest.mark.django_db

QUERY = "/pay/orderquery"
DEAR = "DEAR0001"
# What a customer who knows the mch_id would write.
HOSTILE = (
    f"x&mch_id={MCH_ID}&out_trade_no={DEAR}&result_code=SUCCESS&return_code=SUCCESS"
    "&total_fee=9999&transaction_id=1&z="
)


@pytest.fixture
def told() -> Iterator[list[str]]:
    received: list[str] = []

    def receiver(order: Order, event: OrderEvent, **_: Any) -> None:
        received.append(f"{event.kind} {order.out_trade_no}")

    for signal in (order_paid, order_conflicted):
        signal.connect(receiver)
    yield received
    for signal in (order_paid, order_conflicted):
        signal.disconnect(receiver)


def paid(**more: Any) -> Any:
    return standing("SUCCESS", **(PAID | more))


def notify(body: bytes) -> Acknowledgement:
    return services.receive_notification("default", "payment", {}, body)


def states() -> dict[str, str]:
    return dict(Order.objects.values_list("out_trade_no", "trade_state"))


def cut_again(genuine: bytes) -> bytes:
    """Return the notice that pays DEAR0001, under the signature of a genuine one."""
    fields = v2.decode_xml(genuine)
    joined = "&".join(
        f"{name}={value}" for name, value in sorted(fields.items()) if value and name != "sign"
    )
    before, rest = joined.split("&attach=x&", 1)
    forged_part, tail = rest.split("&z=", 1)
    pieces = [*before.split("&"), "attach=x", *forged_part.split("&")]
    forged = dict(piece.split("=", 1) for piece in pieces) | {"z": tail, "sign": fields["sign"]}
    return v2.encode_xml(forged)


def test_a_genuine_notice_cut_into_other_fields_pays_nobody(
    gateway: ScriptedTransport, told: list[str]
) -> None:
    cheap = new_order(total_fee=1, attach=HOSTILE)
    new_order(out_trade_no=DEAR, total_fee=9999)
    gateway.answers[QUERY] = standing("NOTPAY")
    genuine = payment_notice(cheap.out_trade_no, total_fee=1, attach=HOSTILE)
    forged = cut_again(genuine)
    assert v2.verify(v2.decode_xml(forged), API_KEY), "the signature holds for both"

    assert not notify(forged).accepted
    assert (states()[DEAR], told) == ("NOTPAY", [])
    row = Notification.objects.get()
    assert (row.outcome, row.out_trade_no) == ("FAILED", DEAR)
    assert row.reason == "not proven: its values could be cut into other fields"

    gateway.answers[QUERY] = paid(total_fee=1, attach=HOSTILE)
    assert notify(genuine).accepted
    assert (states()[cheap.out_trade_no], told) == ("SUCCESS", [f"PAID {cheap.out_trade_no}"])


def test_an_honest_attach_with_ampersands_is_paid_by_the_answer_to_a_question(
    gateway: ScriptedTransport, told: list[str]
) -> None:
    order = new_order(attach="uid=5&coupon=3")
    gateway.answers[QUERY] = paid(attach="uid=5&coupon=3")
    body = payment_notice(order.out_trade_no, attach="uid=5&coupon=3")

    assert notify(body).accepted
    assert notify(body).accepted
    assert gateway.paths() == [QUERY]
    assert told == [f"PAID {order.out_trade_no}"]
    assert (Notification.objects.get().outcome, Notification.objects.get().reason) == (
        "APPLIED",
        "",
    )
    assert OrderEvent.objects.get().source == "v2.orderquery"


@pytest.mark.parametrize("attach", ["a & b", "tea&", "x=1", "50% & more =", "&1=2", "&amp;"])
def test_what_cannot_be_cut_needs_no_question(gateway: ScriptedTransport, attach: str) -> None:
    order = new_order(attach=attach)

    assert notify(payment_notice(order.out_trade_no, attach=attach)).accepted
    assert states() == {order.out_trade_no: "SUCCESS"}
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"attach": "other"}, "its attach is not the order's"),
        ({"trade_type": "MICROPAY"}, "its trade_type is not the order's"),
        ({"appid": None}, "it names no appid"),
        ({"trade_state": "SUCCESS", "trade_state_desc": "paid"}, "it is an answer to a query"),
        ({"device_info": "1&fee_type=USD"}, "its values could be cut into other fields"),
    ],
)
def test_what_proves_nothing_moves_nothing_and_is_asked_for(
    gateway: ScriptedTransport, changes: dict[str, Any], doubt: str
) -> None:
    order = new_order(attach="tea")
    gateway.answers[QUERY] = standing("NOTPAY")
    body = payment_notice(order.out_trade_no, **changes)

    answer = notify(body)
    assert (answer.status, answer.accepted) == (200, False)
    assert b"not proven yet" in answer.body
    assert states() == {order.out_trade_no: "NOTPAY"}
    row = Notification.objects.get()
    assert (row.outcome, row.order, row.reason) == ("FAILED", order, f"not proven: {doubt}")

    Order.objects.update(checked_at=clock.now() - timedelta(minutes=1))
    gateway.answers[QUERY] = paid(attach="tea")
    assert notify(body).accepted
    assert states() == {order.out_trade_no: "SUCCESS"}


@pytest.mark.parametrize(
    "answer",
    [
        {"trade_state": "NOTPAY", "trade_state_desc": "not paid", "transaction_id": None},
        {"trade_state": "REFUND", "trade_state_desc": "turned to a refund"},
        {"refund_id": "50", "out_refund_no": "R1", "refund_fee": 100},
        {"refund_count": 1, "out_refund_no_0": "R1", "refund_id_0": "50"},
        {"prepay_id": "wx1", "code_url": "weixin://wxpay/bizpayurl?pr=1"},
        {"recall": "N"},
    ],
)
def test_an_answer_of_another_call_is_no_payment_wherever_it_is_posted(
    gateway: ScriptedTransport, told: list[str], answer: dict[str, Any]
) -> None:
    order = new_order()

    for kind in ("payment", "refund"):
        response = Client().post(
            f"/wxpay/notify/default/{kind}/",
            payment_notice(order.out_trade_no, **answer),
            content_type="text/xml",
        )
        assert (response.status_code, b"SUCCESS" in response.content) == (200, False)
    assert (states(), told) == ({order.out_trade_no: "CREATED"}, [])
    assert Notification.objects.get().outcome == "FAILED"


def test_a_request_of_ours_is_no_notification(gateway: ScriptedTransport) -> None:
    gateway.answers["/pay/unifiedorder"] = {}
    order = new_order()
    with pytest.raises(OutcomeUnknown):
        services.unified_order(order)
    (_, sent), *_ = gateway.calls

    assert not notify(v2.encode_xml(sent)).accepted
    assert Order.objects.get().transaction_id == ""


def test_an_order_is_asked_for_once_a_minute_however_often_it_is_told(
    gateway: ScriptedTransport,
) -> None:
    order = new_order(attach="a&b=1")
    gateway.answers[QUERY] = standing("NOTPAY")
    for number in range(5):
        body = payment_notice(order.out_trade_no, attach="a&b=1", transaction_id=f"42{number}")
        assert not notify(body).accepted
    assert gateway.paths() == [QUERY]

    Order.objects.update(checked_at=clock.now() - timedelta(minutes=1))
    notify(payment_notice(order.out_trade_no, attach="a&b=1"))
    assert gateway.paths() == [QUERY, QUERY]


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (requests.ConnectionError("no route"), "could not be asked for"),
        (refused("ORDERNOTEXIST"), "was asked for and refused"),
        (refused("NOAUTH"), "was asked for and refused"),
    ],
)
def test_a_question_without_an_answer_leaves_it_to_the_next_delivery(
    gateway: ScriptedTransport, caplog: pytest.LogCaptureFixture, answer: Any, word: str
) -> None:
    order = new_order(attach="a&b=1")
    gateway.answers[QUERY] = answer

    assert not notify(payment_notice(order.out_trade_no, attach="a&b=1")).accepted
    assert states() == {order.out_trade_no: "CREATED"}
    assert word in caplog.text
    assert Notification.objects.get().outcome == "FAILED"


@pytest.mark.django_db(transaction=True)
def test_the_job_that_retries_asks_as_well(gateway: ScriptedTransport) -> None:
    order = new_order(attach="a&b=1")
    gateway.answers[QUERY] = standing("NOTPAY")
    notify(payment_notice(order.out_trade_no, attach="a&b=1"))

    Order.objects.update(checked_at=None)
    gateway.answers[QUERY] = paid(attach="a&b=1")
    assert services.retry_notifications() == 1
    assert states() == {order.out_trade_no: "SUCCESS"}


def test_creating_the_order_of_a_waiting_notice_asks_nothing(gateway: ScriptedTransport) -> None:
    notify(payment_notice("TEST000001", attach="a&b=1"))
    order = new_order(out_trade_no="TEST000001", attach="a&b=1")

    assert gateway.calls == []
    row = Notification.objects.get()
    assert (row.order, row.outcome) == (order, "FAILED")
    assert row.reason.startswith("not proven")


def test_one_in_doubt_that_contradicts_is_no_conflict_of_the_orders(
    gateway: ScriptedTransport, told: list[str]
) -> None:
    order = new_order(attach="a&b=1")
    body = payment_notice(order.out_trade_no, attach="a&b=1", total_fee=1)

    assert notify(body).accepted
    assert Notification.objects.get().outcome == "CONFLICT"
    assert (told, OrderEvent.objects.count()) == ([], 0)
    order.refresh_from_db()
    assert order.next_check_at is not None, "WeChat Pay is asked what it says itself"


def test_every_cut_of_one_signed_string_is_one_row_for_each_order_it_names(
    gateway: ScriptedTransport,
) -> None:
    gateway.answers[QUERY] = standing("NOTPAY")
    order = new_order(attach="a&b=1&ba=2&bac=3")
    genuine = v2.decode_xml(payment_notice(order.out_trade_no, attach=order.attach))
    cuts = [
        genuine,
        genuine | {"attach": "a", "b": "1&ba=2&bac=3"},
        genuine | {"attach": "a", "b": "1", "ba": "2&bac=3"},
        genuine | {"attach": "a&b=1&ba=2", "bac": "3"},
        genuine | {"attach": "a&b=1&ba=2", "bac": "3", "nonce_str": "another"},
    ]
    assert [v2.verify(cut, API_KEY) for cut in cuts] == [True, True, True, True, False]
    for cut in cuts[:-1]:
        assert not notify(v2.encode_xml(cut)).accepted
    assert Notification.objects.count() == 1

    # Cut wherever it can be, it is known by its attach, which is not the order's.
    assert not notify(
        v2.encode_xml(genuine | {"attach": "a", "b": "1", "ba": "2", "bac": "3"})
    ).accepted
    assert Notification.objects.count() == 2


def test_a_v3_notice_without_an_appid_is_asked_for(both: dict[str, Any], settings: Any) -> None:
    here = {"default": both | {"HOSTS": [HOST]}}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": here}
    order = new_order()
    scripted = scripted_v3((200, trade(order.out_trade_no)))
    gateways.mount(HOST, scripted)
    body = paid_notice(order.out_trade_no, appid=None)
    try:
        assert services.receive_notification("default", "payment", signature(body), body).accepted
    finally:
        gateways.unmount(HOST)
    assert len(scripted.requests) == 1
    assert OrderEvent.objects.get().source == "v3.query"


@pytest.mark.django_db(transaction=True)
def test_a_slow_answer_is_not_waited_for_and_settles_the_order_when_it_comes(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = new_order(attach="a&b=1")
    asked, go_on = threading.Event(), threading.Event()

    def slowly(sent: Any) -> Any:
        asked.set()
        assert go_on.wait(30)
        return paid(attach="a&b=1")(sent)

    gateway.answers[QUERY] = slowly
    monkeypatch.setattr(receiving, "_ASK_FOR_S", 0.05)
    body = payment_notice(order.out_trade_no, attach="a&b=1")
    assert not notify(body).accepted
    assert asked.wait(30)
    assert states() == {order.out_trade_no: "CREATED"}

    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "wxpay-check":
            thread.join(30)
    assert states() == {order.out_trade_no: "SUCCESS"}
    assert notify(body).accepted
    assert gateway.paths() == [QUERY]
