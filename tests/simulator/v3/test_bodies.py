"""The gateway's own check of a body: strict about members, types, lengths and identities."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.v3.requests import place_request
from django_wxpay.simulator.v3.bodies import (
    problems_of_close_body,
    problems_of_create_body,
    problems_of_query,
)
from django_wxpay.simulator.v3.validation import UNDOCUMENTED, V3Problem
from tests.protocol.v3.samples import (
    DETAIL,
    INSTITUTION,
    MAINLAND,
    MERCHANTS,
    OPENID,
    OVERSEAS,
    PARTNER,
    STORE,
    SUB_OPENID,
    payable,
    text,
    without,
)
from tests.protocol.v3.vectors import body as vector_body

IDS = [merchant.alias for merchant in MERCHANTS]
TYPES = ["JSAPI", "NATIVE", "APP", "MWEB"]


def good(merchant, trade_type: str, **changes: Any) -> dict[str, Any]:
    return json.loads(
        place_request(payable(merchant, trade_type, **changes), merchant=merchant).body
    )


def check(body: dict[str, Any], merchant=MAINLAND, trade_type: str = "NATIVE") -> V3Problem | None:
    return problems_of_create_body(
        body, region=merchant.region, mode=merchant.mode, trade_type=trade_type
    )


NATIVE = good(MAINLAND, "NATIVE")
IDENTITY = {"type": "IDCARD", "number": "6B46824C852F/+==", "name": "6B46824C"}
SUBSIDY = {
    "subsidy_detail": [
        {
            "subsidy_period_type": "MONTH",
            "subsidy_plan": [{"subsidy_installment_num": 3, "subsidy_percent": 50}],
        }
    ]
}
FULL = good(
    MAINLAND,
    "NATIVE",
    detail=text(DETAIL),
    scene_info=text(STORE),
    spbill_create_ip="203.0.113.7",
    limit_pay="no_credit",
    receipt="Y",
    profit_sharing="Y",
)
OVERSEAS_FULL = good(OVERSEAS, "NATIVE", detail=text(DETAIL), scene_info=text(STORE))


def test_the_sheets_own_order_passes():
    assert check(json.loads(vector_body("REQ-2")), OVERSEAS) is None


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
@pytest.mark.parametrize("trade_type", TYPES)
def test_what_our_client_sends_passes(merchant, trade_type):
    assert check(good(merchant, trade_type), merchant, trade_type) is None
    assert check(FULL) is None
    assert check(OVERSEAS_FULL, OVERSEAS) is None


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
def test_an_undocumented_member_is_named_where_it_stands(merchant):
    problem = check(good(merchant, "NATIVE") | {"device_info": "x"}, merchant)

    assert problem == V3Problem(field="/device_info", issue=UNDOCUMENTED, value="x")
    assert problem.code == "PARAM_ERROR"
    assert problem.detail == {
        "field": "/device_info",
        "value": "x",
        "issue": UNDOCUMENTED,
        "location": "body",
    }


@pytest.mark.parametrize(
    ("merchant", "foreign"),
    [
        (MAINLAND, {"sp_mchid": "1"}),
        (MAINLAND, {"sub_mchid": "1"}),
        (OVERSEAS, {"sp_appid": "wx1", "sp_mchid": "1", "sub_mchid": "1"}),
        (PARTNER, {"mchid": "1"}),
        (INSTITUTION, {"appid": "wx1", "mchid": "1"}),
    ],
)
def test_both_identity_groups_in_one_body_are_refused(merchant, foreign):
    problem = check(good(merchant, "NATIVE") | foreign, merchant)

    assert problem.field == f"/{next(iter(foreign))}"


@pytest.mark.parametrize("merchant", MERCHANTS, ids=IDS)
@pytest.mark.parametrize("trade_type", TYPES)
def test_every_member_of_a_plain_order_is_required(merchant, trade_type):
    whole = good(merchant, trade_type)

    for name in whole:
        assert check(without(whole, name), merchant, trade_type) == V3Problem(
            field=f"/{name}", issue="missing"
        )


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"description": ""}, "/description"),
        ({"description": "x" * 128}, "/description"),
        ({"description": "\U0001f600"}, "/description"),
        ({"description": 5}, "/description"),
        ({"description": None}, "/description"),
        ({"out_trade_no": "12345"}, "/out_trade_no"),
        ({"out_trade_no": "a b c d"}, "/out_trade_no"),
        ({"notify_url": "https://x.example/?a"}, "/notify_url"),
        ({"notify_url": "https://x.example/" + "x" * 240}, "/notify_url"),
        ({"attach": "x" * 129}, "/attach"),
        ({"attach": ""}, "/attach"),
        ({"goods_tag": "x" * 33}, "/goods_tag"),
        ({"time_expire": "20240501180000"}, "/time_expire"),
        ({"time_start": "2024-05-01T18:00:00+08:00"}, "/time_start"),
        ({"limit_pay": "no_credit"}, "/limit_pay"),
        ({"limit_pay": []}, "/limit_pay"),
        ({"limit_pay": ["no_credit", "no_money"]}, "/limit_pay/1"),
        ({"support_fapiao": "true"}, "/support_fapiao"),
        ({"support_fapiao": 1}, "/support_fapiao"),
        ({"settle_info": {}}, "/settle_info"),
        ({"settle_info": {"profit_sharing": "Y"}}, "/settle_info/profit_sharing"),
        ({"trade_type": "NATIVE"}, "/trade_type"),
        ({"merchant_category_code": "4111"}, "/merchant_category_code"),
        ({"amount": 888}, "/amount"),
        ({"amount": {}}, "/amount"),
        ({"amount": {"currency": "CNY"}}, "/amount/total"),
        ({"amount": {"total": "888"}}, "/amount/total"),
        ({"amount": {"total": 888.0}}, "/amount/total"),
        ({"amount": {"total": True}}, "/amount/total"),
        ({"amount": {"total": 0}}, "/amount/total"),
        ({"amount": {"total": 2**31}}, "/amount/total"),
        ({"amount": {"total": 1, "currency": "HKD"}}, "/amount/currency"),
        ({"payer": {"openid": OPENID}}, "/payer/openid"),
        ({"payer": {}}, "/payer"),
        ({"payer": {"identity": {"type": "IDCARD"}}}, "/payer/identity/number"),
        ({"payer": {"identity": IDENTITY | {"type": "CARD"}}}, "/payer/identity/type"),
        ({"payer": {"identity": IDENTITY | {"name": "周"}}}, "/payer/identity/name"),
        ({"settle_info": {"subsidy_amount": "10"}}, "/settle_info/subsidy_amount"),
        ({"subsidy_info": {"subsidy_amount": 10}}, "/subsidy_info/subsidy_amount"),
        ({"detail": []}, "/detail"),
        ({"detail": {}}, "/detail"),
        ({"detail": {"receipt_id": "1"}}, "/detail/receipt_id"),
        (
            {"detail": {"goods_detail": [{"goods_id": "1"}]}},
            "/detail/goods_detail/0/merchant_goods_id",
        ),
        ({"scene_info": {"device_id": "1"}}, "/scene_info/payer_client_ip"),
        ({"scene_info": {"payer_client_ip": "x"}}, "/scene_info/payer_client_ip"),
        (
            {"scene_info": {"payer_client_ip": "::1", "store_info": {"name": "x"}}},
            "/scene_info/store_info/id",
        ),
        (
            {"scene_info": {"payer_client_ip": "::1", "h5_info": {"type": "Wap"}}},
            "/scene_info/h5_info",
        ),
        ({"appid": "wx 1"}, "/appid"),
        ({"mchid": 1900000109}, "/mchid"),
    ],
)
def test_a_mainland_body_is_held_to_the_letter(change, at):
    problem = check(NATIVE | change)

    assert problem.field == at
    assert problem.issue


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"trade_type": "JSAPI"}, "/trade_type"),
        ({"merchant_category_code": "742"}, "/merchant_category_code"),
        ({"merchant_category_code": 4111}, "/merchant_category_code"),
        ({"limit_pay": ["no_credit"]}, "/limit_pay"),
        ({"support_fapiao": True}, "/support_fapiao"),
        ({"settle_info": {"profit_sharing": True}}, "/settle_info"),
        ({"subsidy_info": SUBSIDY}, "/subsidy_info"),
        ({"payer": {"identity": IDENTITY}}, "/payer"),
        ({"attach": "x" * 128}, "/attach"),
        ({"amount": {"total": 1, "currency": "PLN"}}, "/amount/currency"),
        ({"detail": {"invoice_id": "1"}}, "/detail/invoice_id"),
        (
            {"detail": {"goods_detail": [{"merchant_goods_id": "1"}]}},
            "/detail/goods_detail/0/goods_id",
        ),
        ({"scene_info": {"h5_info": {"type": "Wap"}}}, "/scene_info/h5_info"),
        ({"scene_info": {"store_info": {"area_code": "1"}}}, "/scene_info/store_info/area_code"),
    ],
)
def test_a_global_body_is_held_to_its_own_letter(change, at):
    assert check(good(OVERSEAS, "NATIVE") | change, OVERSEAS).field == at


def test_what_either_reading_of_the_sheet_allows_passes():
    plain = good(OVERSEAS, "NATIVE")
    scene = {"device_ip": "203.0.113.8", "operator_id": "7", "store_info": {"id": "1"}}

    assert check(plain | {"scene_info": scene}, OVERSEAS) is None
    assert check(plain | {"amount": {"total": 1}}, OVERSEAS) is None
    assert check(plain | {"time_start": "2024-05-01T18:00:00+08:00"}, OVERSEAS) is None
    assert check(NATIVE | {"limit_pay": ["no_debit", "balance_only"]}) is None


@pytest.mark.parametrize("merchant", [PARTNER, INSTITUTION])
def test_one_openid_is_enough_and_none_is_not(merchant):
    plain = without(good(merchant, "JSAPI"), "payer")

    def with_payer(payer: dict[str, str], **more: str) -> V3Problem | None:
        return check(plain | {"payer": payer} | more, merchant, "JSAPI")

    assert with_payer({"sp_openid": OPENID}) is None
    assert with_payer({"sub_openid": SUB_OPENID}, sub_appid="wx9") is None
    assert with_payer({"sub_openid": SUB_OPENID}).field == "/sub_appid"
    assert with_payer({"openid": OPENID}).field == "/payer/sp_openid"
    assert with_payer({}).field == "/payer"


@pytest.mark.parametrize("merchant", [MAINLAND, PARTNER])
@pytest.mark.parametrize("trade_type", TYPES)
def test_members_that_few_merchants_may_use_are_documented_all_the_same(merchant, trade_type):
    body = good(merchant, trade_type)
    body["payer"] = body.get("payer", {}) | {"identity": IDENTITY}
    body["settle_info"] = {"profit_sharing": True, "subsidy_amount": 10}
    assert check(body | {"subsidy_info": SUBSIDY}, merchant, trade_type) is None


def test_a_refusal_of_an_unknown_member_names_the_date_of_the_documents():
    assert re.search(r"20\d\d-\d\d", check(NATIVE | {"brand_new": 1}).issue)


def test_a_sub_merchants_appid_is_an_institutions_matter():
    assert check(NATIVE | {"sub_appid": "wx9"}).field == "/sub_appid"
    assert check(good(PARTNER, "NATIVE") | {"sub_appid": "wx9"}, PARTNER) is None


def test_a_close_names_its_merchant_and_nothing_else():
    assert problems_of_close_body({"mchid": "1"}, mode=Mode.COMMON) is None
    assert problems_of_close_body({}, mode=Mode.COMMON).field == ""
    assert problems_of_close_body({"mchid": "1", "x": 1}, mode=Mode.COMMON).field == "/x"
    both = {"sp_mchid": "1", "sub_mchid": "2"}
    assert problems_of_close_body(both, mode=Mode.INSTITUTIONAL) is None
    assert problems_of_close_body(both, mode=Mode.COMMON).field == "/mchid"
    missing = problems_of_close_body({"sp_mchid": "1"}, mode=Mode.INSTITUTIONAL)
    assert missing.field == "/sub_mchid"


def test_a_query_names_its_merchant_and_nothing_else():
    assert problems_of_query({"mchid": "1"}, mode=Mode.COMMON) is None
    assert problems_of_query({"mchid": "1", "sub_mch_id": "2"}, mode=Mode.COMMON) == V3Problem(
        field="sub_mch_id", issue=UNDOCUMENTED, location="query", value="2"
    )
    empty = problems_of_query({}, mode=Mode.INSTITUTIONAL)
    assert (empty.field, empty.location) == ("sp_mchid", "query")


def test_what_was_sent_stays_out_of_the_repr():
    assert OPENID not in repr(check(NATIVE | {"payer": {"openid": OPENID}}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(
    changes=st.dictionaries(st.sampled_from([*FULL, "payer", "sub_appid"]) | st.text(), JSON),
    region=st.sampled_from(Region),
    mode=st.sampled_from(Mode),
    trade_type=st.sampled_from(TYPES),
)
def test_no_body_whatever_makes_the_check_raise(changes, region, mode, trade_type):
    problem = problems_of_create_body(
        FULL | changes, region=region, mode=mode, trade_type=trade_type
    )

    assert problem is None or problem.issue
