"""Advice on a refund that is not over: what a person can do, and which button does it."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import Refund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.merchants import Region
from django_wxpay.services.orders.advice import advice_on

_HINTED: Final = _(
    "A message without a signature has named this refund. Ask WeChat Pay whether there is one."
)
_WAIT: Final = _(
    "Nothing has to be done: it is asked for again by itself under the same number, which cannot "
    "pay back twice."
)
_SAME_NUMBER: Final = _("Nothing was paid back. Once that is done, send this refund again.")
_NEW_NUMBER: Final = _(
    "WeChat Pay has closed this refund and paid nothing back: the account that pays refunds may "
    "have had too little money for days. Make a new refund on the page of the order."
)
_PAY_OUT: Final = _(
    "The money cannot go back to where it came from, such as a card that was cancelled. Pay it "
    "out otherwise, here or on the merchant platform."
)
_BY_HAND: Final = _(
    "The money cannot go back to where it came from, such as a card that was cancelled. Settle it "
    "with the payer on the merchant platform, then ask WeChat Pay here."
)


def can_be_sent(refund: Refund) -> bool:
    """Return whether WeChat Pay may lack the refund: it gave no answer, or refused it."""
    return not refund.is_hint and not refund.is_proven


def can_be_paid_out(refund: Refund) -> bool:
    """Return whether the money is stuck, and the merchant has the call for that."""
    if refund.refund_status != RefundStatus.ABNORMAL or not refund.is_proven:
        return False
    try:
        account = conf.merchant(refund.merchant)
    except ConfigurationError:
        return False
    return bool(account.api_v3_key) and account.region is Region.MAINLAND


def what_to_do(refund: Refund) -> str:
    """Return what the page says to do about ``refund``, or "" where nothing is."""
    if not refund.is_proven:
        return str(_HINTED) if refund.is_hint else _unproven(refund)
    if refund.refund_status == RefundStatus.ABNORMAL:
        return str(_PAY_OUT if can_be_paid_out(refund) else _BY_HAND)
    return str(_NEW_NUMBER) if refund.refund_status == RefundStatus.CLOSED else ""


def _unproven(refund: Refund) -> str:
    if refund.is_reserved:
        return str(_WAIT)
    advice = gettext(advice_on(refund.err_code, refund.err_code_des, merchant=refund.merchant))
    return f"{advice} {_SAME_NUMBER}"
