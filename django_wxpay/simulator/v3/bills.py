"""Bills of v3: mainland names a file and its digest, the global API sends the file itself.

Sources: protocol-v3 sections 2.4, 3.7 and 4.5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api, Mode, Region
from django_wxpay.simulator.bills.days import COMPACT, WITH_HYPHENS, is_in_range, read_day
from django_wxpay.simulator.bills.making import MadeBill, Missing, NoBill, Wanted, make_bill
from django_wxpay.simulator.state.world import BillFile, World
from django_wxpay.simulator.v3.admission import (
    Call,
    check_permission,
    check_sub_merchant,
    checked_parameters,
)
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong

_LIFE: Final = timedelta(minutes=5)
_ACCOUNTS: Final = frozenset({"BASIC", "OPERATION", "FEES"})
_TYPES: Final = frozenset({"ALL", "SUCCESS", "REFUND"})
_CODES: Final = {
    Missing.NO_BUSINESS: "NO_STATEMENT_EXIST",
    Missing.IN_THE_MAKING: "STATEMENT_CREATING",
}
_SHA1: Final = "Wechatpay-Statement-Sha1"


def download_bill(world: World, call: Call) -> Answer:
    """Answer a trade bill, or a global statement; the caller holds the lock."""
    if call.route.region is Region.GLOBAL:
        return _statement(world, call)
    known = {"bill_date", "bill_type", "tar_type", "sub_mchid"}
    given = _parameters(world, call, known)
    bill_type = given.get("bill_type", "ALL")
    if bill_type not in _TYPES:
        raise wrong("bill_type", "not ALL, SUCCESS or REFUND", value=bill_type, location="query")
    return _named(world, call, given, bill_type=bill_type)


def download_fund_flow(world: World, call: Call) -> Answer:
    """Answer a fund flow bill; the caller holds the lock."""
    given = _parameters(world, call, {"bill_date", "account_type", "tar_type", "sub_mchid"})
    if call.route.mode is Mode.INSTITUTIONAL and "sub_mchid" not in given:
        raise wrong("sub_mchid", "missing", location="query")
    account_type = given.get("account_type", "BASIC")
    if account_type not in _ACCOUNTS:
        raise wrong("account_type", "not known", value=account_type, location="query")
    return _named(world, call, given, account_type=account_type)


def bill_file(world: World, call: Call) -> Answer:
    """Answer a file, which is not signed; the caller holds the lock."""
    token = checked_parameters(call, {"token"}).get("token", "")
    file = world.bill_files.get(token)
    if file is None or world.clock.now() > file.expires_at:
        raise V3Refusal("PARAM_ERROR", chinese="token无效", english="The token is not valid.")
    if file.mch_id != call.account.mch_id:
        raise V3Refusal("NO_AUTH")
    return Answer(status=200, file=file.body)


def _parameters(world: World, call: Call, known: set[str]) -> dict[str, str]:
    given = checked_parameters(call, known)
    check_permission(call)
    sub_mchid = given.get("sub_mchid")
    if sub_mchid and call.account.mode is Mode.COMMON:
        raise V3Refusal("NO_AUTH")
    check_sub_merchant(call, sub_mchid, world.options)
    if given.get("tar_type", "GZIP") != "GZIP":
        raise wrong("tar_type", "not GZIP", value=given["tar_type"], location="query")
    return given


def _named(
    world: World,
    call: Call,
    given: Mapping[str, str],
    *,
    bill_type: str = "ALL",
    account_type: str = "",
) -> Answer:
    day = read_day(given.get("bill_date", ""), WITH_HYPHENS)
    now, at_once = world.clock.now(), world.options.bills_at_once
    if day is None or not is_in_range(day, now, Region.MAINLAND, at_once=at_once):
        raise wrong("bill_date", "no day of a bill", value=given.get("bill_date"), location="query")
    wanted = Wanted(
        mch_id=call.account.mch_id,
        day=day,
        region=Region.MAINLAND,
        api=Api.V3,
        bill_type=bill_type,
        account_type=account_type,
        sub_mch_id=given.get("sub_mchid", ""),
        is_gzip="tar_type" in given,
    )
    made = _made(world, wanted)
    token = world.identifiers.nonce()
    world.bill_files = {
        name: file for name, file in world.bill_files.items() if file.expires_at >= now
    } | {token: BillFile(mch_id=wanted.mch_id, body=made.body, expires_at=now + _LIFE)}
    address = f"{call.request.origin}/v3/billdownload/file?token={token}"
    content = {"hash_type": "SHA1", "hash_value": made.sha1, "download_url": address}
    return Answer(status=200, content=content)


def _statement(world: World, call: Call) -> Answer:
    # Whose it is may be said (protocol-v3 section 3.1), and stands in the signature as well.
    names = {"mchid"} if call.account.mode is Mode.COMMON else {"sp_mchid", "sub_mchid"}
    given = checked_parameters(call, {"date", *names})
    check_permission(call)
    for name in names - {"sub_mchid"}:
        if given.get(name, call.account.mch_id) != call.account.mch_id:
            issue = "not the mchid in Authorization"
            raise wrong(name, issue, value=given[name], location="query")
    check_sub_merchant(call, given.get("sub_mchid"), world.options)
    day = read_day(given.get("date", ""), COMPACT)
    now, at_once = world.clock.now(), world.options.bills_at_once
    if day is None or not is_in_range(day, now, Region.GLOBAL, at_once=at_once):
        raise wrong("date", "no day of a statement", value=given.get("date"), location="query")
    wanted = Wanted(
        mch_id=call.account.mch_id,
        day=day,
        region=Region.GLOBAL,
        api=Api.V3,
        sub_mch_id=given.get("sub_mchid", ""),
    )
    made = _made(world, wanted)
    digest = json.dumps({"sha1": made.sha1}, separators=(",", ":")).encode()
    return Answer(status=200, file=made.body, signed_text=digest, headers=((_SHA1, made.sha1),))


def _made(world: World, wanted: Wanted) -> MadeBill:
    try:
        return make_bill(world, wanted)
    except NoBill as none:
        raise V3Refusal(_CODES[none.reason]) from None
