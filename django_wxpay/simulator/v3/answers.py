"""Answers and refusals of the v3 gateway: octets, headers, signature, codes and texts.

A 2xx is signed, an empty one too; no other answer is (protocol-v3 sections 2.3, 7.1 and 12).
The Chinese texts are those observed. The number at the end of ``Request-ID`` is the gateway's
internal name of the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.state.identifiers import Identifiers
from django_wxpay.simulator.v3.keychain import Signer
from django_wxpay.simulator.v3.tampering import changed, signature_headers, written
from django_wxpay.simulator.v3.validation import V3Problem

JSON: Final = "application/json; charset=utf-8"

_HEADERS: Final = (
    ("Server", "nginx"),
    ("Cache-Control", "no-cache, must-revalidate"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer before it is written: a status, and the body's content or None.

    A ``file`` is sent as it is. It is signed over ``signed_text``, or not at all.
    """

    status: int
    content: dict[str, Any] | None = field(default=None, repr=False)
    code: str = ""
    number: int = 0
    has_request_id: bool = True
    file: bytes | None = field(default=None, repr=False)
    signed_text: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


def refused(refusal: V3Refusal, request: Request) -> Answer:
    """Return ``refusal`` as an answer in the caller's language."""
    return Answer(
        status=refusal.status,
        content=refusal.content(is_english=wants_english(request)),
        code=refusal.code,
        number=refusal.number,
        has_request_id=refusal.has_request_id,
    )


def wants_english(request: Request) -> bool:
    """Say whether the caller asks for English; else Chinese (protocol-v3 section 1.3)."""
    return request.language.lower().startswith("en")


def respond(
    answer: Answer,
    request: Request,
    *,
    signer: Signer | None,
    now: datetime,
    identifiers: Identifiers,
    fault: str,
) -> Response:
    """Return the answer, signed by ``signer`` and changed in the way ``fault`` names."""
    if answer.file is not None:
        return _file(answer, signer=signer, now=now, identifiers=identifiers, fault=fault)
    content = None if answer.content is None else changed(answer.content, fault)
    body = written(content, fault)
    headers = [*_HEADERS, ("Content-Language", "en" if wants_english(request) else "zh-CN")]
    if answer.has_request_id:
        headers.append(("Request-ID", identifiers.request_id(answer.number)))
    if signer is not None:
        signed = signature_headers(
            body, signer=signer, now=now, identifiers=identifiers, fault=fault
        )
        headers.extend(signed.items())
    return Response(
        # Half a document still has the signature of the whole.
        body=body[: len(body) // 2] if fault == "half_xml" else body,
        status=answer.status,
        content_type=JSON,
        headers=tuple(headers),
    )


def _file(
    answer: Answer, *, signer: Signer | None, now: datetime, identifiers: Identifiers, fault: str
) -> Response:
    headers = [*_HEADERS, ("Request-ID", identifiers.request_id(answer.number)), *answer.headers]
    if signer is not None and answer.signed_text is not None:
        signed = signature_headers(
            answer.signed_text, signer=signer, now=now, identifiers=identifiers, fault=fault
        )
        headers.extend(signed.items())
    body = answer.file or b""
    return Response(
        body=body[: len(body) // 2] if fault == "half_xml" else body,
        status=answer.status,
        content_type="text/plain",
        headers=tuple(headers),
    )


def empty_answer(status: int) -> Response:
    """Return the empty answer of an address or a method that does not exist."""
    return Response(body=b"", status=status, content_type=JSON, headers=_HEADERS)


@dataclass(frozen=True, slots=True)
class _Row:
    """The status, texts and number of one code."""

    status: int
    chinese: str
    english: str
    number: int


_TABLE: Final[Mapping[str, _Row]] = {
    "PARAM_ERROR": _Row(400, "参数错误", "Parameter error.", 268435461),
    "INVALID_REQUEST": _Row(400, "无效请求", "Invalid request.", 268435464),
    "APPID_MCHID_NOT_MATCH": _Row(
        400, "appid和mch_id不匹配", "The appid and mchid do not match.", 268445527
    ),
    "MCH_NOT_EXISTS": _Row(400, "商户号不存在", "The merchant does not exist.", 268435464),
    "ORDER_PAID": _Row(400, "该订单已支付", "The order has been paid.", 268449538),
    "ORDER_CLOSED": _Row(400, "该订单已关闭", "The order has been closed.", 268447914),
    "SIGN_ERROR": _Row(401, "签名错误", "Signature error.", 268443699),
    "ORDER_REVERSED": _Row(400, "订单已撤销", "The order has been reversed.", 268435464),
    "AUTH_CODE_INVALID": _Row(
        400, "付款码无效", "That is no payment code of WeChat Pay.", 268435464
    ),
    "AUTH_CODE_ERROR": _Row(
        400, "每个付款码仅限使用一次", "The payment code has been used.", 268435464
    ),
    "AUTH_CODE_EXPIRE": _Row(
        403, "付款码已过期，请用户刷新后再试", "The payment code has expired.", 268435464
    ),
    "USERPAYING": _Row(202, "需要用户输入支付密码", "The customer types a password.", 268435464),
    "BANK_ERROR": _Row(500, "银行系统异常", "The bank's system failed.", 268435456),
    "NOT_ENOUGH": _Row(
        403,
        "基本账户余额不足，请充值后重新发起",
        "The merchant's balance is not enough. Please top up and send the refund again.",
        268435464,
    ),
    "TRADE_OVERDUE": _Row(
        403, "订单已经超过退款期限", "The time to refund the order is over.", 268435464
    ),
    "NO_STATEMENT_EXIST": _Row(
        400, "请求的账单文件不存在", "There is no statement of that day.", 268435464
    ),
    "STATEMENT_CREATING": _Row(
        400, "请求的账单正在生成中，请稍后再试", "The statement is being made.", 268435464
    ),
    "NO_AUTH": _Row(
        403, "商户号不支持该接口", "The merchant is not supported for this API.", 268448010
    ),
    "OUT_TRADE_NO_USED": _Row(403, "商户订单号重复", "The out_trade_no has been used.", 268498688),
    "TRADE_ERROR": _Row(403, "交易错误", "The trade does not allow this.", 268435464),
    "ORDER_NOT_EXIST": _Row(404, "订单不存在", "The order does not exist.", 268512771),
    "RESOURCE_NOT_EXISTS": _Row(
        404,
        "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥",
        "No platform certificate is available; please use the WeChat Pay public key.",
        268435464,
    ),
    "FREQUENCY_LIMITED": _Row(429, "频率超限", "Frequency limit exceeded.", 268447840),
    "SYSTEM_ERROR": _Row(500, "系统异常，请稍后重试", "System error, please try again.", 268435456),
    "SERVICE_UNAVAILABLE": _Row(
        503, "服务不可用，请稍后重试", "Service unavailable, please try again.", 268435456
    ),
}


class V3Refusal(Exception):
    """A refusal of the v3 gateway. ``has_request_id`` is off if the real one has none."""

    def __init__(
        self,
        code: str,
        *,
        chinese: str = "",
        english: str = "",
        detail: Mapping[str, Any] | None = None,
        number: int = 0,
        status: int = 0,
        has_request_id: bool = True,
    ) -> None:
        row = _TABLE[code]
        self.code = code
        self.status = status or row.status
        self.chinese = chinese or row.chinese
        self.english = english or row.english
        self.detail = detail
        self.number = number or row.number
        self.has_request_id = has_request_id
        super().__init__(f"{code}: {self.english}")

    def content(self, *, is_english: bool) -> dict[str, Any]:
        """Return the answer's body."""
        content: dict[str, Any] = {"code": self.code}
        if self.detail is not None:
            content["detail"] = dict(self.detail)
        return content | {"message": self.english if is_english else self.chinese}


def invalid(problem: V3Problem) -> V3Refusal:
    """Return the refusal of a member that breaks its rule."""
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
    """Return the refusal of a member that has the right form and a wrong value."""
    return invalid(V3Problem(field=field, issue=issue, value=value, location=location, code=code))
