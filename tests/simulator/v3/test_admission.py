"""Admission of v3 requests: headers, Authorization, time and signature, in their order."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.v3.signing import SCHEME, sign
from django_wxpay.simulator import Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import (
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PLATFORM_PRIVATE_KEY,
)
from tests.simulator.v3.calling import GLOBAL, MAINLAND, NUMBER, Caller

MALFORMED = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
UNVERIFIED = "签名信息错误，验签失败"
STALE = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"


def refused(caller: Caller, **how: Any) -> dict[str, Any]:
    answer = caller.call("POST", f"{caller.home}/native", caller.order(), **how)
    assert (answer["status"], answer["code"]) == (401, "SIGN_ERROR")
    assert caller.app.ledger()["trades"] == []
    return answer


@pytest.mark.parametrize("name", ["Accept", "User-Agent"])
def test_accept_and_user_agent_are_asked_for_before_anything_else(
    overseas: Caller, mainland: Caller, name: str
) -> None:
    missing: dict[str, str | None] = {name: None, "Authorization": None}
    for caller in (overseas, mainland):
        answer = caller.certificates(headers=missing)
        assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
        assert answer["message"] == "Http头缺少Accept或User-Agent"
    assert refused(mainland, headers=missing)["message"] == UNVERIFIED
    assert mainland.call("POST", f"{mainland.home}/native", mainland.order(), headers={name: None})[
        "code_url"
    ]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer x",
        "WECHATPAY2-SM2-WITH-SM3 mchid",
        SCHEME.lower() + ' mchid="1",nonce_str="n",signature="s",timestamp="1",serial_no="x"',
    ],
)
def test_another_scheme_is_refused_in_each_familys_words(
    mainland: Caller, overseas: Caller, header: str | None
) -> None:
    headers = {"Authorization": header}
    assert refused(mainland, headers=headers)["message"] == UNVERIFIED
    assert refused(overseas, headers=headers)["message"] == MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.replace(SCHEME, f"{SCHEME} "),
        lambda header: header.replace(",", ", "),
        lambda header: header.replace('"', "'"),
        lambda header: header.replace("mchid", "mch_id"),
        lambda header: header + ',extra="1"',
        lambda header: header.rpartition(",")[0],
        lambda header: f"{header},{header.rpartition(',')[2]}",
        lambda header: header.replace('timestamp="', 'timestamp="+'),
        lambda header: header.replace('timestamp="', 'timestamp="99999'),
        lambda header: header.replace('nonce_str="', 'nonce_str="x'),
    ],
)
def test_a_header_of_another_shape_is_malformed(mainland: Caller, change: Any) -> None:
    response = mainland.send("POST", f"{mainland.home}/native", mainland.order())
    header = change(str(response.request.headers["Authorization"]))
    mainland.app.reset()
    assert refused(mainland, headers={"Authorization": header})["message"] == MALFORMED


@given(order=st.permutations(["mchid", "nonce_str", "signature", "timestamp", "serial_no"]))
def test_the_five_values_may_stand_in_any_order(order: list[str]) -> None:
    caller = Caller(create_app())
    response = caller.send("GET", f"{caller.home}/out-trade-no/{NUMBER}?{caller.asking()}")
    sent = str(response.request.headers["Authorization"]).partition(" ")[2].split(",")
    pairs = {pair.partition("=")[0]: pair for pair in sent}
    header = f"{SCHEME} " + ",".join(pairs[name] for name in order)
    again = caller.query(headers={"Authorization": header})
    assert again["code"] == "ORDER_NOT_EXIST"


@pytest.mark.parametrize(
    "signs",
    [
        {"mchid": "1999999999"},
        {"mchid": "1900000109"},
        {"serial_no": "0" * 40},
        {"serial_no": TEST_MERCHANT_SERIAL_NO[:-1]},
        {"serial_no": f"{TEST_MERCHANT_SERIAL_NO}0"},
        {"serial_no": f"0x{TEST_MERCHANT_SERIAL_NO}"},
    ],
)
def test_the_serial_has_to_be_one_of_the_merchants(mainland: Caller, signs: dict[str, str]) -> None:
    answer = refused(mainland, signs=signs)
    assert answer["message"].startswith("商户证书序列号有误")
    assert "detail" not in answer


@pytest.mark.parametrize(
    "serial_no",
    [
        TEST_MERCHANT_SERIAL_NO.lower(),
        TEST_MERCHANT_SERIAL_NO.lstrip("0"),
        TEST_MERCHANT_SERIAL_NO.lstrip("0").lower(),
        f"00{TEST_MERCHANT_SERIAL_NO}",
    ],
)
def test_the_serial_is_a_number_however_it_is_written(mainland: Caller, serial_no: str) -> None:
    mainland.place()
    assert mainland.query(signs={"serial_no": serial_no})["status"] == 200


@pytest.mark.parametrize(("off", "status"), [(300, 200), (-300, 200), (301, 401), (-301, 401)])
def test_five_minutes_either_way_are_let_in(mainland: Caller, off: int, status: int) -> None:
    timestamp = int(mainland.app.now().timestamp()) + off
    # The time is looked at before the signature is.
    wrong = {"private_key": TEST_PLATFORM_PRIVATE_KEY} if status == 401 else {}
    answer = mainland.call(
        "POST",
        f"{mainland.home}/native",
        mainland.order(),
        signs={"timestamp": timestamp, **wrong},
    )
    assert answer["status"] == status
    assert status == 200 or answer["message"] == STALE


@pytest.mark.parametrize(
    "signs",
    [
        {"private_key": TEST_PLATFORM_PRIVATE_KEY},
        {"method": "GET"},
        {"body": b"{}"},
        {"url_path": "/v3/pay/transactions/jsapi"},
        {"url_path": "/v3/pay/transactions/native?"},
    ],
)
def test_a_signature_over_anything_else_is_wrong(mainland: Caller, signs: dict[str, Any]) -> None:
    answer = refused(mainland, signs=signs)
    assert answer["message"] == "签名错误"
    detail = answer["detail"]
    assert (detail["field"], detail["location"]) == ("signature", "authorization")
    assert detail["detail"] == {"issue": "sign not match"}
    information = detail["sign_information"]
    assert (information["method"], information["url"]) == ("POST", "/v3/pay/transactions/native")
    seen = information["truncated_sign_message"]
    assert seen.startswith("POST\n/v3/pay/transactions/native\n17")
    assert len(seen) < information["sign_message_length"]


@pytest.mark.parametrize("signature", ["", "@", "WECHATPAY/SIGNTEST/x"])
def test_what_is_no_base64_is_a_wrong_signature(mainland: Caller, signature: str) -> None:
    values = {"mchid": MAINLAND, "nonce_str": "n", "serial_no": TEST_MERCHANT_SERIAL_NO}
    values |= {"timestamp": str(int(mainland.app.now().timestamp())), "signature": signature}
    header = f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in values.items())
    answer = refused(mainland, headers={"Authorization": header})
    assert answer["message"] == ("签名错误" if signature else MALFORMED)


def test_the_raw_target_is_what_is_signed(mainland: Caller) -> None:
    number = "A_b-c|d*e"
    mainland.place(out_trade_no=number)
    encoded = f"{mainland.home}/out-trade-no/A_b-c%7Cd*e?mchid={MAINLAND}"
    assert mainland.call("GET", encoded)["out_trade_no"] == number
    raw = encoded.replace("%7C", "|")
    answer = mainland.call("GET", encoded, signs={"url_path": raw})
    assert (answer["status"], answer["code"]) == (401, "SIGN_ERROR")


def test_only_pay_paths_leave_out_the_request_id_of_a_401(
    mainland: Caller, overseas: Caller
) -> None:
    sent = mainland.send("POST", f"{mainland.home}/native", headers={"Authorization": "x"})
    assert "Request-ID" not in sent.headers
    sent = overseas.send("POST", f"{overseas.home}/native", headers={"Authorization": "x"})
    assert sent.headers["Request-ID"].endswith("-268443699")
    sent = mainland.send("GET", "/v3/certificates", headers={"Authorization": "x"})
    assert sent.headers["Request-ID"].endswith("-268443699")


def test_a_body_larger_than_the_limit_is_never_verified(mainland: Caller) -> None:
    order = mainland.order(attach="x" * 70_000)
    answer = mainland.call("POST", f"{mainland.home}/native", order)
    assert (answer["status"], answer["code"]) == (401, "SIGN_ERROR")


def test_a_merchant_of_v2_alone_cannot_sign_v3(app: Simulator) -> None:
    caller = Caller(app, mch_id="1900000109")
    assert refused(caller)["message"].startswith("商户证书序列号有误")


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI", ""])
def test_on_another_server_the_target_is_taken_from_where_it_tells_it(
    app: Simulator, name: str
) -> None:
    target = f"/v3/pay/transactions/out-trade-no/A_b-c%7Cd*e?mchid={MAINLAND}"
    timestamp = str(int(app.now().timestamp()))
    message = f"GET\n{target}\n{timestamp}\nn\n\n"
    values = {
        "mchid": MAINLAND,
        "nonce_str": "n",
        "serial_no": TEST_MERCHANT_SERIAL_NO,
        "timestamp": timestamp,
        "signature": sign(message, TEST_MERCHANT_PRIVATE_KEY),
    }
    statuses: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/v3/pay/transactions/out-trade-no/A_b-c|d*e",
        "QUERY_STRING": urlsplit(target).query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        "HTTP_AUTHORIZATION": f"{SCHEME} " + ",".join(f'{k}="{v}"' for k, v in values.items()),
        **({name: target} if name else {"RAW_URI": f"http://localhost{target}"}),
    }

    class Empty:
        def read(self, size: int) -> bytes:
            return b""

    environ["wsgi.input"] = Empty()
    body = b"".join(app(environ, lambda status, headers: statuses.append(status)))
    assert statuses == ["404 Not Found"]
    assert b"ORDER_NOT_EXIST" in body


@given(
    authorization=st.text(st.characters(codec="latin-1"), max_size=200),
    target=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40),
    body=st.binary(max_size=60),
    method=st.sampled_from(["GET", "POST"]),
)
def test_any_unsigned_request_is_refused_and_never_an_error(
    authorization: str, target: str, body: bytes, method: str
) -> None:
    app = create_app()
    for path in (f"/v3/{target}", f"/v3/pay/transactions/native?{target}", "/v3/certificates"):
        statuses: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "RAW_URI": path,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "HTTP_AUTHORIZATION": f"{SCHEME} {authorization}",
            "HTTP_ACCEPT": "*/*",
            "HTTP_USER_AGENT": "x",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": _Once(body),
            "PATH_INFO": path.partition("?")[0],
        }
        b"".join(app(environ, lambda status, headers, to=statuses: to.append(status)))
        assert statuses[0][:3] in {"400", "401", "404", "405"}


class _Once:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def read(self, size: int) -> bytes:
        return self.body[:size]


def test_one_merchants_key_is_not_anothers(app: Simulator) -> None:
    """Demonstration merchants share a key pair; what is signed names only one of them."""
    caller = Caller(app, mch_id=GLOBAL)
    answer = caller.call("POST", f"{caller.home}/native", caller.order(mchid=MAINLAND))
    assert (answer["status"], answer["code"]) == (400, "PARAM_ERROR")
    assert answer["detail"]["field"] == "/mchid"
