"""The policy of sending again: to the next host, or once more to one that is busy.

What may have happened decides (protocol-v2 sections 1.1 and 1.2)::

    no connection, no whole answer in time, a broken one    next host
    HTTP 5xx, whatever it says                              next host
    a redirect; a body that is no document (HTML, empty)    next host
    a document that says WeChat Pay is busy                 the same host, once, after a pause
    any other document, under any other status              final
    a signature or an identity that is wrong                final, and an alarm
    a certificate that cannot be verified                   final, and an alarm

A call that may not be repeated (Quick Pay: the payer is charged) goes to the next host only where
there was no connection, and is never sent to a busy host again. Every other call may be repeated
with the same parameters. What a document is, and what it says under HTTP 4xx, is for the
protocol's reader to know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import cycle, islice
from typing import Final, Generic, TypeVar, cast

from django_wxpay.gateway.http.failures import (
    NOT_SENT,
    SAFE_AGAIN,
    Busy,
    NoResponse,
    Probed,
    UntrustedHost,
)
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, elapsed_ms
from django_wxpay.protocol.error_codes import lookup
from django_wxpay.protocol.errors import (
    BadAnswer,
    ConfigurationError,
    MalformedMessage,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from django_wxpay.protocol.failures import Failure

logger = logging.getLogger("django_wxpay.gateway")

T = TypeVar("T")

# Seconds to connect, and to wait for an answer; the TIMEOUT of the settings is for payments.
REPORT_TIMEOUT: Final = (1.0, 1.0)
REPORT_TRIES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call(Generic[T]):
    hosts: Sequence[str]
    transport: Transport
    read: Callable[[HttpResponse], T]
    note: Callable[[Attempt[T]], None]
    now: Callable[[], datetime]
    timeout: tuple[float, float] | None


def send_with_failover(
    make_request: Callable[[], HttpRequest],
    *,
    hosts: Sequence[str],
    transport: Transport,
    read: Callable[[HttpResponse], T],
    note: Callable[[Attempt[T]], None],
    now: Callable[[], datetime],
    is_repeatable: bool = True,
    advice: str = SAFE_AGAIN,
    timeout: tuple[float, float] | None = None,
) -> T:
    """Ask the hosts in order of health until one answers, and return what ``read`` makes of it.

    ``make_request`` is called once, and again for a call that is repeated because WeChat Pay
    is busy: the same parameters, signed anew where the protocol signs the time. ``read`` raises
    ``MalformedMessage`` for what is no document at all, and its own ``WXPayError`` for a
    document it refuses. ``timeout`` is in the place of the transport's. ``note`` is given every
    attempt before anything is raised, and must not raise. Raises ``Busy`` for a call that was
    busy twice, or once if it is not ``is_repeatable``; if no host has answered ``BadAnswer``
    where the last one sent something that is no document, else ``OutcomeUnknown``. ``advice`` ends
    their text where something was sent: a caller may be able to call again where this is not.
    """
    call = _Call(hosts=hosts, transport=transport, read=read, note=note, now=now, timeout=timeout)
    request, was_busy = make_request(), False
    missed: list[Attempt[T]] = []
    ordered = transport.health.order(hosts)
    for host in ordered:
        attempt = _attempt(call, replace(request, host=host), timeout=timeout)
        # Behind a 5xx there is the next host to ask, which is the repetition (protocol-v2
        # section 1.1); with one host only, it is asked again.
        is_repeated_here = not attempt.should_failover or len(ordered) == 1
        if attempt.is_busy and not was_busy and is_repeatable:
            was_busy = True
            attempt = _repeat(call, attempt, make_request) if is_repeated_here else attempt
        if not attempt.should_failover:
            if isinstance(attempt.error, Refused):
                # A refusal is of this host alone: what the one before was sent may yet be done.
                attempt.error.may_have_arrived = _may_have_arrived(missed)
            return _result(attempt, advice)
        missed.append(attempt)
        if not is_repeatable and not attempt.has_not_been_sent:
            break
    raise _no_host_answered(missed, advice)


def send_report(
    request: HttpRequest,
    *,
    hosts: Sequence[str],
    transport: Transport,
    read: Callable[[HttpResponse], None],
) -> None:
    """Send a report to the first of ``hosts``, and if none answers, to the next or again.

    ``read`` raises as for ``send_with_failover``, and what it refuses is final, busy or not.
    Raises ``NoResponse`` where both tries brought none. A report decides nothing about payments:
    no attempt is noted, and a host that does not take it keeps its place for every other call.
    """
    missed: NoResponse | None = None
    for host in islice(cycle(transport.health.order(hosts)), REPORT_TRIES):
        try:
            response = transport.send(replace(request, host=host), timeout=REPORT_TIMEOUT)
            classify(response, read)
        except UntrustedHost:
            raise
        except NoResponse as none:
            missed = none
        else:
            return
    raise missed or ConfigurationError("the merchant has no HOSTS")


def _repeat(
    call: _Call[T], busy: Attempt[T], make_request: Callable[[], HttpRequest]
) -> Attempt[T]:
    """Return the attempt that follows ``busy`` after a pause, or ``busy`` if there is no time.

    Both together take no longer than the caller has allowed for one.
    """
    transport = call.transport
    allowed = call.timeout or transport.timeout
    allowed_s, pause_s = sum(allowed), transport.busy_pause_s()
    left_s = allowed_s - busy.execute_time_ms / 1000 - pause_s
    if left_s <= 0:
        return busy
    transport.sleep(pause_s)
    connect_s, answer_s = (part * min(1.0, left_s / allowed_s) for part in allowed)
    request = replace(make_request(), host=busy.request.host)
    return _attempt(call, request, timeout=(connect_s, answer_s))


def _attempt(
    call: _Call[T], request: HttpRequest, *, timeout: tuple[float, float] | None = None
) -> Attempt[T]:
    transport = call.transport
    response: HttpResponse | None = None
    value: T | None = None
    error: WXPayError | None = None
    started_at, started = call.now(), transport.clock()
    try:
        response = transport.send(request, timeout=timeout)
    except NoResponse as none:
        error = none
    execute_time_ms = elapsed_ms(started, transport.clock())
    if response is not None:
        try:
            value = classify(response, call.read)
        except WXPayError as refusal:
            error = refusal
    attempt = Attempt(
        request=request,
        is_standby=request.host != call.hosts[0],
        started_at=started_at,
        execute_time_ms=execute_time_ms,
        response=response,
        value=value,
        error=error,
        is_busy=response is not None and _says_busy(response, error, call.read),
    )
    call.note(attempt)
    _update_health(attempt, transport)
    return attempt


def classify(response: HttpResponse, read: Callable[[HttpResponse], T]) -> T:
    """Return what ``read`` makes of ``response``; ``NoResponse`` for one that is no answer."""
    if response.status >= 500:
        raise NoResponse(Failure.HTTP_5XX, http_status=response.status)
    if not 300 <= response.status < 400:
        try:
            return read(response)
        except MalformedMessage:
            pass
    raise NoResponse(Failure.UNREADABLE, http_status=response.status)


def _says_busy(
    response: HttpResponse, error: WXPayError | None, read: Callable[[HttpResponse], T]
) -> bool:
    # APIv3 says SYSTEM_ERROR under HTTP 500 (protocol-v3 section 7.1), which is not read above.
    if response.status >= 500:
        try:
            read(response)
        except WXPayError as refusal:
            error = refusal
    return isinstance(error, Refused) and lookup(error.kind).is_busy


def _update_health(attempt: Attempt[T], transport: Transport) -> None:
    host, name = attempt.request.host, attempt.request.host_name
    if attempt.should_failover:
        transport.health.failed(host)
    elif isinstance(attempt.error, UntrustedHost):
        logger.error("The certificate of %s cannot be verified; nothing was sent.", name)
    elif isinstance(attempt.error, BadAnswer) and not isinstance(attempt.error, Probed):
        logger.error("%s sent an answer that cannot be trusted: %s", name, attempt.failure)
    else:
        transport.health.healed(host)


def _result(attempt: Attempt[T], advice: str) -> T:
    if isinstance(attempt.error, UntrustedHost):
        raise OutcomeUnknown(
            f"the certificate of {attempt.request.host_name} cannot be verified: {NOT_SENT}"
        )
    if attempt.is_busy and isinstance(attempt.error, Refused):
        raise Busy(attempt.error, advice)
    if attempt.error is not None:
        raise attempt.error
    return cast("T", attempt.value)


def _no_host_answered(missed: Sequence[Attempt[T]], advice: str) -> WXPayError:
    if not missed:
        return ConfigurationError("the merchant has no HOSTS")
    tried = ", ".join(map(_shown, missed))
    kind = BadAnswer if missed[-1].failure is Failure.UNREADABLE else OutcomeUnknown
    more = advice if _may_have_arrived(missed) else NOT_SENT
    return kind(f"no trustworthy answer from {tried}; {more}")


def _may_have_arrived(missed: Sequence[Attempt[T]]) -> bool:
    return not all(attempt.has_not_been_sent for attempt in missed)


def _shown(attempt: Attempt[T]) -> str:
    # Two hosts that know no such address are a fault of the settings, and the status shows it.
    shows_status = attempt.failure is Failure.UNREADABLE and attempt.http_status
    status = f", HTTP {attempt.http_status}" if shows_status else ""
    return f"{attempt.request.host_name} ({attempt.failure}{status})"
