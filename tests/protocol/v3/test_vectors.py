"""The vectors of appendix A, and what A.8 says must come of spoiling them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from django_wxpay.protocol import v3
from django_wxpay.protocol.facts import GoodsLine, RefundStatus, TradeState
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v3.authorization import (
    Authorization,
    read_authorization,
    request_message,
)
from django_wxpay.protocol.v3.certificates import read_certificate, read_certificate_list
from django_wxpay.protocol.v3.client_parameters import client_parameters
from django_wxpay.protocol.v3.encryption import TagMismatch, decrypt_field, encrypt_resource, unseal
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.notices import read_notice
from django_wxpay.protocol.v3.refunds import refund_fact
from django_wxpay.protocol.v3.replies import read_grant, read_query, read_trade
from django_wxpay.protocol.v3.requests import place_request, query_request
from django_wxpay.protocol.v3.signing import (
    is_fresh,
    is_signed_by,
    read_signature_headers,
    signed_headers,
    verify_message,
)
from tests.protocol.samples import MERCHANT
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import INSTITUTION, MAINLAND, OVERSEAS, REF, TERMS, payable
from tests.protocol.v3.vectors import (
    KEYS,
    NOTICES,
    REQUESTS,
    SIGNED,
    VECTORS,
    body,
    headers,
    resource,
)

PAY = replace(payable(MAINLAND, "JSAPI"), appid="wx8888888888888888", out_trade_no="ORDER20240501A")
PREPAY_ID = "wx201410272009395522657a690389285100"
PAY_NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"


def believed(name: str, *, now: int = keys.NOW, body_: bytes | None = None, **changes: str) -> bool:
    """Say whether a vector's message would be believed, as a verifier does it."""
    read = read_signature_headers(headers(name) | changes)
    if read is None or not is_fresh(read.timestamp, now):
        return False
    key = KEYS.get(key_name(read.serial))
    message = body(name) if body_ is None else body_
    return key is not None and is_signed_by(read, message, public_key=key)


def test_every_vector_of_the_sheet_is_here():
    assert len(VECTORS) == 24


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_signs_the_sheets_message(name):
    row = VECTORS[name]
    message = request_message(
        method=row["method"],
        url_path=row["canonical_url"],
        body=row["body"],
        timestamp=row["timestamp"],
        nonce=row["nonce_str"],
    )

    assert message == row["message"].encode()
    assert hashlib.sha256(message).hexdigest() == row["message_sha256"]
    assert v3.sign(message, keys.MERCHANT_KEY) == row["signature"]
    assert v3.verify(row["message"], row["signature"], keys.MERCHANT_CERTIFICATE)


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_gets_the_sheets_authorization(name):
    row = VECTORS[name]
    mchid = "1900000100" if name == "REQ-4" else "1900000109"
    header = v3.build_authorization(
        method=row["method"],
        url_path=row["canonical_url"],
        body=row["body"].encode(),
        mchid=mchid,
        serial_no=keys.MERCHANT_SERIAL,
        private_key=keys.MERCHANT_KEY,
        timestamp=int(row["timestamp"]),
        nonce=row["nonce_str"],
    )

    assert header == row["authorization"]
    assert read_authorization(header) == Authorization(
        mchid=mchid,
        nonce_str=row["nonce_str"],
        signature=row["signature"],
        timestamp="1714554000",
        serial_no=keys.MERCHANT_SERIAL,
    )


def test_our_own_requests_are_the_sheets_octet_for_octet():
    placed = place_request(TERMS, merchant=OVERSEAS)
    asked = query_request(REF, merchant=OVERSEAS)
    piped = query_request(replace(REF, out_trade_no="A_b-c|d*e"), merchant=MAINLAND)
    by_id = query_request(
        replace(REF, sub_mch_id="1900000109", transaction_id="4200752501201407033233368018"),
        merchant=INSTITUTION,
    )

    assert (placed.method, placed.target) == ("POST", VECTORS["REQ-2"]["canonical_url"])
    assert placed.body == body("REQ-2")
    assert (asked.method, asked.target, asked.body) == (
        "GET",
        VECTORS["REQ-1"]["canonical_url"],
        b"",
    )
    assert piped.target == VECTORS["REQ-3"]["canonical_url"]
    assert by_id.target == VECTORS["REQ-4"]["canonical_url"]


def test_only_the_meta_part_of_an_upload_is_signed_and_it_names_the_files_digest():
    row = VECTORS["REQ-5"]
    file = base64.b64decode(row["file_base64"])

    assert json.loads(row["body"])["sha256"] == hashlib.sha256(file).hexdigest()


@pytest.mark.parametrize("name", SIGNED)
def test_every_signed_message_is_believed(name):
    assert believed(name)


@pytest.mark.parametrize("name", [name for name in SIGNED if "message" in VECTORS[name]])
def test_every_answer_signs_the_sheets_message(name):
    read = read_signature_headers(headers(name))

    assert verify_message(read.timestamp, read.nonce, body(name)) == (
        VECTORS[name]["message"].encode()
    )


@pytest.mark.parametrize("name", SIGNED)
def test_wechat_pays_side_signs_like_the_sheet(name):
    sheet = headers(name)
    serial = sheet["Wechatpay-Serial"]
    key = keys.PLATFORM_KEY if serial == keys.PLATFORM_SERIAL else keys.PUBLIC_MODE_KEY
    signed = signed_headers(
        body(name),
        serial=serial,
        private_key=key,
        timestamp=keys.NOW,
        nonce=sheet["Wechatpay-Nonce"],
    )

    assert signed.items() <= sheet.items()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def test_a_statement_is_signed_over_its_digest():
    digest = headers("RES-5")["Wechatpay-Statement-Sha1"]

    assert believed("RES-5", body_=f'{{"sha1":"{digest}"}}'.encode())
    assert not believed("RES-5")
    assert sha1(body("RES-5")) == digest.lower()


def test_the_probe_is_not_believed_and_told_for_what_it_is():
    read = read_signature_headers(headers("RES-6"))

    assert read.is_probe
    assert not believed("RES-6")
    assert not read_signature_headers(headers("RES-1")).is_probe


def test_a_probe_that_is_no_base64_is_not_believed_either():
    signature = headers("RES-6")["Wechatpay-Signature"][:-1]

    assert not believed("RES-6", **{"Wechatpay-Signature": signature})


@pytest.mark.parametrize("spoiled", [b"\n", b" ", b"x"])
def test_one_octet_more_in_the_body_is_not_believed(spoiled):
    assert not believed("RES-1", body_=body("RES-1") + spoiled)


def test_the_same_json_printed_otherwise_is_not_believed():
    pretty = json.dumps(json.loads(body("RES-1")), indent=1).encode()

    assert not believed("RES-1", body_=pretty)


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(299, True), (-299, True), (300, False), (-300, False)]
)
def test_five_minutes_are_too_old(seconds, fresh):
    assert believed("RES-1", now=keys.NOW + seconds) is fresh


def test_without_a_type_the_signature_is_rsa():
    kept = {k: v for k, v in headers("RES-1").items() if k != "Wechatpay-Signature-Type"}
    read = read_signature_headers(kept)

    assert is_signed_by(read, body("RES-1"), public_key=keys.PLATFORM_CERTIFICATE)


def test_a_serial_counts_as_a_number():
    assert believed("RES-1", **{"Wechatpay-Serial": keys.PLATFORM_SERIAL.lower()})
    assert believed("RES-1", **{"Wechatpay-Serial": keys.PLATFORM_SERIAL.lstrip("0")})
    assert not believed("RES-1", **{"Wechatpay-Serial": keys.PLATFORM_SERIAL[:-1]})


def test_another_known_key_does_not_stand_in():
    assert not believed("RES-1", **{"Wechatpay-Serial": keys.PUBLIC_KEY_ID})
    assert not believed("RES-2", **{"Wechatpay-Serial": keys.PLATFORM_SERIAL})


def test_the_placed_orders_are_granted():
    native = read_grant(body("RES-1"), TERMS)
    jsapi_grant = read_grant(body("RES-2"), PAY)

    assert (native.code_url, native.prepay_id, native.trade_type) == (
        "weixin://wxpay/s/An4baqw",
        "",
        "NATIVE",
    )
    assert jsapi_grant.prepay_id == "wx01170000000000abcdef0123456789ab0000"


def test_the_global_order_is_read_field_by_field():
    fact = read_query(body("RES-4"), REF, merchant=OVERSEAS)

    assert (fact.mch_id, fact.appid) == ("1900000109", "wx8888888888888888")
    assert (fact.out_trade_no, fact.transaction_id) == (
        "ORDER20240501A",
        "4200752501201407033233368018",
    )
    assert (fact.attach, fact.trade_type, fact.bank_type) == ("自定义数据", "NATIVE", "CMC")
    assert fact.success_time == datetime(2024, 5, 1, 16, 59, 40, tzinfo=BEIJING)
    assert (fact.trade_state, fact.trade_state_desc) == (TradeState.SUCCESS, "支付成功")
    assert (fact.total_fee, fact.fee_type) == (888, "HKD")
    assert fact.payment.openid == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    assert (fact.payment.payer_total, fact.payment.payer_currency) == (805, "CNY")
    assert fact.payment.exchange_rate_type == "SETTLEMENT_RATE"
    assert fact.payment.exchange_rate == Decimal("0.90657")


def test_the_institutional_order_is_read_with_every_member_there_is():
    fact = read_trade(body("RES-7"), source="v3.query")
    (promotion,) = fact.payment.promotions

    assert (fact.mch_id, fact.sub_mch_id) == ("1900000100", "1900000109")
    assert (fact.appid, fact.sub_appid) == ("wx8888888888888888", "wx9999999999999999")
    assert (fact.trade_state, fact.total_fee, fact.fee_type) == (TradeState.REFUND, 10000, "USD")
    assert fact.payment.openid == ""
    assert fact.payment.sp_openid == "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    assert fact.payment.sub_openid == "oLTPCuN5a-nBD4rAL_fa8c1xS9aY"
    assert (fact.payment.payer_total, fact.payment.exchange_rate) == (64350, Decimal("6.5"))
    assert (promotion.promotion_id, promotion.name) == ("109519", "Spring single item")
    assert (promotion.scope, promotion.type) == ("SINGLE", "DISCOUNT")
    assert (promotion.amount, promotion.currency, promotion.activity_id) == (100, "USD", "931386")
    assert promotion.wxpay_contribute_amount == 0
    assert promotion.merchant_contribute_amount == 60
    assert promotion.other_contribute_amount == 40
    assert promotion.goods_detail == (
        GoodsLine(
            goods_id="SKU-1_a", goods_remark="blue", quantity=2, price=4950, discount_amount=100
        ),
    )


def test_the_global_refund_answer_is_read():
    refund = refund_fact(json.loads(body("RES-8")), source="v3.refundquery")

    assert (refund.refund_id, refund.out_refund_no) == (
        "50200207182024050170300011301",
        "GRF20240501A",
    )
    assert (refund.refund_status, refund.refund_fee, refund.fee_type) == (
        RefundStatus.SUCCESS,
        444,
        "HKD",
    )
    assert (refund.total_fee, refund.user_received_account) == (None, "User balance")
    assert refund.success_time == datetime(2024, 5, 1, 16, 59, 55, tzinfo=BEIJING)


def test_the_certificate_list_holds_the_platform_certificate():
    (certificate,) = read_certificate_list(body("CERT-1"), keys.API_V3_KEY)

    assert certificate.serial_no == keys.PLATFORM_SERIAL
    assert certificate.pem == keys.PLATFORM_CERTIFICATE
    assert certificate.not_before == datetime(2024, 1, 1, 8, tzinfo=BEIJING)
    assert certificate.not_after == datetime(2034, 1, 1, 8, tzinfo=BEIJING)
    assert certificate.public_key == read_certificate(keys.PLATFORM_CERTIFICATE).public_key
    # The first list is believed by a certificate that came in it (protocol-v3 section 2.6).
    read = read_signature_headers(headers("CERT-1"))
    assert is_signed_by(read, body("CERT-1"), public_key=certificate.public_key)


def notice(name: str, *, api_v3_key: str = keys.API_V3_KEY) -> Notice:
    return read_notice(body(name), merchant=replace(MERCHANT, api_v3_key=api_v3_key))


@pytest.mark.parametrize("name", NOTICES)
def test_every_notice_opens_to_the_sheets_plaintext(name):
    plaintext = VECTORS[name]["plaintext"].encode()

    assert unseal(resource(name), keys.API_V3_KEY) == plaintext
    assert v3.decrypt_resource(resource(name), keys.API_V3_KEY) == json.loads(plaintext)
    assert notice(name).out_trade_no == json.loads(plaintext)["out_trade_no"]


@pytest.mark.parametrize("name", NOTICES)
def test_wechat_pays_side_seals_like_the_sheet(name):
    sheet = resource(name)
    sealed = encrypt_resource(
        VECTORS[name]["plaintext"].encode(),
        api_v3_key=keys.API_V3_KEY,
        nonce=sheet["nonce"],
        associated_data=sheet.get("associated_data", ""),
        original_type=sheet.get("original_type", ""),
    )

    assert sealed.items() >= sheet.items()


def test_the_payment_notices_become_facts():
    domestic = notice("NTF-1")
    overseas = notice("NTF-2")
    bare = notice("NTF-5")

    assert domestic.event_id == "0d7c4a52-5a3e-5b6f-9d0e-1f2a3b4c5d6e"
    assert (domestic.fact.transaction_id, domestic.fact.total_fee, domestic.fact.fee_type) == (
        "4200002177202405011234567890",
        100,
        "CNY",
    )
    assert domestic.fact.payment.payer_total == 90
    assert domestic.event_type == "TRANSACTION.SUCCESS"
    # The global member is "id", and there is no transaction_id to be found.
    assert "transaction_id" not in json.loads(VECTORS["NTF-2"]["plaintext"])
    assert overseas.fact.transaction_id == "4200752501201407033233368018"
    assert (bare.fact.out_trade_no, bare.fact.total_fee) == ("DOM20240501B", 1)


def test_the_refund_notices_become_facts():
    domestic = notice("NTF-3")
    overseas = notice("NTF-4")

    assert domestic.fact.source == "v3.notice"
    assert (domestic.fact.refund_id, domestic.fact.out_refund_no) == (
        "50300708412024050112345678901",
        "RF20240501A",
    )
    assert (domestic.fact.refund_fee, domestic.fact.total_fee, domestic.fact.fee_type) == (
        50,
        100,
        "CNY",
    )
    assert domestic.fact.user_received_account == "支付用户零钱"
    assert (overseas.fact.refund_fee, overseas.fact.fee_type) == (444, "HKD")
    assert overseas.fact.transaction_id == "4200752501201407033233368018"
    assert overseas.fact.user_received_account == "User balance"


def test_a_notice_whose_associated_data_is_gone_does_not_open():
    with pytest.raises(TagMismatch):
        v3.decrypt_resource(resource("NTF-1") | {"associated_data": ""}, keys.API_V3_KEY)


def test_a_key_with_one_letter_changed_does_not_open_it_and_is_our_own_trouble():
    with pytest.raises(TagMismatch):
        v3.decrypt_resource(resource("NTF-1"), "A" + keys.API_V3_KEY[1:])
    shut = notice("NTF-1", api_v3_key="A" + keys.API_V3_KEY[1:])

    assert shut.fact is None
    assert shut.unreadable.startswith("API_V3_KEY does not open it")


def test_a_request_without_its_last_line_feed_gets_another_signature():
    row = VECTORS["REQ-1"]

    assert v3.sign(row["message"][:-1], keys.MERCHANT_KEY) != row["signature"]


def test_a_raw_pipe_in_the_signed_path_gets_another_signature():
    row = VECTORS["REQ-3"]
    raw = row["message"].replace("%7C", "|")

    assert not v3.verify(raw, row["signature"], keys.MERCHANT_CERTIFICATE)


def test_jsapi_parameters_are_the_sheets():
    grant = replace(read_grant(body("RES-2"), PAY), prepay_id=PREPAY_ID)
    given = client_parameters(
        PAY, grant, private_key=keys.MERCHANT_KEY, timestamp=keys.NOW, nonce=PAY_NONCE
    )

    assert given == VECTORS["PAY-1"]["params"]


def test_app_parameters_are_the_sheets():
    grant = replace(read_grant(body("RES-2"), PAY), prepay_id=PREPAY_ID)
    given = client_parameters(
        payable(MAINLAND, "APP"),
        grant,
        private_key=keys.MERCHANT_KEY,
        timestamp=keys.NOW,
        nonce=PAY_NONCE,
    )

    assert given == VECTORS["PAY-2"]["params"]


def test_the_fourth_line_of_the_one_is_not_that_of_the_other():
    shared = {
        "private_key": keys.MERCHANT_KEY,
        "timestamp": keys.NOW,
        "nonce": PAY_NONCE,
    }
    grant = replace(read_grant(body("RES-2"), PAY), prepay_id=PREPAY_ID)
    packed = replace(grant, prepay_id=f"prepay_id={PREPAY_ID}")
    in_app = payable(MAINLAND, "APP")
    page = client_parameters(PAY, grant, **shared)
    phone = client_parameters(in_app, grant, **shared)
    swapped = client_parameters(in_app, packed, **shared)

    assert page["paySign"] == VECTORS["PAY-1"]["params"]["paySign"] == swapped["sign"]
    assert phone["sign"] == VECTORS["PAY-2"]["params"]["sign"] != page["paySign"]


def test_the_sealed_field_opens():
    row = VECTORS["OAEP-1"]

    assert decrypt_field(row["ciphertext"], private_key=keys.PLATFORM_KEY) == row["plaintext"]


def test_the_bills_digest_is_of_its_decompressed_text():
    row = VECTORS["BILL-1"]
    packed = base64.b64decode(row["gzip_base64"])

    assert gzip.decompress(packed) == row["text"].encode()
    assert sha1(gzip.decompress(packed)) == row["hash_value"]
