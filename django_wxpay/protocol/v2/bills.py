"""Bills over v2: the signed requests, and the refusals that come in place of a file.

A file is neither XML nor signed. A refusal is XML, never gzip and not signed either, so it is
only ever a refusal (protocol-v2 sections 6.6 and 6.7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay.protocol.bills.rows import AccountType, BillRequest
from django_wxpay.protocol.error_codes import RETURN_FAIL, TABLE, refusal
from django_wxpay.protocol.errors import BadAnswer, Refused
from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from django_wxpay.protocol.v2.requests import signed

BILL_PATH: Final = "/pay/downloadbill"
FUND_FLOW_PATH: Final = "/pay/downloadfundflow"

_ACCOUNTS: Final = {
    AccountType.BASIC: "Basic",
    AccountType.OPERATION: "Operation",
    AccountType.FEES: "Fees",
}
# The messages, in small letters and without underscores, and the row of the table of codes.
_ROWS: Final[dict[str, str]] = {
    "no bill exist": "NO_STATEMENT_EXIST",
    "bill not exist": "NO_STATEMENT_EXIST",
    "bill does not exist": "NO_STATEMENT_EXIST",
    "bill creating": "STATEMENT_CREATING",
    "systemerror": "SYSTEMERROR",
    "system error": "SYSTEMERROR",
    "compressgzip error": "SYSTEMERROR",
    "uncompressgzip error": "SYSTEMERROR",
    "sign error": "SIGNERROR",
    "signerror": "SIGNERROR",
    "invalid appid": "APPID_NOT_EXIST",
    "noauth": "NOAUTH",
    "invalid bill date": "PARAM_ERROR",
    "invalid bill type": "PARAM_ERROR",
    "data format error": "PARAM_ERROR",
    "missing parameter": "LACK_PARAMS",
    "invalid parameter": "PARAM_ERROR",
    "param error": "PARAM_ERROR",
}


def downloadbill(
    request: BillRequest, *, merchant: Merchant, sign_type: SignType, nonce: str
) -> dict[str, str]:
    """Return the signed fields for a trade bill of one day, as gzip."""
    return _signed(request, {"bill_type": "ALL"}, merchant, sign_type, nonce)


def downloadfundflow(request: BillRequest, *, merchant: Merchant, nonce: str) -> dict[str, str]:
    """Return the signed fields for a fund flow bill, always under HMAC-SHA256."""
    account = {"account_type": _ACCOUNTS[request.account_type]}
    return _signed(request, account, merchant, SignType.HMAC_SHA256, nonce)


def _signed(
    request: BillRequest,
    kind: Mapping[str, str],
    merchant: Merchant,
    sign_type: SignType,
    nonce: str,
) -> dict[str, str]:
    fields = {
        "appid": merchant.appid,
        "mch_id": merchant.mch_id,
        "bill_date": request.bill_date.strftime("%Y%m%d"),
        "tar_type": "GZIP",
        **kind,
    }
    # Without it, an institution gets the rows of all its sub-merchants.
    if merchant.mode is Mode.INSTITUTIONAL and request.sub_mch_id:
        fields["sub_mch_id"] = request.sub_mch_id
    return signed(fields, sign_type=sign_type, key=merchant.api_key, nonce=nonce)


def bill_refusal(fields: Mapping[str, str]) -> Refused:
    """Return the refusal that a document states; ``BadAnswer`` for one that is no refusal."""
    if "FAIL" not in (fields.get("return_code"), fields.get("result_code")):
        raise BadAnswer("a document came where a bill was asked for")
    message = fields.get("err_code_des") or fields.get("return_msg", "")
    code = fields.get("err_code") or fields.get("error_code", "")
    for text in (fields.get("err_code", ""), message, fields.get("return_msg", "")):
        if row := _ROWS.get(" ".join(text.casefold().replace("_", " ").split()).rstrip(".!")):
            return refusal(code or row, message, row=TABLE[row])
    return refusal(code or RETURN_FAIL, message, row=TABLE[RETURN_FAIL])
