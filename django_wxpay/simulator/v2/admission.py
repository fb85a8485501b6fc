"""Admission of v2 requests: checks 1 to 9 of protocol-v2 section 11, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.errors import InvalidParameter, MalformedMessage
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.request_fields import Field
from django_wxpay.protocol.v2 import decode_xml, verify
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.http.tls import names_merchant, same_certificate
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.v2.refusals import ProtocolError, invalid, lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request signed by a known merchant, without its empty fields."""

    account: Account
    fields: Mapping[str, str] = field(repr=False)
    sign_type: SignType
    origin: str

    @property
    def out_trade_no(self) -> str:
        return self.fields.get("out_trade_no", "")


# Where the real gateway asks for a certificate (protocol-v2 section 0.1).
_SECURED: Final = ("/secapi/", "/pay/downloadfundflow")
_NO_CERTIFICATE: Final = "400 No required SSL certificate was sent"
_WRONG_CERTIFICATE: Final = "400 The SSL certificate error"


def uncertified(
    request: Request, accounts: Mapping[str, Account], *, is_required: bool
) -> Response | None:
    """Return the refusal of a call without its merchant's certificate, None if there is none.

    ``is_required`` decides where none could be shown (check 5 of protocol-v2 section 11). The
    certificate is the one in the merchant's settings, or else one with its mch_id as the name.
    """
    shown = request.client_certificate
    if not request.path.startswith(_SECURED) or (shown is None and not is_required):
        return None
    if not shown:
        return _refused_connection(_NO_CERTIFICATE)
    try:
        mch_id = decode_xml(request.body).get("mch_id", "")
    except MalformedMessage:
        mch_id = ""
    account = accounts.get(mch_id)
    known = account.client_certificates if account else ()
    is_own = any(same_certificate(shown, pem) for pem in known)
    if is_own or (not known and names_merchant(shown, mch_id)):
        return None
    return _refused_connection(_WRONG_CERTIFICATE)


def _refused_connection(title: str) -> Response:
    reason = title.removeprefix("400 ")
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>400 Bad Request</h1></center>\r\n<center>{reason}</center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Response(body=page.encode(), status=400, content_type="text/html")


def read(request: Request) -> dict[str, str]:
    """Return the fields that are not empty (checks 1 to 4 of protocol-v2 section 11)."""
    if request.method != "POST":
        raise ProtocolError("REQUIRE_POST_METHOD")
    if not request.body:
        raise ProtocolError("POST_DATA_EMPTY")
    try:
        request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("NOT_UTF8") from None
    try:
        fields = decode_xml(request.body)
    except MalformedMessage:
        raise ProtocolError("XML_FORMAT_ERROR") from None
    return {name: value for name, value in fields.items() if value}


def admit(
    fields: Mapping[str, str],
    accounts: Mapping[str, Account],
    *,
    origin: str,
    sub_mch_ids: frozenset[str],
    needs_appid: bool = True,
) -> Call:
    """Check identity and signature and return the call (checks 6 and 7)."""
    account = _account(fields, accounts, needs_appid=needs_appid)
    _check_sub_merchant(fields, account, sub_mch_ids)
    return Call(
        account=account,
        fields=fields,
        sign_type=_checked_sign_type(fields, account),
        origin=origin,
    )


def _account(
    fields: Mapping[str, str], accounts: Mapping[str, Account], *, needs_appid: bool
) -> Account:
    if "mch_id" not in fields:
        raise lacks("mch_id")
    account = accounts.get(fields["mch_id"])
    if account is None:
        raise ProtocolError("MCHID_NOT_EXIST")
    if "appid" not in fields:
        if needs_appid:
            raise lacks("appid")
        return account
    if fields["appid"] not in account.appids:
        known = any(fields["appid"] in other.appids for other in accounts.values())
        raise ProtocolError("APPID_MCHID_NOT_MATCH" if known else "APPID_NOT_EXIST")
    return account


def _check_sub_merchant(
    fields: Mapping[str, str], account: Account, sub_mch_ids: frozenset[str]
) -> None:
    sub_mch_id = fields.get("sub_mch_id")
    if sub_mch_id is None:
        return
    foreign = sub_mch_ids and sub_mch_id not in sub_mch_ids
    if account.mode is Mode.COMMON or not sub_mch_id.isdigit() or foreign:
        raise ProtocolError("MCHID_NOT_EXIST")


def _checked_sign_type(fields: Mapping[str, str], account: Account) -> SignType:
    if "sign" not in fields:
        raise lacks("sign")
    try:
        sign_type = SignType(fields.get("sign_type", SignType.MD5))
    except ValueError:
        raise ProtocolError("PARAM_ERROR", "PARAM_ERROR:sign_type") from None
    # A merchant without an API key uses v3 only; anybody could sign with an empty key.
    if not account.api_key or not verify(fields, account.api_key, sign_type):
        raise ProtocolError("SIGNERROR")
    return sign_type


def check_required(rules: Mapping[str, Field], call: Call) -> None:
    """Refuse a call that lacks a required field, before any format is checked (check 8)."""
    for name, row in rules.items():
        applies = not row.institutional or call.account.mode is Mode.INSTITUTIONAL
        if row.required and applies and name not in call.fields:
            raise lacks(name)


@contextmanager
def checked() -> Iterator[None]:
    """Turn the first broken rule into a refusal (check 9)."""
    try:
        yield
    except InvalidParameter as broken:
        if broken.problem == "missing":
            raise lacks(broken.field) from None
        raise invalid(broken.field, broken.problem) from None
