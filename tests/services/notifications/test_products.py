"""What a document says it is: other products' events, and notices at the other address."""

from __future__ import annotations

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, Order, Refund
from django_wxpay.protocol import v2
from django_wxpay.services.notifications.responses import Acknowledgement
from tests.protocol.v2.test_refund_notices import notice as v2_refund
from tests.services.conftest import new_order
from tests.wechatpay.v2 import API_KEY, payment_notice
from tests.wechatpay.v3 import (
    envelope,
    paid_notice,
    refund_notice,
    sealed,
    signature,
    trade,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both")]

NUMBER = "T20260101000001"


def notify(body: bytes, kind: str = "payment") -> Acknowledgement:
    headers = {} if body.startswith(b"<") else signature(body)
    return services.receive_notification("default", kind, headers, body)


def kept() -> tuple[str, str]:
    row = Notification.objects.get()
    return row.outcome, row.reason


def test_profit_sharing_under_the_name_of_a_payment_is_kept_and_acknowledged() -> None:
    new_order(out_trade_no=NUMBER)
    shared = {"mchid": "1900000109", "order_id": "3008", "out_order_no": "P1"}
    body = envelope("TRANSACTION.SUCCESS", sealed(shared, kind="profitsharing"))

    assert notify(body).accepted
    assert notify(body).accepted
    assert kept() == ("IGNORED", "not for us: TRANSACTION.SUCCESS of profitsharing")
    assert Notification.objects.get().attempts == 2
    assert Order.objects.get().trade_state == "CREATED"


def test_a_combined_order_is_kept_and_pays_none_of_its_own_numbers() -> None:
    new_order(out_trade_no=NUMBER)
    combined = trade(NUMBER) | {"combine_out_trade_no": "C1", "sub_orders": [trade(NUMBER)]}
    assert notify(envelope("TRANSACTION.SUCCESS", sealed(combined))).accepted

    assert kept() == ("IGNORED", "not for us: TRANSACTION.SUCCESS, a combined order")
    assert Order.objects.get().trade_state == "CREATED"


def test_the_signing_of_a_v2_contract_is_kept_and_acknowledged() -> None:
    fields = {"return_code": "SUCCESS", "result_code": "SUCCESS", "contract_id": "1"}
    body = v2.encode_xml(fields | {"sign": v2.sign(fields, API_KEY)})
    assert notify(body).accepted
    assert kept() == ("IGNORED", "not for us: a contract")


def test_a_payment_under_another_products_name_pays_an_order_that_is_known() -> None:
    body = envelope("TRANSACTION.PAY_BACK", sealed(trade(NUMBER)))
    new_order(out_trade_no=NUMBER)
    assert notify(body).accepted

    assert kept() == ("APPLIED", "")
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_payment_under_another_products_name_of_an_unknown_order_is_not_ours() -> None:
    assert notify(envelope("TRANSACTION.PAY_BACK", sealed(trade(NUMBER)))).accepted
    assert kept() == ("IGNORED", "not for us: TRANSACTION.PAY_BACK")

    # Its row does not stand in the way of the payment itself.
    assert new_order(out_trade_no=NUMBER).trade_state == "CREATED"
    assert notify(paid_notice(NUMBER)).accepted
    assert Order.objects.get().trade_state == "SUCCESS"


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
