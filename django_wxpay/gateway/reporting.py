"""How a report goes out: with little patience, once more at most, and without leaving a trace.

What becomes of a report decides nothing about payments: it is not recorded, and hosts that
do not take it stay as well as they were for every other call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice
from typing import Final

from django_wxpay.gateway.failover import understood
from django_wxpay.gateway.http.messages import Answer, Exchange, NoAnswer, UntrustedHost
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.protocol.errors import ConfigurationError

# Seconds to connect, and to wait for an answer; TIMEOUT is for payments.
PATIENCE_S: Final = (1.0, 1.0)
TRIES: Final = 2


def send_report(
    exchange: Exchange,
    *,
    hosts: Sequence[str],
    transport: Transport,
    read: Callable[[Answer], None],
) -> None:
    """Send a report to the first of ``hosts``, and if none answers, to the next or again.

    ``read`` raises as for ``attempts.call``, and what it refuses is final. ``NoAnswer``
    where both tries brought none.
    """
    missed: NoAnswer | None = None
    for host in islice(cycle(transport.health.order(hosts)), TRIES):
        try:
            answer = transport.exchange(replace(exchange, host=host), timeout=PATIENCE_S)
            understood(answer, read)
        except UntrustedHost:
            raise
        except NoAnswer as none:
            missed = none
        else:
            return
    raise missed or ConfigurationError("the merchant has no HOSTS")
