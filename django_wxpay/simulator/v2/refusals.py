"""Refusals of the v2 gateway: their codes, texts and two levels.

The real gateway answers an invalid request at the level of ``return_code``, although its
tables list an ``err_code`` for it (protocol-v2 section 3.7).
"""

from __future__ import annotations

from typing import Final

# Texts seen in practice (protocol-v2 section 3.9); the wording is no contract.
_TEXTS: Final[dict[str, str]] = {
    "REQUIRE_POST_METHOD": "请使用post方法",
    "POST_DATA_EMPTY": "post数据为空",
    "NOT_UTF8": "编码格式错误",
    "XML_FORMAT_ERROR": "XML格式错误",
    "APPID_NOT_EXIST": "appid不存在",
    "MCHID_NOT_EXIST": "商户号mch_id或sub_mch_id不存在",
    "APPID_MCHID_NOT_MATCH": "appid和mch_id不匹配",
    "SIGNERROR": "签名错误",
    "LACK_PARAMS": "缺少参数",
    "ORDERPAID": "该订单已支付",
    "ORDERCLOSED": "该订单已关闭",
    "ORDERNOTEXIST": "此交易订单号不存在",
    "OUT_TRADE_NO_USED": "商户订单号已被其他交易使用",
    "TRADE_STATE_ERROR": "订单状态错误",
    "INVALID_TRANSACTIONID": "无效transaction_id",
    "REFUNDNOTEXIST": "退款订单查询失败，订单号错误或订单状态不正确",
    "NOAUTH": "商户无此接口权限",
    "SYSTEMERROR": "系统错误",
    "USERPAYING": "需要用户输入支付密码",
    "BANKERROR": "银行系统异常",
    "NOTENOUGH": "余额不足",
    "AUTHCODEEXPIRE": "二维码已过期，请用户在微信上刷新后再试",
    "AUTH_CODE_ERROR": "授权码参数错误",
    "AUTH_CODE_INVALID": "请扫描微信支付被扫条码/二维码",
    "ORDERREVERSED": "订单已撤销",
    "TRADE_ERROR": "交易错误",
    "REVERSE_EXPIRE": "订单无法撤销",
}


class GatewayError(Exception):
    """A refusal of the gateway: its code, and a text for a person."""

    def __init__(self, code: str, text: str = "") -> None:
        self.code = code
        self.text = (text or _TEXTS[code])[:128]
        super().__init__(f"{code}: {self.text}")


class ProtocolError(GatewayError):
    """The request is invalid: checks 1 to 9 of protocol-v2 section 11."""


class BusinessError(GatewayError):
    """The request is valid and refused: checks 10 and 11 of protocol-v2 section 11."""


def lacks(field: str) -> ProtocolError:
    """Return the error for a required field that is not there."""
    return ProtocolError("LACK_PARAMS", f"缺少参数{field}")


def invalid(field: str, problem: str) -> ProtocolError:
    """Return the error for a field that breaks its rule."""
    return ProtocolError("PARAM_ERROR", f"invalid {field}: {problem}")
