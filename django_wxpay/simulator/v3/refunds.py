"""Refunds of v3: made, queried, listed, and sent elsewhere when the payer's account is gone.

Sources: protocol-v3 sections 3.5, 3.6, 4.4 and 4.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.simulator.control.refunding import (
    Asked,
    Problem,
    RefundProblem,
    accept,
    refundable,
    restart,
)
from django_wxpay.simulator.state.refunds import ABNORMAL, Refund
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import (
    Call,
    check_identity,
    check_numbers,
    check_permission,
    check_sub_merchant,
    checked_parameters,
    mode_of,
    read_body,
)
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, invalid, wrong
from django_wxpay.simulator.v3.orders import check_trade_of
from django_wxpay.simulator.v3.refund_bodies import (
    USER_CARD,
    problem_of_abnormal_body,
    problem_of_refund_body,
    problem_of_refund_query,
)
from django_wxpay.simulator.v3.refund_objects import (
    global_acceptance,
    global_list,
    global_refund,
    mainland_refund,
)
from django_wxpay.simulator.v3.sealed import opened

# The pages name no largest page; a client is advised to stay below this (protocol-v3 section 3.6).
_LARGEST_PAGE: Final = 20
_IN_QUERY: Final = {
    Region.MAINLAND: frozenset({"sub_mchid"}),
    Region.GLOBAL: frozenset({"mchid", "sp_mchid", "sub_mchid"}),
}
_IN_LIST: Final = _IN_QUERY[Region.GLOBAL] | {"out_trade_no", "transaction_id", "offset", "count"}

# The codes of protocol-v3 sections 4.6 and 7.3, and a Chinese and an English text.
_REFUSALS: Final[Mapping[Problem, tuple[str, str, str]]] = {
    Problem.UNPAID: ("RESOURCE_NOT_EXISTS", "订单不存在", "There is no such paid order."),
    Problem.OVERDUE: ("TRADE_OVERDUE", "", ""),
    Problem.WRONG_TOTAL: (
        "INVALID_REQUEST",
        "订单金额与原订单不一致",
        "The total is not the order's.",
    ),
    Problem.WRONG_CURRENCY: (
        "INVALID_REQUEST",
        "退款币种与原订单不一致",
        "The currency is not the order's.",
    ),
    Problem.TOO_MUCH: (
        "INVALID_REQUEST",
        "申请退款金额大于订单剩余可退金额",
        "The refund is more than what is left of the order.",
    ),
    # The code is unsure (protocol-v3 section 13.3).
    Problem.SHARED: (
        "NOT_ENOUGH",
        "订单已分账，请先回退分账资金再退款",
        "A part of the order is shared, and has to come back first.",
    ),
    Problem.TOO_MANY: (
        "INVALID_REQUEST",
        "部分退款次数超过限制",
        "The order has been refunded too often.",
    ),
    Problem.TOO_SOON: ("FREQUENCY_LIMITED", "", ""),
    Problem.OTHER_AMOUNT: (
        "INVALID_REQUEST",
        "订单金额或退款金额与之前请求不一致，请核实后再试",
        "The amounts are not those that the out_refund_no was used with before.",
    ),
    Problem.OTHER_ORDER: (
        "INVALID_REQUEST",
        "商户退款单号已被其他订单使用",
        "The out_refund_no was used for another order.",
    ),
    Problem.NOT_ENOUGH: ("NOT_ENOUGH", "", ""),
}


def refund(world: World, call: Call) -> Answer:
    """Accept a refund, or one that was accepted, and return its object; lock held."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = problem_of_refund_body(body, region=call.route.region, mode=mode_of(call))
    if problem:
        raise invalid(problem)
    _check_whose(world, call, body, location="body", pointer="/")
    appid = body.get("appid", body.get("sp_appid"))
    if appid is not None and appid not in call.account.appids:
        raise V3Refusal("APPID_MCHID_NOT_MATCH")
    trade = _trade(world, call, body)
    try:
        accepted = accept(world, trade, _asked(call, body))
    except RefundProblem as unaccepted:
        raise _refusal(world, trade, unaccepted.reason) from None
    if call.route.region is Region.GLOBAL:
        return Answer(status=200, content=global_acceptance(accepted, world.options))
    return _shown(world, call, accepted)


def _asked(call: Call, body: Mapping[str, Any]) -> Asked:
    amount = body["amount"]
    return Asked(
        api=Api.V3,
        out_refund_no=body["out_refund_no"],
        refund_fee=amount["refund"],
        total_fee=amount["total"],
        currency=amount["currency"],
        reason=body.get("reason", ""),
        notify_url=body.get("notify_url", ""),
        funds=body.get("funds_account", ""),
        host=call.request.host,
    )


def _refusal(world: World, trade: Trade, reason: Problem) -> V3Refusal:
    code, chinese, english = _REFUSALS[reason]
    if reason is Problem.TOO_MUCH and not refundable(world, trade):
        chinese, english = "订单已全额退款", "The order has been refunded in full."
    return V3Refusal(code, chinese=chinese, english=english)


def query_refunds(world: World, call: Call) -> Answer:
    """Return one refund, or on the global family's list a page of an order's; lock held."""
    route = call.route
    is_list = not (route.out_refund_no or route.refund_id)
    known = _IN_LIST if is_list else _IN_QUERY[route.region]
    parameters = checked_parameters(call, known)
    problem = problem_of_refund_query(
        parameters, region=route.region, mode=mode_of(call), is_list=is_list
    )
    if problem:
        raise invalid(problem)
    check_numbers(call)
    _check_whose(world, call, parameters, location="query", pointer="")
    if is_list:
        return _listed(world, call, parameters)
    found = _found(world, call, parameters.get("sub_mchid", ""))
    return _shown(world, call, found)


def _listed(world: World, call: Call, parameters: Mapping[str, str]) -> Answer:
    offset, count = int(parameters["offset"]), int(parameters["count"])
    if count > _LARGEST_PAGE:
        raise wrong("count", f"more than {_LARGEST_PAGE}", value=str(count), location="query")
    trade = _trade(world, call, parameters)
    every = world.refunds.of(trade)
    if not every:
        raise _missing("退款单不存在", "The order has no refund.")
    page = every[offset : offset + count]
    return Answer(status=200, content=global_list(trade, call.account, page, total=len(every)))


def apply_abnormal_refund(world: World, call: Call) -> Answer:
    """Send an abnormal refund to another account and return it, in process again; lock held."""
    checked_parameters(call, frozenset())
    body = read_body(call)
    problem = problem_of_abnormal_body(body, mode=mode_of(call))
    if problem:
        raise invalid(problem)
    check_numbers(call)
    _check_whose(world, call, body, location="body", pointer="/")
    card = _opened(world, call, body)
    found = _found(world, call, body.get("sub_mchid", ""))
    if found.out_refund_no != body["out_refund_no"]:
        raise wrong("/out_refund_no", "not that of the refund", value=body["out_refund_no"])
    if found.status != ABNORMAL:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="退款单状态不是退款异常",
            english="The refund is not abnormal.",
        )
    name = f"{body['bank_type']}{card[-4:]}" if card else "商户银行账户"
    restart(world, found, received_by=name, channel="OTHER_BANKCARD")
    return _shown(world, call, found)


def _opened(world: World, call: Call, body: Mapping[str, Any]) -> str:
    """Return the number of the payer's card, "" for the merchant's own account."""
    if body["type"] != USER_CARD:
        return ""
    card = opened(world, call, body["bank_account"], at="/bank_account")
    opened(world, call, body["real_name"], at="/real_name")
    return card


def _shown(world: World, call: Call, found: Refund) -> Answer:
    is_global = call.route.region is Region.GLOBAL
    show = global_refund if is_global else mainland_refund
    return Answer(status=200, content=show(found, world.options))


def _check_whose(
    world: World, call: Call, given: Mapping[str, Any], *, location: str, pointer: str
) -> None:
    if call.route.region is Region.GLOBAL:
        check_identity(call, given, world.options, location=location, pointer=pointer)
    else:
        check_permission(call)
        check_sub_merchant(call, given.get("sub_mchid"), world.options)


def _trade(world: World, call: Call, given: Mapping[str, Any]) -> Trade:
    """Return the trade that a body or a query names, by the gateway's number if it has one."""
    mch_id = call.account.mch_id
    if "transaction_id" in given:
        trade = world.trades.find_transaction(mch_id, given["transaction_id"])
    else:
        trade = world.trades.find(mch_id, given["out_trade_no"], now=world.clock.now())
    if trade is None:
        raise _missing("订单不存在", "The order does not exist.")
    check_trade_of(trade, given.get("sub_mchid", ""))
    return trade


def _found(world: World, call: Call, sub_mchid: str) -> Refund:
    mch_id, route = call.account.mch_id, call.route
    if route.refund_id:
        found = world.refunds.find_id(mch_id, route.refund_id)
    else:
        found = world.refunds.find(mch_id, route.out_refund_no)
    if found is None:
        raise _missing("退款单不存在", "The refund does not exist.")
    check_trade_of(found.trade, sub_mchid)
    return found


def _missing(chinese: str, english: str) -> V3Refusal:
    return V3Refusal("RESOURCE_NOT_EXISTS", chinese=chinese, english=english)
