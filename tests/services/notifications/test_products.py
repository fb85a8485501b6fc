"""What a document says it is: other products' events, and notices at the other address."""

from __future__ import annotations

import json
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.protocol import v2
from tests.protocol.v2.test_refund_notices import notice as v2_refund
from tests.selling import notify
from tests.services.conftest import new_order
from tests.wechatpay.v2 import API_KEY, payment_notice
from tests.wechatpay.v3 import (
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


def kept() -> tuple[str, str]:
    row = Notification.objects.get()
    return row.outcome, row.reason


def test_profit_sharing_under_the_name_of_a_payment_is_kept_and_acknowledged() -> None:
    new_order(out_trade_no=NUMBER)
    shared = {"mchid": "1900000109", "order_id": "3008", "out_order_no": "P1"}
    body = envelope("TRANSACTION.SUCCESS", sealed(shared, kind="profitsharing"))

    assert notify(body).accepted
    assert notify(body).accepted
    assert kept() == (
        "APPLIED",
        "for notification_received: TRANSACTION.SUCCESS of profitsharing",
    )
    assert Notification.objects.get().attempts == 2
    assert Order.objects.get().trade_state == "CREATED"


def test_a_combined_order_is_kept_and_pays_none_of_its_own_numbers() -> None:
    new_order(out_trade_no=NUMBER)
    combined = trade(NUMBER) | {"combine_out_trade_no": "C1", "sub_orders": [trade(NUMBER)]}
    assert notify(envelope("TRANSACTION.SUCCESS", sealed(combined))).accepted

    assert kept() == (
        "APPLIED",
        "for notification_received: TRANSACTION.SUCCESS, a combined order",
    )
    assert Order.objects.get().trade_state == "CREATED"


def test_the_signing_of_a_v2_contract_is_kept_and_acknowledged() -> None:
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS", "contract_id": "1"}
    body = v2.encode_xml(fields | {"sign": v2.sign(fields, API_KEY)})
    assert notify(body).accepted
    assert kept() == ("APPLIED", "for notification_received: a contract")


def test_a_payment_under_another_products_name_pays_an_order_that_is_known() -> None:
    body = envelope("TRANSACTION.PAY_BACK", sealed(trade(NUMBER)))
    new_order(out_trade_no=NUMBER)
    assert notify(body).accepted

    assert kept() == ("APPLIED", "")
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_payment_under_another_products_name_of_an_unknown_order_is_not_ours() -> None:
    assert notify(envelope("TRANSACTION.PAY_BACK", sealed(trade(NUMBER)))).accepted
    assert kept() == ("APPLIED", "for notification_received: TRANSACTION.PAY_BACK")

    # Its row does not stand in the way of the payment itself.
    assert new_order(out_trade_no=NUMBER).trade_state == "CREATED"
    assert notify(paid_notice(NUMBER)).accepted
    assert Order.objects.get().trade_state == "SUCCESS"


def of_a_new_product(content: dict[str, Any] | bytes, event_type: str = "BRAND.NEW") -> bytes:
    """Return an event of a product that is not known yet, whatever it holds."""
    return envelope(event_type, sealed(content, kind="brand_new"))


def with_a_coupon_that_says_its_name_twice(content: dict[str, Any]) -> bytes:
    """Return ``content`` with a member more, which parsers do not read alike."""
    return json.dumps(content).encode()[:-1] + b', "promotion": [{"name": "a", "name": "b"}]}'


# With the kind of what it holds, and the state that it leaves the order in: a refund alone, none.
OF_NEW_PRODUCTS: list[tuple[dict[str, Any], str, str]] = [
    (trade(NUMBER), "payment", "SUCCESS"),
    (refund(NUMBER), "refund", "CREATED"),
]


@pytest.mark.parametrize(("content", "kind", "state"), OF_NEW_PRODUCTS)
def test_a_member_that_cannot_be_read_stops_no_fact_of_an_order_that_is_known(
    content: dict[str, Any], kind: str, state: str
) -> None:
    new_order(out_trade_no=NUMBER)
    body = of_a_new_product(with_a_coupon_that_says_its_name_twice(content))
    for _ in range(2):
        assert notify(body).accepted

    assert kept() == ("APPLIED", "")
    assert Notification.objects.get().kind == kind
    assert Refund.objects.count() == (kind == "refund")
    assert Order.objects.get().trade_state == state
    assert not OrderEvent.objects.filter(kind="RECEIVED").exists()


@pytest.mark.parametrize(("content", "kind", "state"), OF_NEW_PRODUCTS)
def test_with_such_a_member_it_is_not_handed_on_and_counts_once_there_is_an_order(
    content: dict[str, Any], kind: str, state: str
) -> None:
    body = of_a_new_product(with_a_coupon_that_says_its_name_twice(content))
    for _ in range(2):
        assert notify(body).status == 503
    assert kept() == ("FAILED", "not readable: a member of the resource occurs more than once")
    assert Notification.objects.get().kind == "other"
    assert services.retry_notifications() == 0
    assert Notification.objects.get().kind == "other"
    assert not OrderEvent.objects.exists()

    assert new_order(out_trade_no=NUMBER).trade_state == state
    assert kept() == ("APPLIED", "")
    assert Notification.objects.get().kind == kind
    assert Refund.objects.count() == (kind == "refund")


@pytest.mark.parametrize(
    "content",
    [
        trade(NUMBER),
        refund(NUMBER),
        trade(NUMBER) | {"amount": "8.88"},
        {"out_trade_no": NUMBER, "state": "DONE"},
        {"refund_status": "DONE", "out_return_no": "R1"},
    ],
)
def test_what_is_handed_on_is_of_the_kind_other_whatever_it_reads_like(
    content: dict[str, Any],
) -> None:
    for _ in range(2):
        assert notify(of_a_new_product(content)).accepted
    row = Notification.objects.get(kind="other")
    assert (row.outcome, row.attempts) == ("APPLIED", 2)

    # One that an older version kept under another kind is found again after a replay.
    Notification.objects.update(kind="payment")
    assert services.replay_notification(Notification.objects.get()).accepted
    Notification.objects.update(kind="refund", outcome="FAILED")
    OrderEvent.objects.all().delete()
    assert services.retry_notifications() == 1
    assert (kept()[0], Notification.objects.get().kind) == ("APPLIED", "other")
    assert OrderEvent.objects.get().kind == "RECEIVED"


def test_one_whose_amount_cannot_be_read_is_handed_on_though_its_order_is_known() -> None:
    new_order(out_trade_no=NUMBER)
    assert notify(of_a_new_product(trade(NUMBER) | {"amount": "8.88"})).accepted
    assert Notification.objects.get(kind="other").outcome == "APPLIED"
    assert Order.objects.get().trade_state == "CREATED"


@pytest.mark.parametrize("payment", [payment_notice(NUMBER), paid_notice(NUMBER)])
@pytest.mark.parametrize("refund", [v2_refund(), refund_notice(NUMBER)])
@pytest.mark.parametrize("address", ["payment", "refund"])
def test_either_address_takes_in_either_notice_of_either_protocol(
    payment: bytes, refund: bytes, address: str
) -> None:
    new_order(out_trade_no=NUMBER)

    assert notify(payment, address).accepted
    assert notify(refund, address).accepted
    refund_row = Refund.objects.get()
    assert refund_row.refund_fee == 88
    # A hint moves nothing; what is signed takes its order along.
    state = "REFUND" if refund_row.is_proven else "SUCCESS"
    assert Order.objects.get().trade_state == state
    rows = Notification.objects.order_by("id").values_list("kind", "outcome")
    assert list(rows) == [("payment", "APPLIED"), ("refund", "APPLIED")]


def test_a_notice_of_v2_at_the_other_address_can_be_replayed() -> None:
    notify(payment_notice(NUMBER), "refund")
    row = Notification.objects.get()
    assert (row.kind, row.outcome) == ("payment", "FAILED")

    assert new_order(out_trade_no=NUMBER).trade_state == "SUCCESS"
    assert services.replay_notification(row).accepted


@pytest.mark.parametrize(
    "lost",
    [
        ["Wechatpay-Signature"],
        ["Wechatpay-Serial"],
        ["Wechatpay-Timestamp", "Wechatpay-Nonce"],
        ["Wechatpay-Signature", "Wechatpay-Serial", "Wechatpay-Timestamp", "Wechatpay-Nonce"],
    ],
)
@pytest.mark.parametrize("before", [b"", b"\n", b"\xef\xbb\xbf"])
def test_a_v3_notice_that_lost_headers_is_refused_in_the_form_of_v3(
    lost: list[str], before: bytes
) -> None:
    body = before + paid_notice(NUMBER)
    headers = {name: value for name, value in signature(body).items() if name not in lost}
    answer = services.receive_notification("default", "payment", headers, body)

    assert (answer.status, answer.content_type) == (401, "application/json")
    assert Notification.objects.count() == 0


def test_a_byte_order_mark_that_was_signed_is_read_over() -> None:
    new_order(out_trade_no=NUMBER)
    assert notify(b"\xef\xbb\xbf" + paid_notice(NUMBER)).accepted
