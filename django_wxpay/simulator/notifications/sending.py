"""Sending of notifications: at once, again in the gateway's rhythm, and as the faults say.

No notification is sent under the lock: one that is due is taken out, sent, and its outcome
recorded afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.script import NOTIFY, PROBE, Fault
from django_wxpay.simulator.notifications.composing import client_failure, compose, is_acknowledged
from django_wxpay.simulator.notifications.delivery import Reply
from django_wxpay.simulator.notifications.failures import Failure, failure_of
from django_wxpay.simulator.notifications.notices import (
    PAYMENT,
    REFUND_EVENT,
    Attempt,
    Notice,
    SignedMessage,
    next_attempt_at,
)
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

# An idle pump looks at the clock this often: a clock of the caller's own gives no signal.
_LOOK_AGAIN_S: Final = 1.0
# Moving the clock waits at most this long for notifications that other threads are sending.
_LONGEST_WAIT_S: Final = 10.0
# With another status, no body is an acknowledgement.
_GOOD_STATUSES: Final = frozenset({200, 204})


def queue_payment_notice(world: World, trade: Trade) -> Notice:
    """Queue the notification of a payment; call with the lock held."""
    return _queue(world, trade, url=trade.terms["notify_url"], event_type=PAYMENT)


def queue_refund_notice(world: World, refund: Refund) -> None:
    """Queue the notification of a refund's result, if it has an address; lock held."""
    if refund.notify_url:
        event_type = f"{REFUND_EVENT}{refund.status}"
        _queue(world, refund.trade, url=refund.notify_url, event_type=event_type, refund=refund)


def settle_due_refunds(world: World) -> None:
    """End the refunds whose time has come, each at its moment; call with the lock held."""
    for refund, moment in world.refunds.take_due(world.clock.now()):
        world.settle_refund(refund, refund.settles_as, at=moment)
        queue_refund_notice(world, refund)


def _queue(
    world: World, trade: Trade, *, url: str, event_type: str, refund: Refund | None = None
) -> Notice:
    now = world.clock.now()
    notice = Notice(
        trade=trade,
        url=url,
        due_at=now,
        created_at=now,
        event_id=world.identifiers.event_id(),
        seal_nonce=world.identifiers.seal_nonce(),
        event_type=event_type,
        refund=refund,
    )
    fault = world.script.take(Stage.PAYMENT, NOTIFY, api=notice.api)
    if fault is not None:
        _apply(notice, fault)
    if notice.api is Api.V3 and not world.accounts[trade.mch_id].api_v3_key:
        # Without an APIv3 key set, no v3 callback is ever sent (protocol-v3 section 2.6).
        notice.state = "lost"
    notice.record_state()
    world.notices[refund or trade] = notice
    if notice.state == "lost":
        world.journal.notification(now, url, "lost, never sent", trade.out_trade_no, again_at=None)
    if notice.state == "pending":
        world.outbox.add(notice)
        wake(world)
    return notice


def send_due(world: World) -> int:
    """Send everything that is due, and say how many notifications that were."""
    count = 0
    while True:
        with world.lock:
            notice = _take(world)
        if notice is None:
            return count
        send(world, notice)
        count += 1


def advance(world: World, target: datetime) -> int:
    """Move the clock to ``target``, sending on the way what becomes due, each at its moment."""
    count = send_due(world)
    while True:
        with world.lock:
            world.changed.wait_for(lambda: world.in_flight == 0, _LONGEST_WAIT_S)
            due_at = _next_due_at(world)
            world.clock.move_to(target if due_at is None else min(due_at, target))
            world.changed.notify_all()
        count += send_due(world)
        if due_at is None or due_at > target:
            return count


def claim(world: World, notice: Notice) -> Notice | None:
    """Take ``notice`` for the caller to send ahead of all that waits; call with the lock held.

    Under the lock no pump can take it first, so the caller knows that it has been sent. None
    if a fault holds it back.
    """
    if not world.outbox.remove(notice):
        return None
    world.in_flight += 1
    return notice


def send(world: World, notice: Notice) -> None:
    """Make one attempt at delivering ``notice`` and record the outcome."""
    attempts: list[Attempt] = []
    try:
        with world.lock:
            messages = compose(world, notice, _attempt_fault(world, notice))
            number, at = notice.attempts + 1, world.clock.now()
        for message, answer in _deliver(world, notice, messages):
            attempts.append(_attempt(notice, number, at, message, answer))
    finally:
        with world.lock:
            _record(world, notice, attempts)


def _attempt(
    notice: Notice,
    number: int,
    at: datetime,
    message: SignedMessage,
    answer: Reply | OSError,
) -> Attempt:
    reply = answer if isinstance(answer, Reply) else None
    failure = _failure(notice, message, answer)
    return Attempt(
        notice=notice,
        number=number,
        at=at,
        fault=message.fault,
        status=None if reply is None else reply.status,
        body="" if reply is None else reply.body[:2000].decode("utf-8", "replace"),
        error=f"{type(answer).__name__}: {answer}"[:500] if isinstance(answer, OSError) else "",
        accepted=failure is None,
        failure=failure,
        signed_by=message.signed_by,
        client_failure="" if reply is None else client_failure(notice, message, reply),
    )


def _failure(notice: Notice, message: SignedMessage, answer: Reply | OSError) -> Failure | None:
    if isinstance(answer, OSError):
        return failure_of(answer)
    if is_acknowledged(notice, message, answer):
        return None
    if client_failure(notice, message, answer):
        return Failure.PROBE
    return Failure.ANSWER if answer.status in _GOOD_STATUSES else Failure.STATUS


def _apply(notice: Notice, fault: Fault) -> None:
    match fault.name:
        case "lost":
            notice.state = "lost"
        case "duplicate" | "concurrent":
            notice.copies, notice.at_once = fault.count, fault.name == "concurrent"
        case _:
            notice.due_at += timedelta(seconds=fault.seconds)
            notice.held = fault.name == "reordered"


def _attempt_fault(world: World, notice: Notice) -> str:
    """Return the name of the next attempt's fault, "" for none."""
    fault = world.script.take(Stage.ATTEMPT, NOTIFY, api=notice.api)
    if fault is not None:
        return fault.name
    is_probed = notice.api is Api.V3 and world.identifiers.happens(world.options.probe_share)
    return PROBE if is_probed else ""


def _deliver(
    world: World, notice: Notice, messages: list[SignedMessage]
) -> Iterable[tuple[SignedMessage, Reply | OSError]]:
    def one(message: SignedMessage) -> tuple[SignedMessage, Reply | OSError]:
        try:
            return message, world.deliver(notice.url, message.body, message.headers)
        except OSError as error:
            return message, error

    if not (notice.at_once and world.live and len(messages) > 1):
        return map(one, messages)
    with ThreadPoolExecutor(max_workers=len(messages)) as threads:
        return list(threads.map(one, messages))


def _next_due_at(world: World) -> datetime | None:
    """Return when the next notification or the next end of a refund is due."""
    moments = (world.outbox.next_due_at(), world.refunds.next_settles_at())
    return min(filter(None, moments), default=None)


def _take(world: World) -> Notice | None:
    settle_due_refunds(world)
    notice = world.outbox.take(world.clock.now())
    if notice is not None:
        world.in_flight += 1
    return notice


def _record(world: World, notice: Notice, attempts: list[Attempt]) -> None:
    now = world.clock.now()
    world.in_flight -= 1
    world.changed.notify_all()
    if not world.trades.holds(notice.trade):
        return  # a reset came in between
    world.attempts.extend(attempts)
    notice.attempts += 1
    if notice.refund is not None:
        notice.refund.notification_attempts += 1
    again_at = next_attempt_at(notice)
    if any(attempt.accepted for attempt in attempts):
        notice.state = "accepted"
    elif again_at is None:
        notice.state = "exhausted"
    else:
        notice.due_at = again_at
        world.outbox.add(notice)
    notice.record_state()
    notice.failed = next((one for one in reversed(attempts) if not one.accepted), notice.failed)
    _write_lines(world, notice, attempts)
    world.outbox.release(now)
    wake(world)


def _write_lines(world: World, notice: Notice, attempts: list[Attempt]) -> None:
    again_at = notice.due_at if notice.state == "pending" else None
    for attempt in attempts:
        given_up = "; given up" if notice.state == "exhausted" else ""
        world.journal.notification(
            attempt.at,
            notice.url,
            f"{attempt.outcome}{given_up}",
            notice.trade.out_trade_no,
            again_at=again_at,
        )


def wake(world: World) -> None:
    """Let what has just been queued be looked at; call with the lock held."""
    world.changed.notify_all()
    if world.live and world.pump is None and _next_due_at(world) is not None:
        world.pump = threading.Thread(target=_pump, args=(world,), daemon=True)
        world.pump.start()


def _pump(world: World) -> None:
    """Send what becomes due, each on a thread of its own, until nothing is waiting."""
    while True:
        with world.lock:
            due_at = _next_due_at(world)
            if due_at is None:
                world.pump = None
                return
            notice = _take(world)
            if notice is None:
                left = world.clock.real_seconds_until(due_at)
                world.changed.wait(min(left, _LOOK_AGAIN_S))
                continue
        threading.Thread(target=send, args=(world, notice), daemon=True).start()
