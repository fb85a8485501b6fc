"""Making an order: every rule before anything is written, one row a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.urls import reverse

from django_wxpay import services
from django_wxpay.exceptions import InvalidOrder, OrderConflict, UnknownMerchant
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.protocol.times import to_t14
from example_project.accounts import ACCOUNTS
from tests.services.conftest import HOST, new_order
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, payment_notice

pytestmark = pytest.mark.django_db


def test_an_order_is_written_with_the_merchants_identity_and_nothing_is_sent(
    gateway: ScriptedTransport,
) -> None:
    order = new_order(reference="SHOP-1", attach="branch 7")

    assert gateway.calls == []
    assert (order.mch_id, order.appid, order.sub_mch_id) == (MCH_ID, APPID, "")
    assert (order.trade_state, order.total_fee, order.fee_type) == ("CREATED", 100, "CNY")
    assert order.reference == "SHOP-1"
    path = reverse("django_wxpay:notify-payment", kwargs={"merchant": "default"})
    assert order.notify_url == f"https://shop.example.com{path}"
    assert len(order.out_trade_no) == 32
    assert Order.objects.get() == order
    assert OrderEvent.objects.count() == 0


def test_a_time_at_any_offset_is_kept_on_every_database() -> None:
    moment = datetime(2031, 1, 1, tzinfo=timezone(timedelta(hours=23, minutes=59)))
    order = new_order(time_start=moment, time_expire=moment + timedelta(hours=1))
    order.refresh_from_db()
    assert (order.time_start, order.time_expire) == (moment, moment + timedelta(hours=1))


@pytest.mark.parametrize("api", ["v2", "v3"])
@pytest.mark.parametrize("address", [{}, {"spbill_create_ip": ""}])
def test_a_mobile_browser_needs_the_address_of_its_phone(
    settings: Any, api: str, address: dict[str, str]
) -> None:
    if api == "v3":
        account = ACCOUNTS["v3", "mainland"] | {"HOSTS": [HOST]}
        settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": account}}
    scene = {"h5_info": {"type": "Wap", "wap_url": "https://shop.example.com", "wap_name": "Shop"}}
    fields: dict[str, Any] = {"trade_type": "MWEB", "product_id": "", "scene_info": scene}

    with pytest.raises(InvalidOrder) as raised:
        new_order(**fields, **address)
    assert (raised.value.field, raised.value.problem) == ("spbill_create_ip", "is missing")
    with pytest.raises(InvalidOrder) as raised:
        new_order(**fields | {"scene_info": ""}, **address)
    assert raised.value.field == "scene_info"
    assert Order.objects.count() == 0
    placed = new_order(**fields, out_trade_no="H5ORDER001", spbill_create_ip="203.0.113.7")
    assert new_order(**fields, out_trade_no="H5ORDER001") == placed


def test_an_institution_fills_in_its_sub_merchant_and_an_order_may_name_its_own() -> None:
    filled = new_order(merchant="institution")
    named = new_order(merchant="institution", sub_mch_id="1900000201")

    assert filled.sub_mch_id == "1900000200"
    assert named.sub_mch_id == "1900000201"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_fee", 0),
        ("total_fee", -1),
        ("total_fee", True),
        ("total_fee", 1.0),
        ("total_fee", "100"),
        ("total_fee", None),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", ""),
        ("out_trade_no", "blank here"),
        ("body", ""),
        ("fee_type", "XYZ"),
        ("appid", "wx0000000000000000"),
        ("time_expire", "yesterday"),
        ("time_expire", datetime(2026, 1, 1)),  # noqa: DTZ001 - naive is what is refused
        ("time_expire", datetime.now(UTC) + timedelta(minutes=1)),
        ("time_start", datetime.min.replace(tzinfo=UTC)),
        ("time_expire", datetime.max.replace(tzinfo=UTC)),
        ("detail", {"goods_detail": "not a list"}),
        ("scene_info", "{not json"),
        ("reference", "x" * 129),
        ("reference", None),
        ("reference", True),
        ("reference", b"A-17"),
        ("reference", "A-17 \ud83d"),
        ("reference", "A-17\0"),
        ("reference", "A-17\n"),
        ("out_trade_no", 2026112800000017),
        ("out_trade_no", "ORDER-17 \ud83d"),
        ("out_trade_no", "ORDER-17\0"),
        ("colour", "red"),
        ("notify_url", "https://elsewhere.example.com"),
        ("mch_id", "1900000999"),
        ("sub_mch_id", "1900000200"),
        ("product_id", ""),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name_and_nothing_is_written(
    field: str,
    value: Any,
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        new_order(**{field: value})

    assert caught.value.field == field
    assert field in str(caught.value)
    assert Order.objects.count() == 0


@pytest.mark.parametrize("missing", ["trade_type", "body"])
def test_a_missing_parameter_is_named(missing: str) -> None:
    fields = {"trade_type": "NATIVE", "body": "Tea", "product_id": "P1", "total_fee": 1}
    del fields[missing]

    with pytest.raises(InvalidOrder) as caught:
        services.create_order(**fields)

    assert caught.value.field == missing


def test_an_unknown_merchant_is_said_so() -> None:
    with pytest.raises(UnknownMerchant, match="nobody"):
        new_order(merchant="nobody")


def test_the_same_order_again_is_the_same_row() -> None:
    expire = datetime.now(UTC) + timedelta(hours=1, microseconds=123)
    fields = {
        "out_trade_no": "TEST000001",
        "time_expire": expire,
        "detail": {"goods_detail": [{"goods_id": "tea", "quantity": 1, "price": 100}]},
    }
    first, new = services.get_or_create_order(
        trade_type="NATIVE", body="Tea", total_fee=100, product_id="P1", **fields
    )
    again, new_again = services.get_or_create_order(
        trade_type="NATIVE",
        body="Tea",
        total_fee=100,
        product_id="P1",
        **fields | {"time_expire": to_t14(expire), "spbill_create_ip": "203.0.113.9"},
    )

    assert (new, new_again) == (True, False)
    assert again.pk == first.pk
    assert again.spbill_create_ip == "127.0.0.1"


@pytest.mark.parametrize(
    ("field", "value"),
    [("total_fee", 101), ("body", "Coffee"), ("attach", "x"), ("reference", "another")],
)
def test_the_same_number_with_other_parameters_is_a_conflict(field: str, value: Any) -> None:
    order = new_order(out_trade_no="TEST000001")

    with pytest.raises(OrderConflict) as caught:
        new_order(out_trade_no="TEST000001", **{field: value})

    assert caught.value.fields == (field,)
    order.refresh_from_db()
    assert (order.total_fee, order.body) == (100, "Tea")


def test_the_same_number_belongs_to_each_merchant_alone() -> None:
    new_order(out_trade_no="TEST000001")
    new_order(out_trade_no="TEST000001", merchant="institution")

    assert Order.objects.count() == 2


def test_an_order_rolls_back_with_the_callers_transaction() -> None:
    with pytest.raises(RuntimeError, match="the shop"), atomic():
        new_order()
        raise RuntimeError("the shop changed its mind")

    assert Order.objects.count() == 0


def test_a_number_taken_in_the_same_moment_is_found_and_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look before the insert is a courtesy; the unique constraint is what decides."""
    from django_wxpay.services.orders import creating

    first = new_order(out_trade_no="TEST000001")
    answers = iter([None, first])
    monkeypatch.setattr(creating, "_find", lambda *args: next(answers))
    with atomic():
        again = new_order(out_trade_no="TEST000001")
        assert Order.objects.count() == 1, "the caller's transaction goes on"

    assert again == first


def test_an_integrity_error_about_something_else_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import IntegrityError

    from django_wxpay.services.orders import creating

    def broken(*_: Any) -> None:
        raise IntegrityError("a check of the shop's own")

    monkeypatch.setattr(creating, "_save", broken)

    with pytest.raises(IntegrityError):
        new_order(out_trade_no="TEST000001")


def test_a_number_that_a_converted_table_takes_for_another_is_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.db import IntegrityError

    from django_wxpay.services.orders import creating

    existing = new_order(out_trade_no="abcdef0001")
    careless = Order.objects.filter(pk=existing.pk)

    def taken(*_: Any) -> None:
        raise IntegrityError("Duplicate entry")

    monkeypatch.setattr(creating, "_same_number", lambda *_: careless)
    monkeypatch.setattr(creating, "_save", taken)
    with pytest.raises(OrderConflict):
        new_order(out_trade_no="ABCDEF0001")


def test_a_number_that_the_callers_transaction_cannot_see_is_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """REPEATABLE READ shows the rows of the transaction's beginning alone."""
    from django_wxpay.services.orders import creating

    new_order(out_trade_no="TEST000001")
    monkeypatch.setattr(creating, "_find", lambda *args: None)

    with atomic(), pytest.raises(OrderConflict, match="exists already") as caught:
        new_order(out_trade_no="TEST000001")
    assert caught.value.fields == ()


def test_a_notification_that_came_first_settles_the_order_when_it_appears() -> None:
    body = payment_notice("TEST000001")
    early = services.receive_notification("default", "payment", {}, body)
    assert not early.accepted
    assert Notification.objects.get().outcome == "FAILED"

    order = new_order(out_trade_no="TEST000001")

    assert order.trade_state == "SUCCESS"
    notification = Notification.objects.get()
    assert (notification.outcome, notification.order, notification.attempts) == (
        "APPLIED",
        order,
        1,
    )
    assert [event.kind for event in order.events.all()] == ["PAID"]


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_the_waiting_notification_waits_for_the_commit() -> None:
    services.receive_notification("default", "payment", {}, payment_notice("TEST000001"))
    with atomic():
        order = new_order(out_trade_no="TEST000001")
        assert order.trade_state == "CREATED"
        assert Notification.objects.get().outcome == "FAILED"

    assert order.trade_state == "SUCCESS"


def test_a_thousand_numbers_are_a_thousand_numbers() -> None:
    from django_wxpay.services import clock

    assert len({clock.out_trade_no() for _ in range(1000)}) == 1000
    assert API_KEY not in repr(new_order())


def test_a_primary_key_as_the_reference_is_its_digits() -> None:
    order = new_order(reference=17)
    order.refresh_from_db()
    assert order.reference == "17"


@pytest.mark.parametrize("merchant", [None, 17, ["default"], {}])
def test_a_merchant_that_is_no_alias_is_unknown(merchant: Any) -> None:
    with pytest.raises(UnknownMerchant):
        new_order(merchant=merchant)
