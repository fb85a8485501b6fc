"""Refunds over HTTP: a clerk, WeChat Pay, and two ledgers that agree whatever goes wrong."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.models import OrderEvent, Refund
from django_wxpay.services import clock
from django_wxpay.signals import refund_settled
from django_wxpay.simulator import Options, Simulator, create_app
from tests.journeys.stage import MERCHANTS, Keeper, Stage
from tests.wechatpay.quick_pay import CERTIFICATE

ANSWER_FAULTS = (
    "reset",
    "reset_after",
    "http_500",
    "http_502",
    "html",
    "empty",
    "truncated",
    "half_xml",
    "systemerror",
    "systemerror_after",
    "bad_signature",
    "answered_after_timeout",
)


@pytest.fixture
def simulator() -> Simulator:
    # Long, so that a refund is settled when the test says so.
    return create_app(MERCHANTS, options=Options(refund_settles_s=3600))


@pytest.fixture
def desk(stage: Stage, settings: Any) -> Stage:
    """The stage of a shop that has its client certificate."""
    wxpay = settings.WXPAY
    default = wxpay["MERCHANTS"]["default"] | CERTIFICATE
    settings.WXPAY = wxpay | {"MERCHANTS": wxpay["MERCHANTS"] | {"default": default}}
    return stage


@pytest.fixture
def settled() -> Any:
    received: list[tuple[str, str]] = []

    def receiver(refund: Refund, **_: Any) -> None:
        received.append((refund.out_refund_no, refund.refund_status))

    refund_settled.connect(receiver)
    yield received
    refund_settled.disconnect(receiver)


def paid(stage: Stage) -> dict[str, Any]:
    order = stage.clerk.placed()
    stage.wechat.pay(order)
    return order


def refund(stage: Stage, order: dict[str, Any], fee: int, number: str) -> Any:
    posted = {"refund_fee": fee, "out_refund_no": number, "refund_desc": "broken cup"}
    return stage.clerk.post(f"orders/{order['id']}/refunds/", posted)


def settle(stage: Stage, order: dict[str, Any], number: str, status: str = "SUCCESS") -> None:
    stage.wechat.control("refunds", mch_id=order["mch_id"], out_refund_no=number, status=status)
    stage.wechat.let_arrive()


def sweep() -> services.SyncRun:
    """Run the sweep as it will be run in a while."""
    Refund.objects.filter(next_check_at__isnull=False).update(next_check_at=clock.now())
    return services.sync_orders()


def ledgers(stage: Stage) -> tuple[list[Any], list[Any]]:
    """Return every refund as WeChat Pay has it, and as the shop does."""
    columns = ("out_refund_no", "refund_fee", "refund_status")
    theirs = [tuple(row[name] for name in columns) for row in stage.wechat.ledger()["refunds"]]
    ours = Refund.objects.filter(refund_id__isnull=False).values_list(*columns)
    return sorted(theirs), sorted(ours)


def test_a_part_then_the_rest_and_everybody_knows(
    desk: Stage, keeper: Keeper, settled: list[tuple[str, str]]
) -> None:
    order = paid(desk)
    first = refund(desk, order, 450, "R1")
    assert (first.status_code, first.json()["refund_status"]) == (201, "PROCESSING")
    assert settled == [], "accepted is not paid back"
    assert desk.clerk.show(order)["trade_state"] == "REFUND"

    settle(desk, order, "R1")
    assert settled == [("R1", "SUCCESS")]
    page = keeper.reads(f"django_wxpay/order/{order['id']}/change/")
    assert "4.50 of 12.50 CNY refunded" in page
    assert refund(desk, order, 801, "R2").status_code == 422
    assert refund(desk, order, 800, "R2").status_code == 201
    settle(desk, order, "R2")

    assert settled == [("R1", "SUCCESS"), ("R2", "SUCCESS")]
    theirs, ours = ledgers(desk)
    assert theirs == ours == [("R1", 450, "SUCCESS"), ("R2", 800, "SUCCESS")]
    assert OrderEvent.objects.filter(kind="REFUND_SETTLED").count() == 2


@pytest.mark.parametrize("fault", ANSWER_FAULTS)
def test_whatever_happens_to_the_answer_one_refund_is_made(
    desk: Stage, fault: str, settled: list[tuple[str, str]]
) -> None:
    order = paid(desk)
    more = {"seconds": 2} if fault == "answered_after_timeout" else {}
    desk.wechat.inject(fault, operation="refund", **more)
    with desk.in_a_hurry():
        first = refund(desk, order, 450, "R1")
    assert first.status_code in {201, 502, 504}
    if first.status_code != 201:
        assert first.json()["out_refund_no"] == "R1"
    # Whoever comes back: the clerk, or the sweep alone.
    if fault in ANSWER_FAULTS[::2]:
        assert refund(desk, order, 450, "R1").status_code == 200
    else:
        sweep()
    settle(desk, order, "R1")
    assert settled == [("R1", "SUCCESS")]
    theirs, ours = ledgers(desk)
    assert theirs == ours == [("R1", 450, "SUCCESS")]


@pytest.mark.parametrize("status", ["SUCCESS", "CLOSED", "ABNORMAL"])
def test_a_refund_whose_notice_is_lost_is_found_by_the_sweep(
    desk: Stage, status: str, settled: list[tuple[str, str]]
) -> None:
    order = paid(desk)
    refund(desk, order, 450, "R1")
    desk.wechat.inject("lost", operation="notify")
    settle(desk, order, "R1", status)
    assert settled == []
    run = sweep()

    assert (run.found, run.settled) == (1, 1)
    assert settled == [("R1", status)]
    theirs, ours = ledgers(desk)
    assert theirs == ours == [("R1", 450, status)]
    assert desk.clerk.find(order["out_trade_no"])["id"] == order["id"]


def test_a_merchant_without_money_refunds_under_the_same_number_later(
    desk: Stage, settled: list[tuple[str, str]]
) -> None:
    order = paid(desk)
    desk.wechat.control("balance", mch_id=order["mch_id"], balance=100)
    answer = refund(desk, order, 450, "R1")
    assert (answer.status_code, answer.json()["kind"]) == (422, "NOTENOUGH")
    assert answer.json()["advice"]
    assert settled == [("R1", "CLOSED")]

    desk.wechat.control("balance", mch_id=order["mch_id"], balance=100_000)
    assert refund(desk, order, 450, "R1").status_code == 201
    settle(desk, order, "R1")
    theirs, ours = ledgers(desk)
    assert theirs == ours == [("R1", 450, "SUCCESS")]


def test_a_refund_made_on_the_merchant_platform_is_known_by_its_notice(
    desk: Stage, settled: list[tuple[str, str]]
) -> None:
    order = paid(desk)
    desk.wechat.control(
        "refund",
        mch_id=order["mch_id"],
        out_trade_no=order["out_trade_no"],
        out_refund_no="MP1",
        refund_fee=50,
        notify_url=f"{desk.shop}/wxpay/notify/default/refund/",
    )
    settle(desk, order, "MP1")
    assert settled == [("MP1", "SUCCESS")]
    assert desk.clerk.show(order)["trade_state"] == "REFUND"
    # And takes from what the shop can refund.
    assert refund(desk, order, 1201, "R1").status_code == 422


@pytest.mark.parametrize("before", [False, True], ids=["the first", "after another"])
def test_a_refund_of_the_platform_whose_hint_is_wrong_is_asked_for(
    desk: Stage, settled: list[tuple[str, str]], before: bool
) -> None:
    order = paid(desk)
    if before:
        refund(desk, order, 450, "R1")
        settle(desk, order, "R1")
    desk.wechat.inject("wrong_amount", operation="notify")
    desk.wechat.control(
        "refund",
        mch_id=order["mch_id"],
        out_trade_no=order["out_trade_no"],
        out_refund_no="MP1",
        refund_fee=50,
        notify_url=f"{desk.shop}/wxpay/notify/default/refund/",
    )
    settle(desk, order, "MP1")
    # The notice is not signed, so it contradicts nothing; and it is the only one that comes.
    assert not Refund.objects.filter(out_refund_no="MP1").exists()

    services.sync_orders()
    theirs, ours = ledgers(desk)
    assert theirs == ours
    assert ("MP1", "SUCCESS") in settled
