"""Bodies for any endpoint: what is written, and what is refused by the name of its argument."""

from __future__ import annotations

import email
import hashlib
import json
from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from django_wxpay.protocol.endpoints.bodies import (
    LARGEST_JSON,
    LARGEST_UPLOAD,
    LARGEST_XML,
    json_octets,
    texts_in,
    upload_of,
    v2_fields,
)
from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.merchants import Merchant

MERCHANT = Merchant(
    alias="default", mch_id="1900000109", appid="wx8888888888888888", appids=("wx2",)
)
CIRCLE: dict[str, Any] = {}
CIRCLE["round"] = [CIRCLE]
DEEP: dict[str, Any] = {}
for _ in range(100_000):
    DEEP = {"d": DEEP}


def test_a_body_is_compact_json_in_utf_8() -> None:
    content = OrderedDict(b="茶", a=[1, 1.5, True, None, {"c": ("x",)}])
    assert json_octets(content) == '{"b":"茶","a":[1,1.5,true,null,{"c":["x"]}]}'.encode()
    assert json_octets(MappingProxyType({})) == b"{}"
    assert list(texts_in({"a": ["x", ("y", 1)], "b": {"c": "z"}})) == ["x", "y", "z"]


@pytest.mark.parametrize(
    "content",
    [
        [],
        "x",
        7,
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": Decimal(1)},
        {"a": b"x"},
        {"a": {"x"}},
        {"a": "\ud800"},
        {"a": 10**5000},
        {1: "x"},
        {"a": [{None: "x"}]},
        {("a",): 1},
        CIRCLE,
        DEEP,
        {"a": "x" * LARGEST_JSON},
    ],
    ids=range(16),
)
def test_what_json_cannot_hold_is_refused(content: Any) -> None:
    with pytest.raises(InvalidParameter) as refused:
        json_octets(content)
    assert refused.value.field == "json"


def test_an_upload_signs_its_meta_and_carries_the_file() -> None:
    content = b"\x89PNG\r\n--\r\n" + bytes(range(256))
    file = upload_of("a (1).png", content)
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(file.meta) == {"filename": "a (1).png", "sha256": digest}
    message = email.message_from_bytes(
        f"Content-Type: {file.content_type}\r\n\r\n".encode() + file.body
    )
    meta, sent = message.get_payload()
    assert meta.get_param("name", header="content-disposition") == "meta"
    assert meta.get_content_type() == "application/json"
    assert meta.get_payload(decode=True) == file.meta
    assert sent.get_param("name", header="content-disposition") == "file"
    assert sent.get_filename() == "a (1).png"
    assert sent.get_content_type() == "image/png"
    assert sent.get_payload(decode=True) == content


@pytest.mark.parametrize(
    "filename", ["", "a", "a.", "../a.png", 'a".png', "a\r\n.png", "图.png", "a" * 129, None, b"a"]
)
def test_a_name_that_tells_no_kind_is_refused(filename: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^filename: "):
        upload_of(filename, b"x")


@pytest.mark.parametrize("content", [b"", "text", None, bytes(LARGEST_UPLOAD + 1)], ids=range(4))
def test_a_file_of_no_size_or_too_much_is_refused(content: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^content: "):
        upload_of("a.png", content)


def test_the_merchant_is_added_under_whatever_name_it_has() -> None:
    ours = {"mch_id": "1900000109", "appid": "wx8888888888888888"}
    assert v2_fields({"a": "1"}, MERCHANT) == ours | {"a": "1"}
    assert v2_fields({"appid": "wx2"}, MERCHANT) == ours | {"appid": "wx2"}
    other = {"mch_appid": "wx8888888888888888", "mchid": "1900000109"}
    assert v2_fields(other, MERCHANT) == other


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (None, "fields"),
        ([("a", "b")], "fields"),
        ({"": "x"}, "fields"),
        ({"a b": "x"}, "fields"),
        ({"ü": "x"}, "fields"),
        ({1: "x"}, "fields"),
        ({"a": "x" * LARGEST_XML}, "fields"),
        ({"sign": "x"}, "sign"),
        ({"sign_type": "MD5"}, "sign_type"),
        ({"nonce_str": "x"}, "nonce_str"),
        ({"total_fee": 1}, "total_fee"),
        ({"total_fee": None}, "total_fee"),
        ({"a": "\0"}, "a"),
        ({"a": "\ud800"}, "a"),
        ({"mch_id": "1900000110"}, "mch_id"),
        ({"mchid": "1900000110"}, "mch_id"),
        ({"mch_appid": "wx3"}, "appid"),
    ],
)
def test_fields_that_are_not_the_callers_are_refused(fields: Any, field: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        v2_fields(fields, MERCHANT)
    assert refused.value.field == field
