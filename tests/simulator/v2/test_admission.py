"""The checks before the order itself is looked at, in their order (protocol-v2 section 11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant as Account
from django_wxpay.protocol.merchants import Mode
from django_wxpay.simulator import Options, Simulator, create_app
from tests.simulator.calling import APPID, INSTITUTION, KEY, MCH_ID, ORDER, Merchant

PATHS = ["/pay/unifiedorder", "/pay/orderquery", "/pay/closeorder", "/payitil/report"]


def answered(merchant: Merchant, path: str, body: bytes) -> dict[str, str]:
    response = merchant.post(path, body)
    assert response.status_code == 200
    return v2.decode_xml(response.content)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "post数据为空"),
        ("<xml><body>杯</body></xml>".encode("gbk"), "编码格式错误"),
        (b"not xml", "XML格式错误"),
        (b'{"json": true}', "XML格式错误"),
        (b"<xml><a>1</a>", "XML格式错误"),
        (b"<root><a>1</a></root>", "XML格式错误"),
        (b"<xml><a><b>1</b></a></xml>", "XML格式错误"),
        (b"<xml><a>1</a><a>2</a></xml>", "XML格式错误"),
        (b"<!DOCTYPE xml><xml><a>1</a></xml>", "XML格式错误"),
        (b"<xml><a>" + b"x" * 65_536 + b"</a></xml>", "XML格式错误"),
        (b"<xml></xml>", "缺少参数mch_id"),
    ],
)
def test_a_request_that_cannot_be_read_is_refused_unsigned(
    merchant: Merchant, path: str, body: bytes, expected: str
) -> None:
    answer = answered(merchant, path, body)
    assert answer == {"return_code": "FAIL", "return_msg": expected}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_is_taken(merchant: Merchant, path: str, method: str) -> None:
    response = merchant.session.request(method, merchant.host + path)
    assert response.status_code == 200
    assert v2.decode_xml(response.content)["return_msg"] == "请使用post方法"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"mch_id": None}, "缺少参数mch_id"),
        ({"mch_id": "1999999999"}, "商户号mch_id或sub_mch_id不存在"),
        ({"appid": None}, "缺少参数appid"),
        ({"appid": "wx0000000000000000"}, "appid不存在"),
        ({"sub_mch_id": "1900000300"}, "商户号mch_id或sub_mch_id不存在"),
        ({"sign_type": "SHA1"}, "PARAM_ERROR:sign_type"),
        ({"sign": "0" * 32}, "签名错误"),
    ],
)
def test_an_identity_that_is_not_right_is_refused(
    merchant: Merchant, fields: dict[str, str | None], expected: str
) -> None:
    signed = v2.decode_xml(merchant.signed({**ORDER, **fields}))
    body = v2.encode_xml({**signed, **{k: v for k, v in fields.items() if v}})
    assert answered(merchant, "/pay/unifiedorder", body) == {
        "return_code": "FAIL",
        "return_msg": expected,
    }


def test_a_request_without_a_signature_is_refused(merchant: Merchant) -> None:
    body = v2.encode_xml({**merchant.identity, **ORDER})
    assert answered(merchant, "/pay/unifiedorder", body)["return_msg"] == "缺少参数sign"


def test_identity_comes_before_signature_and_signature_before_fields(merchant: Merchant) -> None:
    wrong = {"mch_id": MCH_ID, "sign": "0" * 32, "total_fee": "-1"}
    expected = answered(merchant, "/pay/unifiedorder", v2.encode_xml({**wrong, "appid": "wx0"}))
    assert expected["return_msg"] == "appid不存在"
    expected = answered(merchant, "/pay/unifiedorder", v2.encode_xml({**wrong, "appid": APPID}))
    assert expected["return_msg"] == "签名错误"


def test_one_changed_character_breaks_the_signature(merchant: Merchant) -> None:
    body = merchant.signed(ORDER).replace(b"tea cup", b"tea cap")
    assert answered(merchant, "/pay/unifiedorder", body)["return_msg"] == "签名错误"


def test_an_unknown_field_must_be_signed_too(merchant: Merchant) -> None:
    body = merchant.signed(ORDER).replace(b"</xml>", b"<extra>1</extra></xml>")
    assert answered(merchant, "/pay/unifiedorder", body)["return_msg"] == "签名错误"


def test_an_appid_of_somebody_else_does_not_match() -> None:
    other = Account(alias="other", mch_id="1900000200", appid="wx2222222222222222", api_key=KEY)
    mine = Account(alias="mine", mch_id=MCH_ID, appid=APPID, api_key=KEY)
    merchant = Merchant(create_app([mine, other]))
    assert merchant.place(appid="wx2222222222222222")["return_msg"] == "appid和mch_id不匹配"


def test_aliases_of_one_mch_id_are_one_account_with_all_its_appids() -> None:
    app = create_app(
        [
            Account(alias="web", mch_id=MCH_ID, appid=APPID, api_key=KEY),
            Account(alias="app", mch_id=MCH_ID, appid="wx2222222222222222", appids=("wx3",)),
        ]
    )
    [account] = app.ledger()["merchants"]
    assert account["appids"] == [APPID, "wx2222222222222222", "wx3"]
    assert Merchant(app).place(appid="wx3")["result_code"] == "SUCCESS"


@pytest.mark.parametrize(
    "change", [{"api_key": "TESTKEYtestkeyTESTKEYtestkey0009"}, {"mode": Mode.INSTITUTIONAL}]
)
def test_aliases_that_contradict_one_another_are_refused(change: dict[str, str]) -> None:
    plain = {"mch_id": MCH_ID, "appid": APPID, "api_key": KEY}
    first, second = Account(alias="a", **plain), Account(alias="b", **{**plain, **change})
    with pytest.raises(ConfigurationError, match="1900000109") as error:
        create_app([first, second])
    assert "TESTKEY" not in str(error.value)


def test_an_account_without_a_v2_key_lets_nothing_in() -> None:
    merchant = Merchant(create_app([Account(alias="v3", mch_id=MCH_ID, appid=APPID)]))
    assert merchant.place()["return_msg"] == "签名错误"


@pytest.mark.parametrize("sub_mch_id", ["not-a-number", "1900000300"])
def test_only_known_sub_merchants_are_served_where_they_are_listed(sub_mch_id: str) -> None:
    account = Account(
        alias="i", mch_id=INSTITUTION, appid=APPID, mode=Mode.INSTITUTIONAL, api_key=KEY
    )
    app = create_app([account], options=Options(sub_mch_ids=frozenset({"1900000301"})))
    merchant = Merchant(app, mch_id=INSTITUTION)
    assert merchant.place(sub_mch_id="1900000301")["result_code"] == "SUCCESS"
    assert merchant.place(sub_mch_id=sub_mch_id)["return_code"] == "FAIL"


def test_documented_errors_come_as_signed_err_codes() -> None:
    merchant = Merchant(create_app(options=Options(error_shape="documented")))
    lacking = merchant.place(notify_url=None)
    assert (lacking["return_code"], lacking["result_code"]) == ("SUCCESS", "FAIL")
    assert (lacking["err_code"], lacking["err_code_des"]) == ("LACK_PARAMS", "缺少参数notify_url")
    assert merchant.place(total_fee="0")["err_code"] == "PARAM_ERROR"


def test_documented_errors_without_a_key_carry_their_code_unsigned() -> None:
    merchant = Merchant(create_app(options=Options(error_shape="documented")), key="x" * 32)
    answer = merchant.place()
    assert (answer["return_code"], answer["err_code"]) == ("FAIL", "SIGNERROR")


def test_the_ledger_knows_the_code_behind_a_text(app: Simulator, merchant: Merchant) -> None:
    merchant.place(notify_url=None)
    [record] = app.ledger()["requests"]
    assert record["err_code"] == "LACK_PARAMS"
    assert (record["operation"], record["return_code"]) == ("unifiedorder", "FAIL")
    assert record["host"] == "api.mch.weixin.qq.com"


@given(body=st.binary(max_size=300))
def test_nothing_that_is_posted_is_answered_with_anything_but_xml(body: bytes) -> None:
    merchant = Merchant(create_app())
    for path in PATHS:
        assert answered(merchant, path, body)["return_code"] == "FAIL"


@given(
    fields=st.dictionaries(
        st.sampled_from([*ORDER, "attach", "detail", "openid", "time_expire", "fee_type"]),
        st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=140),
    )
)
def test_whatever_a_merchant_signs_gets_a_proper_answer(fields: dict[str, str]) -> None:
    merchant = Merchant(create_app())
    try:
        body = merchant.signed({**ORDER, **fields})
    except ValueError:  # what XML cannot carry cannot be sent
        return
    assert answered(merchant, "/pay/unifiedorder", body)["return_code"] in {"SUCCESS", "FAIL"}
