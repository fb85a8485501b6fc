"""downloadbill and downloadfundflow: a file, or a refusal in XML that is not signed.

Sources: protocol-v2 sections 6.6 and 6.7.
"""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.merchants import Api, Region, SignType
from django_wxpay.simulator.bills.days import COMPACT, is_in_range, read_day
from django_wxpay.simulator.bills.making import MadeBill, Missing, NoBill, Wanted, make_bill
from django_wxpay.simulator.bills.trade_bill import HEADERS
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.refusals import BusinessError, GatewayError, ProtocolError, lacks

_ACCOUNTS: Final = {"Basic": "BASIC", "Operation": "OPERATION", "Fees": "FEES"}
_MESSAGES: Final = {Missing.NO_BUSINESS: "No Bill Exist", Missing.IN_THE_MAKING: "Bill Creating"}
# The messages of requests that are not valid, where they differ from those of other operations.
_INVALID: Final = {
    "SIGNERROR": "SIGN ERROR",
    "LACK_PARAMS": "missing parameter",
    "POST_DATA_EMPTY": "empty post data",
    "REQUIRE_POST_METHOD": "require POST method",
    "XML_FORMAT_ERROR": "data format error",
    "APPID_NOT_EXIST": "invalid appid",
    "SYSTEMERROR": "SYSTEMERROR",
}
_NO_BILL: Final = "20002"


def downloadbill(world: World, call: Call) -> MadeBill:
    """Return a trade bill; the caller holds the lock."""
    bill_type = call.fields.get("bill_type", "ALL")
    if bill_type not in HEADERS:
        raise ProtocolError("PARAM_ERROR", "invalid bill_type")
    return _made(world, call, bill_type=bill_type)


def downloadfundflow(world: World, call: Call) -> MadeBill:
    """Return a fund flow bill; the caller holds the lock."""
    account_type = call.fields.get("account_type")
    if account_type is None:
        raise lacks("account_type")
    if account_type not in _ACCOUNTS:
        raise ProtocolError("PARAM_ERROR", "invalid account_type")
    if call.sign_type is not SignType.HMAC_SHA256:
        raise ProtocolError("SIGNERROR")
    return _made(world, call, account_type=_ACCOUNTS[account_type])


def _made(world: World, call: Call, *, bill_type: str = "ALL", account_type: str = "") -> MadeBill:
    text, tar_type = call.fields.get("bill_date"), call.fields.get("tar_type")
    if text is None:
        raise lacks("bill_date")
    if tar_type not in {None, "GZIP"}:
        raise ProtocolError("PARAM_ERROR", "invalid tar_type")
    day = read_day(text, COMPACT)
    at_once = world.options.bills_at_once
    # v2 has one file and one range for both regions (protocol-v2 section 6.6).
    if day is None or not is_in_range(day, world.clock.now(), Region.MAINLAND, at_once=at_once):
        raise ProtocolError("PARAM_ERROR", "invalid bill_date")
    wanted = Wanted(
        mch_id=call.account.mch_id,
        day=day,
        region=Region.MAINLAND,
        api=Api.V2,
        bill_type=bill_type,
        account_type=account_type,
        sub_mch_id=call.fields.get("sub_mch_id", ""),
        is_gzip=tar_type == "GZIP",
    )
    try:
        return make_bill(world, wanted)
    except NoBill as none:
        raise BusinessError(_NO_BILL, _MESSAGES[none.reason]) from None


def refused_fields(error: GatewayError, *, is_fund_flow: bool) -> dict[str, str]:
    """Return the fields of a refusal, which is not signed."""
    message = _INVALID.get(error.code, error.text)
    if is_fund_flow:
        return {
            "return_code": "SUCCESS",
            "result_code": "FAIL",
            "err_code": message.replace(" ", "_").upper(),
            "err_code_des": message,
        }
    code = error.code if error.code.isdigit() else "20001"
    return {"return_code": "FAIL", "return_msg": message, "error_code": code}
