"""Routes of v3, and the common parts of its answers (protocol-v3 sections 7.1 and 12)."""

from __future__ import annotations

import re

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.simulator import Simulator, create_app, running
from tests.simulator.v3.calling import MAINLAND, NUMBER, Caller


@pytest.mark.parametrize(
    "path",
    [
        *("/v3/", "/v3/pay", "/v3/pay/transactions", "/v3/pay/transactions/mweb"),
        *("/v3/pay/transactions/native/", "/v3/pay/transactions/NATIVE", "/v3/global/certificate"),
        *("/v3/global/transactions/h5", f"/v3/global/transactions/{NUMBER}"),
        *("/v3/pay/transactions/id/1/close", "/v3/pay/transactions/out-trade-no//close"),
        *("/v3/refund/domestic", "/v3/Pay/transactions/native"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_address_is_404_without_a_body(mainland: Caller, method: str, path: str) -> None:
    response = mainland.session.request(method, mainland.host + path)
    assert (response.status_code, response.content) == (404, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/pay/transactions/native"),
        ("PUT", "/v3/pay/partner/transactions/h5"),
        ("POST", f"/v3/pay/transactions/out-trade-no/{NUMBER}"),
        ("GET", f"/v3/global/transactions/out-trade-no/{NUMBER}/close"),
        ("POST", "/v3/certificates"),
        ("HEAD", "/v3/global/certificates"),
    ],
)
def test_another_method_is_405_without_a_word(
    app: Simulator, mainland: Caller, method: str, path: str
) -> None:
    response = mainland.session.request(method, mainland.host + path)
    assert (response.status_code, response.content) == (405, b"")
    assert not {"Wechatpay-Signature", "Request-ID"} & response.headers.keys()
    assert app.ledger()["requests"] == []


def test_an_answer_has_the_gateways_headers(mainland: Caller) -> None:
    response = mainland.send("POST", f"{mainland.home}/native", mainland.order())
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Server"] == "nginx"
    assert response.headers["Cache-Control"] == "no-cache, must-revalidate"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Language"] == "zh-CN"
    assert re.fullmatch("08[0-9A-F]{32}-0", response.headers["Request-ID"])
    assert response.headers["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert re.fullmatch("[0-9A-F]{32}", response.headers["Wechatpay-Nonce"])


def test_a_caller_that_closes_gets_no_keep_alive() -> None:
    with running(create_app()) as url:
        response = requests.get(f"{url}/v3/none", headers={"Connection": "close"}, timeout=5)
    assert response.status_code == 404
    assert not {"Keep-Alive", "Connection"} & response.headers.keys()


def test_on_a_socket_the_connection_is_kept_and_an_empty_answer_has_no_length() -> None:
    app = create_app()
    with running(app) as url:
        caller = Caller(app, host=url)
        placed = caller.send("POST", f"{caller.home}/native", caller.order())
        assert placed.headers["Keep-Alive"] == "timeout=8"
        assert placed.headers["Server"] == "nginx"
        path = f"{caller.home}/out-trade-no/{NUMBER}/close"
        closed = caller.send("POST", path, caller.whose)
        assert (closed.status_code, closed.content) == (204, b"")
        assert not {"Content-Length", "Content-Type"} & closed.headers.keys()
        assert caller.state() == "CLOSED"
        caller.session.close()


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Order not paid"),
        ("en-GB,zh", "Order not paid"),
        ("zh-CN", "订单未支付"),
        ("", "订单未支付"),
    ],
)
def test_texts_come_in_the_language_that_is_asked_for(
    mainland: Caller, language: str, expected: str
) -> None:
    mainland.place()
    answer = mainland.query(headers={"Accept-Language": language})
    assert answer["trade_state_desc"] == expected
    missing = mainland.query("T0000000", headers={"Accept-Language": language})
    assert missing["message"].isascii() is language.startswith("en")


@given(number=st.text("0123456789abcABC_-|*", min_size=6, max_size=32))
def test_every_number_can_be_written_into_a_path(number: str) -> None:
    caller = Caller(create_app())
    assert caller.place(out_trade_no=number)["status"] == 200
    assert caller.query(number)["out_trade_no"] == number
    assert caller.query(number.replace("|", "%7C").replace("*", "%2A"))["out_trade_no"] == number
    assert caller.close(number)["status"] == 204


def test_the_ledger_writes_down_who_asked_what(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    mainland.query("T0000000")
    first, second = app.ledger()["requests"]
    assert (first["api"], first["operation"], first["mch_id"]) == ("v3", "unifiedorder", MAINLAND)
    assert (first["http_status"], first["result_code"], first["err_code"]) == (200, "SUCCESS", "")
    assert (first["out_trade_no"], first["signed_by"]) == (NUMBER, app.public_key[0])
    assert (second["operation"], second["out_trade_no"]) == ("orderquery", "T0000000")
    assert (second["http_status"], second["result_code"]) == (404, "FAIL")
    assert (second["err_code"], second["signed_by"]) == ("ORDER_NOT_EXIST", "")


def test_an_unreadable_body_is_recorded_too(app: Simulator, mainland: Caller) -> None:
    mainland.call("POST", f"{mainland.home}/native", b"{")
    mainland.send("POST", f"{mainland.home}/native", b"{}", headers={"Authorization": None})
    first, second = app.ledger()["requests"]
    assert (first["out_trade_no"], first["err_code"]) == ("", "PARAM_ERROR")
    assert (second["mch_id"], second["err_code"]) == ("", "SIGN_ERROR")
