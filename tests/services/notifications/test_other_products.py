"""Events of other products: kept, acknowledged and handed to receivers exactly once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.models.choices import NotificationOutcomes
from django_wxpay.protocol import v2
from django_wxpay.services.attention.cases import count_needing, needing
from django_wxpay.services.notifications import processing
from django_wxpay.services.transactions import database
from django_wxpay.services.transitions import dispatch, events
from django_wxpay.services.transitions.dispatch import heard_kinds, kinds_without_receiver
from django_wxpay.signals import notification_received, order_paid
from tests.factories import NotificationFactory
from tests.selling import notify
from tests.services.conftest import new_order
from tests.tables import atomic
from tests.wechatpay.v2 import API_KEY
from tests.wechatpay.v3 import envelope, sealed, trade

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both")]

NUMBER = "T20260101000001"
COMPLAINT = {"complaint_id": "200201820200101080076610000", "action_type": "CREATE_COMPLAINT"}
ANOTHER_KEY = "zyxwvutsrqponmlkjihgfedcba543210"
# One of each, by the type and the kind of resource that WeChat Pay names.
EVENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("COMPLAINT.CREATE", "complaint", COMPLAINT),
    ("PROFITSHARING.RETURN", "profitsharing", {"order_id": "3008", "receiver": {"amount": 888}}),
    ("MCHTRANSFER.BILL.FINISHED", "mch_payment", {"out_bill_no": "B1", "transfer_amount": 2000}),
    ("PAYSCORE.USER_CONFIRM", "payscore", {"service_id": "5", "out_order_no": "S1"}),
    ("COUPON.USE", "coupon", {"coupon_id": "9876", "singleitem_discount_off": []}),
    ("NEVER.HEARD.OF", "", {"宣": "传", "deep": [[{"a": None, "b": 1.5, "c": True}]]}),
]


class Receiver:
    """A receiver that keeps what it is given, and raises as often as it is to."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.fails = 0
        self.notifications: list[Notification] = []

    def __call__(
        self, sender: Any, notification: Notification, event_type: str, resource: Any, **more: Any
    ) -> None:
        assert sender is Notification
        assert set(more) == {"signal"}
        Group.objects.create(name=f"{event_type} {Group.objects.count()}")
        if self.fails:
            self.fails -= 1
            resource.clear()
            raise RuntimeError("the shop's own trouble")
        self.got.append((event_type, resource))
        self.notifications.append(notification)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    notification_received.connect(one)
    yield one
    notification_received.disconnect(one)


def complaint(content: Any = COMPLAINT, **changes: Any) -> bytes:
    event_type = changes.pop("event_type", "COMPLAINT.CREATE")
    seal = {name: changes.pop(name) for name in ("key", "algorithm") if name in changes}
    return envelope(event_type, sealed(content, kind="complaint", **seal), **changes)


def contract(**changes: str) -> bytes:
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "mch_id": "1900000109",
        "contract_code": "C1",
        "plan_id": "66",
        "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "change_type": "ADD",
        "contract_id": "201509160000028648",
    }
    fields |= changes
    signed = {name: value for name, value in fields.items() if value}
    return v2.encode_xml(signed | {"sign": v2.sign(signed, API_KEY)})


def is_due() -> None:
    OrderEvent.objects.update(next_dispatch_at=datetime.now(UTC))


@pytest.mark.parametrize(("event_type", "original_type", "resource"), EVENTS)
def test_an_event_of_any_product_reaches_the_receiver_once(
    event_type: str, original_type: str, resource: dict[str, Any], receiver: Receiver
) -> None:
    for _ in range(2):
        body = envelope(event_type, sealed(resource, kind=original_type))
        answer = notify(body)
        assert (answer.status, json.loads(answer.body)["code"]) == (200, "SUCCESS")

    assert receiver.got == [(event_type, resource)]
    row = Notification.objects.get()
    assert receiver.notifications == [row]
    assert (row.kind, row.event_type, row.outcome, row.attempts) == (
        "other",
        event_type,
        "APPLIED",
        2,
    )
    event = OrderEvent.objects.get()
    assert (event.kind, event.order, event.notification, event.source) == (
        "RECEIVED",
        None,
        row,
        "v3.notice",
    )
    assert event.detail == {"event_type": event_type, "resource": resource}
    assert (event.dispatched_at is not None, event.dispatch_attempts) == (True, 1)
    assert str(event) == f"RECEIVED {event_type}"
    assert services.dispatch_events() == 0


@pytest.mark.parametrize(
    ("body", "event_type", "held"),
    [
        (contract(), "CONTRACT.ADD", "contract_id"),
        (contract(change_type="DELETE"), "CONTRACT.DELETE", "contract_id"),
        (contract(change_type="MEND"), "CONTRACT", "contract_id"),
        (contract(contract_id="", change_type=""), "", "contract_code"),
    ],
)
def test_an_event_of_v2_reaches_the_receiver_with_the_fields_that_were_signed(
    body: bytes, event_type: str, held: str, receiver: Receiver
) -> None:
    for _ in range(2):
        assert notify(body).accepted

    ((told, resource),) = receiver.got
    assert (told, held in resource, "sign" in resource) == (event_type, True, False)
    row = Notification.objects.get()
    assert (row.kind, row.api, row.event_type, row.attempts) == ("other", "v2", event_type, 2)


def test_what_a_v2_signature_does_not_prove_is_kept_and_handed_to_nobody(
    receiver: Receiver,
) -> None:
    for _ in range(2):
        assert notify(contract(contract_code="C1&openid=somebody")).accepted
    row = Notification.objects.get()
    assert (row.outcome, row.kind) == ("IGNORED", "other")
    assert row.reason == "not proven: its values could be cut into other fields"
    assert not receiver.got


@pytest.mark.parametrize(
    "more",
    [{"prepay_id": "wx1"}, {"cash_fee": "1"}, {"refund_id": "5"}, {"trade_state": "SUCCESS"}],
)
def test_an_answer_to_another_call_is_no_event(more: dict[str, str], receiver: Receiver) -> None:
    assert not notify(contract(contract_id="", **more)).accepted
    assert Notification.objects.get().reason.startswith("not readable")
    assert not receiver.got


def test_the_same_said_twice_under_two_ids_is_two_events(receiver: Receiver) -> None:
    """A customer answers a complaint twice, in the same words."""
    for event_id in ("EV-1", "EV-2", "EV-1"):
        assert notify(complaint(id=event_id)).accepted
    assert len(receiver.got) == 2
    assert Notification.objects.count() == 2


def test_two_contents_under_one_id_are_two_events(receiver: Receiver) -> None:
    other = COMPLAINT | {"action_type": "USER_CONTINUE_COMPLAINT"}
    for content in (COMPLAINT, other, COMPLAINT):
        assert notify(complaint(content)).accepted
    assert [each["action_type"] for _, each in receiver.got] == [
        "CREATE_COMPLAINT",
        "USER_CONTINUE_COMPLAINT",
    ]


def test_a_combined_order_is_handed_over_whole_and_pays_nothing(receiver: Receiver) -> None:
    new_order(out_trade_no=NUMBER)
    combined = {
        "combine_out_trade_no": "C1",
        "combine_mchid": "1900000109",
        "sub_orders": [{"mchid": "1900000109", "out_trade_no": NUMBER, "trade_state": "SUCCESS"}],
    }
    assert notify(envelope("TRANSACTION.SUCCESS", sealed(combined))).accepted
    assert receiver.got == [("TRANSACTION.SUCCESS", combined)]
    assert Order.objects.get().trade_state == "CREATED"


def test_one_that_is_taken_as_a_payment_has_the_signals_of_a_payment(receiver: Receiver) -> None:
    new_order(out_trade_no=NUMBER)
    assert notify(envelope("TRANSACTION.PAY_BACK", sealed(trade(NUMBER)))).accepted
    assert Order.objects.get().trade_state == "SUCCESS"
    assert not receiver.got
    assert set(OrderEvent.objects.values_list("kind", flat=True)) == {"PAID"}


def test_a_receiver_that_raises_undoes_its_work_and_is_called_again_later(
    receiver: Receiver,
) -> None:
    receiver.fails = 2
    assert notify(complaint()).accepted
    event = OrderEvent.objects.get()
    assert (event.dispatched_at, event.dispatch_attempts) == (None, 1)
    assert event.dispatch_error == "RuntimeError: the shop's own trouble"
    first_pause = event.next_dispatch_at - datetime.now(UTC)
    assert timedelta(minutes=1) < first_pause <= timedelta(minutes=2)
    assert not Group.objects.exists()
    assert services.dispatch_events() == 0, "not within the pause"

    is_due()
    assert services.dispatch_events() == 0
    event.refresh_from_db()
    assert event.next_dispatch_at - datetime.now(UTC) > timedelta(minutes=3)
    assert event.dispatch_attempts == 2

    is_due()
    assert services.dispatch_events() == 1
    assert receiver.got == [("COMPLAINT.CREATE", COMPLAINT)], "whatever the first call made of it"
    assert Group.objects.count() == 1
    event.refresh_from_db()
    assert (event.dispatched_at is not None, event.dispatch_error) == (True, "")


def test_a_crash_between_the_work_and_the_mark_undoes_the_work(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def die(*args: Any) -> None:
            raise DatabaseError("the server is gone")

        patch.setattr(dispatch.Delivery, "_mark", die)
        assert notify(complaint()).accepted
    assert not Group.objects.exists()
    is_due()
    assert services.dispatch_events() == 1
    assert Group.objects.count() == 1
    assert services.dispatch_events() == 0


def test_a_process_that_dies_before_it_delivers_leaves_it_to_the_worker(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(events, "after_commit", lambda action: None)
        assert notify(complaint()).accepted
    assert not receiver.got
    is_due()
    services.run_jobs("events")
    services.run_jobs("events")
    assert len(receiver.got) == 1


def test_without_a_receiver_it_waits_and_is_delivered_once_there_is_one() -> None:
    assert notify(complaint()).accepted
    event = OrderEvent.objects.get()
    assert (event.dispatched_at, event.dispatch_attempts, event.dispatch_error) == (None, 0, "")
    assert "RECEIVED" in kinds_without_receiver()
    assert services.dispatch_events() == 0

    one = Receiver()
    notification_received.connect(one)
    try:
        assert "RECEIVED" in heard_kinds()
        assert services.dispatch_events() == 1
        assert services.dispatch_events() == 0
    finally:
        notification_received.disconnect(one)
    assert one.got == [("COMPLAINT.CREATE", COMPLAINT)]


def test_a_receiver_of_payments_hears_nothing_of_it() -> None:
    heard: list[Any] = []

    def ship(**more: Any) -> None:
        heard.append(more)

    order_paid.connect(ship)
    try:
        assert notify(complaint()).accepted
        services.dispatch_events()
    finally:
        order_paid.disconnect(ship)
    assert not heard


def test_events_of_no_order_are_delivered_beside_one_another_and_stop_no_order(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(events, "after_commit", lambda action: None)
        for number in range(4):
            assert notify(complaint(id=f"EV-{number}")).accepted
    is_due()
    first, *others = OrderEvent.objects.order_by("id")
    monkeypatch.setattr(dispatch.Crew, "places_in_hand", staticmethod(lambda: {-first.pk}))
    assert services.dispatch_events() == 3
    first.refresh_from_db()
    assert (first.dispatched_at, first.dispatch_attempts) == (None, 1)
    monkeypatch.undo()
    assert services.dispatch_events() == 1
    assert len(receiver.got) == 1 + len(others)


def test_one_that_receivers_refuse_is_no_orders_trouble(receiver: Receiver) -> None:
    receiver.fails = 1
    assert notify(complaint()).accepted
    assert needing(count_needing()).keys == []
    assert not any(count_needing().values())


def test_a_replay_of_one_that_was_handed_over_hands_nothing_over_again(receiver: Receiver) -> None:
    assert notify(complaint()).accepted
    row = Notification.objects.get()
    for _ in range(2):
        assert services.replay_notification(row).accepted
        row.refresh_from_db()
    assert (row.outcome, len(receiver.got), OrderEvent.objects.count()) == ("APPLIED", 1, 1)


def test_one_that_was_passed_over_by_an_older_version_is_handed_over_by_a_replay(
    receiver: Receiver,
) -> None:
    assert notify(complaint()).accepted
    OrderEvent.objects.all().delete()
    receiver.got.clear()
    Notification.objects.update(
        outcome="IGNORED",
        reason_code="OTHER_PRODUCT",
        reason_params={"product": "COMPLAINT.CREATE"},
        fingerprint="0" * 64,
    )
    assert services.replay_notification(Notification.objects.get()).accepted
    assert notify(complaint()).accepted
    assert len(receiver.got) == 1
    assert Notification.objects.get().attempts == 2


UNREADABLE: list[tuple[Any, dict[str, Any], str]] = [
    (COMPLAINT, {"key": ANOTHER_KEY}, "API_V3_KEY does not open it"),
    (COMPLAINT, {"algorithm": "AEAD_SM4_128_GCM"}, "algorithm is not AEAD_AES_256_GCM"),
    ([COMPLAINT], {}, "not a JSON object"),
    ("text", {}, "not a JSON object"),
    ({"a": float("nan")}, {}, "a member of the resource is NaN"),
    ({"a": [{"b": 10**30}]}, {}, "a number of too many digits"),
]


@pytest.mark.parametrize(("content", "changes", "why"), UNREADABLE)
def test_one_that_cannot_be_read_is_kept_and_answered_with_failure(
    content: Any, changes: dict[str, Any], why: str, receiver: Receiver
) -> None:
    body = complaint(content, **changes)
    for _ in range(2):
        assert notify(body).status == 503
    row = Notification.objects.get()
    assert (row.outcome, row.kind, row.event_type) == ("FAILED", "other", "COMPLAINT.CREATE")
    assert row.attempts == 2
    assert why in row.reason
    assert bytes(row.body) == body
    assert not receiver.got


def nested(levels: int, innermost: dict[str, Any]) -> dict[str, Any]:
    content = innermost
    for _ in range(levels - 1):
        content = {"a": content}
    return content


@pytest.mark.parametrize("innermost", [{}, {"a": 1}])
def test_a_resource_may_be_nested_as_deep_as_every_database_keeps(
    receiver: Receiver, innermost: dict[str, Any]
) -> None:
    deepest = 30 - len(innermost)
    assert notify(complaint(nested(deepest, innermost))).accepted
    assert receiver.got == [("COMPLAINT.CREATE", nested(deepest, innermost))]
    OrderEvent.objects.get().refresh_from_db()
    for number, levels in enumerate((deepest + 1, 900)):
        assert notify(complaint(nested(levels, innermost), id=f"EV-{number}")).status == 503
    deep = Notification.objects.filter(outcome="FAILED")
    assert {row.reason for row in deep} == {"not readable: nested deeper than 30 levels"}
    assert len(deep) == 2


@pytest.mark.parametrize("resource", [[], "sealed", None, 7, {"a": 1}])
def test_an_envelope_whose_resource_is_no_seal_is_kept(resource: Any, receiver: Receiver) -> None:
    assert notify(envelope("COMPLAINT.CREATE", resource)).status == 503
    assert Notification.objects.get().reason.startswith("not readable: ")
    assert not receiver.got


@pytest.mark.parametrize("event_type", ["E" * 10_000, None, 7, ["COMPLAINT"], "", "\ud83c"])
def test_an_event_without_a_readable_type_is_handed_over_all_the_same(
    event_type: Any, receiver: Receiver
) -> None:
    assert notify(complaint(event_type=event_type)).accepted
    assert receiver.got == [("", COMPLAINT)]
    assert str(OrderEvent.objects.get()) == "RECEIVED"


def test_a_resource_of_64_kib_is_handed_over_and_one_over_a_mebibyte_refused(
    receiver: Receiver,
) -> None:
    large = {"complaint_detail": "投" * 20_000}
    assert notify(complaint(large)).accepted
    assert receiver.got == [("COMPLAINT.CREATE", large)]
    assert notify(complaint({"a": "x" * 1024 * 1024}, id="EV-2")).status == 413
    assert Notification.objects.count() == 1


def test_a_text_that_no_database_stores_is_handed_over_the_same_at_once_and_later(
    receiver: Receiver,
) -> None:
    receiver.fails = 1
    broken = {"a\0": "half \ud83c and \0", "b": ["\udc00"]}
    assert notify(complaint(broken)).accepted
    assert notify(complaint(broken, id="EV-2")).accepted
    is_due()
    assert services.dispatch_events() == 1
    mended = {"a\ufffd": "half \ufffd and \ufffd", "b": ["\ufffd"]}
    assert receiver.got == [("COMPLAINT.CREATE", mended)] * 2


@pytest.mark.parametrize(("event_type", "original_type", "resource"), EVENTS)
@pytest.mark.parametrize("again", ["job", "replay", "delivery first"])
def test_one_behind_a_wrong_key_is_handed_over_once_the_key_is_right(
    event_type: str,
    original_type: str,
    resource: dict[str, Any],
    again: str,
    both: dict[str, Any],
    receiver: Receiver,
    settings: Any,
) -> None:
    body = envelope(event_type, sealed(resource, kind=original_type))
    right = both["API_V3_KEY"]
    _set_key(settings, ANOTHER_KEY)
    assert not notify(body).accepted
    assert services.retry_notifications() == 0
    assert not receiver.got

    _set_key(settings, right)
    row = Notification.objects.get()
    if again == "delivery first":
        assert notify(envelope(event_type, sealed(resource, kind=original_type))).accepted
        assert services.replay_notification(row).accepted
        row.refresh_from_db()
        assert (row.outcome, row.reason) == ("IGNORED", "another notification says the same")
        assert services.replay_notification(row).accepted
    else:
        Notification.objects.update(next_retry_at=datetime.now(UTC))
        if again == "job":
            assert services.retry_notifications() == 1
        else:
            assert services.replay_notification(row).accepted
        row = Notification.objects.get()
        assert (row.outcome, row.kind, row.next_retry_at) == ("APPLIED", "other", None)
    # A repetition is known, whichever way it was settled.
    assert notify(envelope(event_type, sealed(resource, kind=original_type))).accepted
    assert receiver.got == [(event_type, resource)]


def _set_key(settings: Any, key: str) -> None:
    merchant = settings.WXPAY["MERCHANTS"]["default"] | {"API_V3_KEY": key}
    merchants = settings.WXPAY["MERCHANTS"] | {"default": merchant}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": merchants}


def test_inside_a_transaction_of_the_callers_it_is_delivered_after_the_commit(
    receiver: Receiver, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(using=database(), execute=True), atomic():
        assert notify(complaint()).accepted
        assert not receiver.got
    assert len(receiver.got) == 1


def test_an_event_that_could_not_be_saved_leaves_the_notification_undecided(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fail(event: OrderEvent) -> None:
            raise DatabaseError("disk full")

        patch.setattr(events, "save_event", fail)
        assert notify(complaint()).status == 503
    row = Notification.objects.get()
    assert (row.outcome, row.reason) == (
        "FAILED",
        "not settled, please send again (DatabaseError)",
    )
    assert notify(complaint()).accepted
    assert len(receiver.got) == 1


def test_a_constraint_that_fails_for_another_reason_is_no_repetition(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notify(complaint()).accepted
    OrderEvent.objects.all().delete()
    receiver.got.clear()
    Notification.objects.update(outcome="FAILED", reason_code="UNREADABLE")
    row = Notification.objects.get()
    with monkeypatch.context() as patch:

        def fail(event: OrderEvent) -> None:
            raise IntegrityError("the database keeps no such JSON")

        patch.setattr(events, "save_event", fail)
        assert not services.replay_notification(row).accepted
    row.refresh_from_db()
    assert (row.outcome, row.reason) == (
        "FAILED",
        "not settled, please send again (IntegrityError)",
    )
    assert services.replay_notification(row).accepted
    assert len(receiver.got) == 1


def test_of_two_first_deliveries_at_the_same_moment_one_hands_it_over(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, deliveries = processing.save_for_receivers, []

    def be_second(notification: Notification, **more: Any) -> bool:
        if not deliveries:
            deliveries.append("the other one")
            assert notify(complaint()).accepted
        return save(notification, **more)

    monkeypatch.setattr(processing, "save_for_receivers", be_second)
    assert notify(complaint()).accepted
    assert len(receiver.got) == 1
    assert Notification.objects.get().attempts == 2


@pytest.mark.parametrize(
    ("seen", "meanwhile", "stands"),
    [("FAILED", "APPLIED", "APPLIED"), ("FAILED", "FAILED", "FAILED"), ("IGNORED", None, "FAILED")],
)
def test_a_try_that_ends_late_and_in_vain_undoes_no_outcome(
    seen: str, meanwhile: str | None, stands: str
) -> None:
    """An outcome that went back to FAILED would be tried again, and be handed on twice."""
    NotificationFactory(outcome=seen, retries=3)
    late = Notification.objects.get()
    if meanwhile is not None:
        Notification.objects.update(outcome=meanwhile)
    assert not processing.keep(late, NotificationOutcomes.FAILED).accepted

    row = Notification.objects.get()
    assert (row.outcome, row.retries) == (stands, 3)
