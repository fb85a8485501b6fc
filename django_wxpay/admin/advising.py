"""Which advice belongs to a code that is stored: that of the protocol the merchant speaks.

A code that only the other protocol has is from the time when the merchant spoke that one.
"""

from __future__ import annotations

import re
from typing import Final

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.outcomes import TABLE, outcome_of
from django_wxpay.protocol.v3.outcomes import V3_OUTCOMES, normalised, outcome_of_v3

# What v3 stands under when a refusal came without a code.
_STATUS: Final = re.compile("HTTP_([0-9]{3})")


def advice_on(err_code: str, *, merchant: str) -> str:
    """Return what to do about a refusal of the merchant of this alias, in English."""
    if status := _STATUS.fullmatch(err_code):
        return outcome_of_v3(int(status[1]), "").advice
    row = V3_OUTCOMES.get(normalised(err_code))
    if row is None or (err_code in TABLE and not _speaks_v3(merchant)):
        row = outcome_of(err_code)
    return row.advice


def _speaks_v3(merchant: str) -> bool:
    try:
        return conf.merchant(merchant).api is Api.V3
    except ConfigurationError:
        return False
