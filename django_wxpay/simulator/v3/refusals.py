"""How the v3 gateway says no: the code, its status, its text in two languages, its number.

The Chinese texts are those observed, where one was (protocol-v3 section 7.1). The number at
the end of ``Request-ID`` is the gateway's own name for the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django_wxpay.simulator.v3.validation import V3Problem


@dataclass(frozen=True, slots=True)
class Row:
    """One code as the gateway answers it."""

    status: int
    chinese: str
    english: str
    number: int


TABLE: Final[Mapping[str, Row]] = {
    "PARAM_ERROR": Row(400, "参数错误", "Parameter error.", 268435461),
    "INVALID_REQUEST": Row(400, "无效请求", "Invalid request.", 268435464),
    "APPID_MCHID_NOT_MATCH": Row(
        400, "appid和mch_id不匹配", "The appid and mchid do not match.", 268445527
    ),
    "MCH_NOT_EXISTS": Row(400, "商户号不存在", "The merchant does not exist.", 268435464),
    "ORDER_PAID": Row(400, "该订单已支付", "The order has been paid.", 268449538),
    "ORDER_CLOSED": Row(400, "该订单已关闭", "The order has been closed.", 268447914),
    "SIGN_ERROR": Row(401, "签名错误", "Signature error.", 268443699),
    "NO_AUTH": Row(
        403, "商户号不支持该接口", "The merchant is not supported for this API.", 268448010
    ),
    "OUT_TRADE_NO_USED": Row(403, "商户订单号重复", "The out_trade_no has been used.", 268498688),
    "TRADE_ERROR": Row(403, "交易错误", "The trade does not allow this.", 268435464),
    "ORDER_NOT_EXIST": Row(404, "订单不存在", "The order does not exist.", 268512771),
    "RESOURCE_NOT_EXISTS": Row(
        404,
        "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥",
        "No platform certificate is available; please use the WeChat Pay public key.",
        268435464,
    ),
    "FREQUENCY_LIMITED": Row(429, "频率超限", "Frequency limit exceeded.", 268447840),
    "SYSTEM_ERROR": Row(500, "系统异常，请稍后重试", "System error, please try again.", 268435456),
    "SERVICE_UNAVAILABLE": Row(
        503, "服务不可用，请稍后重试", "Service unavailable, please try again.", 268435456
    ),
}


class V3Refusal(Exception):
    """A no of the v3 gateway. ``has_request_id`` is off where the real one names none."""

    def __init__(
        self,
        code: str,
        *,
        chinese: str = "",
        english: str = "",
        detail: Mapping[str, Any] | None = None,
        number: int = 0,
        has_request_id: bool = True,
    ) -> None:
        row = TABLE[code]
        self.code = code
        self.status = row.status
        self.chinese = chinese or row.chinese
        self.english = english or row.english
        self.detail = detail
        self.number = number or row.number
        self.has_request_id = has_request_id
        super().__init__(f"{code}: {self.english}")

    def content(self, *, is_english: bool) -> dict[str, Any]:
        """Return the answer's body."""
        said: dict[str, Any] = {"code": self.code}
        if self.detail is not None:
            said["detail"] = dict(self.detail)
        return said | {"message": self.english if is_english else self.chinese}


def invalid(problem: V3Problem) -> V3Refusal:
    """Return the error for a member that breaks its rule."""
    return V3Refusal(
        problem.code,
        chinese=f"输入源“/{problem.location}{problem.field}”映射到值字段规则校验失败",
        english=f"{problem.field} in {problem.location}: {problem.issue}",
        detail=problem.detail,
    )


def wrong(
    field: str,
    issue: str,
    *,
    value: object = None,
    location: str = "body",
    code: str = "PARAM_ERROR",
) -> V3Refusal:
    """Return the error for a member that is well-formed and all the same not right."""
    return invalid(V3Problem(field=field, issue=issue, value=value, location=location, code=code))
