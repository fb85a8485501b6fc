"""Redaction: the list says what is safe, everything else is masked, nothing raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.redaction import redact, redact_text
from django_wxpay.protocol.v2 import encode_xml
from tests.protocol.samples import PAID, signed
from tests.protocol.v2.vectors import M21, M21_XML

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def test_what_is_safe_is_shown_and_the_rest_is_masked():
    assert redact(PAID | {"sign": "9A0A8659F005D6984697E2CA0A9CF3B7", "attach": "Mr Li"}) == {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "appid": "wxd930ea5d5a258f4f",
        "mch_id": "10000100",
        "nonce_str": "…",
        "result_code": "SUCCESS",
        "openid": "oUpF…",
        "is_subscribe": "N",
        "trade_type": "NATIVE",
        "bank_type": "…",
        "total_fee": "100",
        "cash_fee": "100",
        "transaction_id": "4200000000202601010000000001",
        "out_trade_no": "T20260101000001",
        "attach": "…",
        "time_end": "20260101000130",
        "sign": "…",
    }


@pytest.mark.parametrize(
    "name",
    ["key", "sign", "paySign", "req_info", "user_truename", "user_creid", "spbill_create_ip",
     "body", "coupon_id_0", "new_field_from_wechat", "code_url", "mweb_url", "auth_code",
     "sandbox_signkey", "refund_recv_accout", "promotion_detail", "TOTAL_FEE"],
)  # fmt: skip
def test_a_field_that_is_not_on_the_list_is_masked_whole(name):
    assert redact({name: "something"}) == {name: "…"}


@pytest.mark.parametrize("name", ["openid", "sub_openid", "sp_openid", "prepay_id"])
def test_an_identity_keeps_four_characters_to_be_recognised_by(name):
    assert redact({name: OPENID}) == {name: "oUpF…"}
    assert redact({name: "oUpF8uMu"}) == {name: "…"}


@pytest.mark.parametrize("name", ["coupon_fee_0", "coupon_type_10", "refund_status_3"])
def test_numbered_amounts_and_types_are_shown(name):
    assert redact({name: "20"}) == {name: "20"}


def test_an_empty_value_hides_nothing():
    assert redact({"sign": ""}) == {"sign": ""}


def test_a_stored_notice_stays_readable_xml():
    shown = redact_text(M21_XML)

    assert shown.startswith("<xml><appid><![CDATA[wxd930ea5d5a258f4f]]></appid>")
    assert "<total_fee>100</total_fee>" in shown
    assert "<openid><![CDATA[oUpF…]]></openid>" in shown
    assert "<sign><![CDATA[…]]></sign>" in shown
    assert OPENID not in shown
    assert "4B1F27459B0443CC8F2D5E987032115C" not in shown


def test_a_stored_body_may_be_text_already():
    assert redact_text(M21_XML.decode()) == redact_text(M21_XML)


def test_an_opened_refund_document_is_masked_too():
    body = encode_xml({"refund_status": "SUCCESS", "refund_recv_accout": "李四"}, root="root")

    assert redact_text(body) == (
        "<root><refund_status><![CDATA[SUCCESS]]></refund_status>"
        "<refund_recv_accout><![CDATA[…]]></refund_recv_accout></root>"
    )


def test_json_is_masked_leaf_by_leaf():
    body = {
        "id": "EV-1",
        "event_type": "TRANSACTION.SUCCESS",
        "resource": {"ciphertext": "secret", "nonce": "n", "algorithm": "AEAD_AES_256_GCM"},
        "payer": {"openid": OPENID},
        "amount": {"total": 100, "payer_total": 90, "unheard_of": 7, "nothing": None},
        "goods": [{"name": "a"}, "b", 3, True],
    }

    assert json.loads(redact_text(json.dumps(body).encode())) == {
        "id": "EV-1",
        "event_type": "TRANSACTION.SUCCESS",
        "resource": {"ciphertext": "…", "nonce": "…", "algorithm": "AEAD_AES_256_GCM"},
        "payer": {"openid": "oUpF…"},
        "amount": {"total": 100, "payer_total": 90, "unheard_of": "…", "nothing": None},
        "goods": [{"name": "…"}, "…", "…", "…"],
    }


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (b"", 0),
        (b"<html>secret</html>", 19),
        (b"<xml><a>secret<b/></a></xml>", 28),
        ("秘密", 6),
        (b"\xff\xfe\x00", 3),
        (b"[" * 100_000, 100_000),
        (b"[" + b"1," * 10_000 + b"1]", 20_003),
        ("\ud800", 1),
    ],
)
def test_of_anything_else_only_the_size_is_told(body, size):
    assert redact_text(body) == f"({size} bytes, neither XML nor JSON)"


def test_half_a_pair_escaped_in_json_can_still_be_written_out():
    shown = redact_text(rb'{"summary": "\ud800"}')

    assert shown.encode() == b'{\n "summary": "?"\n}'


@given(st.one_of(st.binary(), st.text()))
def test_no_body_whatever_makes_it_raise(body):
    redact_text(body).encode()


@given(st.dictionaries(st.sampled_from(["attach", "sign", "body", "x"]), st.from_regex(
    "SECRET[0-9A-F]{8}", fullmatch=True), min_size=1))  # fmt: skip
def test_a_secret_never_comes_through_whatever_the_form(fields):
    for body in (signed(fields), json.dumps(fields), json.dumps([{"nested": fields}])):
        assert "SECRET" not in redact_text(body)


def test_the_notice_of_the_sheet_loses_no_field():
    assert set(redact(M21)) == set(M21)
