"""Receiving notifications: what is refused, what is saved, what is answered."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from django_wxpay import services
from django_wxpay.exceptions import UnknownMerchant
from django_wxpay.models import Notification, Order, OrderEvent, RefusalCount
from django_wxpay.protocol import v2
from django_wxpay.services import transactions
from django_wxpay.services.notifications import processing, receiving
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.signals import order_paid
from tests.services.conftest import new_order
from tests.tables import connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, payment_notice

pytestmark = pytest.mark.django_db

SUCCESS = (
    b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
    b"<return_msg><![CDATA[OK]]></return_msg></xml>"
)


def notify(body: bytes, merchant: str = "default", kind: str = "payment") -> Acknowledgement:
    return services.receive_notification(merchant, kind, {"Content-Type": "text/xml"}, body)


def test_a_payment_notification_pays_the_order(order: Order) -> None:
    answer = notify(payment_notice(order.out_trade_no))

    assert (answer.status, answer.body, answer.accepted) == (200, SUCCESS, True)
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert order.transaction_id == "4200000000202601010000000001"
    notification = Notification.objects.get()
    assert (notification.outcome, notification.order, notification.attempts) == (
        "APPLIED",
        order,
        1,
    )
    assert bytes(notification.body) == payment_notice(order.out_trade_no)
    event = OrderEvent.objects.get()
    assert (event.kind, event.source, event.notification) == ("PAID", "v2.notice", notification)


def test_the_same_notice_with_another_nonce_is_a_duplicate(order: Order) -> None:
    notify(payment_notice(order.out_trade_no))
    answer = notify(payment_notice(order.out_trade_no, nonce_str="another"))

    assert answer.accepted
    assert Notification.objects.get().attempts == 2
    assert OrderEvent.objects.count() == 1


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
def test_a_payment_costs_at_most_six_queries_and_a_duplicate_two(
    order: Order,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """Every statement is counted, BEGIN and COMMIT too; telling the shop adds three of ours."""
    body = payment_notice(order.out_trade_no)
    with CaptureQueriesContext(connection) as counted:
        notify(body)
    ours = [row["sql"] for row in counted.captured_queries if "shop_purchase" not in row["sql"]]
    begins = [number for number, sql in enumerate(ours) if sql.startswith("BEGIN")]
    assert len(begins) == 2, "one transaction applies, one dispatches"
    assert begins[1] <= 6
    assert len(ours) - begins[1] <= 3
    with django_assert_max_num_queries(2):
        assert notify(body).accepted


@pytest.mark.parametrize(
    "body",
    [
        b"<xml>",
        b"<xml/>",
        b"<xml><return_code>SUCCESS</return_code></xml>",
        b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><return_code>&a;</return_code></xml>',
        b"<xml><return_code>FAIL</return_code><return_msg>x</return_msg></xml>",
        payment_notice("TEST000001").replace(b"<total_fee>100<", b"<total_fee>1<"),
        payment_notice("TEST000001")[:-20],
        payment_notice("TEST000001").replace(b"HMAC-SHA256", b"RSA"),
        "<xml><a>\u4e2d</a></xml>".encode("gbk"),
    ],
)
def test_a_forged_request_costs_no_row_and_one_log_line_that_repeats_nothing(
    body: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    new_order(out_trade_no="TEST000001")
    with caplog.at_level(logging.WARNING):
        answer = notify(body)

    assert (answer.status, answer.accepted) == (200, False)
    assert b"FAIL" in answer.body
    assert Notification.objects.count() == 0
    assert Order.objects.get().trade_state == "CREATED"
    assert len(caplog.records) == 1
    assert [row.count for row in RefusalCount.objects.all()] == [1]
    assert "TEST000001" not in caplog.text
    assert API_KEY not in caplog.text


def test_a_notice_under_another_key_is_refused(order: Order) -> None:
    fields = v2.decode_xml(payment_notice(order.out_trade_no))
    fields["sign"] = v2.sign(fields, "WRONGKEYwrongkeyWRONGKEYwrongkey", "HMAC-SHA256")

    assert not notify(v2.encode_xml(fields)).accepted
    assert Notification.objects.count() == 0


def test_a_body_over_the_limit_is_413() -> None:
    answer = notify(b"<xml><a>" + b"x" * 65536 + b"</a></xml>")

    assert (answer.status, answer.accepted) == (413, False)


def test_a_v3_notice_is_refused_for_a_merchant_without_v3_keys(order: Order) -> None:
    answer = services.receive_notification(
        "default",
        "payment",
        {"Wechatpay-Signature": "x"},
        payment_notice(order.out_trade_no),
    )

    assert not answer.accepted
    assert Notification.objects.count() == 0


def test_an_unknown_merchant_is_the_callers_to_answer() -> None:
    with pytest.raises(UnknownMerchant):
        notify(b"", merchant="nobody")


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("total_fee", 1, "100"),
        ("fee_type", "HKD", "CNY"),
        ("mch_id", "1900000999", "1900000109"),
        ("appid", "wx9999999999999999", "wx8888888888888888"),
    ],
)
def test_what_differs_from_the_order_is_a_conflict_acknowledged_and_kept(
    order: Order,
    field: str,
    value: Any,
    expected: str,
) -> None:
    answer = notify(payment_notice(order.out_trade_no, **{field: value}))

    assert answer.body == SUCCESS
    order.refresh_from_db()
    assert (order.trade_state, order.transaction_id) == ("CREATED", "")
    notification = Notification.objects.get()
    assert notification.outcome == "CONFLICT"
    assert notification.reason == f"{field}: expected {expected}, received {value}"
    event = OrderEvent.objects.get()
    assert (event.kind, event.notification) == ("CONFLICTED", notification)
    assert notify(payment_notice(order.out_trade_no, **{field: value})).accepted
    assert OrderEvent.objects.count() == 1


def test_a_second_transaction_for_a_paid_order_is_a_conflict(order: Order) -> None:
    notify(payment_notice(order.out_trade_no))
    notify(payment_notice(order.out_trade_no, transaction_id="4200000000202601010000000002"))

    order.refresh_from_db()
    assert order.transaction_id == "4200000000202601010000000001"
    assert [event.kind for event in order.events.order_by("id")] == ["PAID", "CONFLICTED"]


def test_an_unknown_order_is_kept_answered_failure_and_processed_again(db: None) -> None:
    body = payment_notice("TEST000001")
    first, second = notify(body), notify(body)

    assert not first.accepted
    assert not second.accepted
    notification = Notification.objects.get()
    assert (notification.outcome, notification.attempts, notification.order) == ("FAILED", 2, None)


def test_an_order_that_appears_while_its_notification_is_processed_is_paid(
    db: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = processing.keep

    def keep_too_late(*args: Any) -> Acknowledgement:
        new_order(out_trade_no="TEST000001")
        return keep(*args)

    monkeypatch.setattr(processing, "keep", keep_too_late)

    assert notify(payment_notice("TEST000001")).accepted
    assert Order.objects.get().trade_state == "SUCCESS"
    assert Notification.objects.get().outcome == "APPLIED"


def test_another_merchants_order_is_no_order_of_this_one(order: Order) -> None:
    new_order(merchant="institution", out_trade_no="TEST000001")

    assert not notify(payment_notice("TEST000001")).accepted
    assert Order.objects.get(out_trade_no="TEST000001").trade_state == "CREATED"


def test_a_signed_notice_without_success_is_kept_and_does_nothing(order: Order) -> None:
    body = payment_notice(order.out_trade_no, result_code="FAIL", err_code="SYSTEMERROR")

    assert notify(body).accepted
    assert notify(body).accepted
    order.refresh_from_db()
    assert order.trade_state == "CREATED"
    assert Notification.objects.get().outcome == "IGNORED"
    assert Notification.objects.get().attempts == 2


def test_a_notice_about_no_order_without_success_is_kept_once(db: None) -> None:
    body = payment_notice("TEST000001", result_code="FAIL", err_code="SYSTEMERROR")
    notify(body)
    notify(body)

    assert Notification.objects.get().attempts == 2


def test_our_own_trouble_is_kept_answered_failure_and_undone_by_the_next_delivery(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = payment_notice(order.out_trade_no)
    with monkeypatch.context() as patch:
        patch.setattr(
            processing, "apply_trade_fact", _raise(RuntimeError("a bug with a SECRET in it"))
        )
        answer = notify(body)
        again = notify(body)
    assert not answer.accepted
    assert not again.accepted
    assert b"SECRET" not in answer.body
    notification = Notification.objects.get()
    assert notification.outcome == "FAILED"
    assert "RuntimeError" in notification.reason
    assert "SECRET" not in notification.reason

    assert notify(body).accepted
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert Notification.objects.get().outcome == "APPLIED"


def test_our_own_trouble_with_what_another_delivery_settled_is_a_success(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = payment_notice(order.out_trade_no)
    notify(body)
    monkeypatch.setattr(processing, "_process", _raise(RuntimeError("too slow to see it settled")))

    assert notify(body).accepted
    assert Notification.objects.get().attempts == 2
    assert Notification.objects.get().outcome == "APPLIED"


def test_when_even_keeping_it_fails_the_answer_is_still_failure(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processing, "_process", _raise(DatabaseError("down")))
    monkeypatch.setattr(processing, "keep", _raise(DatabaseError("down")))
    answer = notify(payment_notice(order.out_trade_no))

    assert (answer.status, answer.accepted) == (200, False)
    assert Notification.objects.count() == 0


def test_an_integrity_error_that_is_no_duplicate_is_our_trouble(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processing, "apply_trade_fact", _raise(IntegrityError("something else")))

    assert not notify(payment_notice(order.out_trade_no)).accepted
    assert Notification.objects.get().outcome == "FAILED"


def test_a_delivery_that_was_not_quick_enough_is_acknowledged(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = payment_notice(order.out_trade_no)
    look = processing._find
    notify(body)
    # As if the first delivery had been decided between this one's look and its insert.
    looks = iter(["none"])

    def too_early(alias: str, number: str, fingerprint: str, fact: Any) -> Any:
        return look(alias, number, next(looks, fingerprint), fact)

    monkeypatch.setattr(processing, "_find", too_early)
    monkeypatch.setattr(processing, "_apply_known", _raise(AssertionError("not looked up")))

    assert notify(body).accepted
    assert Notification.objects.get().attempts == 2
    assert OrderEvent.objects.count() == 1


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
def test_a_lock_that_passes_is_waited_for(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    settle = processing.apply_trade_fact

    def locked_twice(*args: Any, **kwargs: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("database is locked")
        return settle(*args, **kwargs)

    monkeypatch.setattr(processing, "apply_trade_fact", locked_twice)

    assert notify(payment_notice(order.out_trade_no)).accepted
    assert len(tries) == 3
    assert Notification.objects.get().outcome == "APPLIED"

    tries.clear()
    assert services.replay_notification(Notification.objects.get()).accepted
    assert len(tries) == 3


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_does_not_pass_is_our_trouble(
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transactions, "_PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(
        processing, "apply_trade_fact", _raise(OperationalError("database is locked"))
    )

    assert not notify(payment_notice(order.out_trade_no)).accepted
    assert Notification.objects.get().outcome == "FAILED"


def test_replaying_applies_again_without_a_second_event(order: Order) -> None:
    notify(payment_notice(order.out_trade_no))
    notification = Notification.objects.get()

    assert services.replay_notification(notification).accepted
    assert OrderEvent.objects.count() == 1
    assert Notification.objects.get().attempts == 1


def test_replaying_without_an_order_says_so_again(db: None) -> None:
    notify(payment_notice("TEST000001"))

    assert not services.replay_notification(Notification.objects.get()).accepted
    assert Notification.objects.get().outcome == "FAILED"


def test_replaying_under_a_changed_key_is_refused(
    order: Order,
    wxpay: dict[str, Any],
    settings: Any,
) -> None:
    notify(payment_notice("TEST000001"))
    default = wxpay["MERCHANTS"]["default"] | {"API_KEY": "WRONGKEYwrongkeyWRONGKEYwrongkey"}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": default}}

    assert not services.replay_notification(Notification.objects.get()).accepted


def test_trouble_in_a_replay_is_kept(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    notify(payment_notice("TEST000001"))
    monkeypatch.setattr(processing, "_apply", _raise(RuntimeError("a bug")))

    assert not services.replay_notification(Notification.objects.get()).accepted
    assert "RuntimeError" in Notification.objects.get().reason


@pytest.mark.django_db(transaction=True)
def test_the_same_notification_fifty_times_at_once_is_one_move_and_fifty_successes(
    order: Order,
) -> None:
    body = payment_notice(order.out_trade_no)
    answers: list[Acknowledgement] = []
    received: list[str] = []
    start = threading.Barrier(50)

    def receive(sender: Any, order: Order, **kwargs: Any) -> None:
        received.append(order.trade_state)

    def deliver() -> None:
        start.wait(10)
        try:
            answers.append(notify(body))
        finally:
            connection.close()

    order_paid.connect(receive)
    threads = [threading.Thread(target=deliver) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    order_paid.disconnect(receive)

    assert [answer.body for answer in answers] == [SUCCESS] * 50
    assert Notification.objects.get().attempts == 50
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]
    assert received == ["SUCCESS"]


def test_a_payment_after_a_close_still_counts(gateway: ScriptedTransport, order: Order) -> None:
    gateway.answers["/pay/closeorder"] = {}
    services.close_order(order)

    assert notify(payment_notice(order.out_trade_no)).accepted
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert [event.kind for event in order.events.order_by("id")] == ["CLOSED", "PAID"]


def _raise(exc: BaseException) -> Any:
    def raiser(*args: Any, **kwargs: Any) -> Any:
        raise exc

    return raiser


@pytest.mark.parametrize(("headers", "status"), [({}, 200), ({"Wechatpay-Signature": "x"}, 503)])
def test_settings_that_fail_in_any_way_are_our_own_trouble_in_the_form_of_the_protocol(
    headers: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(alias: str) -> None:
        raise ValueError("names a file, which is missing")

    monkeypatch.setattr(receiving.conf, "merchant", fails)
    answer = services.receive_notification("default", "payment", headers, b"<xml/>")
    assert (answer.status, answer.accepted) == (status, False)
