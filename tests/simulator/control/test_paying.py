"""The customer pays: when that works, and what the payment adds to the order."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.simulator import ControlError, Simulator, create_app
from tests.simulator.calling import INSTITUTION, MCH_ID, NUMBER, OPENID, Merchant, Shop
from tests.simulator.v2.test_unifiedorder import H5


def test_paying_makes_it_a_success_once(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    paid = app.pay(MCH_ID, NUMBER)
    assert (paid["trade_state"], paid["total_fee"]) == ("SUCCESS", 100)
    with pytest.raises(ControlError, match="has been paid") as error:
        app.pay(MCH_ID, NUMBER)
    assert error.value.code == "already_paid"
    assert app.ledger()["trades"][0]["transaction_id"] == paid["transaction_id"]


def test_nobody_can_pay_what_was_never_ordered(app: Simulator) -> None:
    with pytest.raises(ControlError, match="has no trade") as error:
        app.pay(MCH_ID, NUMBER)
    assert (error.value.status, error.value.code) == (404, "unknown_trade")


def test_the_order_says_who_pays(app: Simulator, merchant: Merchant) -> None:
    merchant.place(trade_type="JSAPI", openid=OPENID)
    assert app.pay(MCH_ID, NUMBER)["payment"]["openid"] == OPENID


def test_the_customer_is_the_same_person_each_time(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    merchant.place(out_trade_no="T20260101000002")
    first = app.pay(MCH_ID, NUMBER)["payment"]
    second = app.pay(MCH_ID, "T20260101000002")["payment"]
    assert first["openid"] == second["openid"]
    assert first["transaction_id"] != second["transaction_id"]


def test_the_payer_and_the_bank_can_be_chosen(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    paid = app.pay(MCH_ID, NUMBER, openid=OPENID, bank_type="CMB_CREDIT")["payment"]
    assert (paid["openid"], paid["bank_type"]) == (OPENID, "CMB_CREDIT")


def test_coupons_add_up(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    coupons = [
        {"coupon_id": "10000", "coupon_type": "CASH", "coupon_fee": 20},
        {"coupon_id": "10001", "coupon_type": "NO_CASH", "coupon_fee": 10},
        {"coupon_id": "10002"},
    ]
    paid = app.pay(MCH_ID, NUMBER, coupons=coupons)["payment"]
    assert (paid["coupon_count"], paid["coupon_fee"], paid["cash_fee"]) == ("3", "30", "70")
    assert paid["settlement_total_fee"] == "90"
    assert (paid["coupon_id_1"], paid["coupon_fee_1"]) == ("10001", "10")
    assert (paid["coupon_type_0"], paid["coupon_type_1"]) == ("CASH", "NO_CASH")
    assert "coupon_type_2" not in paid
    promotions = json.loads(paid["promotion_detail"])["promotion_detail"]
    assert [item["type"] for item in promotions] == ["COUPON", "DISCOUNT", "DISCOUNT"]


def test_without_free_coupons_there_is_no_settlement_total(
    app: Simulator, merchant: Merchant
) -> None:
    merchant.place()
    coupon = {"coupon_id": "1", "coupon_type": "CASH", "coupon_fee": 20}
    assert "settlement_total_fee" not in app.pay(MCH_ID, NUMBER, coupons=[coupon])["payment"]


def test_coupons_are_worth_no_more_than_the_order(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    with pytest.raises(ControlError, match="worth more"):
        app.pay(MCH_ID, NUMBER, coupons=[{"coupon_id": "1", "coupon_fee": 101}])
    assert merchant.state() == "NOTPAY"


@pytest.mark.parametrize(
    "coupon",
    [
        {"coupon_fee": 1},
        {"coupon_id": "1", "coupon_type": "FREE"},
        {"coupon_id": "1", "coupon_fee": "1"},
        {"coupon_id": "1", "worth": 1},
    ],
)
def test_a_coupon_is_checked(app: Simulator, merchant: Merchant, coupon: dict[str, Any]) -> None:
    merchant.place()
    with pytest.raises(ControlError):
        app.pay(MCH_ID, NUMBER, coupons=[coupon])
    assert merchant.state() == "NOTPAY"


def test_a_foreign_order_can_be_paid_in_yuan(app: Simulator, merchant: Merchant) -> None:
    merchant.place(fee_type="USD", total_fee="1000")
    paid = app.pay(MCH_ID, NUMBER, rate_value=650_000_000)["payment"]
    assert (paid["fee_type"], paid["total_fee"]) == ("USD", "1000")
    assert (paid["cash_fee_type"], paid["cash_fee"]) == ("CNY", "6500")
    assert paid["rate_value"] == "650000000"


def test_yen_have_no_minor_unit(app: Simulator, merchant: Merchant) -> None:
    merchant.place(fee_type="JPY", total_fee="1000")
    paid = app.pay(MCH_ID, NUMBER, rate_value=5_000_000)["payment"]
    assert paid["cash_fee"] == "5000"


def test_the_cash_can_be_given_outright(app: Simulator, merchant: Merchant) -> None:
    merchant.place(fee_type="HKD")
    paid = app.pay(MCH_ID, NUMBER, cash_fee=91, cash_fee_type="CNY")["payment"]
    assert (paid["cash_fee"], paid["cash_fee_type"]) == ("91", "CNY")


def test_promotions_can_be_given_outright(app: Simulator, merchant: Merchant) -> None:
    merchant.place(version="1.0")
    promotion = {"promotion_id": "p1", "amount": 5}
    paid = app.pay(MCH_ID, NUMBER, promotion_detail=[promotion])["payment"]
    assert json.loads(paid["promotion_detail"]) == {"promotion_detail": [promotion]}


def test_a_prepay_dies_after_two_hours(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    app.advance(7199)
    assert app.ledger()["trades"][0]["prepays"][0]["payable"]
    app.advance(1)
    with pytest.raises(ControlError) as error:
        app.pay(MCH_ID, NUMBER)
    assert error.value.code == "prepay_expired"
    assert merchant.state() == "NOTPAY"
    merchant.place()
    assert app.pay(MCH_ID, NUMBER)["trade_state"] == "SUCCESS"


def test_an_h5_link_dies_after_five_minutes(app: Simulator, merchant: Merchant) -> None:
    merchant.place(trade_type="MWEB", scene_info=H5)
    app.advance(300)
    with pytest.raises(ControlError) as error:
        app.pay(MCH_ID, NUMBER)
    assert error.value.code == "prepay_expired"


def test_nobody_pays_after_time_expire(app: Simulator, merchant: Merchant) -> None:
    merchant.place(time_expire="20260101121000")
    app.advance(601)
    with pytest.raises(ControlError) as error:
        app.pay(MCH_ID, NUMBER)
    assert error.value.code == "expired"
    assert merchant.state() == "NOTPAY"


def test_the_last_second_still_counts(app: Simulator, merchant: Merchant) -> None:
    merchant.place(time_expire="20260101121000")
    app.advance(600)
    assert app.pay(MCH_ID, NUMBER)["trade_state"] == "SUCCESS"


@pytest.mark.parametrize("state", ["CLOSED", "NOTPAY"])
def test_a_customer_at_the_password_page_may_still_succeed(
    app: Simulator, merchant: Merchant, state: str, shop: Shop
) -> None:
    merchant.place(time_expire="20260101121000")
    app.advance(700)
    app.set_state(MCH_ID, NUMBER, state)
    assert app.pay(MCH_ID, NUMBER, force=True)["trade_state"] == "SUCCESS"
    assert len(shop.received) == 1


def test_force_does_not_pay_twice(app: Simulator, merchant: Merchant, shop: Shop) -> None:
    merchant.place()
    app.pay(MCH_ID, NUMBER)
    with pytest.raises(ControlError):
        app.pay(MCH_ID, NUMBER, force=True)
    assert len(shop.received) == 1


@pytest.mark.parametrize("state", ["USERPAYING", "PAYERROR"])
def test_paying_from_the_middle(app: Simulator, merchant: Merchant, state: str) -> None:
    merchant.place()
    app.set_state(MCH_ID, NUMBER, state)
    assert app.pay(MCH_ID, NUMBER)["trade_state"] == "SUCCESS"


def test_an_institutions_customer_has_two_names(app: Simulator, institution: Merchant) -> None:
    institution.place(sub_appid="wx1111111111111111")
    paid = app.pay(INSTITUTION, NUMBER)["payment"]
    assert paid["openid"] != paid["sub_openid"]
    assert len(paid["sub_openid"]) == 28


CALLS = ("place", "pay", "close", "expire", "query")


@given(st.lists(st.sampled_from(CALLS), max_size=12))
def test_money_that_has_come_never_goes_and_closed_stays_closed(steps: list[str]) -> None:
    app = create_app(deliver=Shop())
    merchant = Merchant(app)
    states: list[str] = []
    for step in steps:
        if step == "pay":
            with contextlib.suppress(ControlError):
                app.pay(MCH_ID, NUMBER)
        elif step == "expire":
            app.advance(7200)
        else:
            getattr(merchant, step)()
        states += [trade["trade_state"] for trade in app.ledger()["trades"]]
    for before, after in itertools.pairwise(states):
        assert before in (after, "NOTPAY")
    assert set(states) <= {"NOTPAY", "SUCCESS", "CLOSED"}
