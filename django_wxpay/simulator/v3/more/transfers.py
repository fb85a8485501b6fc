"""Transfers to payees, who confirm them: made, queried, cancelled, and settled.

Source: protocol-v3 section 13.4.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.rules import Text, Url
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.fields import ID, OPENID
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.state.products import Transfer
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call
from django_wxpay.simulator.v3.answers import Answer
from django_wxpay.simulator.v3.more.checking import (
    BILL_NUMBER,
    checked_appid,
    checked_body,
    checked_key,
    missing,
    refusal,
    refuse_another,
)
from django_wxpay.simulator.v3.schemas import (
    SEALED,
    items,
    record,
    short,
    text,
    whole,
    word,
)
from django_wxpay.simulator.v3.sealed import opened
from django_wxpay.simulator.v3.validation import BodyValidator

WAITING: Final = "WAIT_USER_CONFIRM"
ENDS: Final = ("SUCCESS", "FAIL", "CANCELLED")
_CANCELING: Final = "CANCELING"
_SCENE: Final = Text(max=36, alphabet="[0-9]", described="digits")
_REPORT: Final = record({"info_type": short(15), "info_content": short(32)})
_CREATE: Final = BodyValidator(
    record(
        {
            "appid": text(ID),
            "out_bill_no": text(BILL_NUMBER),
            "transfer_scene_id": text(_SCENE),
            "openid": text(OPENID),
            "transfer_amount": whole(1),
            "transfer_remark": short(32),
            "transfer_scene_report_infos": items(_REPORT),
        },
        {
            "user_name": SEALED,
            "notify_url": text(Url(max=256)),
            "user_recv_perception": short(32),
            "user_recv_style": record({"type": word("CONFIRM_PAGE", "RED_PACKET")}),
        },
    )
)


def transfer(world: World, call: Call) -> Answer:
    """Take a transfer, or answer as before under a number that was used; lock held."""
    body = checked_body(call, _CREATE)
    checked_appid(call, body["appid"], at="/appid")
    if "user_name" in body:
        body["user_name"] = opened(world, call, body["user_name"], at="/user_name")
    key = call.account.mch_id, body["out_bill_no"]
    found = world.products.transfers.get(key)
    if found is None:
        now = world.clock.now()
        found = world.products.transfers[key] = Transfer(
            mch_id=call.account.mch_id,
            document=body,
            transfer_bill_no=f"1330{world.identifiers.refund_id(now)}",
            package_info=world.identifiers.nonce(),
            created_at=now,
            updated_at=now,
        )
    else:
        refuse_another(found.document, body)
    content = {**_numbers(found), "create_time": to_rfc3339(found.created_at)}
    if found.state == WAITING:
        content["package_info"] = found.package_info
    return Answer(status=200, content=content)


def query_transfer(world: World, call: Call) -> Answer:
    """Return a transfer by the merchant's number, or by WeChat Pay's; lock held."""
    found = _found(world, call)
    if found.state == _CANCELING:
        _end(world, found, "CANCELLED")
    content = _numbers(found) | {
        "mch_id": found.mch_id,
        "create_time": to_rfc3339(found.created_at),
        "update_time": to_rfc3339(found.updated_at),
    }
    names = ("appid", "openid", "transfer_amount", "transfer_remark")
    content |= {name: found.document[name] for name in names}
    if found.fail_reason:
        content["fail_reason"] = found.fail_reason
    return Answer(status=200, content=content)


def cancel_transfer(world: World, call: Call) -> Answer:
    """Cancel a transfer that its payee has not confirmed; lock held."""
    found = _found(world, call)
    if found.state not in {WAITING, _CANCELING, "CANCELLED"}:
        raise refusal("当前单据状态不支持撤销", "A transfer in this state cannot be cancelled.")
    if found.state == WAITING:
        _end(world, found, _CANCELING)
    return Answer(
        status=200, content=_numbers(found) | {"update_time": to_rfc3339(found.updated_at)}
    )


def settle_transfer(
    world: World, mch_id: str, out_bill_no: str, *, state: str, fail_reason: str = ""
) -> dict[str, Any]:
    """Let the payee confirm a transfer, or let it fail; ``ControlError`` for one that is over."""
    found = world.products.transfers.get((mch_id, out_bill_no))
    if found is None:
        detail = f"merchant {mch_id} has no transfer {out_bill_no}"
        raise ControlError("unknown_transfer", detail, status=404)
    if state not in ENDS:
        raise ControlError("invalid", f"state is one of {', '.join(ENDS)}")
    if found.state in ENDS:
        raise ControlError("not_open", f"the transfer is {found.state}")
    _end(world, found, state)
    found.fail_reason = (fail_reason or "PAYEE_ACCOUNT_ABNORMAL") if state == "FAIL" else ""
    return {"mch_id": mch_id, **_numbers(found), "fail_reason": found.fail_reason}


def _end(world: World, found: Transfer, state: str) -> None:
    found.state, found.updated_at = state, world.clock.now()


def _found(world: World, call: Call) -> Transfer:
    number = checked_key(call, Text(max=64, alphabet="[0-9A-Za-z]"), "out_bill_no")
    mch_id = call.account.mch_id
    found = world.products.transfers.get((mch_id, number))
    if call.route.is_their_number:
        of_it = [one for one in world.products.transfers.values() if one.mch_id == mch_id]
        found = next((one for one in of_it if one.transfer_bill_no == number), None)
    if found is None:
        raise missing("转账单不存在", "There is no such transfer.")
    return found


def _numbers(found: Transfer) -> dict[str, Any]:
    return {
        "out_bill_no": found.document["out_bill_no"],
        "transfer_bill_no": found.transfer_bill_no,
        "state": found.state,
    }
