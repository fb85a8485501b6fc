"""Admission of v2 requests: checks 1 to 9 of protocol-v2 section 11, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from django_wxpay.protocol.errors import InvalidOrder, MalformedMessage
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.request_fields import Field
from django_wxpay.protocol.v2 import decode_xml, verify
from django_wxpay.simulator.http.messages import Request
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
    except InvalidOrder as broken:
        if broken.problem == "missing":
            raise lacks(broken.field) from None
        raise invalid(broken.field, broken.problem) from None
