"""Advice on refusals that are kept, so that a person reads it as long as the code is shown."""

from __future__ import annotations

import re
from typing import Final

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.error_codes import TABLE, advice_for, lookup
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v3.errors import V3_TABLE, lookup_v3, normalised

NOT_THERE: Final = "ORDERNOTEXIST"
NEVER_ARRIVED: Final = (
    "WeChat Pay does not know this sale, so nothing was charged. Scan the payer's code again, "
    "under a new order number."
)


def advice_of(order: Order) -> str:
    """Return the advice, in English, on what ``order`` was refused with; "" where it was not."""
    if not order.err_code:
        return ""
    if order.trade_type == TradeType.MICROPAY and order.err_code == NOT_THERE:
        return NEVER_ARRIVED
    return advice_on(order.err_code, order.err_code_des, merchant=order.merchant)


# The code that is stored for a v3 refusal without a code of its own.
_STATUS: Final = re.compile("HTTP_([0-9]{3})")


def advice_on(err_code: str, err_code_des: str, *, merchant: str) -> str:
    """Return the advice, in English, on a refusal of the merchant of this alias.

    It is the advice of the protocol that the merchant speaks now. A code that only the other
    protocol has is from the time when the merchant spoke that one.
    """
    if status := _STATUS.fullmatch(err_code):
        return lookup_v3(int(status[1]), "").advice
    row = V3_TABLE.get(normalised(err_code))
    if row is None or (err_code in TABLE and not _speaks_v3(merchant)):
        row = lookup(err_code)
    return advice_for(row, err_code_des)


def _speaks_v3(merchant: str) -> bool:
    try:
        return conf.merchant(merchant).api is Api.V3
    except ConfigurationError:
        return False
