"""micropay, reverse and authcodetoopenid (protocol-v2 sections 6.2, 6.3 and 6.8)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v2.fields import (
    AUTHCODETOOPENID_RULES,
    MICROPAY_RULES,
    REVERSE_RULES,
    check_micropay,
    check_reverse,
)
from django_wxpay.simulator.control import charging
from django_wxpay.simulator.control.charging import ChargeRefused
from django_wxpay.simulator.state.identifiers import openid_of
from django_wxpay.simulator.state.trades import BY_CODE, Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.admission import Call, check_required, checked
from django_wxpay.simulator.v2.orders import (
    check_currency,
    check_expiry,
    check_lengths,
    check_sub_merchant,
    differing_fields,
    shown_payment,
    uncertain_fields,
)
from django_wxpay.simulator.v2.refusals import BusinessError, invalid

# Protocol-v2 section 6.2.
_SOONEST: Final = timedelta(minutes=1)
# A wallet of another kind shows digits too: no malformed request, but a wrong scan.
_CODE: Final = frozenset({"auth_code"})
_LONGEST_CODE: Final = 128
# The parameters of a repeated charge that must not differ (protocol-v2 section 6.2).
_FINGERPRINT: Final = (
    *("appid", "sub_appid", "sub_mch_id", "body", "detail", "attach", "total_fee", "fee_type"),
    *("auth_code", "time_expire", "goods_tag", "limit_pay", "profit_sharing", "deposit"),
)


def micropay(world: World, call: Call) -> dict[str, str]:
    """Charge a payment code and return what the answer adds to the envelope.

    Call with the lock held. Raises ``GatewayError``, also after the order was entered.
    """
    _check(world, call)
    now = world.clock.now()
    trade = world.trades.find(call.account.mch_id, call.out_trade_no, now=now)
    with _refusing():
        if trade is None:
            trade = _charged(world, call)
        else:
            _repeat(call, trade)
    return _paid(call, trade)


def _check(world: World, call: Call) -> None:
    check_required(MICROPAY_RULES, call)
    if len(call.fields["auth_code"]) > _LONGEST_CODE:
        raise invalid("auth_code", f"more than {_LONGEST_CODE} characters")
    with checked():
        check_micropay(
            call.fields, mode=call.account.mode, leaving_out=uncertain_fields(world) | _CODE
        )
    check_lengths(world, call)
    check_currency(world, call)


def _charged(world: World, call: Call) -> Trade:
    check_expiry(world, call, soonest=_SOONEST)
    code = charging.usable_code(world, call.fields["auth_code"], mch_id=call.account.mch_id)
    trade = Trade(
        mch_id=call.account.mch_id,
        out_trade_no=call.out_trade_no,
        terms={**call.fields, "trade_type": BY_CODE},
        sign_type=call.fields.get("sign_type", ""),
        created_at=world.clock.now(),
    )
    charging.charge(world, trade, code)
    return trade


def _repeat(call: Call, trade: Trade) -> None:
    charging.refuse_ended(trade)
    sub_merchants = {trade.terms.get("sub_mch_id"), call.fields.get("sub_mch_id")}
    if not trade.is_by_code or len(sub_merchants) > 1 or trade.api is not Api.V2:
        raise BusinessError("OUT_TRADE_NO_USED")
    differing = differing_fields(trade, call, _FINGERPRINT)
    if differing:
        raise BusinessError("INVALID_REQUEST", f"201 商户订单号重复 ({', '.join(differing)})")
    charging.refuse_open(trade)


def _paid(call: Call, trade: Trade) -> dict[str, str]:
    fields = {"out_trade_no": trade.out_trade_no, **shown_payment(call, trade)}
    if "attach" in trade.terms:
        fields["attach"] = trade.terms["attach"]
    return fields


def reverse(world: World, call: Call) -> dict[str, str]:
    """Reverse a charge and return what the answer adds to the envelope; lock held."""
    check_required(REVERSE_RULES, call)
    with checked():
        check_reverse(call.fields, mode=call.account.mode)
    trade = _found(world, call)
    check_sub_merchant(call, trade)
    with _refusing():
        done = charging.reverse(world, trade)
    return {"recall": "N" if done else "Y"}


def _found(world: World, call: Call) -> Trade:
    mch_id, transaction_id = call.account.mch_id, call.fields.get("transaction_id")
    now = world.clock.now()
    if transaction_id:
        trade = world.trades.find_transaction(mch_id, transaction_id)
        if trade is None:
            raise BusinessError("INVALID_TRANSACTIONID")
        return trade
    trade = world.trades.find(mch_id, call.out_trade_no, now=now)
    if trade is None:
        raise BusinessError("ORDERNOTEXIST")
    return trade


def authcodetoopenid(world: World, call: Call) -> dict[str, str]:
    """Return the openid behind a payment code, which nobody else may charge then; lock held."""
    check_required(AUTHCODETOOPENID_RULES, call)
    with _refusing():
        code = charging.usable_code(world, call.fields["auth_code"], mch_id=call.account.mch_id)
    code.reserved_for = call.account.mch_id
    found = {"openid": openid_of(call.fields["appid"])}
    if "sub_appid" in call.fields:
        found["sub_openid"] = openid_of(call.fields["sub_appid"])
    return found


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a refused charge into the refusal of a valid request."""
    try:
        yield
    except ChargeRefused as refused:
        raise BusinessError(refused.code, refused.text) from None
