"""Complaints of payers, the merchant's replies, and the pictures in them.

Sources: protocol-v3 sections 13.1 and 13.6.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from typing import Any, Final

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.rules import Text, Url
from django_wxpay.protocol.times import BEIJING, to_rfc3339, to_t14
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.http.multipart import parts_of
from django_wxpay.simulator.state.products import Complaint
from django_wxpay.simulator.state.refunds import CLOSED
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call, check_permission, checked_parameters
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.more.checking import checked_body, checked_key, missing, refusal
from django_wxpay.simulator.v3.schemas import items, record, short, text
from django_wxpay.simulator.v3.sealed import sealed_for
from django_wxpay.simulator.v3.validation import BodyValidator

_NUMBER: Final = Text(max=64, alphabet="[0-9A-Za-z_-]", described="letters and digits")
_MOST: Final = 50
_WHOSE: Final = {"complainted_mchid": text(ID)}
_REPLY: Final = BodyValidator(
    record(
        _WHOSE | {"response_content": short(200)},
        {
            "response_images": items(short(512)),
            "jump_url": text(Url(max=512)),
            "jump_url_text": short(10),
            "mini_program_jump_info": record(
                {"appid": text(ID), "path": short(512), "text": short(10)}
            ),
        },
    )
)
_DONE: Final = BodyValidator(record(_WHOSE))
_PICTURES: Final = (".jpg", ".jpeg", ".bmp", ".png")
# Of a picture (protocol-v3 section 13.1).
_LARGEST: Final = 2 * 1024 * 1024


def upload(world: World, call: Call) -> Answer:
    """Keep the number of a picture, whose digest has to be that of ``meta``; lock held."""
    checked_parameters(call, frozenset())
    check_permission(call)
    parts = parts_of(call.request)
    if parts.keys() != {"meta", "file"}:
        raise refusal("请求体须包含meta与file", "The body is not the two parts meta and file.")
    file = parts["file"]
    meta = _meta(parts["meta"].content)
    if meta.get("sha256") != hashlib.sha256(file.content).hexdigest():
        raise wrong("/meta/sha256", "not the SHA-256 of the file")
    if meta.get("filename") != file.filename or not file.filename.lower().endswith(_PICTURES):
        raise wrong("/meta/filename", "not the name of the file, or of no picture")
    if not 0 < len(file.content) <= _LARGEST:
        raise wrong("/file", "empty, or larger than 2 MiB")
    media_id = world.identifiers.nonce()
    world.products.media.add((call.account.mch_id, media_id))
    return Answer(status=200, content={"media_id": media_id})


def list_complaints(world: World, call: Call) -> Answer:
    """Return the complaints of some days, page by page; lock held."""
    known = {"limit", "offset", "begin_date", "end_date", "complainted_mchid"}
    given = checked_parameters(call, known)
    check_permission(call)
    begin, end = (_day(given, name) for name in ("begin_date", "end_date"))
    limit, offset = _whole(given, "limit", 10), _whole(given, "offset", 0)
    if not 1 <= limit <= _MOST:
        raise wrong("limit", f"not from 1 to {_MOST}", value=limit, location="query")
    whose = given.get("complainted_mchid")
    # A provider may name any of its sub-merchants.
    if call.account.mode is Mode.COMMON and whose not in {None, call.account.mch_id}:
        raise V3Refusal("NO_AUTH")
    found = [
        one
        for one in world.products.complaints.values()
        if one.trade.mch_id == call.account.mch_id
        and whose in {None, _seller(one.trade)}
        and begin <= one.made_at.astimezone(BEIJING).date() <= end
    ]
    page = [_shown(world, call, one) for one in found[offset : offset + limit]]
    paging = {"limit": limit, "offset": offset, "total_count": len(found)}
    return Answer(status=200, content={"data": page, **paging})


def query_complaint(world: World, call: Call) -> Answer:
    """Return one complaint; lock held."""
    checked_key(call, _NUMBER, "complaint_id")
    found = _found(world, call)
    openid = {"payer_openid": found.trade.payment["openid"]}
    return Answer(status=200, content=_shown(world, call, found) | openid)


def reply(world: World, call: Call) -> Answer:
    """Take the merchant's reply to a complaint; lock held."""
    body = checked_body(call, _REPLY)
    found = _found(world, call)
    _check_whose(found, body)
    for at, media_id in enumerate(body.get("response_images", ())):
        if (call.account.mch_id, media_id) not in world.products.media:
            raise wrong(f"/response_images/{at}", "no picture that was uploaded")
    if found.state == "PROCESSED":
        raise refusal("投诉单已处理完成", "The complaint is processed.")
    found.state = "PROCESSING"
    found.replies.append(body["response_content"])
    return Answer(status=204)


def complete(world: World, call: Call) -> Answer:
    """Mark a complaint as processed; again is a success too. Lock held."""
    body = checked_body(call, _DONE)
    found = _found(world, call)
    _check_whose(found, body)
    found.state = "PROCESSED"
    return Answer(status=204)


def complain(world: World, trade: Trade, *, detail: str, phone: str) -> dict[str, Any]:
    """Let the payer of ``trade`` complain; ``ControlError`` for one that is not paid. Lock held."""
    if not trade.payment:
        raise ControlError("not_paid", "the trade has not been paid, so nobody complains")
    now = world.clock.now()
    number = int.from_bytes(world.identifiers.bytes(4)) % 10**8
    made = Complaint(
        complaint_id=f"20020{to_t14(now)}{number:08d}",
        trade=trade,
        detail=detail,
        phone=phone,
        made_at=now,
    )
    world.products.complaints[made.complaint_id] = made
    return {"complaint_id": made.complaint_id, "out_trade_no": trade.out_trade_no}


def _meta(content: bytes) -> dict[str, Any]:
    try:
        meta = json.loads(content)
    except ValueError:
        meta = None
    if not isinstance(meta, dict):
        raise wrong("/meta", "not a JSON object")
    return meta


def _day(given: dict[str, str], name: str) -> date:
    try:
        return date.fromisoformat(given.get(name, ""))
    except ValueError:
        raise wrong(name, "no day", value=given.get(name), location="query") from None


def _whole(given: dict[str, str], name: str, usually: int) -> int:
    value = given.get(name, str(usually))
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise wrong(name, "no whole number", value=value, location="query")
    return int(value)


def _found(world: World, call: Call) -> Complaint:
    found = world.products.complaints.get(call.route.key)
    if found is None or found.trade.mch_id != call.account.mch_id:
        raise missing("投诉单不存在", "There is no such complaint.")
    return found


def _check_whose(found: Complaint, body: dict[str, Any]) -> None:
    if body["complainted_mchid"] != _seller(found.trade):
        raise V3Refusal("NO_AUTH")


def _seller(trade: Trade) -> str:
    """Return whom the payer complains about: of a provider's order its sub-merchant."""
    return str(trade.terms.get("sub_mch_id", trade.mch_id))


def _shown(world: World, call: Call, found: Complaint) -> dict[str, Any]:
    trade = found.trade
    refunds = [one for one in world.refunds.of(trade) if one.status != CLOSED]
    order = {
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "amount": int(trade.terms["total_fee"]),
    }
    return {
        "complaint_id": found.complaint_id,
        "complaint_time": to_rfc3339(found.made_at),
        "complaint_detail": found.detail,
        "complaint_state": found.state,
        "complainted_mchid": _seller(trade),
        "payer_phone": sealed_for(call, found.phone),
        "complaint_order_info": [order],
        "complaint_full_refunded": sum(one.refund_fee for one in refunds) == order["amount"],
        "incoming_user_response": False,
        "problem_description": found.detail,
        "user_complaint_times": 1,
    }
