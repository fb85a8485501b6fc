"""Whether a request that failed is sent again, and where (protocol-v2 sections 1.1 and 1.2).

What may have happened decides::

    no connection, no whole answer in time, a broken one    next host
    HTTP 5xx, whatever it says                              next host
    a redirect; a body that is no document (HTML, empty)    next host
    a document, under any other status                      the answer, nobody else is asked
    a signature or an identity that is wrong                nobody else is asked: an alarm
    a certificate that cannot be verified                   nobody else is asked: an alarm

Every call made through here may be repeated with the same bytes: placing, querying and
closing an order, and fetching certificates. Each host is asked at most once a call. What a
document is, and what it says under HTTP 4xx, is for the protocol's reader to know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, Literal, TypeVar, cast

from django_wxpay.gateway.http.messages import Answer, Exchange, NoAnswer, Probed, UntrustedHost
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Failure, elapsed_ms
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    MalformedMessage,
    OutcomeUnknown,
    WXPayError,
)

logger = logging.getLogger("django_wxpay.gateway")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Generic[T]):
    """One attempt that is over: either ``value`` was read from the answer, or ``error`` says.

    ``is_standby`` where it went to another host than the merchant's first.
    """

    exchange: Exchange
    is_standby: bool
    started_at: datetime
    execute_time_ms: int
    answer: Answer | None
    value: T | None
    error: WXPayError | None

    @property
    def http_status(self) -> int | None:
        if self.answer is not None:
            return self.answer.status
        return self.error.http_status if isinstance(self.error, NoAnswer) else None

    @property
    def failure(self) -> Failure | Literal[""]:
        """What went wrong; "" for an answer that can be believed, a refusal included."""
        if (self.http_status or 0) >= 500:
            return Failure.HTTP_5XX
        if isinstance(self.error, NoAnswer):
            return self.error.failure
        if isinstance(self.error, Probed):
            return Failure.PROBE
        if isinstance(self.error, BadSignature):
            return Failure.BAD_SIGNATURE
        return Failure.BAD_ANSWER if isinstance(self.error, BadAnswer) else ""

    @property
    def is_for_the_next_host(self) -> bool:
        return isinstance(self.error, NoAnswer) and not isinstance(self.error, UntrustedHost)


def call(
    exchange: Exchange,
    *,
    hosts: Sequence[str],
    transport: Transport,
    read: Callable[[Answer], T],
    note: Callable[[Attempt[T]], None],
    now: Callable[[], datetime],
) -> T:
    """Ask the hosts in order of health until one answers, and return what ``read`` makes of it.

    ``read`` raises ``MalformedMessage`` for what is no document at all, and its own
    ``WXPayError`` for a document it refuses; the latter is final. ``note`` is told of every
    attempt before anything is raised, and must not raise. If no host has answered:
    ``BadAnswer`` where the last one sent something that is no document, else
    ``OutcomeUnknown``.
    """
    missed: list[Attempt[T]] = []
    for host in transport.health.order(hosts):
        attempt = _attempt(
            replace(exchange, host=host),
            transport,
            read,
            now,
            is_standby=host != hosts[0],
        )
        note(attempt)
        _remember(attempt, transport)
        if not attempt.is_for_the_next_host:
            return _decided(attempt)
        missed.append(attempt)
    raise _given_up(missed)


def _attempt(
    exchange: Exchange,
    transport: Transport,
    read: Callable[[Answer], T],
    now: Callable[[], datetime],
    *,
    is_standby: bool,
) -> Attempt[T]:
    answer: Answer | None = None
    value: T | None = None
    error: WXPayError | None = None
    started_at, started = now(), transport.clock()
    try:
        answer = transport.exchange(exchange)
    except NoAnswer as none:
        error = none
    execute_time_ms = elapsed_ms(started, transport.clock())
    if answer is not None:
        try:
            value = understood(answer, read)
        except WXPayError as refusal:
            error = refusal
    return Attempt(
        exchange=exchange,
        is_standby=is_standby,
        started_at=started_at,
        execute_time_ms=execute_time_ms,
        answer=answer,
        value=value,
        error=error,
    )


def understood(answer: Answer, read: Callable[[Answer], T]) -> T:
    """Return what ``read`` makes of ``answer``; ``NoAnswer`` for one that is for the next host."""
    if answer.status >= 500:
        raise NoAnswer(Failure.HTTP_5XX, http_status=answer.status)
    if not 300 <= answer.status < 400:
        try:
            return read(answer)
        except MalformedMessage:
            pass
    raise NoAnswer(Failure.UNREADABLE, http_status=answer.status)


def _remember(attempt: Attempt[T], transport: Transport) -> None:
    host, name = attempt.exchange.host, attempt.exchange.host_name
    if attempt.is_for_the_next_host:
        transport.health.failed(host)
    elif isinstance(attempt.error, UntrustedHost):
        logger.error("The certificate of %s cannot be verified; nothing was sent.", name)
    elif isinstance(attempt.error, BadAnswer) and not isinstance(attempt.error, Probed):
        logger.error("%s sent an answer that cannot be believed: %s", name, attempt.failure)
    else:
        transport.health.healed(host)


def _decided(attempt: Attempt[T]) -> T:
    if isinstance(attempt.error, UntrustedHost):
        raise OutcomeUnknown(
            f"the certificate of {attempt.exchange.host_name} cannot be verified: "
            "nothing was sent, and calling again is safe"
        )
    if attempt.error is not None:
        raise attempt.error
    return cast("T", attempt.value)


def _given_up(missed: Sequence[Attempt[T]]) -> WXPayError:
    if not missed:
        return ConfigurationError("the merchant has no HOSTS")
    tried = ", ".join(map(_shown, missed))
    kind = BadAnswer if missed[-1].failure is Failure.UNREADABLE else OutcomeUnknown
    return kind(f"no trustworthy answer from {tried}; calling again is safe")


def _shown(attempt: Attempt[T]) -> str:
    # Two hosts that know no such address are settings to mend, and the status tells.
    is_told = attempt.failure is Failure.UNREADABLE and attempt.http_status
    status = f", HTTP {attempt.http_status}" if is_told else ""
    return f"{attempt.exchange.host_name} ({attempt.failure}{status})"
