"""Which terms of an order APIv3 carries: each rule, its field's name, and both families."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.v3.fields import GLOBAL_CURRENCIES, SOONEST_EXPIRY, check_terms_v3
from django_wxpay.protocol.v3.json_fields import detail_of
from tests.protocol.v3.samples import (
    DETAIL,
    H5,
    INSTITUTION,
    MAINLAND,
    MERCHANTS,
    NOW,
    OPENID,
    OVERSEAS,
    PARTNER,
    STORE,
    SUB_OPENID,
    payable,
    terms_for,
    text,
)

TRADE_TYPES = ["JSAPI", "NATIVE", "APP", "MWEB"]
IDS = [merchant.alias for merchant in MERCHANTS]


def check(terms, merchant=MAINLAND, code="4111"):
    check_terms_v3(
        terms, mode=merchant.mode, region=merchant.region, merchant_category_code=code, now=NOW
    )


def refused(terms, merchant=MAINLAND, code="4111") -> InvalidOrder:
    with pytest.raises(InvalidOrder) as caught:
        check(terms, merchant, code)
    return caught.value


@pytest.mark.parametrize("trade_type", TRADE_TYPES)
@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
def test_every_trade_type_passes_with_what_it_needs(merchant, trade_type):
    check(payable(merchant, trade_type), merchant)


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("body", ""),
        ("body", "x" * 128),
        ("body", "smile \U0001f600"),
        ("body", "two\nlines"),
        ("out_trade_no", ""),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", "number 1"),
        ("total_fee", 0),
        ("total_fee", True),
        ("total_fee", 1.0),
        ("total_fee", 2**31),
        ("fee_type", ""),
        ("fee_type", "XYZ"),
        ("notify_url", ""),
        ("notify_url", "https://shop.example/notify?a=b"),
        ("notify_url", "shop.example/notify"),
        ("notify_url", "https://shop.example/" + "x" * 240),
        ("trade_type", "MICROPAY"),
        ("trade_type", ""),
        ("appid", ""),
        ("mch_id", "1900000109 "),
        ("attach", "x" * 129),
        ("attach", "\U0001f600"),
        ("attach", "\0"),
        ("goods_tag", "x" * 33),
        ("device_info", "x" * 33),
        ("product_id", "x" * 33),
        ("limit_pay", "no_debit"),
        ("spbill_create_ip", "300.1.1.1"),
        ("openid", "o p"),
        ("detail", "[]"),
        ("detail", "{}"),
        ("detail", "x" * 6001),
        ("scene_info", "no json"),
        ("version", "1.0"),
        ("fingerprint", "f"),
        ("user_type", "IDCARD"),
        ("user_creid", "1"),
        ("user_truename", "张三"),
        ("body", None),
        ("attach", 5),
        ("detail", {"goods_detail": []}),
        ("time_expire", "20240501180000"),
        ("time_expire", NOW),
        ("time_expire", datetime(2030, 1, 1)),  # noqa: DTZ001 - that is the point
        ("time_start", 5),
    ],
)
def test_a_term_that_breaks_its_rule_is_refused_by_its_own_name(merchant, field, value):
    error = refused(replace(terms_for(merchant), **{field: value}), merchant)

    assert error.field == field
    assert str(error).startswith(f"{field}: ")
    assert error.problem


def test_the_value_itself_is_never_repeated():
    error = refused(terms_for(MAINLAND, trade_type="JSAPI", openid="oUpF8uMu AJO"))

    assert "oUpF8" not in str(error)


@pytest.mark.parametrize(
    ("merchant", "field", "value"),
    [
        (MAINLAND, "time_start", NOW),
        (OVERSEAS, "receipt", "Y"),
        (OVERSEAS, "profit_sharing", "Y"),
        (OVERSEAS, "profit_sharing", "N"),
    ],
)
def test_what_the_family_has_no_place_for_is_refused_and_not_dropped(merchant, field, value):
    error = refused(terms_for(merchant, **{field: value}), merchant)

    assert error.field == field
    assert "no place" in error.problem


def test_what_either_family_has_of_its_own_passes_there():
    check(terms_for(MAINLAND, receipt="Y", profit_sharing="N"))
    check(terms_for(OVERSEAS, time_start=NOW, time_expire=NOW + timedelta(hours=1)), OVERSEAS)


def test_the_shops_own_product_number_is_neither_needed_nor_refused():
    check(payable(MAINLAND, "NATIVE"))
    check(payable(MAINLAND, "NATIVE", product_id="P1001"))


@pytest.mark.parametrize("currency", ["HKD", "USD", "JPY"])
def test_mainland_orders_are_in_cny(currency):
    assert refused(terms_for(MAINLAND, fee_type=currency)).field == "fee_type"
    check(terms_for(OVERSEAS, fee_type=currency), OVERSEAS)


def test_the_global_list_of_currencies_is_the_sheets():
    assert len(GLOBAL_CURRENCIES) == 30
    assert refused(terms_for(OVERSEAS, fee_type="PLN"), OVERSEAS).field == "fee_type"


def test_lengths_differ_between_the_families():
    url = "https://shop.example/" + "x" * (256 - 21)

    assert refused(terms_for(MAINLAND, notify_url=url)).field == "notify_url"
    assert refused(terms_for(MAINLAND, out_trade_no="12345")).field == "out_trade_no"
    assert refused(terms_for(OVERSEAS, attach="x" * 128), OVERSEAS).field == "attach"
    check(terms_for(OVERSEAS, notify_url=url, out_trade_no="1", attach="x" * 127), OVERSEAS)
    check(terms_for(MAINLAND, attach="测" * 127 + "x", body="测" * 127))


def test_attach_may_have_lines():
    check(terms_for(MAINLAND, attach="one\ntwo\tthree"))


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
def test_jsapi_needs_its_payer(merchant):
    error = refused(payable(merchant, "JSAPI", openid=""), merchant)

    assert (error.field, error.problem) == ("openid", "missing")


@pytest.mark.parametrize("merchant", [PARTNER, INSTITUTION])
def test_the_sub_merchants_payer_is_enough_with_its_appid(merchant):
    known = {"openid": "", "sub_openid": SUB_OPENID}

    check(payable(merchant, "JSAPI", **known, sub_appid="wx9999999999999999"), merchant)
    assert refused(payable(merchant, "JSAPI", **known), merchant).field == "sub_appid"


@pytest.mark.parametrize("trade_type", ["NATIVE", "APP", "MWEB"])
def test_the_payer_has_no_place_outside_jsapi(trade_type):
    common = payable(MAINLAND, trade_type, openid=OPENID)
    partner = payable(PARTNER, trade_type, sub_openid=SUB_OPENID, sub_appid="wx9")

    assert refused(common).field == "openid"
    assert refused(partner, PARTNER).field == "sub_openid"


@pytest.mark.parametrize("field", ["sub_appid", "sub_mch_id", "sub_openid"])
def test_sub_merchants_are_for_institutions(field):
    assert refused(payable(MAINLAND, "JSAPI", **{field: "wx9"})).field == field


def test_an_institution_names_its_sub_merchant():
    assert refused(terms_for(PARTNER, sub_mch_id=""), PARTNER).field == "sub_mch_id"


@pytest.mark.parametrize("code", ["", "742", "07420", "abcd", "０７４２"])
def test_a_global_order_needs_the_merchants_category(code):
    assert refused(terms_for(OVERSEAS), OVERSEAS, code).field == "merchant_category_code"
    check(terms_for(MAINLAND), MAINLAND, code)


def test_the_category_keeps_its_leading_zero():
    check(terms_for(OVERSEAS), OVERSEAS, "0742")


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
def test_an_order_that_expires_too_soon_is_refused(merchant):
    soonest = NOW + SOONEST_EXPIRY

    check(terms_for(merchant, time_expire=soonest), merchant)
    early = terms_for(merchant, time_expire=soonest - timedelta(seconds=1))
    assert refused(early, merchant).problem == "too soon"


def test_an_order_does_not_expire_before_it_starts():
    hour = NOW + timedelta(hours=1)

    error = refused(terms_for(OVERSEAS, time_start=hour, time_expire=hour), OVERSEAS)
    assert (error.field, error.problem) == ("time_expire", "before time_start")


@pytest.mark.parametrize("scene", ["", text(STORE)])
def test_a_mainland_h5_order_says_what_page_it_is_on(scene):
    error = refused(payable(MAINLAND, "MWEB", scene_info=scene))

    assert (error.field, error.problem) == ("scene_info", "no h5_info")


@pytest.mark.parametrize("scene", ["", text({})])
def test_a_global_h5_order_says_what_store_it_is_from(scene):
    error = refused(payable(OVERSEAS, "MWEB", scene_info=scene), OVERSEAS)

    assert (error.field, error.problem) == ("scene_info", "no store_info")


def test_h5_info_has_no_place_in_an_order_that_no_browser_pays():
    terms = payable(MAINLAND, "JSAPI", spbill_create_ip="203.0.113.7", scene_info=text(H5))
    error = refused(terms)

    assert (error.field, error.problem) == ("scene_info", "h5_info has no place here")


def test_h5_info_has_no_place_in_a_global_order():
    error = refused(payable(OVERSEAS, "MWEB", scene_info=text(STORE | H5)), OVERSEAS)

    assert error.field == "scene_info"
    assert "h5_info has no place" in error.problem


@pytest.mark.parametrize(
    ("merchant", "changes"),
    [
        (MAINLAND, payable(MAINLAND, "MWEB", spbill_create_ip="")),
        (OVERSEAS, payable(OVERSEAS, "MWEB", spbill_create_ip="")),
        (MAINLAND, terms_for(MAINLAND, device_info="till 1")),
        (MAINLAND, terms_for(MAINLAND, scene_info=text(STORE))),
    ],
)
def test_where_a_scene_needs_the_payers_address_it_has_to_be_there(merchant, changes):
    error = refused(changes, merchant)

    assert (error.field, error.problem) == ("spbill_create_ip", "missing")


def test_a_global_scene_does_without_the_payers_address():
    check(terms_for(OVERSEAS, device_info="till 1", scene_info=text(STORE)), OVERSEAS)


@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cost_price": -1}, "cost_price: not from 0"),
        ({"cost_price": "900"}, "cost_price: not a whole number"),
        ({"cost_price": True}, "cost_price: not a whole number"),
        ({"receipt_id": "x" * 33}, "receipt_id: 33 chars"),
        ({"receipt_id": 5}, "receipt_id: not text"),
        ({"goods_detail": []}, "goods_detail: not a list"),
        ({"goods_detail": {}}, "goods_detail: not a list"),
        ({"goods_detail": ["x"]}, "goods_detail: not an object"),
        ({"goods_detail": [{"goods_id": "1", "quantity": 1}]}, "goods_detail: price is missing"),
        ({"invoice_id": "1"}, "invoice_id has no place"),
        ({"unknown": 1}, "unknown has no place"),
    ],
)
def test_a_detail_that_cannot_be_carried_is_refused(region, change, said):
    merchant = MAINLAND if region is Region.MAINLAND else OVERSEAS
    error = refused(terms_for(merchant, detail=text(DETAIL | change)), merchant)

    assert error.field == "detail"
    assert said in error.problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"goods_id": "a b"}, "goods_id: a character"),
        ({"goods_name": "\U0001f600"}, "goods_name: a character"),
        ({"quantity": 0}, "quantity: not from 1"),
        ({"price": 1.5}, "price: not a whole number"),
        ({"goods_category": "1"}, "goods_category has no place"),
        ({"body": "green"}, "body has no place"),
        ({"unit_price": 1}, "unit_price has no place"),
        ({"Category": "x"}, "Category has no place"),
        ({"x" * 33: "x"}, "has no place"),
        ({"category": ""}, "category: 0 chars long"),
        ({"category": "x" * 1001}, "category: 1001 chars long"),
        ({"category": "\U0001f600"}, "category: a character"),
        ({"category": None}, "category: not a text, a whole number, true or false"),
        ({"category": 1.5}, "category: not a text, a whole number, true or false"),
        ({"category": ["tea"]}, "category: not a text, a whole number, true or false"),
        ({"category": {"id": "1"}}, "category: not a text, a whole number, true or false"),
        ({"category": 2**63}, "category: not from"),
    ],
)
def test_a_line_that_cannot_be_carried_is_refused(change, said):
    line = DETAIL["goods_detail"][0] | change
    error = refused(terms_for(MAINLAND, detail=text({"goods_detail": [line]})))

    assert said in error.problem


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
@pytest.mark.parametrize("value", ["1-2", "茶" * 1000, 742, 0, -1, True, False])
def test_a_member_of_a_line_that_no_document_has_is_carried_under_its_own_name(merchant, value):
    line = DETAIL["goods_detail"][0] | {"category": value}
    terms = terms_for(merchant, detail=text({"goods_detail": [line]}))
    check(terms, merchant)
    (sent,) = detail_of({"goods_detail": [line]}, merchant.region)["goods_detail"]
    assert (sent["category"], type(sent["category"])) == (value, type(value))
    assert len(sent) == len(line)


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ({"h5_info": {"app_name": "x"}}, "h5_info: type is missing"),
        ({"h5_info": {"type": "iOS"}}, "h5_info: type: not one of"),
        ({"h5_info": {"type": 5}}, "h5_info: type: not text"),
        (
            {"h5_info": {"type": "Wap", "wap_name": "a", "app_name": "b"}},
            "app_name repeats",
        ),
        ({"h5_info": "x"}, "h5_info: not an object"),
        ({"store_info": {"name": "x"}}, "store_info: id is missing"),
        ({"store_id": "1"}, "store_id has no place"),
        ({"payer_client_ip": "1.1.1.1"}, "payer_client_ip has no place"),
    ],
)
def test_a_scene_that_cannot_be_carried_is_refused(scene, said):
    error = refused(payable(MAINLAND, "MWEB", scene_info=text(scene)))

    assert error.field == "scene_info"
    assert said in error.problem


def test_the_areas_code_has_no_place_in_a_global_store():
    store = {"store_info": STORE["store_info"] | {"area_code": "440305"}}

    check(terms_for(MAINLAND, scene_info=text(store), spbill_create_ip="::1"))
    assert refused(terms_for(OVERSEAS, scene_info=text(store)), OVERSEAS).field == "scene_info"


def test_an_empty_scene_says_nothing_and_passes():
    check(terms_for(MAINLAND, scene_info="{}"))


def test_the_mode_is_the_merchants_and_not_guessed_from_the_order():
    with pytest.raises(InvalidOrder) as caught:
        check_terms_v3(
            terms_for(PARTNER),
            mode=Mode.COMMON,
            region=Region.MAINLAND,
            merchant_category_code="",
            now=NOW,
        )

    assert caught.value.field == "sub_mch_id"
