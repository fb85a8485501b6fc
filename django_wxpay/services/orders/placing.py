"""Placing an order at WeChat Pay: one prepay at a time, and never a second one in vain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from django.db import Error

from django_wxpay import conf
from django_wxpay.models import Order, Prepay
from django_wxpay.protocol.error_codes import lookup, refusal
from django_wxpay.protocol.errors import InvalidOrder, OrderBusy, OrderPaid, OutcomeUnknown, Refused
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.states import OPEN, PAID
from django_wxpay.protocol.v3.json_fields import placing_members
from django_wxpay.services import clock, gateways
from django_wxpay.services.claims import SKEW, claim_as_seen, release
from django_wxpay.services.orders.creating import notify_url
from django_wxpay.services.orders.leases import longest_call_s
from django_wxpay.services.orders.querying import query_order
from django_wxpay.services.sync.schedule import ORDER_CHECKS
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import accept

logger = logging.getLogger("django_wxpay.orders")

# Counted from before the call, so that ours ends first (protocol-v2 section 3.4).
_LIFE: Final = timedelta(hours=2)
_MWEB_LIFE: Final = timedelta(minutes=5)
# Refusals that show that WeChat Pay has an order of this number.
_KNOWN_THERE: Final = frozenset({"ORDERPAID", "ORDERCLOSED", "OUT_TRADE_NO_USED"})
# The columns that change while an order is open. To read all sixty takes a sixth of a placing.
_MOVING: Final = (
    "trade_state",
    "trade_state_desc",
    "notify_url",
    "err_code",
    "err_code_des",
    "placing_until",
    "placed_at",
    "next_check_at",
    "checked_at",
    "updated_at",
)
_POLL_S: Final = 0.05


@conf.same_account()
def unified_order(order: Order, *, members: Mapping[str, Any] | None = None) -> Prepay:
    """Return a prepay the customer can pay with, asking the gateway only if there is none.

    Safe to call again after any outcome. ``members`` are what APIv3 takes in mainland and an
    order has no column for: ``payer.identity`` (``type``, ``number`` and ``name``, encrypted
    here), ``subsidy_info`` and ``settle_info.subsidy_amount``. They are kept nowhere: give them
    again with each call. Raises ``InsideTransaction``, ``InvalidOrder``, ``Refused``
    (``OrderPaid`` or ``OrderClosed`` also for an order known to be over), ``OutcomeUnknown``
    with the order kept, ``OrderBusy`` where another call places it all the time,
    ``BadSignature``. Source: protocol-v2 sections 1.2, 3 and 3.8, protocol-v3 section 4.2.
    """
    require_no_transaction("unified_order")
    if order.trade_type == TradeType.MICROPAY:
        raise InvalidOrder(
            "trade_type", _("a payment by code has no prepay"), _("it is charged at once")
        )
    if members is not None:
        _check_members(order, members)
    patience_s = longest_call_s(order.merchant)
    give_up_at = time.monotonic() + patience_s
    while time.monotonic() < give_up_at:
        order.refresh_from_db(fields=_MOVING)
        if order.trade_state not in OPEN:
            # Who is refused looks for the reason, and may show the payment.
            order.refresh_from_db()
        _refuse_ended(order)
        if prepay := live_prepay(order):
            return prepay
        # A new prepay makes the QR code that a customer is looking at worthless. So one caller
        # makes the call, and the others wait for what it is granted.
        if lease := retry_on_lock(lambda: _lease(order, patience_s)):
            return place_under(lease, order, members)
        time.sleep(_POLL_S)
    raise OrderBusy(f"order {order.out_trade_no} is being placed by another call; ask again")


def _check_members(order: Order, members: Mapping[str, Any]) -> None:
    account = conf.merchant(order.merchant)
    if account.api is not Api.V3:
        raise InvalidOrder("members", _("v2 has no place for them"), _("a merchant of APIv3"))
    placing_members(members, account.region)


def live_prepay(order: Order) -> Prepay | None:
    """Return the newest prepay if the customer can still pay with it."""
    # Placing writes that before it asks for one.
    if order.placed_at is None:
        return None
    prepay = Prepay.objects.filter(order=order).order_by("-id").first()
    return prepay if prepay is not None and prepay.is_live(clock.now()) else None


def _refuse_ended(order: Order) -> None:
    state = TradeState(order.trade_state)
    if state not in OPEN:
        code = "ORDERPAID" if state in PAID else "ORDERCLOSED"
        raise refusal(code)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to place an order, and its check before and after this was taken."""

    until: datetime
    taken_at: datetime
    check_before: datetime | None
    check_at: datetime

    def columns(self) -> dict[str, datetime]:
        return {
            "placing_until": self.until,
            "placed_at": self.taken_at,
            "next_check_at": self.check_at,
        }


def new_lease(length_s: float, *, check_before: datetime | None = None) -> Lease:
    """Return a lease that is to be written to an order, in the columns that it names.

    ``length_s`` is as long as a call may take at most, so that a crash only costs the rest of it.
    """
    now = clock.now()
    # The order is on the schedule before anything is sent: WeChat Pay may know it, whatever
    # becomes of us.
    return Lease(now + timedelta(seconds=length_s), now, check_before, now + ORDER_CHECKS[0])


def _lease(order: Order, length_s: float) -> Lease | None:
    if _is_held(order, length_s):
        return None
    lease = new_lease(length_s, check_before=order.next_check_at)
    # Nobody has asked for a prepay since the caller looked for one: then these would differ.
    as_seen = Order.objects.filter(
        pk=order.pk, placing_until=order.placing_until, placed_at=order.placed_at
    )
    values: dict[str, Any] = {**lease.columns()}
    if _is_unknown_there(order):
        # The settings may have been corrected since.
        values["notify_url"] = notify_url(order.merchant)
    if not as_seen.update(**values):
        return None
    for name, value in values.items():
        setattr(order, name, value)
    return lease


def _is_unknown_there(order: Order) -> bool:
    """Return whether no call can have left ``order`` at WeChat Pay, so that its terms may change.

    A call whose outcome is unknown leaves it on the schedule, until WeChat Pay has answered: it
    wants the same terms under the same number (protocol-v2 section 3.8).
    """
    return order.trade_state == TradeState.CREATED and order.next_check_at is None


def _is_held(order: Order, length_s: float) -> bool:
    # A lease that is longer than one can be was written by a clock that was wrong.
    now, until = clock.now(), order.placing_until
    return until is not None and now < until <= now + timedelta(seconds=length_s) + SKEW


def place_under(lease: Lease, order: Order, members: Mapping[str, Any] | None = None) -> Prepay:
    """Place ``order``, as it stands under ``lease``, and return its prepay; end the lease."""
    try:
        _refuse_ended(order)
        return _place(order, lease, members)
    finally:
        # ``accept`` has ended it with what it has saved.
        if order.placing_until is not None:
            held = Order.objects.filter(pk=order.pk, placing_until=lease.until)
            release(lambda: held.update(placing_until=None), f"order {order.out_trade_no}")


def _place(order: Order, lease: Lease, members: Mapping[str, Any] | None) -> Prepay:
    gateway = gateways.gateway(order.merchant)
    asked_at = clock.now()
    try:
        if members is None:
            grant = gateway.place(order.terms())
        else:
            grant = gateways.v3_gateway(order.merchant).place(order.terms(), members)
    except Refused as refused:
        if _is_certain(refused):
            _undo_check(order, lease)
        note_refusal(order, refused)
        raise
    prepay = Prepay(
        order=order,
        prepay_id=grant.prepay_id,
        trade_type=grant.trade_type,
        code_url=grant.code_url,
        mweb_url=grant.mweb_url,
        sign_type=grant.sign_type,
        created_at=asked_at,
        expires_at=expiry(order, asked_at),
    )
    retry_on_lock(lambda: accept(order, prepay))
    return prepay


def expiry(order: Order, asked_at: datetime) -> datetime:
    """Return when a prepay that was asked for then ends."""
    end = asked_at + (_MWEB_LIFE if order.trade_type == TradeType.MWEB else _LIFE)
    return min(end, order.time_expire) if order.time_expire else end


def note_refusal(
    order: Order, refused: Refused, *, query: Callable[[Order], object] = query_order
) -> None:
    """Save what WeChat Pay refused ``order`` with; one that it calls paid is asked for."""
    order.err_code, order.err_code_des = refused.err_code, refused.err_code_des
    order.updated_at = clock.now()
    try:
        retry_on_lock(partial(order.save, update_fields=["err_code", "err_code_des", "updated_at"]))
    except Error:
        # What is known of the order must not hide the refusal from the caller.
        logger.exception("the refusal of order %s was not saved", order.out_trade_no)
    if isinstance(refused, OrderPaid):
        try:
            query(order)
        except (OutcomeUnknown, Refused, Error):
            # The caller is raised the refusal; the order stays for the next query.
            return


def _is_certain(refused: Refused) -> bool:
    """Return whether WeChat Pay has nothing to say of the order but this refusal."""
    is_final = lookup(refused.kind).is_final and not refused.may_have_arrived
    return refused.kind not in _KNOWN_THERE and is_final


def _undo_check(order: Order, lease: Lease) -> None:
    # An earlier try may have had no outcome, and then the order stays on the schedule.
    rows = Order.objects.filter(pk=order.pk)
    undo = partial(claim_as_seen, rows, "next_check_at", lease.check_before, seen=lease.check_at)
    try:
        retry_on_lock(undo)
    except Error:
        # One query too many does no harm, and the refusal is what the caller has to see.
        logger.exception("order %s stays on the schedule", order.out_trade_no)
