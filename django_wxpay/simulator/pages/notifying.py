"""Notifications in a person's words: the state of one, and the outcome of each attempt.

A notification without an error is not delivered: only an acknowledged one is.
"""

from __future__ import annotations

from typing import Final

from django_wxpay.simulator.notifications.notices import Attempt, Notice
from django_wxpay.simulator.pages.messages import Messages
from django_wxpay.simulator.state.journal import clock_time, shown_address
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

_GOOD: Final = "good"
_BAD: Final = "bad"


def notification_of(world: World, messages: Messages, subject: Trade | Refund) -> dict[str, str]:
    """Return text and tone of the last notification of a payment or refund; lock held."""
    notice = world.notices.get(subject)
    if notice is None:
        return {"text": "", "tone": ""}
    tone = {"accepted": _GOOD, "pending": _BAD if notice.failed else ""}.get(notice.state, _BAD)
    return {"text": _text(world, messages, notice), "tone": tone}


def attempt_row(world: World, messages: Messages, attempt: Attempt) -> dict[str, str]:
    """Return what a page shows of one attempt."""
    return {
        "time": clock_time(attempt.at, now=world.clock.now()),
        "address": shown_address(attempt.notice.url),
        "number": str(attempt.number),
        "outcome": messages["accepted"] if attempt.accepted else _reason(messages, attempt),
        "fault": attempt.fault,
        "tone": _GOOD if attempt.accepted else _BAD,
    }


def _text(world: World, messages: Messages, notice: Notice) -> str:
    now, failed = world.clock.now(), notice.failed
    is_waiting = notice.state == "pending" and notice.due_at > now
    next_try = clock_time(notice.due_at, now=now)
    if notice.state not in {"pending", "exhausted"}:
        return messages[notice.state]
    if failed is None:
        return messages["held"].format(time=next_try) if is_waiting else messages["pending"]
    name = "trying_again"
    if is_waiting:
        name = "failed"
    elif notice.state == "exhausted":
        name = "exhausted"
    return messages[name].format(
        times=_times(messages, notice.attempts),
        reason=_reason(messages, failed),
        address=shown_address(notice.url),
        time=next_try,
    )


def _times(messages: Messages, number: int) -> str:
    return messages.get(f"times_{number}") or messages["times_many"].format(number=number)


def _reason(messages: Messages, attempt: Attempt) -> str:
    answered = "" if attempt.status is None else f"HTTP {attempt.status}{messages['comma']}"
    name = "" if attempt.failure is None else attempt.failure.name.lower()
    return f"{answered}{messages[f'failure_{name}']}"
