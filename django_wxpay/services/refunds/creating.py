"""Creating a refund: its amount is taken here first, then WeChat Pay is asked for it.

The number is what keeps a refund from being made twice, so one is sent under the same number
until its outcome is known. A refusal is followed by a query: an earlier try may have arrived, and
only what WeChat Pay does not have gives its amount back (protocol-v3 section 7.3).
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import Error
from django.urls import reverse

from django_wxpay import conf
from django_wxpay.conf.project import with_prefix
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.error_codes import lookup
from django_wxpay.protocol.errors import InvalidRefund, OrderBusy, OutcomeUnknown, Refused
from django_wxpay.protocol.facts import RefundFact
from django_wxpay.protocol.refunds import RefundTerms, check_amount
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock, gateways
from django_wxpay.services.claims import claim, release
from django_wxpay.services.refunds.querying import apply, is_unknown_there
from django_wxpay.services.transactions import require_no_transaction, retry_on_lock
from django_wxpay.services.transitions.refund_requests import (
    FIRST_CHECK,
    give_up,
    note_refusal,
    request_refund,
)

logger = logging.getLogger("django_wxpay.refunds")

_POLL_S: Final = 0.05
_MARGIN_S: Final = 5


@conf.same_account()
def create_refund(
    order: Order, *, refund_fee: int, out_refund_no: str | None = None, refund_desc: str = ""
) -> Refund:
    """Refund ``refund_fee`` minor units of a paid order; return the refund that was accepted.

    Accepted is not paid back: ``refund_status`` is PROCESSING until WeChat Pay says more, and
    ``refund_settled`` is sent then. Safe to call again with the same ``out_refund_no``, after any
    outcome; without one each call is one refund more. ``refund_desc`` is shown to the payer.

    Raises ``InsideTransaction``, ``InvalidRefund`` naming the field, ``NotRefundable`` (a
    subclass) for more than is left or an order that is not paid, ``RefundConflict`` for a number
    that is another refund's, ``Refused``, ``OutcomeUnknown`` with the refund kept,
    ``BadSignature``, and ``ConfigurationError`` for a v2 merchant without a client certificate.
    Sources: protocol-v2 section 6.4, protocol-v3 sections 3.5 and 4.4.
    """
    return get_or_create_refund(
        order, refund_fee=refund_fee, out_refund_no=out_refund_no, refund_desc=refund_desc
    )[0]


@conf.same_account()
def get_or_create_refund(
    order: Order, *, refund_fee: int, out_refund_no: str | None = None, refund_desc: str = ""
) -> tuple[Refund, bool]:
    """Do what ``create_refund`` does; return the refund and whether this call has made it."""
    require_no_transaction("create_refund")
    order.refresh_from_db()
    terms = _terms(order, refund_fee, out_refund_no, refund_desc)
    gateways.gateway(order.merchant).check_refund(terms)
    refund, is_new = retry_on_lock(lambda: request_refund(order, terms))
    return send_refund(refund), is_new


def send_refund(refund: Refund, *, waits: bool = True) -> Refund:
    """Ask WeChat Pay for a refund that it may not have yet, and return it up to date.

    One that WeChat Pay has, or that is over, is returned without a call. While another process
    sends it, this one ``waits`` for that, or raises ``OrderBusy`` at once. Raises what
    ``create_refund`` raises.
    """
    require_no_transaction("send_refund")
    patience_s = _longest_call_s(refund)
    give_up_at = time.monotonic() + patience_s
    while time.monotonic() < give_up_at:
        refund.refresh_from_db()
        if refund.is_proven or not refund.is_reserved:
            return refund
        # Within a minute WeChat Pay may refuse a second request about one order, so one caller
        # makes the call, and the others wait for its outcome (protocol-v2 section 6.4).
        if lease := retry_on_lock(partial(_lease, refund, patience_s)):
            try:
                return _send_under(lease, refund)
            except (Refused, OutcomeUnknown) as error:
                error.out_refund_no = refund.out_refund_no
                raise
        if not waits:
            break
        time.sleep(_POLL_S)
    busy = OrderBusy(f"refund {refund.out_refund_no} is being sent by another call; ask again")
    busy.out_refund_no = refund.out_refund_no
    raise busy


def _terms(
    order: Order, refund_fee: object, out_refund_no: object, refund_desc: object
) -> RefundTerms:
    texts = {
        "out_refund_no": clock.out_trade_no() if out_refund_no is None else out_refund_no,
        "refund_desc": refund_desc,
    }
    for name, value in texts.items():
        if not isinstance(value, str):
            raise InvalidRefund(name, _("%(type)s is not text", type=type(value).__name__))
    path = reverse("django_wxpay:notify-refund", kwargs={"merchant": order.merchant})
    return RefundTerms(
        order=order.ref(),
        refund_fee=check_amount(refund_fee),
        total_fee=order.total_fee,
        fee_type=order.fee_type,
        notify_url=conf.current().notify_base_url + with_prefix(path),
        **{name: str(value) for name, value in texts.items()},
    )


def _longest_call_s(refund: Refund) -> float:
    # A refusal is followed by a query, and each may fetch certificates and be probed first.
    hosts = len(conf.merchant(refund.merchant).hosts)
    return 6 * hosts * sum(conf.current().timeout) + _MARGIN_S


def _lease(refund: Refund, length_s: float) -> datetime | None:
    # As long as the calls may take at most, so that a crash only costs the rest of it. What the
    # answer does not settle is asked for.
    now = clock.now()
    length = timedelta(seconds=length_s)
    rows = Refund.objects.filter(pk=refund.pk, refund_id__isnull=True)
    mine = claim(
        rows,
        "sending_until",
        now + length,
        longest=length,
        next_check_at=now + FIRST_CHECK,
        # An earlier refusal says nothing of this try, and must not close it while it is on its way.
        err_code="",
        err_code_des="",
    )
    return now + length if mine else None


def _send_under(lease: datetime, refund: Refund) -> Refund:
    try:
        # One that WeChat Pay has stated already is not sent.
        apply(refund.order, _send(refund, lease), asked_in="")
        refund.refresh_from_db()
        return refund
    finally:
        held = Refund.objects.filter(pk=refund.pk, sending_until=lease)
        release(lambda: held.update(sending_until=None), f"refund {refund.out_refund_no}")


def _send(refund: Refund, lease: datetime) -> RefundFact:
    gateway = gateways.gateway(refund.merchant)
    try:
        return gateway.refund(refund.terms())
    except Refused as refused:
        # Where one host has not answered, the refusal of the next is no outcome: what has none is
        # not given up, and is sent again under its number.
        if not refused.may_have_arrived:
            _note(refund, refused, lease)
        if not lookup(refused.kind).is_final:
            raise
        try:
            # It has it all the same: an earlier try has arrived.
            return gateway.query_refund(refund.ref())
        except Refused as unknown:
            if is_unknown_there(unknown):
                retry_on_lock(partial(give_up, refund))
        except OutcomeUnknown as problem:
            logger.warning(
                "refund %s was refused, and could not be asked for: %s",
                refund.out_refund_no,
                problem,
            )
        raise refused from None


def _note(refund: Refund, refused: Refused, lease: datetime) -> None:
    try:
        retry_on_lock(partial(note_refusal, refund, refused, lease=lease))
    except Error:
        # What is known of the refund must not hide the refusal from the caller.
        logger.exception("the refusal of refund %s was not saved", refund.out_refund_no)
