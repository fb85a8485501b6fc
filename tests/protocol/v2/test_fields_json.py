"""What ``detail`` and ``scene_info`` may hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.v2.fields import detail_problem, scene_problem
from tests.protocol.samples import DETAIL, H5, STORE

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda held: st.lists(held) | st.dictionaries(st.text(), held),
    max_leaves=10,
)
LINE = {"goods_id": "1001", "quantity": 1, "price": 528800}
WHOLE_LINE = LINE | {
    "wxpay_goods_id": "1001",
    "goods_name": "iPhone6s 16G",
    "goods_category": "123456",
    "body": "苹果手机",
    "category": "phone",
    "merchant_category_code": 742,
    "of_our_own": [1],
}


def line(**changes):
    merged = LINE | changes
    return {"goods_detail": [{k: v for k, v in merged.items() if v is not None}]}


def test_the_documented_examples_are_fine():
    assert detail_problem(json.loads(DETAIL)) == ""
    assert detail_problem(
        {"cost_price": 0, "receipt_id": "R1", "goods_detail": [WHOLE_LINE, LINE]}
    ) == ""  # fmt: skip
    assert scene_problem(json.loads(STORE)) == ""
    assert scene_problem(json.loads(H5)) == ""
    assert scene_problem({"store_id": "1", "store_name": "Tengda", "more": 1}) == ""
    assert scene_problem({}) == ""
    for kind in (
        {"type": "IOS", "app_name": "Shop", "bundle_id": "com.example.shop"},
        {"type": "Android", "app_name": "Shop", "package_name": "com.example.shop"},
    ):
        assert scene_problem({"h5_info": kind}) == ""


@pytest.mark.parametrize("code", [742, "0742", 0])
def test_a_line_may_have_a_category_of_any_length_and_the_code_of_its_trade(code):
    assert detail_problem(line(category="茶" * 1000, merchant_category_code=code)) == ""


@pytest.mark.parametrize("goods", [None, [], {}, "x", 1])
def test_detail_needs_a_list_of_at_least_one_line(goods):
    assert detail_problem({"goods_detail": goods}) == (
        "goods_detail is not a list of at least one line"
    )


@pytest.mark.parametrize("value", ["x", 7, True, None, ["x"]])
def test_a_member_of_a_line_that_no_document_has_is_no_problem(value):
    assert detail_problem(line(some_new_member=value)) == ""


def test_detail_without_goods_is_a_problem():
    assert detail_problem({"cost_price": 1}) == "goods_detail is not a list of at least one line"


@pytest.mark.parametrize(
    ("detail", "problem"),
    [
        ({"cost_price": "1", **line()}, "cost_price is not a whole number"),
        ({"cost_price": 1.5, **line()}, "cost_price is not a whole number"),
        ({"cost_price": -1, **line()}, "cost_price is not a whole number"),
        ({"receipt_id": "R" * 33, **line()}, "receipt_id is not text of at most 32 characters"),
        ({"goods_detail": [LINE, 1]}, "a line of goods_detail is not an object"),
        (line(goods_id=None), "goods_id is not 1 to 32 letters, digits, - or _"),
        (line(goods_id=1001), "goods_id is not 1 to 32 letters, digits, - or _"),
        (line(goods_id="a b"), "goods_id is not 1 to 32 letters, digits, - or _"),
        (line(goods_id="1" * 33), "goods_id is not 1 to 32 letters, digits, - or _"),
        (line(quantity=None), "quantity is not a whole number of at least 1"),
        (line(quantity=0), "quantity is not a whole number of at least 1"),
        (line(quantity="1"), "quantity is not a whole number of at least 1"),
        (line(quantity=True), "quantity is not a whole number of at least 1"),
        (line(price=None), "price is not a whole number of minor units"),
        (line(price=1.0), "price is not a whole number of minor units"),
        (line(goods_name="x" * 257), "goods_name is not text of at most 256 characters"),
        (line(body=7), "body is not text of at most 1000 characters"),
        (line(merchant_category_code="7a"), "merchant_category_code is not a whole number"),
    ],
)
def test_the_first_problem_of_detail_is_named(detail, problem):
    assert detail_problem(detail) == problem


@pytest.mark.parametrize(
    ("scene", "problem"),
    [
        ({"store_info": []}, "store_info is not an object"),
        ({"store_info": {}}, "store_info has no id"),
        ({"store_info": {"Id": "SZTX001"}}, "store_info has no id"),
        ({"store_info": {"id": 1}}, "id is not text of at most 32 characters"),
        ({"store_info": {"id": "1", "area_code": "4403051"}},
         "area_code is not text of at most 6 characters"),
        ({"store_id": 1}, "store_id is not text of at most 32 characters"),
        ({"h5_info": "Wap"}, "h5_info is not an object"),
        ({"h5_info": {}}, "the type of h5_info is not Wap, IOS or Android"),
        ({"h5_info": {"type": "wap"}}, "the type of h5_info is not Wap, IOS or Android"),
        ({"h5_info": {"type": ["Wap"]}}, "the type of h5_info is not Wap, IOS or Android"),
        ({"h5_info": {"type": "Wap", "wap_name": 1}},
         "wap_name is not text of at most 256 characters"),
    ],
)  # fmt: skip
def test_the_first_problem_of_scene_info_is_named(scene, problem):
    assert scene_problem(scene) == problem


@given(st.dictionaries(st.sampled_from(
    ["goods_detail", "cost_price", "receipt_id", "store_info", "h5_info", "store_id"]), JSON
))  # fmt: skip
def test_no_object_whatever_makes_a_checker_raise(content):
    assert isinstance(detail_problem(content), str)
    assert isinstance(scene_problem(content), str)
