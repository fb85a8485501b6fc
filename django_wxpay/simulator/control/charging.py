"""Charges by payment code and their reversal: whether a code can be charged, and what follows.

The refusals have v2's codes; each gateway writes them in its own way.
Source: protocol-v2 sections 6.2, 6.3 and 6.8.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.rules import PaymentCode as PaymentCodeRule
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.control.paying import (
    CLOSED,
    PAID,
    SENTENCES,
    PaymentDetails,
    payment_of,
    record_payment,
)
from django_wxpay.simulator.faults.catalogue import CODE_FAULTS, Stage
from django_wxpay.simulator.faults.script import MICROPAY
from django_wxpay.simulator.state import trades
from django_wxpay.simulator.state.payment_codes import (
    CODE_LIFE,
    COURSES,
    Behaviour,
    Course,
    PaymentCode,
)
from django_wxpay.simulator.state.trades import PAID_STATES, REVOKED, SUCCESS, USERPAYING, Trade
from django_wxpay.simulator.state.world import World

_REVERSIBLE_FOR: Final = timedelta(days=7)
# Answers to a repeated charge of an order that nothing can pay any more.
_ENDS: Final = {
    **dict.fromkeys(PAID_STATES, "ORDERPAID"),
    trades.CLOSED: "ORDERCLOSED",
    REVOKED: "ORDERREVERSED",
}


class ChargeRefused(Exception):
    """A charge or a reversal that is not answered with a success: v2's code, and a text."""

    def __init__(self, code: str, text: str = "") -> None:
        self.code = code
        self.text = text
        super().__init__(code)


def issue(world: World, behaviour: Behaviour) -> PaymentCode:
    """Return a new payment code; call with the lock held."""
    auth_code = world.identifiers.payment_code()
    while world.codes.find(auth_code) is not None:
        auth_code = world.identifiers.payment_code()
    return _added(world, auth_code, behaviour)


def on_screen(world: World) -> PaymentCode:
    """Return the code that the phone page shows now, a new one each minute; lock held.

    One that was charged stays until its minute is over or ``refresh`` is called.
    """
    shown = world.codes.on_screen
    if shown is None or (shown.trade is None and world.clock.now() >= shown.expires_at):
        return refresh(world)
    return shown


def refresh(world: World) -> PaymentCode:
    """Put a new code on the phone page and return it; call with the lock held."""
    world.codes.on_screen = issue(world, Behaviour.PERSON)
    return world.codes.on_screen


def usable_code(world: World, auth_code: str, *, mch_id: str) -> PaymentCode:
    """Return the code that ``mch_id`` has scanned; ``ChargeRefused`` if it cannot be charged."""
    if PaymentCodeRule().problem(auth_code):
        raise ChargeRefused("AUTH_CODE_INVALID")
    code = _known(world, auth_code)
    if code.behaviour is Behaviour.EXPIRED:
        raise ChargeRefused("AUTHCODEEXPIRE")
    if code.trade is not None:
        raise ChargeRefused("AUTH_CODE_ERROR", "每个二维码仅限使用一次，请刷新再试")
    if world.clock.now() >= code.expires_at:
        raise ChargeRefused("AUTHCODEEXPIRE")
    if code.reserved_for not in {"", mch_id}:
        raise ChargeRefused("AUTH_CODE_INVALID")
    return code


def _known(world: World, auth_code: str) -> PaymentCode:
    code = world.codes.find(auth_code)
    if code is not None and (code.is_issued or world.clock.now() < code.expires_at):
        return code
    if world.options.unknown_codes == "refuse":
        raise ChargeRefused("AUTH_CODE_INVALID")
    # Written into an SDK's example. After a minute the same digits are another customer's.
    return _added(world, auth_code, Behaviour.PAYS, is_issued=False)


def _added(
    world: World, auth_code: str, behaviour: Behaviour, *, is_issued: bool = True
) -> PaymentCode:
    code = PaymentCode(
        auth_code=auth_code,
        behaviour=behaviour,
        expires_at=world.clock.now() + CODE_LIFE,
        is_issued=is_issued,
    )
    world.codes.add(code)
    return code


def charge(world: World, trade: Trade, code: PaymentCode) -> None:
    """Enter ``trade`` and charge ``code`` for it; call with the lock held.

    Raises ``ChargeRefused`` for every course that is not paid at once, and for a payment that
    is answered with an error.
    """
    course = _course(world, trade, code)
    world.trades.add(trade)
    code.trade = trade
    trade.state, trade.unpaid_code = course.at_once, course.err_code
    if course.at_once == SUCCESS:
        record_payment(world, trade, PaymentDetails())
    if course.later:
        at = world.clock.now() + timedelta(seconds=world.options.password_s)
        trade.pending = _pending(world, trade, course.later, at)
    if course.err_code:
        raise ChargeRefused(course.err_code)


def _course(world: World, trade: Trade, code: PaymentCode) -> Course:
    fault = world.script.take(Stage.CHARGE, MICROPAY, api=trade.api)
    behaviour = code.behaviour if fault is None else CODE_FAULTS[fault.name]
    if behaviour is Behaviour.EXPIRED:
        raise ChargeRefused("AUTHCODEEXPIRE")
    limit = world.options.password_from
    if limit is not None and int(trade.terms["total_fee"]) >= limit:
        behaviour = _WITH_PASSWORD.get(behaviour, behaviour)
    return COURSES[behaviour]


# The person at the phone page types the password there.
_WITH_PASSWORD: Final = {
    Behaviour.PAYS: Behaviour.CONFIRMS,
    Behaviour.PERSON: Behaviour.IGNORES,
}


def _pending(world: World, trade: Trade, state: str, at: datetime) -> trades.Pending:
    if state == SUCCESS and trade.is_too_late(at):
        state = trades.PAYERROR
    payment = payment_of(world, trade, PaymentDetails(), at=at) if state == SUCCESS else {}
    return trades.Pending(at=at, state=state, payment=payment)


def refuse_ended(trade: Trade) -> None:
    """Raise ``ChargeRefused`` if ``trade`` has ended, so that it cannot be charged again."""
    if trade.state in _ENDS:
        raise ChargeRefused(_ENDS[trade.state])


def refuse_open(trade: Trade) -> None:
    """Raise ``ChargeRefused`` with what is known of an order that is charged again as before."""
    raise ChargeRefused("TRADE_ERROR" if trade.state == trades.PAYERROR else trade.unpaid_code)


def decide(
    world: World,
    trade: Trade,
    *,
    pays: bool,
    details: PaymentDetails | None = None,
    force: bool = False,
) -> None:
    """Let the customer type the password or cancel; call with the lock held.

    ``force`` pays an order that has ended meanwhile. Raises ``ControlError`` for one that does
    not wait for a password.
    """
    if trade.state in PAID_STATES:
        raise ControlError(PAID, SENTENCES[PAID])
    late = trade.state != USERPAYING or trade.is_too_late(world.clock.now())
    if late and not force:
        raise ControlError(CLOSED, "the trade does not wait for a password")
    if pays:
        record_payment(world, trade, details or PaymentDetails())
    trade.state, trade.pending = SUCCESS if pays else trades.PAYERROR, None


def reverse(world: World, trade: Trade) -> bool:
    """Reverse ``trade`` and say whether that is done; if not, it has to be called again.

    A paid order gives its money back, an unpaid one cannot be paid any more, and one that was
    reversed stays so. Raises ``ChargeRefused``. Call with the lock held.
    """
    if trade.state == REVOKED:
        return True
    age = world.clock.now() - trade.created_at
    if not trade.is_by_code or trade.state == trades.REFUND:
        raise ChargeRefused("TRADE_ERROR")
    if age >= _REVERSIBLE_FOR:
        raise ChargeRefused("REVERSE_EXPIRE")
    if age < timedelta(seconds=world.options.reverse_after_s):
        raise ChargeRefused("INVALID_REQUEST", "支付后不能马上调用撤销接口")
    if trade.api is Api.V2 and trade.recalls < world.options.recalls:
        trade.recalls += 1
        return False
    trade.reversals += bool(trade.payment)
    trade.state, trade.pending = REVOKED, None
    return True
