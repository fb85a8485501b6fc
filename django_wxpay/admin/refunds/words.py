"""Words for refunds: the status of one, and the state of an order with its refunds.

"Accepted" is not "paid back", and no answer is neither: each stage has words of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from django_wxpay.admin import display
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundStatus, TradeState
from django_wxpay.protocol.money import format_amount
from django_wxpay.services.refunds.balances import Balance, balances

_BALANCE: Final = "refund_balance"


class OrderList(ChangeList):
    """A list of orders that reads the refunds of a whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _attach_balances(self.result_list)


def balance_of(order: Order) -> Balance:
    """Return the balance of ``order``, read once for each object."""
    if not hasattr(order, _BALANCE):
        _attach_balances([order])
    found: Balance = getattr(order, _BALANCE)
    return found


def _attach_balances(orders: Iterable[Order]) -> None:
    every = list(orders)
    found = balances(every)
    for order in every:
        setattr(order, _BALANCE, found[order.pk])


def order_badge(order: Order) -> SafeString:
    """Return the state of ``order`` with its refunds: "Paid, 45.00 of 100.00 CNY refunded"."""
    balance = balance_of(order)
    parts = list(_parts(balance, order.fee_type))
    if not parts:
        return display.state_badge(order)
    sentence = str(_("Paid"))
    for part in parts:
        sentence = _("%(first)s, %(second)s") % {"first": sentence, "second": part}
    tone = display.BAD if balance.stuck else display.TONES[TradeState.SUCCESS]
    return display.badge(sentence, tone)


def _parts(balance: Balance, currency: str) -> Iterator[str]:
    whole = format_amount(balance.paid, currency)
    if balance.refunded == balance.paid > 0:
        yield _("%(amount)s refunded") % {"amount": whole}
    elif balance.refunded:
        values = {"part": _bare(balance.refunded, currency), "whole": whole}
        yield _("%(part)s of %(whole)s refunded") % values
    if balance.in_progress:
        if balance.refunded:
            yield _("%(amount)s in progress") % {"amount": _bare(balance.in_progress, currency)}
        else:
            amount = format_amount(balance.in_progress, currency)
            yield _("refund of %(amount)s in progress") % {"amount": amount}
    if balance.stuck:
        amount = format_amount(balance.stuck, currency)
        yield _("refund of %(amount)s stuck") % {"amount": amount}


def _bare(amount: int, currency: str) -> str:
    return format_amount(amount, currency).removesuffix(f" {currency}")


def refund_badge(refund: Refund) -> SafeString:
    """Return the status of a refund in words."""
    tone, words = _status(refund)
    return display.badge(words, tone)


def refund_words(refund: Refund) -> str:
    """Return the status of a refund in words, without a colour."""
    return str(_status(refund)[1])


def _status(refund: Refund) -> tuple[str, Any]:
    if refund.is_hint and not refund.is_proven:
        return display.WAITING, _("Hinted at, not confirmed")
    if not refund.is_proven and refund.err_code:
        return display.BAD, _("Refused: %(code)s") % {"code": refund.err_code}
    if not refund.is_proven and refund.is_reserved:
        return display.WAITING, _("Sent, no answer yet")
    if refund.refund_status == RefundStatus.PROCESSING:
        return display.QUIET, _("Accepted, being paid back")
    return display.REFUND_TONES[refund.refund_status], refund.get_refund_status_display()
