"""Shares that come back from their receiver, so that the order can be refunded.

Source: protocol-v3 section 13.3.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.simulator.state.products import Share, ShareReturn
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import (
    Call,
    check_permission,
    check_sub_merchant,
    checked_parameters,
)
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.more.checking import (
    SHARE_NUMBER,
    SUB_MERCHANT,
    checked_body,
    missing,
    refusal,
    refuse_another,
)
from django_wxpay.simulator.v3.orders import check_trade_of
from django_wxpay.simulator.v3.schemas import record, short, text, whole
from django_wxpay.simulator.v3.validation import BodyValidator

_CREATE: Final = {
    mode: BodyValidator(
        record(
            {
                "out_return_no": text(SHARE_NUMBER),
                "return_mchid": text(ID),
                "amount": whole(1),
                "description": short(80),
                **SUB_MERCHANT[mode],
            },
            {"order_id": text(ID), "out_order_no": text(SHARE_NUMBER)},
        )
    )
    for mode in Mode
}


def take_back(world: World, call: Call) -> Answer:
    """Bring a share back, or answer as before under a number that was used; lock held."""
    body = checked_body(call, _CREATE[call.account.mode])
    check_sub_merchant(call, body.get("sub_mchid"), world.options)
    known = world.products.returns.get((call.account.mch_id, body["out_return_no"]))
    if known is not None:
        refuse_another(known.document, body)
        return _shown(known)
    return _shown(_taken_back(world, call, body))


def query_return(world: World, call: Call) -> Answer:
    """Return a request to bring a share back; lock held."""
    required = ("out_order_no", *SUB_MERCHANT[call.account.mode])
    given = checked_parameters(call, set(required))
    check_permission(call)
    for name in required:
        if name not in given:
            raise wrong(name, "missing", location="query")
    check_sub_merchant(call, given.get("sub_mchid"), world.options)
    found = world.products.returns.get((call.account.mch_id, call.route.key))
    if found is None or found.share.document["out_order_no"] != given["out_order_no"]:
        raise missing("回退单不存在", "There is no such request to bring a share back.")
    check_trade_of(found.share.trade, given.get("sub_mchid", ""))
    return _shown(found)


def _taken_back(world: World, call: Call, body: dict[str, Any]) -> ShareReturn:
    share = _share(world, call, body)
    check_trade_of(share.trade, body.get("sub_mchid", ""))
    received = [
        line["amount"]
        for line in share.lines
        if (line["type"], line["account"]) == ("MERCHANT_ID", body["return_mchid"])
    ]
    # A share with a person stays with him.
    if not received or not share.is_finished:
        raise refusal(
            "分账单未完成或回退方不是分账接收方", "The merchant has received no such share."
        )
    before = [
        one.amount
        for one in world.products.returns.values()
        if one.share is share and one.document["return_mchid"] == body["return_mchid"]
    ]
    if body["amount"] > sum(received) - sum(before):
        raise V3Refusal(
            "NOT_ENOUGH",
            chinese="回退金额超过分账金额",
            english="More is to come back than the merchant has received.",
        )
    made = ShareReturn(
        share=share,
        document=body,
        return_id=f"30{world.identifiers.transaction_id(world.clock.now())[2:]}",
        created_at=world.clock.now(),
    )
    world.products.returns[call.account.mch_id, body["out_return_no"]] = made
    return made


def _share(world: World, call: Call, body: dict[str, Any]) -> Share:
    """Return the share that a body names, by the merchant's number, WeChat Pay's or both."""
    if not body.keys() & {"order_id", "out_order_no"}:
        raise wrong("/out_order_no", "missing, and order_id too")
    for (mch_id, number), share in world.products.shares.items():
        if (
            mch_id == call.account.mch_id
            and body.get("out_order_no", number) == number
            and body.get("order_id", share.order_id) == share.order_id
        ):
            return share
    raise missing("分账单不存在", "There is no such request to share.")


def _shown(found: ShareReturn) -> Answer:
    names = ("sub_mchid", "out_return_no", "return_mchid", "amount", "description")
    at = to_rfc3339(found.created_at)
    return Answer(
        status=200,
        content={name: found.document[name] for name in names if name in found.document}
        | {"order_id": found.share.order_id, "return_id": found.return_id}
        | {"out_order_no": found.share.document["out_order_no"], "result": "SUCCESS"}
        | {"create_time": at, "finish_time": at},
    )
