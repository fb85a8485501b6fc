"""The main job: an order, a QR code, a phone, a notification, a page that says paid."""

from __future__ import annotations

from django_wxpay.models import ApiReport, Notification, OrderEvent
from tests.journeys.stage import Keeper, Stage


def test_a_customer_scans_pays_and_everybody_knows(stage: Stage, keeper: Keeper) -> None:
    order = stage.clerk.placed(reference="S-1001", attach="table 7")
    assert (order["trade_state"], order["payment"]) == ("NOTPAY", None)
    assert order["parameters"] == {"code_url": order["prepay"]["code_url"]}

    phone = stage.wechat.phone(order["prepay"]["code_url"])
    assert "12.50" in phone.shows()
    assert "Payment successful" in phone.press_pay()
    stage.wechat.let_arrive()

    (delivery,) = stage.wechat.deliveries()
    assert (delivery["status"], delivery["accepted"]) == (200, True)
    assert delivery["body"] == (
        "<xml><return_code><![CDATA[SUCCESS]]></return_code>"
        "<return_msg><![CDATA[OK]]></return_msg></xml>"
    )
    shown = stage.clerk.show(order)
    assert shown["trade_state"] == "SUCCESS"
    assert shown["transaction_id"] == stage.wechat.trade(order["out_trade_no"])["transaction_id"]
    assert shown["payment"]["payer"]["openid"]
    assert (shown["payment"]["payer_total"], shown["payment"]["payer_currency"]) == (1250, "CNY")
    assert shown["payment"]["cash_fee"] == 1250
    assert shown["success_time"].endswith("+08:00")

    listed = keeper.reads("django_wxpay/order/?q=" + order["out_trade_no"])
    assert order["out_trade_no"] in listed
    assert "S-1001" in listed
    assert "12.50 CNY" in listed
    page = keeper.reads(f"django_wxpay/order/{order['id']}/change/")
    assert shown["transaction_id"] in page

    asked = stage.clerk.query(order)
    assert asked.status_code == 200
    assert asked.json() == shown | {
        "trade_state_desc": "支付成功",
        # A query names the currency of the cash, and a mainland notification does not.
        "payment": shown["payment"] | {"cash_fee_type": "CNY"},
        "updated_at": asked.json()["updated_at"],
    }
    assert [event.kind for event in OrderEvent.objects.order_by("id")] == ["MOVED", "PAID"]
    assert OrderEvent.objects.get(kind="PAID").dispatched_at is not None
    assert Notification.objects.get().outcome == "APPLIED"
    assert [row.interface_url.rpartition("/")[2] for row in ApiReport.objects.order_by("id")] == [
        "unifiedorder",
        "orderquery",
    ]


def test_a_paid_code_cannot_be_paid_again_nor_placed_again(stage: Stage) -> None:
    order = stage.clerk.placed()
    stage.wechat.pay(order)

    again = stage.clerk.place(out_trade_no=order["out_trade_no"])
    assert (again.status_code, again.json()["err_code"]) == (422, "ORDERPAID")
    assert again.json()["advice"]
    assert len(stage.wechat.calls("unifiedorder")) == 1
    assert "Already paid" in stage.wechat.phone(order["prepay"]["code_url"]).shows()


def test_asking_again_for_an_open_order_gives_the_same_code_and_makes_no_call(
    stage: Stage,
) -> None:
    order = stage.clerk.placed()
    again = stage.clerk.place(out_trade_no=order["out_trade_no"])

    assert again.status_code == 200
    assert again.json() == order
    assert len(stage.wechat.calls("unifiedorder")) == 1


def test_other_parameters_under_the_same_number_are_a_conflict_and_nothing_is_sent(
    stage: Stage,
) -> None:
    order = stage.clerk.placed()
    again = stage.clerk.place(out_trade_no=order["out_trade_no"], total_fee=1)

    assert (again.status_code, again.json()["code"]) == (409, "order_conflict")
    assert again.json()["fields"] == ["total_fee"]
    assert stage.clerk.show(order)["total_fee"] == 1250
    assert len(stage.wechat.calls("unifiedorder")) == 1


def test_the_picture_of_the_code_is_an_svg(stage: Stage) -> None:
    order = stage.clerk.placed()
    picture = stage.clerk.get(f"orders/{order['id']}/qr.svg")

    assert (picture.status_code, picture.headers["Content-Type"]) == (200, "image/svg+xml")
    assert "<svg" in picture.text


def test_a_closed_order_cannot_be_paid_placed_or_closed_twice_on_the_wire(stage: Stage) -> None:
    order = stage.clerk.placed()
    closed = stage.clerk.close(order)

    assert (closed.status_code, closed.json()["trade_state"]) == (200, "CLOSED")
    assert stage.wechat.trade(order["out_trade_no"])["trade_state"] == "CLOSED"
    assert "Order closed" in stage.wechat.phone(order["prepay"]["code_url"]).shows()
    again = stage.clerk.place(out_trade_no=order["out_trade_no"])
    assert (again.status_code, again.json()["err_code"]) == (422, "ORDERCLOSED")
    assert stage.clerk.close(order).json()["trade_state"] == "CLOSED"
    assert len(stage.wechat.calls("closeorder")) == 1


def test_a_payment_that_was_under_way_when_the_order_was_closed_still_counts(
    stage: Stage,
) -> None:
    order = stage.clerk.placed()
    stage.clerk.close(order)
    stage.wechat.pay(order, force=True)

    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"
    kinds = [event.kind for event in OrderEvent.objects.order_by("id")]
    assert kinds == ["MOVED", "CLOSED", "PAID"]
    assert stage.clerk.query(order).json()["trade_state"] == "SUCCESS"
    refused = stage.clerk.close(order)
    assert (refused.status_code, refused.json()["err_code"]) == (422, "ORDERPAID")


def test_closing_an_order_that_was_paid_unheard_finds_the_payment(stage: Stage) -> None:
    order = stage.clerk.placed()
    stage.wechat.inject("lost")
    stage.wechat.pay(order)
    assert stage.clerk.show(order)["trade_state"] == "NOTPAY"

    refused = stage.clerk.close(order)
    assert (refused.status_code, refused.json()["err_code"]) == (422, "ORDERPAID")
    shown = stage.clerk.show(order)
    assert (shown["trade_state"], shown["payment"]["cash_fee"]) == ("SUCCESS", 1250)
    assert OrderEvent.objects.filter(kind="PAID").count() == 1


def test_an_attach_that_could_be_cut_is_paid_by_a_question_before_the_answer(stage: Stage) -> None:
    """``&name=`` is honest in an attach, and its notification proves nothing by itself."""
    order = stage.clerk.placed(attach="uid=5&coupon=3")
    stage.wechat.pay(order)

    (delivery,) = stage.wechat.deliveries()
    assert delivery["accepted"]
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"
    assert len(stage.wechat.calls("orderquery")) == 1
    assert Notification.objects.get().outcome == "APPLIED"
    assert OrderEvent.objects.get(kind="PAID").source == "v2.orderquery"
