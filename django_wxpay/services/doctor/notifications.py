"""Checks of notifications that failed, and events that receivers refuse.

Each is one query that an index serves, and none counts beyond ``COUNTED_UP_TO``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from django_wxpay import conf
from django_wxpay.models import Notification, OrderEvent
from django_wxpay.models.choices import Attentions, EventKinds, NotificationOutcomes
from django_wxpay.models.sentences import Reasons, error_text, in_english, reason_text
from django_wxpay.services.attention.cases import endless_events, refused_events
from django_wxpay.services.doctor.findings import (
    COUNTED_UP_TO,
    Finding,
    Level,
    Subject,
    agreeing,
    counted,
    local_time,
    one_line,
    where,
)
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.transitions.dispatch import kinds_without_receiver

_SIGNAL_NAMES: Final[dict[str, str]] = {
    EventKinds.PAID: "order_paid",
    EventKinds.CLOSED: "order_closed",
    EventKinds.CONFLICTED: "order_conflicted",
    EventKinds.REFUND_SETTLED: "refund_settled",
    EventKinds.RECEIVED: "notification_received",
}


def check_notifications(scope: Scope) -> Iterator[Finding]:
    """Yield the notifications that could not be processed."""
    failed = Notification.objects.filter(
        outcome=NotificationOutcomes.FAILED,
        **scope.lookups("merchant"),
    )
    rows = failed.order_by("created_at").values_list(
        "merchant", "created_at", "reason_code", "reason_params"
    )
    by_merchant = _by_merchant(rows[:COUNTED_UP_TO])
    for alias, of_one in by_merchant.items():
        unreadable = [row for row in of_one if row[1] == Reasons.UNREADABLE]
        if unreadable:
            yield _unreadable(alias, unreadable)
        others = [row for row in of_one if row[1] != Reasons.UNREADABLE]
        if others:
            oldest_at, *why = others[0]
            reason = _reason(*why)
            yield Finding(
                merchant=alias,
                subject=Subject.NOTIFICATIONS,
                level=Level.WARNING,
                message=f"{counted(len(others), 'notification')} not processed, the oldest of "
                f"{local_time(oldest_at)}: {one_line(reason) or 'no reason given'}.",
                advice="Look at the failed ones under Notifications in the admin: correct what "
                "their reason names, then process them again there. If their order is not one of "
                "this site's, another system shares the mch_id.",
            )
    yield from _ok(scope, Subject.NOTIFICATIONS, by_merchant, "Every notification is processed.")


def _unreadable(alias: str, rows: Sequence[tuple[Any, ...]]) -> Finding:
    oldest_at, *why = rows[0]
    return Finding(
        merchant=alias,
        subject=Subject.NOTIFICATIONS,
        # They are WeChat Pay's own words, so money may have come that no order shows.
        level=Level.ERROR,
        message=f"{counted(len(rows), 'notification')} of WeChat Pay's could not be read, the "
        f"oldest of {local_time(oldest_at)}: {one_line(_reason(*why))}.",
        advice="If the reason names a setting, correct it; otherwise update django-wxpay. Then "
        "replay them under Notifications in the admin, or with wxpay_replay. Until then query "
        "their orders, for the customers may have paid.",
    )


def _reason(code: str, params: Mapping[str, Any]) -> str:
    return in_english(lambda: reason_text(code, params))


def check_events(scope: Scope) -> Iterator[Finding]:
    """Yield the events that the shop's receivers refuse, and those that they do not end with."""
    refused = _with_merchant(refused_events(), scope)
    columns = "merchant", "created_at", "next_dispatch_at", "dispatch_error"
    # In no order: the index that finds them does not sort them as well.
    rows = refused.order_by().values_list(*columns)
    by_merchant = _by_merchant(rows[:COUNTED_UP_TO])
    for alias, of_one in by_merchant.items():
        oldest_at = min(created_at for created_at, *_ in of_one)
        *_, error = max(of_one, key=_next_try)
        words = in_english(partial(error_text, error))
        yield Finding(
            merchant=alias,
            subject=Subject.EVENTS,
            level=Level.ERROR,
            message=f"The shop's receivers refuse {counted(len(of_one), 'event')}, the oldest of "
            f"{local_time(oldest_at)}; the last error is {one_line(words)}.",
            advice="Fix the receiver that raises (its traceback is in the log of "
            "django_wxpay.dispatch); every event is delivered again by itself, and at once with "
            f"the button of its order in the admin.{where(Attentions.NOT_DELIVERED)}",
        )
    endless = dict(_endless(scope))
    yield from endless.values()
    without = list(_without_receiver(scope))
    yield from without
    wrong = [*by_merchant, *endless]
    wrong += [each.merchant for each in without if each.level is not Level.OK]
    yield from _ok(scope, Subject.EVENTS, wrong, "The shop's receivers accept every event.")


def _next_try(refused: tuple[Any, ...]) -> datetime:
    created_at, next_dispatch_at, _ = refused
    at: datetime = next_dispatch_at or created_at
    return at


def _endless(scope: Scope) -> Iterator[tuple[str, Finding]]:
    # A try leaves its mark or its error. Where there is neither, it goes on, or never ended.
    began = _with_merchant(endless_events(scope.now), scope)
    columns = "merchant", "created_at", "dispatch_attempts"
    rows = began.order_by().values_list(*columns)
    for alias, of_one in _by_merchant(rows[:COUNTED_UP_TO]).items():
        tries = max(attempts for _, attempts in of_one)
        yield (
            alias,
            Finding(
                merchant=alias,
                subject=Subject.EVENTS,
                level=Level.ERROR,
                message=f"The shop's receivers began with {counted(len(of_one), 'event')} and "
                f"never ended, the oldest of {local_time(min(at for at, _ in of_one))}, with up "
                f"to {tries} {agreeing(tries, 'try', 'tries')}.",
                advice="A receiver hangs, or its process is killed while it works (for its memory, "
                "or by a restart). Give what it waits for a time limit, or let it only note the "
                "event and do the work elsewhere; events are delivered again by themselves.",
            ),
        )


def _without_receiver(scope: Scope) -> Iterator[Finding]:
    for kind in kinds_without_receiver():
        rows = OrderEvent.objects.filter(dispatched_at__isnull=True, kind=kind)
        waiting = _with_merchant(rows, scope)
        # In no order: the index that finds them does not sort them as well.
        columns = waiting.order_by().values_list("merchant", "created_at")
        for alias, of_one in _by_merchant(columns[:COUNTED_UP_TO]).items():
            name = _SIGNAL_NAMES[kind]
            oldest_at = min(created_at for (created_at,) in of_one)
            yield Finding(
                merchant=alias,
                subject=Subject.EVENTS,
                level=_level_without_receiver(kind),
                message=f"{counted(len(of_one), 'event')} of {name} "
                f"{agreeing(len(of_one), 'waits', 'wait')} for a receiver, the "
                f"oldest of {local_time(oldest_at)}: none is connected in this process.",
                advice=f"Connect a receiver to {name} in the ready() of an app, so that every "
                "process has it; the worker then delivers what waits, once.",
            )


def _level_without_receiver(kind: str) -> Level:
    # Money has come and nothing was sent for it, unless the project says that it only reads.
    if kind == EventKinds.PAID:
        return Level.OK if conf.is_silenced("W009") else Level.ERROR
    # A person has to look at a conflict; what else a shop does not listen to is its own choice.
    # Events of other products come unasked, so they alone must not turn a healthy shop red.
    return Level.WARNING if kind == EventKinds.CONFLICTED else Level.OK


def _with_merchant(events: QuerySet[OrderEvent], scope: Scope) -> QuerySet[Any]:
    # The event of another product's notification is of no order.
    merchant = Coalesce("order__merchant", "notification__merchant")
    named: QuerySet[Any] = events.annotate(merchant=merchant)
    return named.filter(**scope.lookups("merchant"))


def _by_merchant(rows: Iterable[Sequence[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    grouped: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for alias, *columns in rows:
        grouped[alias].append(tuple(columns))
    return dict(grouped)


def _ok(
    scope: Scope, subject: Subject, with_findings: Iterable[str], message: str
) -> Iterator[Finding]:
    for alias in scope.aliases:
        if alias not in with_findings:
            yield Finding(merchant=alias, subject=subject, level=Level.OK, message=message)
