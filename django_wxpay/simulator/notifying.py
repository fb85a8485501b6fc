"""How notifications are sent: at once, again in the gateway's rhythm, and as the faults say.

Nothing here sends while it holds the lock: what is due is taken out, sent, and its outcome
written down afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.protocol.merchants import SignType
from django_wxpay.simulator.faults import NOTIFY, Fault, Stage
from django_wxpay.simulator.notices import (
    HEADERS,
    Attempt,
    Notice,
    Reply,
    is_accepted,
    next_attempt_at,
    notice_fields,
)
from django_wxpay.simulator.tampering import write
from django_wxpay.simulator.trades import Trade
from django_wxpay.simulator.world import World

# How long an idle pump looks again at a clock that it cannot hear moving.
_LOOK_AGAIN_S: Final = 1.0
# How long moving the clock waits for notifications that other threads are sending.
_PATIENCE_S: Final = 10.0


def post(world: World, trade: Trade) -> Notice:
    """Put the notification of a payment on its way; call with the lock held."""
    now = world.clock.now()
    notice = Notice(trade=trade, due_at=now)
    fault = world.script.take(Stage.PAYMENT, NOTIFY)
    if fault is not None:
        _bend(notice, fault)
    trade.told = notice.state
    if notice.state == "pending":
        world.outbox.add(notice)
        _wake(world)
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
            world.changed.wait_for(lambda: world.in_flight == 0, _PATIENCE_S)
            due_at = world.outbox.next_due_at()
            world.clock.move_to(target if due_at is None else min(due_at, target))
            world.changed.notify_all()
        count += send_due(world)
        if due_at is None or due_at > target:
            return count


def send_first(world: World, notice: Notice) -> None:
    """Send ``notice`` now, ahead of everything that waits."""
    with world.lock:
        taken = world.outbox.remove(notice)
        world.in_flight += taken
    if taken:
        send(world, notice)


def send(world: World, notice: Notice) -> None:
    """Make one attempt at delivering ``notice`` and write down what came of it."""
    with world.lock:
        url = notice.trade.terms["notify_url"]
        fault = world.script.take(Stage.ATTEMPT, NOTIFY)
        bodies = _bodies(world, notice, "" if fault is None else fault.name)
        number, at, attempts = notice.attempts + 1, world.clock.now(), []
    try:
        for reply, error in _deliver(world, url, bodies, at_once=notice.at_once):
            attempts.append(
                Attempt(
                    notice=notice,
                    number=number,
                    at=at,
                    fault="" if fault is None else fault.name,
                    status=None if reply is None else reply.status,
                    body="" if reply is None else reply.body[:2000].decode("utf-8", "replace"),
                    error=error,
                    accepted=reply is not None and is_accepted(reply),
                )
            )
    finally:
        with world.lock:
            _settle(world, notice, attempts)


def _bend(notice: Notice, fault: Fault) -> None:
    match fault.name:
        case "lost":
            notice.state = "lost"
        case "duplicate" | "concurrent":
            notice.copies, notice.at_once = fault.count, fault.name == "concurrent"
        case _:
            notice.due_at += timedelta(seconds=fault.seconds)
            notice.held = fault.name == "reordered"


def _bodies(world: World, notice: Notice, fault: str) -> list[bytes]:
    """Write the copies to send: duplicates differ in their nonce, concurrent ones in nothing."""
    trade = notice.trade
    key = world.accounts[trade.mch_id].api_key
    sign_type = SignType(trade.sign_type or SignType.MD5)

    def one() -> bytes:
        fields = notice_fields(trade, nonce=world.numbers.nonce())
        return write(fields, key=key, sign_type=sign_type, fault=fault)

    copies, notice.copies = notice.copies, 1
    return [one()] * copies if notice.at_once else [one() for _ in range(copies)]


def _deliver(
    world: World, url: str, bodies: list[bytes], *, at_once: bool
) -> Iterable[tuple[Reply | None, str]]:
    def one(body: bytes) -> tuple[Reply | None, str]:
        try:
            return world.deliver(url, body, HEADERS), ""
        except OSError as error:
            return None, f"{type(error).__name__}: {error}"[:500]

    if not (at_once and world.live and len(bodies) > 1):
        return map(one, bodies)
    with ThreadPoolExecutor(max_workers=len(bodies)) as threads:
        return list(threads.map(one, bodies))


def _take(world: World) -> Notice | None:
    notice = world.outbox.take(world.clock.now())
    if notice is not None:
        world.in_flight += 1
    return notice


def _settle(world: World, notice: Notice, attempts: list[Attempt]) -> None:
    now = world.clock.now()
    world.in_flight -= 1
    world.changed.notify_all()
    if not world.trades.holds(notice.trade):
        return
    world.attempts.extend(attempts)
    notice.attempts += 1
    again_at = next_attempt_at(notice)
    if any(attempt.accepted for attempt in attempts):
        notice.state = "accepted"
    elif again_at is None:
        notice.state = "exhausted"
    else:
        notice.due_at = again_at
        world.outbox.add(notice)
    notice.trade.told = notice.state
    world.outbox.release(now)
    _wake(world)


def _wake(world: World) -> None:
    world.changed.notify_all()
    if world.live and world.pump is None and world.outbox.next_due_at() is not None:
        world.pump = threading.Thread(target=_pump, args=(world,), daemon=True)
        world.pump.start()


def _pump(world: World) -> None:
    """Send what becomes due, each on a thread of its own, until nothing is waiting."""
    while True:
        with world.lock:
            due_at = world.outbox.next_due_at()
            if due_at is None:
                world.pump = None
                return
            notice = _take(world)
            if notice is None:
                left = world.clock.real_seconds_until(due_at)
                world.changed.wait(min(left, _LOOK_AGAIN_S))
                continue
        threading.Thread(target=send, args=(world, notice), daemon=True).start()
