"""Refund notices of v2: sealed without a signature, so that they hint and fix nothing."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import Notification, Order, OrderEvent, Refund
from django_wxpay.protocol import v2
from django_wxpay.services.notifications import processing
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.services.transitions import refunds
from django_wxpay.signals import order_conflicted, refund_settled
from tests.protocol.v2.test_refund_notices import notice as hint
from tests.selling import sold_order
from tests.services.conftest import new_order
from tests.wechatpay.v3 import refund_notice, signature

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("both")]

NUMBER = "T20260101000001"
PART = {"total": 100, "refund": 40}


@pytest.fixture(autouse=True)
def paid(both: dict[str, Any]) -> Order:
    return sold_order(NUMBER)


@pytest.fixture
def told() -> Iterator[list[str]]:
    received: list[str] = []

    def receiver(event: OrderEvent, **_: Any) -> None:
        received.append(str(event.kind))

    for signal in (order_conflicted, refund_settled):
        signal.connect(receiver)
    yield received
    for signal in (order_conflicted, refund_settled):
        signal.disconnect(receiver)


def notify(body: bytes) -> Acknowledgement:
    headers = {} if body.startswith(b"<") else signature(body)
    return services.receive_notification("default", "refund", headers, body)


def known() -> list[tuple[Any, ...]]:
    names = "out_refund_no", "refund_status", "refund_fee", "refund_id", "position"
    return list(Refund.objects.order_by("id").values_list(*names))


def test_a_hint_makes_the_refund_known_and_fixes_nothing_of_it() -> None:
    assert notify(hint(refund_fee=77, refund_id="51")).accepted

    assert known() == [("R20260101000001", "PROCESSING", 77, "", None)]
    assert not Refund.objects.get().is_proven


@pytest.mark.parametrize(
    "wrong",
    [{"refund_fee": 1}, {"refund_id": "51"}, {"refund_status": "REFUNDCLOSE"}, {"refund_fee": 99}],
)
def test_the_signed_notice_settles_whatever_the_hint_before_it_said(
    told: list[str], wrong: dict[str, Any]
) -> None:
    assert notify(hint(**wrong)).accepted
    assert notify(refund_notice(NUMBER)).accepted

    number = "50300000000000000000000000001"
    assert known() == [("R20260101000001", "SUCCESS", 88, number, 1)]
    assert told == ["REFUND_SETTLED"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"refund_fee": 101},
        {"total_fee": 1},
        {"transaction_id": "4200000000202601010000000009"},
        {"refund_fee": 1},
        {"refund_status": "REFUNDCLOSE"},
    ],
)
def test_a_hint_contradicts_nothing_and_tells_nobody(
    told: list[str], wrong: dict[str, Any]
) -> None:
    assert notify(refund_notice(NUMBER)).accepted
    before = known()
    rows = Notification.objects.count()

    assert notify(hint(**wrong)).accepted
    assert (known(), told) == (before, ["REFUND_SETTLED"])
    assert Notification.objects.count() == rows, "one that adds nothing leaves no row"
    assert notify(hint(out_refund_no="R2", **(wrong | {"refund_fee": 101}))).accepted
    assert (known(), told) == (before, ["REFUND_SETTLED"])


def test_the_same_hint_counts_and_another_status_is_news_until_it_is_settled() -> None:
    for fee in (88, 87, 86):
        assert notify(hint(refund_fee=fee)).accepted
    assert Notification.objects.get().attempts == 3

    assert notify(hint(refund_status="CHANGE")).accepted
    assert Notification.objects.count() == 2
    assert known() == [("R20260101000001", "PROCESSING", 88, "", None)]


def test_recombined_blocks_make_no_rows_without_end(told: list[str]) -> None:
    """Whoever has seen two notices can put their blocks together to others that open."""
    seen = [hint(), hint(out_refund_no="R20260101000002", refund_fee=12)]
    texts = [v2.decode_xml(body)["req_info"] for body in seen]
    blocks = [_blocks(base64.b64decode(text)) for text in texts]
    for choice in itertools.islice(itertools.product(range(2), repeat=9), 512):
        mixed = [
            blocks[one][at] for at, one in enumerate((*choice, *[0] * 200)) if _has(blocks, at)
        ]
        sealed = base64.b64encode(b"".join(mixed)).decode()
        fields = v2.decode_xml(seen[0]) | {"req_info": sealed}
        assert notify(v2.encode_xml(fields)).status == 200

    assert told == []
    assert Refund.objects.count() <= refunds.MOST_REFUNDS
    # One for each refund, and one for all that cannot be read.
    assert Notification.objects.count() <= Refund.objects.count() + 1


def _blocks(sealed: bytes) -> list[bytes]:
    return [sealed[at : at + 16] for at in range(0, len(sealed), 16)]


def _has(blocks: list[list[bytes]], at: int) -> bool:
    return all(at < len(each) for each in blocks)


def test_an_order_has_no_more_hinted_refunds_than_it_can_have_refunds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refunds, "MOST_REFUNDS", 3)
    for number in range(5):
        assert notify(hint(out_refund_no=f"R{number}", refund_fee=10)).accepted

    assert (Refund.objects.count(), Notification.objects.count()) == (3, 3)
    # What is signed has its place whatever was hinted at.
    assert notify(refund_notice(NUMBER, out_refund_no="R9")).accepted
    assert known()[-1][:3] == ("R9", "SUCCESS", 88)


def test_a_hint_at_another_orders_refund_leaves_it_alone(told: list[str]) -> None:
    assert notify(hint()).accepted
    other = new_order(out_trade_no="T20260101000002")
    Order.objects.filter(pk=other.pk).update(trade_state="SUCCESS", transaction_id="43")

    assert notify(hint(out_trade_no="T20260101000002", transaction_id="43")).accepted
    assert (Refund.objects.get().order.out_trade_no, told) == (NUMBER, [])
    assert Notification.objects.count() == 1


def test_hints_at_unknown_orders_wait_and_are_not_kept_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processing, "MOST_WAITING_HINTS", 3)
    for number in range(5):
        assert not notify(hint(out_trade_no=f"NOBODY{number}")).accepted
    assert Notification.objects.count() == 3
    assert not notify(hint(out_trade_no="NOBODY0")).accepted, "one that is kept is counted"

    order = new_order(out_trade_no="NOBODY0")
    assert list(order.refunds.values_list("out_refund_no", flat=True)) == ["R20260101000001"]
    # What WeChat Pay has signed is kept, however many hints there are.
    assert not notify(refund_notice("NOBODY9", out_refund_no="R9")).accepted
    assert Notification.objects.filter(api="v3").count() == 1


def test_a_hint_that_waited_and_says_nothing_new_is_done_with() -> None:
    assert not notify(hint(out_trade_no="NOBODY0", total_fee=7)).accepted
    new_order(out_trade_no="NOBODY0")

    row = Notification.objects.get()
    assert (row.outcome, row.reason) == ("IGNORED", "not proven: WeChat Pay does not sign it")
    assert Refund.objects.count() == 0
