"""Checking of one refund: asked for until it is over, and sent again where it never arrived."""

from __future__ import annotations

import logging

from django.db import Error

from django_wxpay.models import Refund
from django_wxpay.protocol.errors import Refused, WXPayError
from django_wxpay.services.refunds.creating import send_refund
from django_wxpay.services.refunds.querying import is_unknown_there, query_refund

logger = logging.getLogger("django_wxpay.refunds")


def check_refund(refund: Refund) -> bool:
    """Query ``refund`` and settle the answer; return whether there was one.

    One that WeChat Pay does not have, and never refused, is sent again under its number, which
    cannot pay back twice (protocol-v3 section 7.3). A hint is not sent. Never raises for a call
    that fails: it is logged, and the caller comes back.
    """
    try:
        query_refund(refund)
    except Refused as refused:
        if is_unknown_there(refused) and not refund.is_proven:
            return refund.is_hint or _send_again(refund)
        logger.warning("refund %s was asked for and refused: %s", refund.out_refund_no, refused)
        return False
    except (WXPayError, Error) as problem:
        logger.warning("refund %s could not be asked for: %s", refund.out_refund_no, problem)
        return False
    return True


def _send_again(refund: Refund) -> bool:
    try:
        # The sweep has others to ask for, and comes back.
        send_refund(refund, waits=False)
    except (WXPayError, Error) as problem:
        logger.warning("refund %s could not be sent again: %s", refund.out_refund_no, problem)
        # Refused is an answer: nothing is left to ask for.
        return not Refund.objects.get(pk=refund.pk).is_reserved
    return True
