"""Authentic notifications that cannot be read: kept, shown, repeated without harm, replayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.v2 import notices as v2_notices
from django_wxpay.protocol.v3 import notices as v3_notices
from django_wxpay.services.notifications import processing
from django_wxpay.services.statements import Found
from django_wxpay.services.transitions import seen_refunds
from django_wxpay.signals import order_paid
from tests.protocol.v2.test_refund_notices import INNER
from tests.protocol.v2.test_refund_notices import notice as v2_refund
from tests.protocol.v3 import keys
from tests.selling import notify
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.v2 import payment_notice
from tests.wechatpay.v3 import (
    TRANSACTION_ID,
    envelope,
    paid_notice,
    refund,
    refund_notice,
    sealed,
    signature,
    trade,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both")]

NUMBER = "T20260101000001"
NO_AMOUNT = {"amount": {"total": "100", "currency": "CNY"}}


@pytest.fixture
def payments() -> Iterator[list[str]]:
    received: list[str] = []

    def receiver(sender: Any, order: Order, **more: Any) -> None:
        received.append(order.out_trade_no)

    order_paid.connect(receiver)
    yield received
    order_paid.disconnect(receiver)


@contextmanager
def another_version(monkeypatch: pytest.MonkeyPatch, module: Any, **more: Any) -> Iterator[None]:
    """Read as a version of the package would that does not know a word of these documents yet."""

    def older(*args: Any, **kwargs: Any) -> Any:
        raise MalformedMessage("the form of it is not known")

    with monkeypatch.context() as patch:
        for name in more.get("names", ["_trade_fact"]):
            patch.setattr(module, name, older)
        yield


UNREADABLE: list[tuple[bytes, str]] = [
    (payment_notice(NUMBER, total_fee="1.00"), "total_fee is not a number in plain digits"),
    (payment_notice(NUMBER, result_code="MAYBE"), "result_code are neither SUCCESS nor FAIL"),
    (payment_notice(NUMBER, transaction_id=None), "without total_fee or transaction_id"),
    (v2_refund(refund_fee="many"), "refund_fee is not a number in plain digits"),
    (paid_notice(NUMBER, trade_state="ACCEPT"), "there is no trade_state that we know"),
    (paid_notice(NUMBER, **NO_AMOUNT), "total is not a whole number"),
    (paid_notice(NUMBER, transaction_id="4\0"), "transaction_id holds what no text may"),
    (refund_notice(NUMBER, refund_status="LOST"), "there is no refund_status that we know"),
    (refund_notice(NUMBER, refund_id="5" * 33), "refund_id is longer than 32 characters"),
]


@pytest.mark.parametrize(("body", "why"), UNREADABLE)
def test_what_is_authentic_and_cannot_be_read_is_kept_with_its_reason_and_its_order(
    body: bytes, why: str
) -> None:
    order = new_order(out_trade_no=NUMBER)
    answer = notify(body)

    assert not answer.accepted
    assert answer.status == (200 if body.startswith(b"<") else 503)
    assert b"authentic, but not readable here" in answer.body
    row = Notification.objects.get()
    assert (row.outcome, row.order, row.out_trade_no) == ("FAILED", order, NUMBER)
    assert row.reason.startswith("not readable: ")
    assert why in row.reason
    assert bytes(row.body) == body
    assert row.kind == ("refund" if b"REFUND." in body or b"req_info" in body else "payment")
    order.refresh_from_db()
    assert order.trade_state == "CREATED"


@pytest.mark.parametrize(("body", "why"), UNREADABLE)
def test_the_same_again_counts_and_makes_no_second_row(body: bytes, why: str) -> None:
    for _ in range(3):
        assert not notify(body).accepted

    assert Notification.objects.get().attempts == 3


def test_a_repeat_that_is_signed_and_sealed_anew_is_the_same() -> None:
    notify(payment_notice(NUMBER, total_fee="1.00"))
    notify(payment_notice(NUMBER, total_fee="1.00", nonce_str="another"))
    notify(paid_notice(NUMBER, **NO_AMOUNT))
    notify(paid_notice(NUMBER, **NO_AMOUNT))

    assert list(Notification.objects.values_list("api", "attempts").order_by("api")) == [
        ("v2", 2),
        ("v3", 2),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'{"id":"1","event_type":"A.B"}'])
def test_octets_that_wechat_pay_signed_are_kept_whatever_they_are(body: bytes) -> None:
    for _ in range(2):
        answer = services.receive_notification("default", "refund", signature(body), body)
        assert (answer.status, json.loads(answer.body)["code"]) == (503, "FAIL")

    row = Notification.objects.get()
    kind = "other" if b"A.B" in body else "refund"
    assert (row.outcome, row.kind, row.attempts) == ("FAILED", kind, 2)


def test_a_wrong_key_of_ours_is_named_and_the_row_is_replayed_once_it_is_corrected(
    both: dict[str, Any], wxpay: dict[str, Any], settings: Any, payments: list[str]
) -> None:
    new_order(out_trade_no=NUMBER)
    right = settings.WXPAY
    for wrong in (keys.API_V3_KEY[::-1], keys.API_V3_KEY.swapcase()):
        settings.WXPAY = wxpay | {"MERCHANTS": {"default": both | {"API_V3_KEY": wrong}}}
        assert notify(paid_notice(NUMBER)).status == 503
    row = Notification.objects.get()
    assert (row.outcome, row.attempts, row.out_trade_no) == ("FAILED", 2, "")
    assert "API_V3_KEY" in row.reason
    assert keys.API_V3_KEY not in row.reason

    settings.WXPAY = right
    assert services.replay_notification(row).accepted
    row.refresh_from_db()
    assert (row.outcome, row.reason, row.out_trade_no) == ("APPLIED", "", NUMBER)
    assert row.transaction_id == TRANSACTION_ID
    assert payments == [NUMBER]


@pytest.mark.parametrize(("body", "status"), [(b"<xml/>", 200), (b"{}", 503)])
def test_wrong_settings_are_our_trouble_and_no_traceback(
    body: bytes, status: int, both: dict[str, Any], wxpay: dict[str, Any], settings: Any
) -> None:
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": both | {"API_V3_KEY": "short"}}}
    answer = services.receive_notification("default", "payment", {}, body)

    assert (answer.status, answer.accepted) == (status, False)


def test_a_fault_of_our_own_in_reading_is_our_trouble_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(v2_notices, "read_notice", broken)
    assert not notify(payment_notice(NUMBER)).accepted
    assert "was not read" in caplog.text


def test_a_replay_that_still_cannot_read_it_keeps_the_newer_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notify(payment_notice(NUMBER, total_fee="1.00"))
    row = Notification.objects.get()
    with another_version(monkeypatch, v2_notices):
        assert not services.replay_notification(row).accepted

    row.refresh_from_db()
    assert (row.outcome, row.reason) == ("FAILED", "not readable: the form of it is not known")
    assert row.attempts == 1


@pytest.mark.parametrize(
    ("module", "names", "body"),
    [
        (v2_notices, ["_trade_fact"], payment_notice(NUMBER)),
        (v3_notices, ["_fact"], paid_notice(NUMBER)),
    ],
)
@pytest.mark.parametrize("first", ["replay", "delivery", "worker"])
def test_once_it_can_be_read_it_pays_the_order_once_however_it_comes_back(
    module: Any,
    names: list[str],
    body: bytes,
    first: str,
    monkeypatch: pytest.MonkeyPatch,
    payments: list[str],
) -> None:
    order = new_order(out_trade_no=NUMBER)
    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(module, name, _older(module))
        assert not notify(body).accepted
    row = Notification.objects.get()
    again: dict[str, Callable[[], Any]] = {
        "replay": lambda: services.replay_notification(row).accepted,
        "delivery": lambda: notify(body).accepted,
        "worker": services.retry_notifications,
    }
    assert again[first]()
    for name in ("delivery", "replay", "delivery"):
        row.refresh_from_db()
        assert again[name]()

    order.refresh_from_db()
    assert (order.trade_state, payments) == ("SUCCESS", [NUMBER])
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]
    assert set(Notification.objects.values_list("outcome", flat=True)) == {"APPLIED"}
    # v3 knows a readable payment by its transaction, so that one may have a row of its own.
    assert Notification.objects.count() <= 2


def _older(module: Any) -> Any:
    def raises(*args: Any) -> Any:
        raise MalformedMessage("the form of it is not known")

    def returns(*args: Any) -> Any:
        return None, "the form of it is not known"

    return raises if module is v2_notices else returns


def test_an_unreadable_delivery_takes_nothing_from_what_is_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new_order(out_trade_no=NUMBER)
    assert notify(payment_notice(NUMBER)).accepted
    with another_version(monkeypatch, v2_notices):
        assert notify(payment_notice(NUMBER)).accepted

    assert Notification.objects.get().outcome == "APPLIED"


def test_an_order_that_is_created_later_is_shown_with_it_and_stays_unpaid() -> None:
    notify(payment_notice(NUMBER, total_fee="1.00"))
    assert Notification.objects.get().order is None

    order = new_order(out_trade_no=NUMBER)
    assert order.trade_state == "CREATED"
    assert Notification.objects.get().order == order


def test_what_only_describes_pays_the_order_without_it() -> None:
    new_order(out_trade_no=NUMBER)
    body = payment_notice(NUMBER, time_end="2026-01-01 00:01:30", rate="6.5", cash_fee="x")
    assert notify(body).accepted

    order = Order.objects.get()
    assert (order.trade_state, order.success_time, order.exchange_rate) == ("SUCCESS", None, None)
    assert (order.cash_fee, order.payer_total) == (None, None)


def test_numbers_are_compared_to_the_letter_whatever_the_database_finds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a collation that ignores case would find them."""
    order = new_order(out_trade_no="Case-abc")
    find = processing._find

    def careless(alias: str, number: str, fingerprint: str, fact: Any) -> Any:
        return find(alias, "Case-abc", fingerprint, fact)

    monkeypatch.setattr(processing, "_find", careless)
    assert not notify(payment_notice("CASE-ABC")).accepted
    order.refresh_from_db()
    assert order.trade_state == "CREATED"
    assert Notification.objects.get().reason == "no such order"


def test_a_refund_found_under_another_spelling_is_another_refund(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order = new_order(out_trade_no=NUMBER)
    half = {"total": 100, "refund": 50}
    first = refund_notice(NUMBER, out_refund_no="r1", refund_status="PROCESSING", amount=half)
    assert notify(first).accepted
    seen, read = _seen(Refund.objects.get(out_refund_no="r1")), Found.row

    def careless(found: Found[Order]) -> Order:
        order = read(found)
        vars(order).update(seen)
        return order

    monkeypatch.setattr(Found, "row", careless)
    body = refund_notice(NUMBER, out_refund_no="R1", refund_id="503", amount=half)
    assert notify(body).accepted
    monkeypatch.undo()
    assert list(order.refunds.order_by("id").values_list("out_refund_no", "refund_status")) == [
        ("r1", "PROCESSING"),
        ("R1", "SUCCESS"),
    ]


def _seen(found: Refund) -> dict[str, Any]:
    return {f"seen_{name}": getattr(found, name) for name in seen_refunds._SEEN}


# --- whatever a third party may send

TEXTS = st.one_of(
    st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), max_size=80),
    st.sampled_from(["", "0", "-1", "1.0", "NaN", "2026-01-01", "9" * 40, "x" * 300, "FAIL"]),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.sampled_from(["half \ud83c", "nul \0", 10**30, "y" * 300]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
V2_FIELDS = sorted(v2.decode_xml(payment_notice(NUMBER)).keys() - {"sign", "sign_type"})
hostile = hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def _is_applied_or_kept(body: bytes, *, kind: str = "payment") -> None:
    """Try one document from the address on, and undo it."""

    headers = {} if body.startswith(b"<") else signature(body)
    with atomic():
        new_order(out_trade_no=NUMBER)
        response = Client(raise_request_exception=True).post(
            f"/wxpay/notify/default/{kind}/", data=body, content_type="text/xml", headers=headers
        )
        if kind == "refund" and not Notification.objects.exists():
            # A hint that contradicts the order leaves no row: the order is asked for.
            assert b"SUCCESS" in response.content
            assert Order.objects.get().next_check_at is not None
            connection.set_rollback(True)
            return
        row = Notification.objects.get()
        assert row.outcome in {"APPLIED", "CONFLICT", "IGNORED", "FAILED"}
        decided = row.outcome != "FAILED"
        assert (b"SUCCESS" in response.content) == decided
        assert response.status_code in ({200} if decided else {200, 404, 503})
        assert decided or row.reason
        assert "Error" not in row.reason, "a fault of our own"
        connection.set_rollback(True)


@hostile
@given(name=st.sampled_from([*V2_FIELDS, "rate", "coupon_fee_0", "promotion_detail"]), text=TEXTS)
def test_any_field_of_a_signed_v2_notice_may_be_anything(name: str, text: str) -> None:
    _is_applied_or_kept(payment_notice(NUMBER, **{name: text}) if name != "out_trade_no" else
                        payment_notice(text))  # fmt: skip


@hostile
@given(name=st.sampled_from(sorted(INNER)), text=TEXTS)
def test_any_field_of_a_sealed_v2_refund_may_be_anything(name: str, text: str) -> None:
    _is_applied_or_kept(v2_refund(**{name: text}), kind="refund")


@hostile
@given(name=st.sampled_from(sorted(trade(NUMBER))), value=JSON)
def test_any_member_of_a_v3_payment_may_be_anything(name: str, value: Any) -> None:
    content = trade(NUMBER) | {name: value}
    _is_applied_or_kept(envelope("TRANSACTION.SUCCESS", sealed(content)))


@hostile
@given(name=st.sampled_from(sorted(refund(NUMBER))), value=JSON)
def test_any_member_of_a_v3_refund_may_be_anything(name: str, value: Any) -> None:
    content = refund(NUMBER) | {name: value}
    _is_applied_or_kept(envelope("REFUND.SUCCESS", sealed(content, kind="refund")))


@hostile
@given(
    name=st.sampled_from(["id", "create_time", "event_type", "resource_type", "summary"]),
    value=JSON,
)
def test_any_member_of_the_envelope_may_be_anything(name: str, value: Any) -> None:
    whole = json.loads(paid_notice(NUMBER))
    _is_applied_or_kept(json.dumps(whole | {name: value}).encode())


@hostile
@given(name=st.sampled_from(["original_type", "algorithm", "nonce", "ciphertext"]), value=JSON)
def test_any_member_of_the_resource_may_be_anything(name: str, value: Any) -> None:
    _is_applied_or_kept(envelope("TRANSACTION.SUCCESS", sealed(trade(NUMBER)) | {name: value}))
