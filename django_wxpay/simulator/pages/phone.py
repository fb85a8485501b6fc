"""The payment page on the customer's phone: what is to be paid, the button, and the result."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django_wxpay.protocol.money import format_amount, major_units
from django_wxpay.protocol.times import BEIJING, parse_t14
from django_wxpay.simulator.control.paying import (
    EXPIRED,
    PAID,
    PREPAY_EXPIRED,
    REPLACED,
    PaymentDetails,
    take_payment,
    unpayable_reason,
)
from django_wxpay.simulator.control.routes import not_allowed, write_line
from django_wxpay.simulator.http.messages import HOME, Request, Response, see_other
from django_wxpay.simulator.notifications.sending import send_due
from django_wxpay.simulator.pages.messages import Messages, messages_for
from django_wxpay.simulator.pages.notifying import notification_of
from django_wxpay.simulator.pages.rendering import page
from django_wxpay.simulator.state.trades import Prepay, Trade
from django_wxpay.simulator.state.world import World

# Icons of a result, as paths in a square of 64.
CHECK: Final = "M19 33l9 9 17-20"
CLOCK: Final = "M32 18v15l9 6"
CROSS: Final = "M23 23l18 18M41 23L23 41"
# Longer ones are set smaller, to stay on one line of a phone.
_SHORT_AMOUNT: Final = 10
_TIMELY: Final = frozenset({EXPIRED, PREPAY_EXPIRED, REPLACED})


def phone(world: World, request: Request, token: str) -> Response:
    """Show the page of a prepay_id or of the code in a code_url; a POST pays."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return not_allowed(("GET", "HEAD", "POST"))
    messages = messages_for(request.language)
    with world.lock:
        found = world.trades.find_prepay(token, now=world.clock.now())
        if found is None:
            return end_page(messages, "unknown", icon=CROSS, status=404)
        trade, prepay = found
        reason = unpayable_reason(world, trade, prepay)
        if request.method != "POST":
            return _page(world, messages, request, trade, prepay, reason)
        if not reason:
            take_payment(world, trade, PaymentDetails())
    if not world.live:
        send_due(world)
    answer = see_other(_address(token, request, paid=not reason))
    write_line(world, request, answer, trade.out_trade_no, reason)
    return answer


def cashier(world: World, request: Request) -> Response:
    """Show the page of an ``mweb_url``, to a customer who comes from a page of the shop.

    Source: protocol-v2 section 4.5.
    """
    answer = phone(world, request, request.query.get("prepay_id", ""))
    if answer.status == HTTPStatus.OK and not request.headers.get("referer"):
        return end_page(messages_for(request.language), "no_referer", icon=CROSS)
    return answer


def amount_text(trade: Trade) -> str:
    """Return a trade's amount in major units, with the sign or the code of its currency."""
    return money_text(int(trade.terms["total_fee"]), trade.terms.get("fee_type", "CNY"))


def money_text(amount: int, currency: str) -> str:
    """Return ``amount`` minor units in major ones, with the sign or the code of ``currency``."""
    if currency == "CNY":
        return f"¥{major_units(amount, currency):,f}"
    return format_amount(amount, currency)


def _page(
    world: World,
    messages: Messages,
    request: Request,
    trade: Trade,
    prepay: Prepay,
    reason: str,
) -> Response:
    if not reason:
        return _pay_page(messages, request, trade, prepay)
    return_url, facts = _return_url(request), order_facts(messages, trade)
    if reason != PAID:
        icon = CLOCK if reason in _TIMELY else CROSS
        return end_page(messages, reason, icon=icon, return_url=return_url, facts=facts)
    facts += [
        (messages["transaction_id"], trade.transaction_id),
        (messages["paid_at"], _local(parse_t14(trade.payment["time_end"]))),
        (messages["paid_with"], messages["wallet"]),
    ]
    notification = notification_of(world, messages, trade)["text"]
    if notification:
        facts.append((messages["notification"], notification))
    name = "paid" if request.query.get("paid") else "already_paid"
    return end_page(
        messages,
        name,
        icon=CHECK,
        tone="good",
        return_url=return_url,
        facts=facts,
        **shown_amount(trade),
    )


def _pay_page(messages: Messages, request: Request, trade: Trade, prepay: Prepay) -> Response:
    ends_at = min(filter(None, (prepay.expires_at, trade.expires_at)))
    facts = [
        *order_facts(messages, trade)[1:],
        (messages["pay_before"], _local(ends_at)),
        (messages["pay_with"], messages["wallet"]),
    ]
    return page(
        "phone_pay.html",
        title=f"{messages['pay']} {amount_text(trade)}",
        messages=messages,
        payee=_payee(trade),
        facts=facts,
        action=_address(prepay.prepay_id, request),
        **shown_amount(trade),
    )


def end_page(
    messages: Messages,
    name: str,
    *,
    icon: str,
    tone: str = "bad",
    status: int = 200,
    **values: Any,
) -> Response:
    """Show the result that ``name`` and the messages of that name stand for."""
    return page(
        "phone_end.html",
        title=messages[f"{name}_title"],
        messages=messages,
        status=status,
        text=messages[f"{name}_text"],
        icon=icon,
        tone=tone,
        **values,
    )


def order_facts(messages: Messages, trade: Trade) -> list[tuple[str, str]]:
    """Return what a customer is shown of an order, the shop first."""
    return [
        (messages["merchant"], _payee(trade)),
        (messages["item"], trade.terms["body"]),
        (messages["order_number"], trade.out_trade_no),
    ]


def _payee(trade: Trade) -> str:
    return trade.terms.get("sub_mch_id", trade.mch_id)


def shown_amount(trade: Trade) -> dict[str, Any]:
    """Return the values of a template that shows an amount."""
    amount = amount_text(trade)
    return {"amount": amount, "amount_size": "long" if len(amount) > _SHORT_AMOUNT else "short"}


def _local(moment: datetime) -> str:
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def _address(token: str, request: Request, *, paid: bool = False) -> str:
    query = {"paid": "1"} if paid else {}
    if _return_url(request):
        query["redirect_url"] = _return_url(request)
    return f"{HOME}phone/{token}" + (f"?{urlencode(query)}" if query else "")


def _return_url(request: Request) -> str:
    """Return where an H5 customer goes back to; anything but a web address is left out."""
    url = request.query.get("redirect_url", "")
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.netloc else ""
