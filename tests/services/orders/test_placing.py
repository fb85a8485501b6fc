"""Placing: one prepay at a time, kept, reused, and never lost to a failed call."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.db import DataError, InterfaceError, OperationalError
from django.test.utils import CaptureQueriesContext

from django_wxpay import services
from django_wxpay.exceptions import (
    BadSignature,
    InsideTransaction,
    InvalidOrder,
    OrderBusy,
    OrderPaid,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.models import ApiReport, Order, OrderEvent, Prepay
from django_wxpay.services import claims, gateways
from django_wxpay.services.orders import placing
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, granted, payment_notice, refused, standing

pytestmark = pytest.mark.django_db

NATIVE: dict[str, Any] = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 100,
    "product_id": "P1",
}


def test_an_accepted_order_has_a_prepay_and_waits_to_be_paid(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    before = datetime.now(UTC)
    prepay = services.unified_order(order)

    assert gateway.paths() == ["/pay/unifiedorder"]
    assert prepay.code_url == "weixin://wxpay/bizpayurl?pr=TEST123"
    assert prepay.sign_type == "HMAC-SHA256"
    assert before < prepay.expires_at - timedelta(hours=2) < datetime.now(UTC)
    assert order.trade_state == "NOTPAY"
    event = OrderEvent.objects.get()
    assert (event.kind, event.from_state, event.to_state) == ("MOVED", "CREATED", "NOTPAY")
    assert event.dispatched_at is not None
    report = ApiReport.objects.get()
    assert report.out_trade_no == order.out_trade_no
    assert report.interface_url == "http://gateway.test/pay/unifiedorder"
    assert (report.return_code, report.result_code, report.err_code) == ("SUCCESS", "SUCCESS", "")


def test_a_live_prepay_is_returned_without_a_call(gateway: ScriptedTransport, order: Order) -> None:
    first = services.unified_order(order)
    again = services.unified_order(Order.objects.get())

    assert again == first
    assert len(gateway.calls) == 1


def test_an_expired_prepay_is_followed_by_a_new_one_with_the_same_parameters(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    first = services.unified_order(order)
    Prepay.objects.update(expires_at=datetime.now(UTC))
    second = services.unified_order(order)

    assert second != first
    sent = [
        {name: value for name, value in fields.items() if name not in {"nonce_str", "sign"}}
        for _, fields in gateway.calls
    ]
    assert sent[0] == sent[1]
    assert OrderEvent.objects.count() == 1


def test_a_mobile_browser_has_five_minutes(gateway: ScriptedTransport) -> None:
    order = new_order(
        trade_type="MWEB",
        spbill_create_ip="203.0.113.7",
        scene_info={
            "h5_info": {"type": "Wap", "wap_url": "https://shop.example.com", "wap_name": "Shop"},
        },
    )
    prepay = services.unified_order(order)

    assert prepay.expires_at - prepay.created_at == timedelta(minutes=5)
    assert services.payment_parameters(prepay) == {"mweb_url": prepay.mweb_url}


def test_a_prepay_does_not_outlive_its_order(gateway: ScriptedTransport) -> None:
    order = new_order(time_expire=datetime.now(UTC) + timedelta(minutes=30))

    assert services.unified_order(order).expires_at == order.time_expire


def test_a_refusal_is_one_call_and_stays_with_the_order(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH", "商户无此接口权限")
    with pytest.raises(Refused) as caught:
        services.unified_order(order)

    assert caught.value.err_code == "NOAUTH"
    assert caught.value.advice
    assert len(gateway.calls) == 1
    order.refresh_from_db()
    assert (order.trade_state, order.err_code) == ("CREATED", "NOAUTH")
    assert order.placing_until is None

    gateway.answers["/pay/unifiedorder"] = granted
    services.unified_order(order)
    assert (order.trade_state, order.err_code, order.err_code_des) == ("NOTPAY", "", "")


def test_the_words_of_a_refusal_are_kept_as_far_as_a_column_holds_them(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("N" * 65, "无🍵" * 200)
    with pytest.raises(Refused):
        services.unified_order(order)

    order.refresh_from_db()
    assert (order.err_code, order.err_code_des) == ("N" * 64, "无🍵" * 128)


@pytest.mark.parametrize("error", [DataError, InterfaceError])
def test_a_refusal_that_cannot_be_saved_stays_a_refusal(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[Exception],
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise error("Incorrect string value")

    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH")
    monkeypatch.setattr(order, "save", broken)
    with pytest.raises(Refused, match="NOAUTH"):
        services.unified_order(order)
    assert "was not saved" in caplog.text


@pytest.mark.parametrize("error", [DataError, InterfaceError])
def test_a_refusal_stays_a_refusal_where_the_schedule_cannot_be_written(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error("full")

    monkeypatch.setattr(placing, "claim_as_seen", broken)
    gateway.answers["/pay/unifiedorder"] = refused("NOTENOUGH")
    with pytest.raises(Refused, match="NOTENOUGH"):
        services.unified_order(order)
    # One query too many does no harm.
    order.refresh_from_db()
    assert order.next_check_at is not None


def test_an_order_said_to_be_paid_is_asked_about_and_stands_as_paid(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("ORDERPAID")
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    with pytest.raises(Refused, match="ORDERPAID"):
        services.unified_order(order)

    assert gateway.paths() == ["/pay/unifiedorder", "/pay/orderquery"]
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"


def test_a_query_that_fails_after_orderpaid_does_not_hide_the_refusal(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("ORDERPAID")
    gateway.answers["/pay/orderquery"] = requests.ReadTimeout()
    with pytest.raises(Refused, match="ORDERPAID"):
        services.unified_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.err_code) == ("CREATED", "ORDERPAID")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (requests.ReadTimeout(), OutcomeUnknown),
        (requests.ConnectionError(), OutcomeUnknown),
        (b"<html>502 Bad Gateway</html>", OutcomeUnknown),
        (b"", OutcomeUnknown),
        (b"<xml><return_code>SUCC", OutcomeUnknown),
        (lambda sent: {**granted(sent), "mch_id": "1900000999"}, BadSignature),
        (lambda sent: {**granted(sent), "nonce_str": ""}, BadSignature),
    ],
)
def test_without_a_trustworthy_answer_the_order_stays_and_calling_again_is_safe(
    gateway: ScriptedTransport,
    order: Order,
    answer: Any,
    error: type[Exception],
) -> None:
    gateway.answers["/pay/unifiedorder"] = answer
    with pytest.raises(error):
        services.unified_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.placing_until) == ("CREATED", None)
    assert Prepay.objects.count() == 0
    assert ApiReport.objects.count() == 1

    gateway.answers["/pay/unifiedorder"] = granted
    assert services.unified_order(order).order == order


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("SUCCESS", "ORDERPAID"),
        ("REFUND", "ORDERPAID"),
        ("CLOSED", "ORDERCLOSED"),
        ("REVOKED", "ORDERCLOSED"),
    ],
)
def test_an_order_that_is_over_is_not_placed_again(
    gateway: ScriptedTransport,
    order: Order,
    state: str,
    code: str,
) -> None:
    Order.objects.update(trade_state=state)
    with pytest.raises(Refused, match=code) as caught:
        services.unified_order(order)

    assert caught.value.advice
    assert gateway.calls == []


def test_who_is_refused_for_a_payment_is_shown_it(gateway: ScriptedTransport, order: Order) -> None:
    Order.objects.update(trade_state="SUCCESS", transaction_id="4200000001", cash_fee=100)
    with pytest.raises(OrderPaid):
        services.unified_order(order)

    assert (order.is_paid, order.transaction_id, order.cash_fee) == (True, "4200000001", 100)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["unified_order", "query_order", "close_order"])
def test_no_network_while_a_transaction_is_open(
    gateway: ScriptedTransport,
    order: Order,
    verb: str,
) -> None:
    with atomic(), pytest.raises(InsideTransaction, match=verb):
        getattr(services, verb)(order)
    with atomic(), pytest.raises(InsideTransaction, match="checkout"):
        services.checkout(trade_type="NATIVE", body="Tea", total_fee=1, product_id="P1")

    assert gateway.calls == []


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_wire_is_hot(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    open_during_call: list[bool] = []

    def watch(sent: dict[str, str]) -> dict[str, str]:
        open_during_call.append(connection.in_atomic_block)
        return granted(sent)

    gateway.answers["/pay/unifiedorder"] = watch
    services.unified_order(order)

    assert open_during_call == [False]


@pytest.mark.django_db(transaction=True)
def test_two_at_once_get_one_prepay_from_one_call(gateway: ScriptedTransport, order: Order) -> None:
    called, go_on = threading.Event(), threading.Event()

    def slowly(sent: dict[str, str]) -> dict[str, str]:
        called.set()
        go_on.wait(5)
        return granted(sent)

    gateway.answers["/pay/unifiedorder"] = slowly
    got: list[Prepay] = []

    def place() -> None:
        try:
            got.append(services.unified_order(Order.objects.get()))
        finally:
            connection.close()

    threads = [threading.Thread(target=place) for _ in range(2)]
    threads[0].start()
    assert called.wait(5)
    threads[1].start()
    threads[1].join(0.3)
    assert threads[1].is_alive(), "the second waits for what the first is granted"
    go_on.set()
    for thread in threads:
        thread.join(10)

    assert len(gateway.calls) == 1
    assert got[0] == got[1]


def test_who_waits_too_long_is_told_that_another_call_places_it(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(placing, "longest_call_s", lambda alias: 0.1)
    Order.objects.update(placing_until=datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(OrderBusy, match="another call"):
        services.unified_order(order)

    assert gateway.calls == []


def test_a_crash_during_a_call_costs_only_the_rest_of_its_lease(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    Order.objects.update(placing_until=datetime.now(UTC) - timedelta(seconds=1))

    assert services.unified_order(order).order == order


def test_the_one_liner_returns_the_order_its_prepay_and_the_clients_parameters(
    gateway: ScriptedTransport,
    db: None,
) -> None:
    fields = {
        "trade_type": "JSAPI",
        "body": "Tea",
        "total_fee": 100,
        "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "out_trade_no": "TEST000001",
    }
    first = services.checkout(**fields)
    again = services.checkout(**fields)

    assert first.order.trade_state == "NOTPAY"
    assert first.prepay == again.prepay
    assert len(gateway.calls) == 1
    assert set(first.parameters) == {
        "appId",
        "timeStamp",
        "nonceStr",
        "package",
        "signType",
        "paySign",
    }
    assert first.parameters["package"] == f"prepay_id={first.prepay.prepay_id}"
    assert first.parameters["nonceStr"] != again.parameters["nonceStr"]


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
def test_a_new_order_is_placed_by_five_statements_that_read_nothing_back(
    gateway: ScriptedTransport,
) -> None:
    services.checkout(**NATIVE)
    with CaptureQueriesContext(connection) as counted:
        services.checkout(**NATIVE)
    sql = [row["sql"] for row in counted.captured_queries]
    written = [line for line in sql if not line.startswith(("BEGIN", "COMMIT", "START"))]

    assert [line.split()[0] for line in written] == [
        "INSERT",
        "INSERT",
        "UPDATE",
        "INSERT",
        "INSERT",
    ]
    tables = ["order", "apireport", "order", "orderevent", "prepay"]
    for line, table in zip(written, tables, strict=True):
        assert f"django_wxpay_{table}" in line


def test_a_new_order_is_on_the_schedule_and_leased_before_anything_is_sent(
    gateway: ScriptedTransport,
) -> None:
    seen: list[Order] = []

    def look(sent: dict[str, str]) -> dict[str, str]:
        seen.append(Order.objects.get(out_trade_no=sent["out_trade_no"]))
        return granted(sent)

    gateway.answers["/pay/unifiedorder"] = look
    placed = services.checkout(**NATIVE).order

    (during,) = seen
    assert (during.trade_state, placed.trade_state) == ("CREATED", "NOTPAY")
    assert during.placed_at is not None
    assert during.placing_until is not None
    assert during.placing_until - during.placed_at == timedelta(seconds=25)
    assert during.next_check_at == placed.next_check_at
    shown = {field.attname: getattr(placed, field.attname) for field in Order._meta.fields}
    placed.refresh_from_db()
    assert shown == {name: getattr(placed, name) for name in shown}
    assert placed.placing_until is None


def test_an_order_whose_payment_came_before_it_is_not_placed(gateway: ScriptedTransport) -> None:
    number = "EARLY000001"
    notice = payment_notice(number, total_fee="100")
    services.receive_notification("default", "payment", {}, notice)
    with pytest.raises(Refused, match="ORDERPAID"):
        services.checkout(**NATIVE, out_trade_no=number)

    order = Order.objects.get()
    assert (order.trade_state, order.placing_until) == ("SUCCESS", None)
    assert gateway.calls == []


def test_an_order_whose_commit_was_not_answered_is_placed_at_once(
    gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Order.save

    def lost_once(order: Order, **how: Any) -> None:
        monkeypatch.setattr(Order, "save", save)
        save(order, **how)
        order.pk = None
        raise OperationalError("database is locked")

    monkeypatch.setattr(Order, "save", lost_once)
    paid = services.checkout(**NATIVE, out_trade_no="LOST000001")

    assert paid.prepay == Prepay.objects.get()
    assert paid.order == Order.objects.get()
    assert paid.order.placing_until is None
    assert gateway.paths() == ["/pay/unifiedorder"]


@pytest.mark.parametrize("trouble", [OperationalError("gone"), InterfaceError("(0, '')")])
def test_a_lease_that_cannot_be_given_back_hides_neither_a_prepay_nor_a_refusal(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    trouble: Exception,
) -> None:
    def broken(_action: Any) -> None:
        raise trouble

    monkeypatch.setattr(claims, "retry_on_lock", broken)
    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH")
    with pytest.raises(Refused, match="NOAUTH"):
        services.unified_order(order)

    assert "was not given back" in caplog.text
    held = Order.objects.get().placing_until
    assert held is not None


@pytest.mark.parametrize("trouble", [OperationalError("gone"), InterfaceError("(0, '')")])
def test_a_query_that_cannot_be_written_does_not_hide_that_the_order_is_paid(
    gateway: ScriptedTransport, order: Order, trouble: Exception
) -> None:
    def broken(_order: Order) -> None:
        raise trouble

    gateway.answers["/pay/unifiedorder"] = refused("ORDERPAID")
    gateway.answers["/pay/orderquery"] = refused("ORDERNOTEXIST")
    with pytest.raises(OrderPaid) as caught:
        services.unified_order(order)
    placing.note_refusal(order, caught.value, query=broken)
    assert Order.objects.get().err_code == "ORDERPAID"


def test_an_order_whose_first_host_did_not_answer_stays_on_the_schedule(
    gateway: ScriptedTransport, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused_by_the_second(*_: object) -> None:
        refusal = Refused("NOAUTH")
        refusal.may_have_arrived = True
        raise refusal

    monkeypatch.setattr(gateways.V2Gateway, "place", refused_by_the_second)
    with pytest.raises(Refused, match="NOAUTH"):
        services.unified_order(order)
    assert Order.objects.get().next_check_at is not None


def test_a_lease_that_another_call_has_taken_meanwhile_stays_its_own(
    gateway: ScriptedTransport, order: Order
) -> None:
    theirs = datetime.now(UTC) + timedelta(minutes=1)

    def overtaken(sent: dict[str, str]) -> dict[str, str]:
        Order.objects.update(placing_until=theirs)
        return granted(sent)

    gateway.answers["/pay/unifiedorder"] = overtaken
    prepay = services.unified_order(order)

    order.refresh_from_db()
    assert (order.trade_state, order.placing_until) == ("NOTPAY", theirs)
    assert prepay == Prepay.objects.get()
    assert OrderEvent.objects.get().to_state == "NOTPAY"


def test_a_lease_of_a_clock_that_was_wrong_holds_nobody_up(
    gateway: ScriptedTransport, order: Order
) -> None:
    Order.objects.update(placing_until=datetime.now(UTC) + timedelta(days=1))

    assert services.unified_order(order).order == order


def test_the_client_signs_with_the_orders_own_sign_type_even_after_the_settings_changed(
    gateway: ScriptedTransport,
    order: Order,
    wxpay: dict[str, Any],
    settings: Any,
) -> None:
    jsapi = new_order(trade_type="JSAPI", openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o")
    prepay = services.unified_order(jsapi)
    default = wxpay["MERCHANTS"]["default"] | {"SIGN_TYPE": "MD5"}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": default}}

    parameters = services.payment_parameters(prepay)

    assert parameters["signType"] == "HMAC-SHA256"
    assert len(parameters["paySign"]) == 64


def test_parameters_of_an_expired_prepay_are_refused(
    gateway: ScriptedTransport,
    order: Order,
) -> None:
    prepay = services.unified_order(order)
    prepay.expires_at = datetime.now(UTC)
    with pytest.raises(InvalidOrder, match="expired"):
        services.payment_parameters(prepay)


def _moved_to(settings: Any, base: str) -> None:
    settings.WXPAY = {**settings.WXPAY, "NOTIFY_BASE_URL": base}


def _bases(gateway: ScriptedTransport) -> list[str]:
    placed = [fields for path, fields in gateway.calls if path == "/pay/unifiedorder"]
    # Without the path, which another project mounts elsewhere.
    return ["/".join(fields["notify_url"].split("/")[:3]) for fields in placed]


OLD, NEW = "https://shop.example.com", "https://corrected.example.com"


@pytest.mark.parametrize("refusals", [0, 1, 2])
def test_an_order_that_was_never_accepted_is_notified_at_the_address_of_today(
    gateway: ScriptedTransport, order: Order, settings: Any, refusals: int
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH")
    for _ in range(refusals):
        with pytest.raises(Refused):
            services.unified_order(order)
    stale = Order.objects.get()
    _moved_to(settings, NEW)
    gateway.answers["/pay/unifiedorder"] = granted
    services.unified_order(order)

    order.refresh_from_db()
    assert order.notify_url.startswith(NEW)
    assert [each.startswith(OLD) for each in _bases(gateway)] == [True] * refusals + [False]
    Prepay.objects.update(expires_at=datetime.now(UTC))
    _moved_to(settings, OLD)
    services.unified_order(stale)
    assert _bases(gateway)[-1] == NEW, "it was accepted, and by another process"


@pytest.mark.parametrize(
    "answer",
    [
        requests.ReadTimeout(),
        refused("SYSTEMERROR"),
        refused("OUT_TRADE_NO_USED"),
        refused("SOMETHING_NEW"),
        lambda sent: {**granted(sent), "mch_id": "1900000999"},
    ],
)
def test_an_order_that_wechat_pay_may_know_keeps_its_address(
    gateway: ScriptedTransport, order: Order, settings: Any, answer: Any
) -> None:
    """The same number has to be sent with the same parameters (protocol-v2 section 3.8)."""
    gateway.answers["/pay/unifiedorder"] = answer
    with pytest.raises((OutcomeUnknown, Refused)):
        services.unified_order(order)
    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH")
    with pytest.raises(Refused):
        services.unified_order(order)
    _moved_to(settings, NEW)
    gateway.answers["/pay/unifiedorder"] = granted
    services.unified_order(order)

    assert set(_bases(gateway)) == {OLD}
    order.refresh_from_db()
    assert order.notify_url.startswith(OLD)
