"""Payment code on the customer's phone: the code to scan, the password, and the result."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Final

import segno

from django_wxpay.simulator.control import charging
from django_wxpay.simulator.control.arguments import ControlError, read_arguments
from django_wxpay.simulator.control.routes import error_response, not_allowed, write_line
from django_wxpay.simulator.http.messages import HOME, Request, Response, see_other
from django_wxpay.simulator.pages.messages import Messages, messages_for
from django_wxpay.simulator.pages.phone import (
    CHECK,
    CLOCK,
    CROSS,
    amount_text,
    end_page,
    order_facts,
    shown_amount,
)
from django_wxpay.simulator.pages.rendering import page
from django_wxpay.simulator.state import trades
from django_wxpay.simulator.state.payment_codes import PaymentCode
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

_SCREEN: Final = "code"
SCREEN_PATH: Final = f"{HOME}phone/{_SCREEN}"
_CODE: Final = re.compile("[0-9]{18}")
_ANSWERS: Final = ("pay", "refuse")

# The result of a charge: the messages, the icon and the tone.
_ENDS: Final = {
    trades.SUCCESS: ("code_paid", CHECK, "good"),
    trades.REFUND: ("code_paid", CHECK, "good"),
    trades.NOTPAY: ("not_enough", CROSS, "bad"),
    trades.REVOKED: ("reversed", CROSS, "bad"),
    trades.CLOSED: ("closed", CROSS, "bad"),
}
_FAILED: Final = ("refused", CROSS, "bad")


def is_code_page(token: str) -> bool:
    """Say whether the end of a phone page's path stands for a payment code."""
    return token == _SCREEN or _CODE.fullmatch(token) is not None


def code_page(world: World, request: Request, token: str) -> Response:
    """Show the code to scan now, or what became of one; a POST shows a new one, or answers."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return not_allowed(("GET", "HEAD", "POST"))
    is_post = request.method == "POST"
    messages = messages_for(request.language)
    with world.lock:
        if token == _SCREEN:
            return _screen(world, messages, is_post=is_post)
        code = world.codes.find(token)
        if code is None:
            return end_page(messages, "unknown", icon=CROSS, status=404, again=SCREEN_PATH)
        return _answered(world, request, code) if is_post else _shown(world, messages, code)


def _screen(world: World, messages: Messages, *, is_post: bool) -> Response:
    if is_post:
        charging.refresh(world)
        return see_other(SCREEN_PATH)
    code = charging.on_screen(world)
    if code.trade is not None:
        return see_other(f"{HOME}phone/{code.auth_code}")
    return _code_to_scan(messages, code)


def _answered(world: World, request: Request, code: PaymentCode) -> Response:
    """Take the customer's answer to the password."""
    try:
        pays, trade = _answer(request, code)
    except ControlError as error:
        return error_response(error)
    trade.lapse(world.clock.now())
    # One that was decided meanwhile is shown as it is.
    with suppress(ControlError):
        charging.decide(world, trade, pays=pays)
    answer = see_other(f"{HOME}phone/{code.auth_code}")
    # Without the code, with which money is taken.
    without_code = replace(request, path=SCREEN_PATH)
    write_line(world, without_code, answer, trade.out_trade_no, trade.state)
    return answer


def _answer(request: Request, code: PaymentCode) -> tuple[bool, Trade]:
    given = read_arguments(request)
    answer = given.text("answer")
    given.finish()
    if answer not in _ANSWERS or code.trade is None:
        raise ControlError("invalid", "answer is pay or refuse, for a code that was scanned")
    return answer == _ANSWERS[0], code.trade


def _shown(world: World, messages: Messages, code: PaymentCode) -> Response:
    now, trade = world.clock.now(), code.trade
    if trade is None:
        if now < code.expires_at:
            return _code_to_scan(messages, code)
        return end_page(messages, "code_expired", icon=CLOCK, again=SCREEN_PATH)
    trade.lapse(now)
    if trade.state == trades.USERPAYING and not trade.is_too_late(now):
        return _password_page(messages, code, trade)
    name, icon, tone = _ENDS.get(trade.state, _FAILED)
    return end_page(
        messages,
        name,
        icon=icon,
        tone=tone,
        facts=order_facts(messages, trade),
        again=SCREEN_PATH,
        **shown_amount(trade),
    )


def _code_to_scan(messages: Messages, code: PaymentCode) -> Response:
    digits = code.auth_code
    return page(
        "phone_code.html",
        title=messages["payment_code"],
        messages=messages,
        digits=" ".join((digits[:4], digits[4:8], digits[8:12], digits[12:])),
        qr=segno.make_qr(digits).svg_inline(border=2, dark="#000", light="#fff", omitsize=True),
        again=SCREEN_PATH,
    )


def _password_page(messages: Messages, code: PaymentCode, trade: Trade) -> Response:
    facts = order_facts(messages, trade)
    return page(
        "phone_password.html",
        title=f"{messages['pay']} {amount_text(trade)}",
        messages=messages,
        payee=facts[0][1],
        facts=facts[1:],
        action=f"{HOME}phone/{code.auth_code}",
        **shown_amount(trade),
    )
