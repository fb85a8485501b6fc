"""API v2 messages as WeChat Pay signs them, with test keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from django_wxpay.protocol import v2
from tests.wechatpay.transport import RawAnswer, ScriptedTransport

API_KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
MCH_ID = "1900000109"
APPID = "wx8888888888888888"


class V2:
    """API v2: requests are XML; an answer is fields, which are signed, or bytes as they are."""

    def read(self, request: requests.PreparedRequest) -> dict[str, str]:
        body = request.body
        return v2.decode_xml(body if isinstance(body, bytes) else str(body).encode())

    def write(self, answer: Mapping[str, Any] | bytes, sent: Mapping[str, str]) -> RawAnswer:
        return 200, answer if isinstance(answer, bytes) else signed(answer, sent)


def scripted_v2() -> ScriptedTransport:
    """Return a gateway that has no bills, which the worker asks for by itself."""
    scripted = ScriptedTransport(dialect=V2())
    scripted.answers["/pay/downloadbill"] = v2.encode_xml(
        {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}
    )
    return scripted


def signed(answer: Mapping[str, Any], sent: Mapping[str, str]) -> bytes:
    """Return ``answer`` as the gateway would send it to whoever sent ``sent``."""
    fields = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "result_code": "SUCCESS",
        "appid": sent["appid"],
        "mch_id": sent["mch_id"],
        "sub_mch_id": sent.get("sub_mch_id", ""),
        "nonce_str": "gatewaynonce",
        **{name: str(value) for name, value in answer.items()},
    }
    return v2.encode_xml(
        fields | {"sign": v2.sign(fields, API_KEY, sent.get("sign_type", "MD5"))},
    )


def granted(sent: Mapping[str, str]) -> dict[str, str]:
    """Accept a unifiedorder."""
    grant = {"prepay_id": f"wx{len(sent):034d}", "trade_type": sent["trade_type"]}
    if sent["trade_type"] == "NATIVE":
        grant["code_url"] = "weixin://wxpay/bizpayurl?pr=TEST123"
    if sent["trade_type"] == "MWEB":
        grant["mweb_url"] = "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=x"
    return grant


def refused(err_code: str, err_code_des: str = "") -> dict[str, str]:
    """Say no, signed."""
    return {"result_code": "FAIL", "err_code": err_code, "err_code_des": err_code_des}


def standing(state: str, **more: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    """Answer an orderquery with ``state``."""
    return lambda sent: {
        "out_trade_no": sent["out_trade_no"],
        "trade_state": state,
        "trade_state_desc": f"in {state}",
        **more,
    }


PAID = {
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "is_subscribe": "N",
    "trade_type": "NATIVE",
    "bank_type": "OTHERS",
    "total_fee": 100,
    "fee_type": "CNY",
    "cash_fee": 100,
    "transaction_id": "4200000000202601010000000001",
    "time_end": "20260101000130",
}


def payment_notice(out_trade_no: str, *, key: str = API_KEY, **changes: Any) -> bytes:
    """Return a signed payment notification; ``changes`` of None drop a field.

    A ``sign`` among the changes is sent instead of the right one.
    """
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": APPID,
        "mch_id": MCH_ID,
        "nonce_str": "noticenonce",
        "sign_type": "HMAC-SHA256",
        "out_trade_no": out_trade_no,
        **PAID,
        **changes,
    }
    wire = {name: str(value) for name, value in fields.items() if value is not None}
    if "sign" not in changes:
        wire["sign"] = v2.sign(wire, key, wire.get("sign_type", "MD5"))
    return v2.encode_xml(wire)
