"""What came in and is not settled, and what the shop's own code does not take.

Each is one query that an index serves, and none counts beyond ``COUNTED_UP_TO``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from django_wxpay.models import Notification, OrderEvent
from django_wxpay.models.choices import EventKinds, NotificationOutcomes
from django_wxpay.services.doctor.findings import (
    COUNTED_UP_TO,
    Finding,
    Level,
    Subject,
    at,
    counted,
    quoted,
)
from django_wxpay.services.doctor.scope import Examination

_A_DAY: Final = timedelta(days=1)


def notifications(seen: Examination) -> Iterator[Finding]:
    """Yield the notifications that could not be settled."""
    failed = Notification.objects.filter(
        outcome=NotificationOutcomes.FAILED,
        **seen.lookups("merchant"),
    )
    rows = failed.order_by("created_at").values_list("merchant", "created_at", "reason")
    by_merchant = _by_merchant(rows[:COUNTED_UP_TO])
    for alias, of_one in by_merchant.items():
        oldest_at, reason = of_one[0]
        yield Finding(
            merchant=alias,
            subject=Subject.NOTIFICATIONS,
            level=Level.WARNING,
            message=f"{counted(len(of_one), 'notification')} not settled, the oldest of "
            f"{at(oldest_at)}: {quoted(reason) or 'no reason given'}.",
            advice="Look at the failed ones under Notifications in the admin: mend what their "
            "reason names, then judge them again there. If their order is not one of this site's, "
            "another system shares the mch_id.",
        )
    yield from _well(seen, Subject.NOTIFICATIONS, by_merchant, "Every notification is settled.")


def conflicts(seen: Examination) -> Iterator[Finding]:
    """Yield how many orders WeChat Pay contradicted within a day."""
    lately = OrderEvent.objects.filter(
        kind=EventKinds.CONFLICTED,
        created_at__gte=seen.now - _A_DAY,
        **seen.lookups("order__merchant"),
    )
    rows = lately.order_by("-created_at").values_list("order__merchant", "order_id")
    for alias, of_one in _by_merchant(rows[:COUNTED_UP_TO]).items():
        orders = {order for (order,) in of_one}
        yield Finding(
            merchant=alias,
            subject=Subject.NOTIFICATIONS,
            level=Level.WARNING,
            message=f"WeChat Pay contradicts {counted(len(orders), 'order')} of the last 24 hours "
            "in amount, currency or merchant.",
            advice="Look at the order events of kind Conflict in the admin, and hand over no goods "
            "before a person has compared them with the merchant platform.",
        )


def untold_events(seen: Examination) -> Iterator[Finding]:
    """Yield the events that the shop's receivers refuse."""
    refused = OrderEvent.objects.filter(
        dispatched_at__isnull=True,
        **seen.lookups("order__merchant"),
    ).exclude(dispatch_error="")
    columns = "order__merchant", "created_at", "dispatch_error"
    rows = refused.order_by("next_dispatch_at").values_list(*columns)
    by_merchant = _by_merchant(rows[:COUNTED_UP_TO])
    for alias, of_one in by_merchant.items():
        oldest_at = min(created_at for created_at, _ in of_one)
        _, error = of_one[-1]
        yield Finding(
            merchant=alias,
            subject=Subject.EVENTS,
            level=Level.ERROR,
            message=f"The shop's receivers refuse {counted(len(of_one), 'event')}, the oldest of "
            f"{at(oldest_at)}; the last error is {quoted(error)}.",
            advice="Mend the receiver that raises (its traceback is in the log of "
            "django_wxpay.dispatch); every event is told again by itself, and at once with the "
            "button of its page in the admin.",
        )
    yield from _well(seen, Subject.EVENTS, by_merchant, "The shop's receivers took every event.")


def _by_merchant(rows: Iterable[Sequence[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    grouped: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for alias, *told in rows:
        grouped[alias].append(tuple(told))
    return dict(grouped)


def _well(
    seen: Examination, subject: Subject, unwell: Iterable[str], message: str
) -> Iterator[Finding]:
    for alias in seen.aliases:
        if alias not in unwell:
            yield Finding(merchant=alias, subject=subject, level=Level.OK, message=message)
