"""Admission of v3 requests: the signature, then members, identity and permission.

The order is that of protocol-v3 sections 1.4, 3.1 and 7.1. Target and body are the octets
received; nothing is decoded before the signature over them is verified.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Rule
from django_wxpay.protocol.v2.fields import REFUND_NUMBER
from django_wxpay.protocol.v3.authorization import Authorization, read_authorization
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.fields import ID, NUMBER
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.signing import SCHEME, lines, verify
from django_wxpay.simulator.http.messages import Request, limit_of
from django_wxpay.simulator.http.multipart import parts_of
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.v3.answers import V3Refusal, invalid, wrong
from django_wxpay.simulator.v3.bodies import (
    problems_of_close_body,
    problems_of_create_body,
    problems_of_query,
    problems_of_reverse_body,
)
from django_wxpay.simulator.v3.routes import UPLOAD_OPERATION, Route
from django_wxpay.simulator.v3.validation import DOCUMENTED_UP_TO

# Unlike the package itself, the gateway accepts an age of exactly five minutes (protocol-v3
# section 12, item 2).
_WINDOW_S: Final = 300
_LONGEST_NONCE: Final = 32
_SHOWN_LENGTH: Final = 200
_SECONDS: Final = re.compile("[0-9]{1,12}")

_MALFORMED: Final = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
_UNVERIFIED: Final = "签名信息错误，验签失败"
_STALE: Final = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
_UNKNOWN_SERIAL: Final = "商户证书序列号有误，请使用签名私钥匹配的证书序列号"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request signed by a known merchant."""

    account: Account
    route: Route
    request: Request = field(repr=False)


def admit(
    route: Route, request: Request, accounts: Mapping[str, Account], *, now: datetime
) -> Call:
    """Verify ``request`` and return the call; raises ``V3Refusal`` for its first fault."""
    _check_headers(route, request)
    authorization = _authorization(route, request)
    account = accounts.get(authorization.mchid)
    key = account.certificates.get(key_name(authorization.serial_no)) if account else None
    if account is None or key is None:
        raise _unsigned(route, _UNKNOWN_SERIAL, "The serial_no is not one of this merchant's.")
    if abs(now.timestamp() - int(authorization.timestamp)) > _WINDOW_S:
        raise _unsigned(route, _STALE, "The timestamp is more than 5 minutes from now.")
    _check_signature(route, request, authorization, key)
    return Call(account=account, route=route, request=request)


def _check_headers(route: Route, request: Request) -> None:
    if route.is_observed:
        return
    if not request.headers.get("accept") or not request.headers.get("user-agent"):
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="Http头缺少Accept或User-Agent",
            english="The Accept or User-Agent header is missing.",
        )


def _authorization(route: Route, request: Request) -> Authorization:
    header = request.headers.get("authorization", "")
    english = "The Authorization header is not well-formed."
    if route.is_observed and header.partition(" ")[0] != SCHEME:
        raise _unsigned(route, _UNVERIFIED, english)
    authorization = read_authorization(header)
    if authorization is None or not _SECONDS.fullmatch(authorization.timestamp):
        raise _unsigned(route, _MALFORMED, english)
    if len(authorization.nonce_str) > _LONGEST_NONCE:
        raise _unsigned(route, _MALFORMED, english)
    return authorization


def _check_signature(
    route: Route, request: Request, authorization: Authorization, key: RSAPublicKey
) -> None:
    target = request.target.encode("latin-1", "replace")
    # Of an upload its meta is signed (protocol-v3 section 13.1).
    body = request.body
    if route.operation == UPLOAD_OPERATION and (meta := parts_of(request).get("meta")):
        body = meta.content
    message = lines(request.method, target, authorization.timestamp, authorization.nonce_str, body)
    # A body beyond the limit was not read to its end.
    if len(request.body) > limit_of(request.content_type) or not verify(
        message, authorization.signature, key
    ):
        raise _unsigned(route, "", "", detail=_sign_information(request, message))


def _sign_information(request: Request, message: bytes) -> dict[str, Any]:
    return {
        "detail": {"issue": "sign not match"},
        "field": "signature",
        "location": "authorization",
        "sign_information": {
            "method": request.method,
            "url": request.target,
            "sign_message_length": len(message),
            "truncated_sign_message": message[:_SHOWN_LENGTH].decode("utf-8", "replace"),
        },
    }


def _unsigned(
    route: Route, chinese: str, english: str, *, detail: dict[str, Any] | None = None
) -> V3Refusal:
    return V3Refusal(
        "SIGN_ERROR",
        chinese=chinese,
        english=english,
        detail=detail,
        has_request_id=not route.is_observed,
    )


_UNDOCUMENTED: Final = 270924358
_IDENTITY: Final = {Mode.COMMON: {"mchid"}, Mode.INSTITUTIONAL: {"sp_mchid", "sub_mchid"}}


def checked_create(call: Call, options: Options) -> dict[str, Any]:
    """Check the body of an order and return it."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = problems_of_create_body(
        body,
        region=call.route.region,
        mode=mode_of(call),
        trade_type=call.route.trade_type,
        goods_members=options.goods_members,
    )
    if problem:
        raise invalid(problem)
    _check_contract(body, options)
    check_identity(call, body, options, location="body", pointer="/")
    _check_appid(call, body)
    return body


def checked_query(call: Call, options: Options) -> str:
    """Check a query and return its sub-merchant, "" for none."""
    known = _IDENTITY[mode_of(call)]
    parameters = checked_parameters(call, known)
    problem = problems_of_query(parameters, mode=mode_of(call))
    if problem:
        raise invalid(problem)
    check_numbers(call)
    check_identity(call, parameters, options, location="query", pointer="")
    return parameters.get("sub_mchid", "")


def checked_close(call: Call, options: Options) -> str:
    """Check a close and return its sub-merchant, "" for none."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = problems_of_close_body(body, mode=mode_of(call))
    if problem:
        raise invalid(problem)
    check_numbers(call)
    check_identity(call, body, options, location="body", pointer="/")
    return str(body.get("sub_mchid", ""))


def checked_reverse(call: Call, options: Options) -> dict[str, Any]:
    """Check the body of a reversal and return it."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = problems_of_reverse_body(body, region=call.route.region, mode=mode_of(call))
    if problem:
        raise invalid(problem)
    check_numbers(call)
    check_identity(call, body, options, location="body", pointer="/")
    _check_appid(call, body)
    return body


def _check_appid(call: Call, body: Mapping[str, Any]) -> None:
    appid = body.get("appid") or body.get("sp_appid")
    if appid and appid not in call.account.appids:
        raise V3Refusal("APPID_MCHID_NOT_MATCH")


def checked_parameters(call: Call, known: frozenset[str] | set[str]) -> dict[str, str]:
    """Return the query parameters; refuse repeated and unknown ones."""
    pairs = parse_qsl(call.request.target.partition("?")[2], keep_blank_values=True)
    parameters = dict(pairs)
    unknown = sorted(parameters.keys() - known)
    if unknown:
        raise V3Refusal(
            "PARAM_ERROR",
            chinese=f"存在未定义的参数（依据{DOCUMENTED_UP_TO}的文档）",
            english=f"There are undocumented parameters (documents up to {DOCUMENTED_UP_TO}).",
            # The observed answer has no location (protocol-v3 section 7.1).
            detail={"location": None, "value": [f"/query/{name}" for name in unknown]},
            number=_UNDOCUMENTED,
        )
    if len(parameters) < len(pairs):
        raise wrong(pairs[0][0], "given more than once", location="query")
    return parameters


def check_permission(call: Call) -> None:
    """Refuse a merchant of the other region or mode."""
    account, route = call.account, call.route
    if account.region is not route.region or route.mode not in {None, account.mode}:
        raise V3Refusal("NO_AUTH")


def mode_of(call: Call) -> Mode:
    """Return the mode of the path, or the merchant's own where the path is for both."""
    return call.route.mode or call.account.mode


def read_body(call: Call) -> dict[str, Any]:
    """Return the parsed body; refuse one that is no JSON object."""
    if call.request.content_type != "application/json":
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="Http头Content-Type须为application/json",
            english="The Content-Type header has to be application/json.",
        )
    try:
        return read_object(call.request.body)
    except MalformedMessage as error:
        raise wrong("", str(error)) from None


def check_numbers(call: Call) -> None:
    """Refuse a number in the path that breaks its rule."""
    numbers: tuple[tuple[str, str, Rule], ...] = (
        ("out_trade_no", call.route.out_trade_no, NUMBER[call.route.region]),
        ("transaction_id", call.route.transaction_id, ID),
        ("out_refund_no", call.route.out_refund_no, REFUND_NUMBER),
        ("refund_id", call.route.refund_id, ID),
    )
    for name, number, rule in numbers:
        problem = rule.problem(number) if number else ""
        if problem:
            raise wrong(name, problem, value=number, location="url")


def _check_contract(body: Mapping[str, Any], options: Options) -> None:
    code = body.get("merchant_category_code")
    if code and options.merchant_category_codes and code not in options.merchant_category_codes:
        raise wrong("/merchant_category_code", "not in the list", value=code)


def check_identity(
    call: Call, identity: Mapping[str, Any], options: Options, *, location: str, pointer: str
) -> None:
    """Refuse the members of another merchant, or of a sub-merchant that is not its own."""
    name = "mchid" if "mchid" in identity else "sp_mchid"
    if identity[name] != call.account.mch_id:
        issue = "not the mchid in Authorization"
        raise wrong(f"{pointer}{name}", issue, value=identity[name], location=location)
    check_permission(call)
    check_sub_merchant(call, identity.get("sub_mchid"), options)


def check_sub_merchant(call: Call, sub_mchid: str | None, options: Options) -> None:
    """Refuse a sub-merchant that the institution does not have."""
    foreign = options.sub_mch_ids and sub_mchid not in options.sub_mch_ids
    if sub_mchid and (foreign or not sub_mchid.isdigit()):
        # Refunds have another status for it (protocol-v3 section 4.6).
        raise V3Refusal("MCH_NOT_EXISTS", status=404 if call.route.is_of_refund else 0)
