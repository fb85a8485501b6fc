"""The page of one order: its facts, its notifications, and what can be done with it.

The buttons stand side by side; one that cannot be pressed now says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from django_wxpay.protocol.times import BEIJING, parse_t14
from django_wxpay.simulator.control import actions, refund_actions, refunding
from django_wxpay.simulator.control.arguments import Arguments, ControlError, read_arguments
from django_wxpay.simulator.control.ledger import trade_page
from django_wxpay.simulator.control.paying import EXPIRED, PAID, unpayable_reason
from django_wxpay.simulator.control.routes import error_response, not_allowed, write_line
from django_wxpay.simulator.http.messages import HOME, Request, Response, see_other
from django_wxpay.simulator.notifications.sending import settle_due_refunds
from django_wxpay.simulator.pages.messages import Messages, messages_for
from django_wxpay.simulator.pages.notifying import attempt_row, notification_of
from django_wxpay.simulator.pages.phone import CROSS, amount_text, end_page, money_text
from django_wxpay.simulator.pages.rendering import page
from django_wxpay.simulator.state.journal import shown_address
from django_wxpay.simulator.state.refunds import FINAL_STATUSES, STATUSES, Refund
from django_wxpay.simulator.state.trades import PAID_STATES, USERPAYING, Trade
from django_wxpay.simulator.state.world import World

_Verb = Callable[[World, Arguments], dict[str, Any]]

_ORDERS: Final = "orders/"
# Attempts that are listed; the ledger has them all.
_NEWEST: Final = 50
_ACTIONS: Final[Mapping[str, _Verb]] = {
    "pay": actions.pay,
    "notify": actions.notify,
    "refund": refund_actions.refund,
}


def is_order_page(name: str) -> bool:
    """Say whether the end of a path below ``HOME`` stands for an order."""
    return name.startswith(_ORDERS)


def order_address(trade: Trade) -> str:
    """Return the path of the page of ``trade``."""
    return f"{HOME}{_ORDERS}{quote(trade.mch_id, safe='')}/{quote(trade.out_trade_no, safe='')}"


def order_page(world: World, request: Request, name: str) -> Response:
    """Show the page of an order; a POST does one of its actions."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return not_allowed(("GET", "HEAD", "POST"))
    messages = messages_for(request.language)
    mch_id, _, out_trade_no = name.removeprefix(_ORDERS).partition("/")
    try:
        with world.lock:
            trade = world.trade(mch_id, out_trade_no)
    except ControlError:
        return end_page(messages, "no_order", icon=CROSS, status=404)
    if request.method == "POST":
        return _done(world, messages, request, trade)
    return _page(world, messages, trade)


def _done(world: World, messages: Messages, request: Request, trade: Trade) -> Response:
    """Do what the button stands for, and go back to the page; a refusal is shown on it."""
    try:
        verb = _verb(read_arguments(request))
    except ControlError as error:
        return error_response(error)
    named = {"mch_id": trade.mch_id, "out_trade_no": trade.out_trade_no}
    try:
        verb(world, Arguments(named))
    except ControlError as error:
        problem = messages.get(f"problem_{error.code}", error.detail)
        answer = _page(world, messages, trade, problem=problem, status=error.status)
        write_line(world, request, answer, trade.out_trade_no, error.code)
        return answer
    answer = see_other(order_address(trade))
    write_line(world, request, answer, trade.out_trade_no)
    return answer


def _verb(given: Arguments) -> _Verb:
    verb = _ACTIONS.get(given.text("action"))
    given.finish()
    if verb is None:
        raise ControlError("invalid", f"action is one of {', '.join(_ACTIONS)}")
    return verb


def _page(
    world: World, messages: Messages, trade: Trade, *, problem: str = "", status: int = 200
) -> Response:
    with world.lock:
        settle_due_refunds(world)
        trade.lapse(world.clock.now())
        mine = (one for one in reversed(world.attempts) if one.notice.trade is trade)
        return page(
            "order.html",
            title=f"{messages['order_number']} {trade.out_trade_no}",
            messages=messages,
            status=status,
            problem=problem,
            trade=trade,
            amount=amount_text(trade),
            facts=_facts(messages, trade),
            notification=notification_of(world, messages, trade),
            buttons=_buttons(world, messages, trade),
            address=order_address(trade),
            phone=trade_page(trade),
            attempts=[attempt_row(world, messages, one) for one in islice(mine, _NEWEST)],
            refunds=[refund_row(world, messages, one) for one in world.refunds.of(trade)],
        )


def refund_row(world: World, messages: Messages, refund: Refund) -> dict[str, Any]:
    """Return what a page shows of one refund; lock held."""
    terms = refund.trade.terms
    is_over = refund.status in FINAL_STATUSES
    return {
        "time": f"{refund.created_at.astimezone(BEIJING):%m-%d %H:%M}",
        "out_refund_no": refund.out_refund_no,
        "out_trade_no": refund.trade.out_trade_no,
        "mch_id": refund.trade.mch_id,
        "amount": money_text(refund.refund_fee, terms.get("fee_type", "CNY")),
        "status": refund.status,
        "notification": notification_of(world, messages, refund),
        "order": order_address(refund.trade),
        "ends": () if is_over else [one for one in STATUSES if one != refund.status],
    }


def _facts(messages: Messages, trade: Trade) -> list[tuple[str, str]]:
    terms, paid_at = trade.terms, trade.payment.get("time_end")
    url = terms.get("notify_url", "")
    facts = [
        (messages["merchant"], terms.get("sub_mch_id", trade.mch_id)),
        (messages["item"], terms["body"]),
        (messages["ordered_at"], f"{trade.created_at.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"),
        (messages["transaction_id"], trade.transaction_id),
        (
            messages["paid_at"],
            f"{parse_t14(paid_at).astimezone(BEIJING):%Y-%m-%d %H:%M:%S}" if paid_at else "",
        ),
        ("notify_url", shown_address(url) if url else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _buttons(world: World, messages: Messages, trade: Trade) -> list[dict[str, str]]:
    """Return the three buttons; each has the sentence of what it does, or why it cannot."""
    obstacles = {
        "pay": _payment_obstacle(world, trade),
        "notify": _notice_obstacle(trade),
        "refund": _refund_obstacle(world, trade),
    }
    return [
        {
            "action": action,
            "label": messages[f"do_{action}"],
            "text": messages[f"no_{obstacle}" if obstacle else f"do_{action}_text"],
            "disabled": "disabled" if obstacle else "",
        }
        for action, obstacle in obstacles.items()
    ]


def _payment_obstacle(world: World, trade: Trade) -> str:
    if trade.state in PAID_STATES:
        return PAID
    if trade.is_by_code:
        if trade.state != USERPAYING:
            return "password"
        return EXPIRED if trade.is_too_late(world.clock.now()) else ""
    return unpayable_reason(world, trade, trade.live_prepay)


def _notice_obstacle(trade: Trade) -> str:
    if trade.is_by_code:
        return "notice_by_code"
    return "" if trade.payment else "payment"


def _refund_obstacle(world: World, trade: Trade) -> str:
    if trade.state not in PAID_STATES:
        return "payment"
    return "" if refunding.refundable(world, trade) else "money_left"
