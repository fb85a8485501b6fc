"""Actions of the control plane, the same for Python, for HTTP and for the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from django_wxpay.protocol.facts import Coupon
from django_wxpay.protocol.money import LARGEST
from django_wxpay.protocol.v3.documents import write_object
from django_wxpay.simulator.control import charging, ledger, paying
from django_wxpay.simulator.control.arguments import Arguments, ControlError
from django_wxpay.simulator.control.paying import PaymentDetails
from django_wxpay.simulator.faults.script import ANY, new_fault
from django_wxpay.simulator.notifications import sending
from django_wxpay.simulator.state.identifiers import openid_of
from django_wxpay.simulator.state.payment_codes import Behaviour
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

_DAY_S: Final = 86_400
_LONGEST_S: Final = 366 * _DAY_S
_MOST_TIMES: Final = 1_000_000
_MOST_COPIES: Final = 200
_LARGEST_RATE: Final = 10**16
_RATE_TYPE: Final = "SETTLEMENT_RATE"


def pay(world: World, given: Arguments) -> dict[str, Any]:
    """Pay ``mch_id``'s ``out_trade_no`` as the customer, in the details given."""
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    force = given.flag("force") or False
    details = _payment_details(given)
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        if trade.is_by_code:
            charging.decide(world, trade, pays=True, details=details, force=force)
        else:
            paying.pay(world, trade, details, force=force)
    return _trade_after_sending(world, trade)


def show_code(world: World, given: Arguments) -> dict[str, Any]:
    """Let a customer show a payment code, and return it with the customer's openid.

    ``behaviour`` says how a charge ends. ``mch_id`` names the merchant whose openid is returned,
    by default the first one.
    """
    behaviour = given.text("behaviour", Behaviour.PAYS)
    mch_id = given.text("mch_id", next(iter(world.accounts), ""))
    given.finish()
    if behaviour not in list(Behaviour):
        raise ControlError("invalid", f"behaviour is one of {', '.join(Behaviour)}")
    account = world.accounts.get(mch_id)
    if account is None:
        raise ControlError("unknown_merchant", f"there is no merchant {mch_id}", status=404)
    with world.lock:
        code = charging.issue(world, Behaviour(behaviour))
    return {
        "auth_code": code.auth_code,
        "openid": openid_of(account.appids[0]),
        "expires_at": code.expires_at.isoformat(timespec="milliseconds"),
    }


def set_state(world: World, given: Arguments) -> dict[str, Any]:
    """Put a trade into the ``trade_state`` given, without a notification."""
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    state = given.text("trade_state")
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        paying.set_state(world, trade, state)
    return _trade_after_sending(world, trade)


def notify(world: World, given: Arguments) -> dict[str, Any]:
    """Send the notification of a paid trade again."""
    mch_id, out_trade_no = given.text("mch_id"), given.text("out_trade_no")
    given.finish()
    with world.lock:
        trade = world.trade(mch_id, out_trade_no)
        paying.notify_again(world, trade)
    return _trade_after_sending(world, trade)


def move_clock(world: World, given: Arguments) -> dict[str, Any]:
    """Move the clock by ``advance_s`` seconds, let it run at ``speed``, or both.

    Notifications that become due on the way are sent before this returns.
    """
    advance_s = given.number("advance_s", 0, most=_LONGEST_S) or 0
    speed = given.number("speed", most=_DAY_S)
    given.finish()
    if speed == 0:
        raise ControlError("invalid", "speed is more than 0")
    if speed is not None:
        with world.lock:
            world.clock.set_speed(speed)
            world.changed.notify_all()
    sent = _advance(world, advance_s) if advance_s else 0
    return ledger.clock(world) | {"sent": sent}


def inject(world: World, given: Arguments) -> dict[str, Any]:
    """Script a ``fault``: where (``operation``, ``host``) and how often (``times``)."""
    try:
        fault = new_fault(
            # None is no such fault either, and the answer to that names those there are.
            given.text("fault", ""),
            operation=given.text("operation", ANY),
            times=given.whole("times", 1, most=_MOST_TIMES) or 0,
            seconds=given.number("seconds", most=_DAY_S),
            count=given.whole("count", most=_MOST_COPIES),
            executed=given.flag("executed"),
            host=given.text("host", ""),
        )
    except ControlError:
        raise
    except ValueError as error:
        raise ControlError("invalid", str(error)) from None
    given.finish()
    if fault.times < 1 or fault.count < 1:
        raise ControlError("invalid", "times and count are at least 1")
    with world.lock:
        world.script.add(fault)
    return ledger.waiting_faults(world)


def clear_faults(world: World, given: Arguments) -> dict[str, Any]:
    """Drop every waiting fault."""
    given.finish()
    with world.lock:
        world.script.clear()
    return ledger.waiting_faults(world)


def reset(world: World, given: Arguments) -> dict[str, Any]:
    """Drop all state."""
    given.finish()
    world.reset()
    return ledger.ledger(world)


def _advance(world: World, seconds: float) -> int:
    try:
        target = world.clock.now() + timedelta(seconds=seconds)
    except OverflowError:
        raise ControlError("invalid", "advance_s leads beyond the end of time") from None
    return sending.advance(world, target)


def _trade_after_sending(world: World, trade: Trade) -> dict[str, Any]:
    if not world.live:
        sending.send_due(world)
    with world.lock:
        return ledger.trade_view(world, trade)


def _payment_details(given: Arguments) -> PaymentDetails:
    return PaymentDetails(
        openid=given.text("openid", ""),
        sub_openid=given.text("sub_openid", ""),
        bank_type=given.text("bank_type", "OTHERS"),
        coupons=tuple(_coupon(Arguments(item)) for item in given.objects("coupons")),
        # v3's names of the same; if both are given, v3's is used.
        cash_fee=given.whole("payer_total", given.whole("cash_fee", most=LARGEST), most=LARGEST),
        cash_fee_type=given.text("payer_currency", given.text("cash_fee_type", "")),
        rate_value=_rate(given),
        promotion_detail=_promotions(given),
    )


def _promotions(given: Arguments) -> tuple[dict[str, Any], ...]:
    promotions = given.objects("promotion_detail")
    try:
        write_object({"promotion_detail": promotions})
    except (TypeError, ValueError):
        raise ControlError("invalid", "promotion_detail cannot be written as JSON") from None
    return tuple(promotions)


def _rate(given: Arguments) -> int | None:
    """Take an exchange rate x 10^8: v2's ``rate_value``, or v3's number or object."""
    rate_value = given.whole("rate_value", most=_LARGEST_RATE)
    rate = given.inner("exchange_rate")
    if rate is None:
        return given.whole("exchange_rate", rate_value, most=_LARGEST_RATE)
    if rate.text("type", _RATE_TYPE) != _RATE_TYPE:
        raise ControlError("invalid", f"a payment's exchange_rate has the type {_RATE_TYPE}")
    value = rate.whole("rate", most=_LARGEST_RATE)
    rate.finish()
    return value


def _coupon(given: Arguments) -> Coupon:
    coupon = Coupon(
        coupon_id=given.text("coupon_id"),
        coupon_type=given.text("coupon_type", ""),
        coupon_fee=given.whole("coupon_fee", 0, most=LARGEST),
    )
    given.finish()
    if coupon.coupon_type not in {"", "CASH", "NO_CASH"}:
        raise ControlError("invalid", "coupon_type is CASH, NO_CASH or left out")
    return coupon
