"""Bodies that hold every documented member: a third party's client may send each of them.

Written from the tables of protocol-v3 sections 3.2, 3.5, 4.2, 4.4 and 4.8, not from the schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.simulator import Options
from django_wxpay.simulator.v3.bodies import problems_of_create_body
from django_wxpay.simulator.v3.refund_bodies import (
    problem_of_abnormal_body,
    problem_of_refund_body,
    problem_of_refund_query,
)
from tests.laws.source import ROOT

SEALED = "QUJD"
IDENTITY = {"type": "IDCARD", "number": SEALED, "name": SEALED}
URL = "https://shop.example/wxpay/notify/"
WHOSE = {
    Mode.COMMON: {"appid": "wx8888888888888888", "mchid": "1900000109"},
    Mode.INSTITUTIONAL: {
        "sp_appid": "wx8888888888888888",
        "sp_mchid": "1900000109",
        "sub_mchid": "1900000110",
        "sub_appid": "wx8888888888888889",
    },
}
PAYER = {
    Mode.COMMON: {"openid": "o-1"},
    Mode.INSTITUTIONAL: {"sp_openid": "o-1", "sub_openid": "o-2"},
}
TOLD = {"description": "tea cup", "attach": "door 7", "goods_tag": "SUMMER", "notify_url": URL}
GOODS = {
    Region.MAINLAND: {
        "merchant_goods_id": "G1",
        "wechatpay_goods_id": "1001",
        "goods_name": "tea cup",
        "quantity": 1,
        "unit_price": 100,
    },
    Region.GLOBAL: {
        "goods_id": "G1",
        "wxpay_goods_id": "1001",
        "goods_name": "tea cup",
        "quantity": 1,
        "price": 100,
    },
}


def mainland(mode: Mode, trade_type: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        **WHOSE[mode],
        **TOLD,
        "out_trade_no": "T20260101000001",
        "support_fapiao": True,
        "amount": {"total": 100, "currency": "CNY"},
        "detail": {
            "cost_price": 100,
            "invoice_id": "I1",
            "goods_detail": [GOODS[Region.MAINLAND]],
        },
        "settle_info": {"profit_sharing": False, "subsidy_amount": 10},
    }
    if trade_type == "MICROPAY":
        del body["notify_url"]
        store = {"id": "0001", "out_id": "A1"}
        scene = {"device_id": "D1", "device_ip": "203.0.113.7", "store_info": store}
        return body | {"payer": {"auth_code": "130000000000000000"}, "scene_info": scene}
    plan = {"subsidy_installment_num": 3, "subsidy_percent": 50}
    store = {"id": "0001", "name": "shop", "area_code": "440305", "address": "street 1"}
    scene = {"payer_client_ip": "203.0.113.7", "device_id": "D1", "store_info": store}
    names = {"app_name": "a", "app_url": "https://a.example", "bundle_id": "b", "package_name": "c"}
    return body | {
        "time_expire": "2026-01-01T12:30:00+08:00",
        "limit_pay": ["no_balance", "no_credit", "no_debit", "balance_only"],
        "payer": {**(PAYER[mode] if trade_type == "JSAPI" else {}), "identity": IDENTITY},
        "scene_info": scene
        | ({"h5_info": {"type": "iOS", **names}} if trade_type == "MWEB" else {}),
        "subsidy_info": {
            "subsidy_detail": [{"subsidy_period_type": "MONTH", "subsidy_plan": [plan]}]
        },
    }


def overseas(mode: Mode, trade_type: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        **WHOSE[mode],
        **TOLD,
        "out_trade_no": "T1",
        "trade_type": trade_type,
        "merchant_category_code": "0742",
        "limit_pay": "no_credit",
        "amount": {"total": 100, "currency": "USD"},
        "scene_info": {
            "payer_client_ip": "203.0.113.7",
            "device_id": "D1",
            "device_ip": "203.0.113.8",
            "operator_id": "P1",
            "store_info": {"id": "0001", "name": "shop", "address": "street 1"},
        },
        "detail": {"cost_price": 100, "receipt_id": "I1", "goods_detail": [GOODS[Region.GLOBAL]]},
    }
    if trade_type == "MICROPAY":
        del body["notify_url"]
        return body | {"payer": {"auth_code": "130000000000000000"}}
    body |= {
        "time_start": "2026-01-01T12:00:00+08:00",
        "time_expire": "2026-01-01T12:30:00+08:00",
    }
    return body | ({"payer": PAYER[mode]} if trade_type == "JSAPI" else {})


MADE = {Region.MAINLAND: mainland, Region.GLOBAL: overseas}
TYPES = ["JSAPI", "APP", "NATIVE", "MWEB", "MICROPAY"]


@pytest.mark.parametrize("trade_type", TYPES)
@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("region", list(Region))
def test_an_order_with_every_member_is_taken(region: Region, mode: Mode, trade_type: str) -> None:
    body = MADE[region](mode, trade_type)
    problem = problems_of_create_body(body, region=region, mode=mode, trade_type=trade_type)
    assert problem is None, problem


@pytest.mark.parametrize("region", list(Region))
def test_a_line_of_goods_may_have_the_members_of_2026(region: Region) -> None:
    goods = GOODS[region] | {"category": "1-2", "merchant_category_code": "0742"}
    for trade_type in TYPES:
        body = MADE[region](Mode.COMMON, trade_type)
        body["detail"] = {"goods_detail": [goods]}
        place = partial(
            problems_of_create_body, body, region=region, mode=Mode.COMMON, trade_type=trade_type
        )
        assert place(goods_members=Options().goods_members) is None
        # One that is documented already is none more.
        assert place(goods_members=Options().goods_members | set(GOODS[Region.GLOBAL])) is None
        assert place() is not None


AMOUNT: dict[str, Any] = {"refund": 10, "total": 100, "currency": "CNY"}
NUMBERS = {"transaction_id": "4200000000202601010000000000", "out_trade_no": "T20260101000001"}


def refund(region: Region, mode: Mode) -> dict[str, Any]:
    shared = {**NUMBERS, "out_refund_no": "R@1|*-_", "reason": "broken", "notify_url": URL}
    if region is Region.GLOBAL:
        return {**WHOSE[mode], **shared, "amount": AMOUNT | {"currency": "USD"}}
    goods = {
        "merchant_goods_id": "G1",
        "wechatpay_goods_id": "1001",
        "goods_name": "tea cup",
        "unit_price": 100,
        "refund_amount": 10,
        "refund_quantity": 1,
    }
    accounts = [{"account": "AVAILABLE", "amount": 4}, {"account": "UNAVAILABLE", "amount": 6}]
    return {
        **({"sub_mchid": "1900000110"} if mode is Mode.INSTITUTIONAL else {}),
        **shared,
        "funds_account": "AVAILABLE",
        "amount": AMOUNT | {"from": accounts},
        "goods_detail": [goods],
    }


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("region", list(Region))
def test_a_refund_with_every_member_is_taken(region: Region, mode: Mode) -> None:
    problem = problem_of_refund_body(refund(region, mode), region=region, mode=mode)
    assert problem is None, problem


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("kind", ["USER_BANK_CARD", "MERCHANT_BANK_CARD"])
def test_an_abnormal_refund_with_every_member_is_taken(mode: Mode, kind: str) -> None:
    body = {
        **({"sub_mchid": "1900000110"} if mode is Mode.INSTITUTIONAL else {}),
        "out_refund_no": "R1",
        "type": kind,
        "bank_type": "ICBC_DEBIT",
        "bank_account": SEALED,
        "real_name": SEALED,
    }
    problem = problem_of_abnormal_body(body, mode=mode)
    assert problem is None, problem


@pytest.mark.parametrize("mode", list(Mode))
def test_a_list_of_refunds_is_asked_for_with_every_parameter(mode: Mode) -> None:
    whose = {name: text for name, text in WHOSE[mode].items() if name.endswith("mchid")}
    asked = {**whose, **NUMBERS, "offset": "0", "count": "20"}
    assert problem_of_refund_query(asked, region=Region.GLOBAL, mode=mode, is_list=True) is None


def names_in(value: object) -> Iterator[str]:
    """Yield the names of every member, at any depth."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, dict):
            for name, held in each.items():
                yield name
                yield from names_in(held)


@pytest.mark.parametrize(
    ("section", "region"),
    [("3.2", Region.GLOBAL), ("4.2", Region.MAINLAND), ("3.5", Region.GLOBAL)],
)
def test_no_row_of_a_table_is_left_out_here(section: str, region: Region) -> None:
    text = (ROOT / "docs/protocol/v3.md").read_text(encoding="utf-8")
    part = text.partition(f"\n### {section} ")[2].partition("\n### ")[0]
    cells = re.findall(r"^\| ([a-z_., /]+) \|", part, flags=re.MULTILINE)
    documented = {name for cell in cells for name in re.split(r"[., /]+", cell)}
    assert len(documented) > 10
    bodies = [MADE[region](mode, kind) for mode in Mode for kind in TYPES]
    bodies += [refund(region, mode) for mode in Mode]
    assert documented - set(names_in(bodies)) == set()
