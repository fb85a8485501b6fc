"""Which v3 requests are looked at: the first checks of protocol-v3 section 7.1, in their order.

The target and the body are taken as the octets that came; nothing is decoded before the
signature over them holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.v3.authorization import Authorization, read_authorization
from django_wxpay.protocol.v3.signing import SCHEME, lines, verify
from django_wxpay.simulator.http.messages import BODY_LIMIT, Request
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.v3.refusals import V3Refusal
from django_wxpay.simulator.v3.routes import Route

# Unlike our own side, the gateway accepts what is exactly five minutes old (protocol-v3
# section 12, item 2).
_WINDOW_S: Final = 300
_LONGEST_NONCE: Final = 32
_SHOWN: Final = 200
_SECONDS: Final = re.compile("[0-9]{1,12}")

_MALFORMED: Final = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
_UNVERIFIED: Final = "签名信息错误，验签失败"
_STALE: Final = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
_STRANGE: Final = "商户证书序列号有误，请使用签名私钥匹配的证书序列号"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that is signed by a merchant we know."""

    account: Account
    route: Route
    request: Request = field(repr=False)


def admit(
    route: Route, request: Request, accounts: Mapping[str, Account], *, now: datetime
) -> Call:
    """Return the call that ``request`` is; raise ``V3Refusal`` for the first thing wrong."""
    _check_headers(route, request)
    said = _authorization(route, request)
    account = accounts.get(said.mchid)
    key = account.certificates.get(said.serial_no) if account else None
    if account is None or key is None:
        raise _unsigned(route, _STRANGE, "The serial_no is not one of this merchant's.")
    if abs(now.timestamp() - int(said.timestamp)) > _WINDOW_S:
        raise _unsigned(route, _STALE, "The timestamp is more than 5 minutes from now.")
    _check_signature(route, request, said, key)
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
    said = read_authorization(header)
    if said is None or not _SECONDS.fullmatch(said.timestamp):
        raise _unsigned(route, _MALFORMED, english)
    if len(said.nonce_str) > _LONGEST_NONCE:
        raise _unsigned(route, _MALFORMED, english)
    return said


def _check_signature(
    route: Route, request: Request, said: Authorization, key: RSAPublicKey
) -> None:
    target = request.target.encode("latin-1", "replace")
    message = lines(request.method, target, said.timestamp, said.nonce_str, request.body)
    # A body beyond the limit was not read to its end.
    if len(request.body) > BODY_LIMIT or not verify(message, said.signature, key):
        raise _unsigned(route, "", "", detail=_what_was_signed(request, message))


def _what_was_signed(request: Request, message: bytes) -> dict[str, Any]:
    return {
        "detail": {"issue": "sign not match"},
        "field": "signature",
        "location": "authorization",
        "sign_information": {
            "method": request.method,
            "url": request.target,
            "sign_message_length": len(message),
            "truncated_sign_message": message[:_SHOWN].decode("utf-8", "replace"),
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
