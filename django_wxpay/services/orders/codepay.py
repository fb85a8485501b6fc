"""Quick Pay: a payment code is charged once, and the sale is then found out or undone.

No notification comes for such a payment, so the call waits for its end (protocol-v2 section 6.2)::

    paid                                    done
    a refusal that is final                 Refused; a new code needs a new out_trade_no
    anything else (password, time-out)      query every POLL_S, for WAIT_S
    not known to WeChat Pay, asked twice    the same code again: it never arrived
    no end after WAIT_S                     reverse

The row is written before anything is sent, with the lease of the process that sends. So the call
that writes it is the only one that ever sends a code for its number. Another one, or the sweep,
asks and reverses.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Unpack

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import lookup, refusal
from django_wxpay.protocol.errors import (
    InvalidOrder,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.facts import TradeFact, TradeType
from django_wxpay.protocol.rules import PaymentCode
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.v3.errors import V3_TABLE, normalised
from django_wxpay.services import clock, gateways
from django_wxpay.services.orders.advice import NEVER_ARRIVED, NOT_THERE
from django_wxpay.services.orders.creating import find_or_insert, merchant_of
from django_wxpay.services.orders.fields import CodePayFields, SaleFields
from django_wxpay.services.orders.leases import (
    DECIDED,
    REVERSIBLE_AFTER_S,
    Lease,
    busy,
    next_end,
    take_lease,
)
from django_wxpay.services.orders.placing import note_refusal
from django_wxpay.services.orders.querying import query_order, query_under
from django_wxpay.services.orders.reversing import CHECK_AGAIN, undo
from django_wxpay.services.reports.sales import record_sale
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.orders import apply_trade_fact

logger = logging.getLogger("django_wxpay.orders")

_RULE: Final = PaymentCode()
# One look may be too early for the order to be found (protocol-v2 section 5.4).
_LOOKS: Final = 2
_TURN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale that is written down; ``is_new`` where this call did it, and has to send the code."""

    order: Order
    code: Secret
    lease: Lease | None = None

    @property
    def is_new(self) -> bool:
        return self.lease is not None


@conf.same_account()
def pay_by_code(**fields: Unpack[CodePayFields]) -> Order:
    """Charge the payment code that a payer shows, and return the order when the sale is decided.

    That is SUCCESS, PAYERROR, or REVOKED or CLOSED where it was undone: look at ``is_paid``. The
    call may take ``QUICK_PAY["WAIT_S"]`` and a minute more. The same call again goes on with the
    same sale and never charges twice. Raises ``InvalidOrder`` naming the field, ``OrderConflict``
    for a number with other parameters, ``ConfigurationError`` for a merchant that could not
    reverse, ``Refused`` where nothing was charged, ``OutcomeUnknown`` where that is not known yet,
    ``InsideTransaction``. Source: protocol-v2 section 6.2, protocol-v3 section 3.2.
    """
    return complete_sale(open_sale(**fields))


@conf.same_account()
def open_sale(**fields: Unpack[CodePayFields]) -> Sale:
    """Write a sale down, or find the one of this number; the first half of ``pay_by_code``.

    Database only. Raises what that raises, up to the row.
    """
    require_no_transaction("pay_by_code")
    code = _checked(fields)
    alias = merchant_of(fields)
    until = next_end(alias)
    order, is_new = find_or_insert(
        fields,
        known=SaleFields,
        # No notification comes of it (protocol-v2 section 6.2).
        fixed={"trade_type": TradeType.MICROPAY.value, "notify_url": ""},
        check=lambda terms: gateways.gateway(alias).check_code(terms, code),
        placing_until=until,
        placed_at=clock.now(),
        next_check_at=until,
    )
    return Sale(order, code, Lease(order, until) if is_new else None)


@conf.same_account()
def complete_sale(sale: Sale) -> Order:
    """Charge the code of a new sale and see it to its end; the second half of ``pay_by_code``."""
    require_no_transaction("pay_by_code")
    order = sale.order
    if sale.lease is not None:
        return _Till(order, sale.lease, sale.code).charge()
    transport = gateways.transport()
    give_up_at = transport.clock() + _longest_s(order)
    while transport.clock() < give_up_at:
        order.refresh_from_db()
        if order.trade_state in DECIDED:
            return order
        if taken := take_lease(order):
            return _Till(order, taken).go_on()
        transport.sleep(_TURN_S)
    raise busy(order)


def finish_sale(order: Order) -> Order:
    """Ask once for a sale that no call waits for, and reverse it if its time is over.

    For the sweep. The sale may not be decided yet. Raises what ``query_order`` and
    ``reverse_order`` raise, and ``OrderBusy`` while another call works on it.
    """
    require_no_transaction("finish_sale")
    order.refresh_from_db()
    if order.trade_state in DECIDED:
        return query_order(order)
    lease = take_lease(order, keeps_schedule=True)
    if lease is None:
        raise busy(order)
    return _Till(order, lease).finish()


def _checked(fields: Any) -> Secret:
    # Taken out of the arguments, so that no frame shows it.
    given = fields.pop("auth_code", None)
    if given is None:
        raise InvalidOrder("auth_code", _("is missing"), _RULE.text)
    if not isinstance(given, str):
        raise InvalidOrder(
            "auth_code", _("%(type)s is not text", type=type(given).__name__), _RULE.text
        )
    code, given = Secret(given), None
    if problem := _RULE.problem(code.reveal()):
        raise InvalidOrder("auth_code", problem, _RULE.text)
    return code


def _longest_s(order: Order) -> float:
    return (
        conf.current().quick_pay.wait_s + (next_end(order.merchant) - clock.now()).total_seconds()
    )


class _Till:
    """One process at work on one sale, under its lease."""

    def __init__(self, order: Order, lease: Lease, code: Secret | None = None) -> None:
        self.order, self.lease, self.code = order, lease, code
        self.transport, self.limits = gateways.transport(), conf.current().quick_pay
        age_s = 0.0 if code else (clock.now() - order.created_at).total_seconds()
        # A row may be from a machine whose clock is wrong.
        waited_s = min(self.limits.wait_s, max(0.0, age_s))
        self.scanned = self.transport.clock() - waited_s
        self.sent_at = self.scanned
        self.looks_in_vain = 0

    @property
    def is_decided(self) -> bool:
        return self.order.trade_state in DECIDED

    @property
    def is_over(self) -> bool:
        return self.transport.clock() - self.scanned >= self.limits.wait_s

    def charge(self) -> Order:
        """Send the code for the first time, and wait for the end."""
        with self._at_work(is_recorded=True):
            self._send(is_first=True)
            self._wait()
        return self.order

    def go_on(self) -> Order:
        """Ask first, as the code may have been sent; then wait for the end."""
        was_refused = bool(self.order.err_code)
        with self._at_work(is_recorded=not was_refused):
            self._look()
            self._wait()
        return self.order

    def finish(self) -> Order:
        """Ask once, and reverse a sale whose time is over."""
        with self._at_work(is_recorded=False):
            query_under(self.lease, self.order)
            if self.is_over and not self.is_decided:
                self._undo()
        return self.order

    def _wait(self) -> None:
        # One look in vain decides nothing, however late it is.
        while not self.is_decided and (not self.is_over or self.looks_in_vain == 1):
            self.lease.renew()
            self.transport.sleep(self.limits.poll_s)
            self._look()
            if self.looks_in_vain >= _LOOKS:
                self._send_again()
        if not self.is_decided:
            self._undo()

    def _send(self, *, is_first: bool) -> None:
        self.lease.renew()
        self.sent_at, code = self.transport.clock(), self.code or Secret("")
        try:
            fact = gateways.gateway(self.order.merchant).charge(self.order.terms(), code)
        except OutcomeUnknown:
            return
        except Refused as refused:
            # The first sending may have done what the second is refused for.
            if not lookup(refused.kind).is_final or not (is_first or self._is_not_there()):
                return
            note_refusal(self.order, refused, query=partial(query_under, self.lease))
            raise
        self._apply(fact)

    def _is_not_there(self) -> bool:
        self._look()
        return self.looks_in_vain > 0

    def _send_again(self) -> None:
        if self.code is None or self.is_over:
            refused = self._never_arrived()
            note_refusal(self.order, refused)
            raise refused
        self.looks_in_vain = 0
        self._send(is_first=False)

    def _never_arrived(self) -> Refused:
        code = self.order.err_code
        if code in {"", NOT_THERE}:
            return Refused(NOT_THERE, "", NEVER_ARRIVED, kind=NOT_THERE)
        row = V3_TABLE.get(normalised(code)) or lookup(code)
        return refusal(code, self.order.err_code_des, row=row)

    def _look(self) -> None:
        try:
            query_under(self.lease, self.order)
        except Refused as refused:
            # Any other refusal is about the question, and not about the sale.
            self.looks_in_vain += refused.kind == NOT_THERE
        except OutcomeUnknown:
            return
        else:
            self.looks_in_vain = 0

    def _undo(self) -> None:
        # The order is as old as it was sent last.
        since_s = self.transport.clock() - self.sent_at
        self.lease.renew()
        self.transport.sleep(max(0.0, REVERSIBLE_AFTER_S - since_s))
        try:
            undo(self.order, self.lease)
        except Refused as refused:
            # Paid in the last second: the sale stands.
            if not self.is_decided:
                raise OutcomeUnknown(
                    f"order {self.order.out_trade_no} is not decided, and its reversal was "
                    f"refused ({refused.err_code}); ask again"
                ) from refused

    def _apply(self, fact: TradeFact) -> None:
        def apply() -> None:
            self.order.refresh_from_db()
            apply_trade_fact(self.order, fact)

        # Whoever has taken the sale over may be reversing it.
        self.lease.renew()
        retry_on_lock(apply)

    @contextmanager
    def _at_work(self, *, is_recorded: bool) -> Iterator[None]:
        refused: Refused | None = None
        try:
            yield
        except Refused as caught:
            refused = caught
            raise
        finally:
            is_known = self.is_decided or (refused is not None and not self.order.is_paid)
            self.lease.give_back(
                # A refusal may be unsigned, so that WeChat Pay is asked once more.
                next_check_at=None if self.is_decided else clock.now() + CHECK_AGAIN
            )
            if is_recorded and is_known:
                self._record(refused)

    def _record(self, refused: Refused | None) -> None:
        order, elapsed_s = self.order, self.transport.clock() - self.scanned
        is_paid = order.is_paid and refused is None
        why = (refused.err_code, refused.err_code_des) if refused else (order.trade_state, "")
        try:
            record_sale(
                order.merchant,
                out_trade_no=order.out_trade_no,
                started_at=order.created_at,
                execute_time_ms=round(elapsed_s * 1000),
                result_code="SUCCESS" if is_paid else "FAIL",
                err_code="" if is_paid else why[0],
                err_code_des="" if is_paid else why[1],
                device_info=order.device_info,
                appid=order.appid,
                sub_appid=order.sub_appid,
                sub_mch_id=order.sub_mch_id,
                user_ip=order.spbill_create_ip,
            )
        except WXPayError:
            # What is measured of a sale must not fail it.
            logger.exception("the sale %s was not recorded", order.out_trade_no)
