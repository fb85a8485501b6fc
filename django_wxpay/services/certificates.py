"""Platform certificates, renewed before anybody misses one: each v3 merchant in its turn.

How often is decided in ``gateway.platform_keys``, over all processes. What fails for one
merchant is told when all have had their turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError

from django_wxpay import conf
from django_wxpay.protocol.errors import OutcomeUnknown, WXPayError
from django_wxpay.services import gateways
from django_wxpay.services.transactions import require_no_transaction

logger = logging.getLogger("django_wxpay.worker")


def refresh_certificates(*, stop: Callable[[], bool] = lambda: False) -> int:
    """Download what is due of every v3 merchant that uses certificates; return for how many.

    Raises ``OutcomeUnknown`` after the last merchant if one of them was in trouble, and
    ``InsideTransaction`` in an open transaction. Ends early, between two merchants, when
    ``stop`` says so. Source: protocol-v3 section 2.6.
    """
    require_no_transaction("refresh_certificates")
    renewed, missed = 0, []
    for alias in [alias for alias, account in conf.merchants().items() if account.api_v3_key]:
        if stop():
            break
        try:
            renewed += gateways.refresh_platform_keys(alias)
        except (WXPayError, DatabaseError) as problem:
            logger.warning("certificates of merchant %s not renewed: %s", alias, problem)
            missed.append(alias)
    if missed:
        raise OutcomeUnknown(f"platform certificates not renewed: {', '.join(missed)}")
    return renewed
