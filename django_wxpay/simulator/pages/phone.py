"""The page on the customer's phone: what is to be paid, the button, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

from django_wxpay.protocol.money import format_amount, major_units
from django_wxpay.protocol.times import BEIJING, parse_t14
from django_wxpay.simulator.control.paying import (
    EXPIRED,
    PAID,
    PREPAY_EXPIRED,
    REPLACED,
    obstacle,
    settle,
)
from django_wxpay.simulator.control.routes import not_allowed
from django_wxpay.simulator.http.messages import Request, Response, see_other
from django_wxpay.simulator.notifications.sending import send_due
from django_wxpay.simulator.pages.messages import words_for
from django_wxpay.simulator.pages.rendering import NOTHING, Markup, joined, page, render
from django_wxpay.simulator.state.payments import Manner
from django_wxpay.simulator.state.trades import Prepay, Trade
from django_wxpay.simulator.state.world import World

_CHECK: Final = "M19 33l9 9 17-20"
_CLOCK: Final = "M32 18v15l9 6"
_CROSS: Final = "M23 23l18 18M41 23L23 41"
# Longer ones are set smaller, to stay on one line of a phone.
_SHORT_AMOUNT: Final = 10
_TIMELY: Final = frozenset({EXPIRED, PREPAY_EXPIRED, REPLACED})

Words = Mapping[str, str]


def phone(world: World, request: Request, token: str) -> Response:
    """Show the page of a prepay_id or of the code in a code_url; a POST pays."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return not_allowed(("GET", "HEAD", "POST"))
    words = words_for(request.language)
    with world.lock:
        found = world.trades.find_prepay(token, now=world.clock.now())
        if found is None:
            return _ended(words, "unknown", icon=_CROSS, status=404)
        trade, prepay = found
        reason = obstacle(world, trade, prepay)
        if request.method != "POST":
            return _shown(words, request, trade, prepay, reason)
        if not reason:
            settle(world, trade, Manner())
    if not world.live:
        send_due(world)
    return see_other(_address(token, request, paid=not reason))


def amount_text(trade: Trade) -> str:
    """Return a trade's amount in major units, with the sign or the code of its currency."""
    amount, currency = int(trade.terms["total_fee"]), trade.terms.get("fee_type", "CNY")
    if currency == "CNY":
        return f"¥{major_units(amount, currency):,f}"
    return format_amount(amount, currency)


def _shown(words: Words, request: Request, trade: Trade, prepay: Prepay, reason: str) -> Response:
    if not reason:
        return _payable(words, request, trade, prepay)
    back, rows = _back(words, request), _order_rows(trade)
    if reason != PAID:
        icon = _CLOCK if reason in _TIMELY else _CROSS
        return _ended(words, reason, icon=icon, back=back, rows=rows)
    name = "paid" if request.query.get("paid") else "already_paid"
    return _ended(
        words,
        name,
        icon=_CHECK,
        back=back,
        figure=_figure(trade),
        rows=(*rows, *_payment_rows(words, trade)),
        tone="good",
    )


def _payable(words: Words, request: Request, trade: Trade, prepay: Prepay) -> Response:
    ends_at = min(filter(None, (prepay.expires_at, trade.expires_at)))
    rows = (
        *_order_rows(trade)[1:],
        ("pay_before", _local(ends_at)),
        ("pay_with", words["wallet"]),
    )
    amount = amount_text(trade)
    content = render(
        "phone_pay.html",
        {
            **words,
            "payee": f"{words['merchant']} {_payee(trade)}",
            "figure": _figure(trade),
            "pay_amount": f"{words['pay']} {amount}",
            "facts": _facts(words, rows),
            "action": _address(prepay.prepay_id, request),
        },
    )
    return page(content, kind="phone", title=f"{words['pay']} {amount}", lang=words["lang"])


def _ended(
    words: Words,
    name: str,
    *,
    icon: str,
    status: int = 200,
    back: Markup = NOTHING,
    figure: Markup = NOTHING,
    rows: Iterable[tuple[str, str]] = (),
    tone: str = "bad",
) -> Response:
    title = words[f"{name}_title"]
    facts = _facts(words, rows)
    content = render(
        "phone_end.html",
        {
            **words,
            "title": title,
            "text": words[f"{name}_text"],
            "icon": icon,
            "tone": tone,
            "figure": figure,
            "facts": Markup(f'<dl class="facts">{facts}</dl>') if facts else facts,
            "back": back,
        },
    )
    return page(content, kind="phone", title=title, lang=words["lang"], status=status)


def _order_rows(trade: Trade) -> tuple[tuple[str, str], ...]:
    return (
        ("merchant", _payee(trade)),
        ("item", trade.terms["body"]),
        ("order_number", trade.out_trade_no),
    )


def _payment_rows(words: Words, trade: Trade) -> tuple[tuple[str, str], ...]:
    return (
        ("transaction_id", trade.transaction_id),
        ("paid_at", _local(parse_t14(trade.payment["time_end"]))),
        ("paid_with", words["wallet"]),
    )


def _facts(words: Words, rows: Iterable[tuple[str, str]]) -> Markup:
    return joined(
        [render("fact.html", {"name": words[name], "value": value}) for name, value in rows]
    )


def _payee(trade: Trade) -> str:
    return trade.terms.get("sub_mch_id", trade.mch_id)


def _figure(trade: Trade) -> Markup:
    amount = amount_text(trade)
    size = "long" if len(amount) > _SHORT_AMOUNT else "short"
    return render("figure.html", {"amount": amount, "size": size})


def _local(moment: datetime) -> str:
    return moment.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M")


def _address(token: str, request: Request, *, paid: bool = False) -> str:
    query = {"paid": "1"} if paid else {}
    if _return_url(request):
        query["redirect_url"] = _return_url(request)
    return f"/pay/{token}" + (f"?{urlencode(query)}" if query else "")


def _back(words: Words, request: Request) -> Markup:
    url = _return_url(request)
    if not url:
        return NOTHING
    return render("back.html", {"url": url, "back": words["back"]})


def _return_url(request: Request) -> str:
    """Return where an H5 customer goes back to; anything but a web address is left out."""
    url = request.query.get("redirect_url", "")
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in {"http", "https"} and parts.netloc else ""
