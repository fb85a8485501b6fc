"""The codes of what background jobs count, and their sentences, made where they are read.

A row of a job holds numbers by code: what it has done, and apart from it what of its work fails.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _


class Counts(TextChoices):
    """What a background job has counted, in the order in which it is read."""

    EVENTS_DELIVERED = (
        "EVENTS_DELIVERED",
        ngettext_lazy("%(count)d event delivered", "%(count)d events delivered", "count"),
    )
    NOTIFICATIONS_PROCESSED = (
        "NOTIFICATIONS_PROCESSED",
        ngettext_lazy(
            "%(count)d notification processed", "%(count)d notifications processed", "count"
        ),
    )
    ORDERS_CHECKED = (
        "ORDERS_CHECKED",
        ngettext_lazy("%(count)d order checked", "%(count)d orders checked", "count"),
    )
    CLOSED = "CLOSED", _("%(count)d closed")
    CALLS_REPORTED = (
        "CALLS_REPORTED",
        ngettext_lazy("%(count)d call reported", "%(count)d calls reported", "count"),
    )
    GIVEN_UP = "GIVEN_UP", _("%(count)d given up")
    NOT_REPORTABLE = "NOT_REPORTABLE", _("%(count)d cannot be reported")
    CALLS_ROLLED_UP = (
        "CALLS_ROLLED_UP",
        ngettext_lazy("%(count)d call rolled up", "%(count)d calls rolled up", "count"),
    )
    CALLS_PRUNED = (
        "CALLS_PRUNED",
        ngettext_lazy("%(count)d call pruned", "%(count)d calls pruned", "count"),
    )
    NOTIFICATIONS_PRUNED = (
        "NOTIFICATIONS_PRUNED",
        ngettext_lazy("%(count)d notification pruned", "%(count)d notifications pruned", "count"),
    )
    ORDER_EVENTS_PRUNED = (
        "ORDER_EVENTS_PRUNED",
        ngettext_lazy("%(count)d order event pruned", "%(count)d order events pruned", "count"),
    )
    PREPAYS_PRUNED = (
        "PREPAYS_PRUNED",
        ngettext_lazy("%(count)d prepay pruned", "%(count)d prepays pruned", "count"),
    )
    HOURS_OF_LATENCY_PRUNED = (
        "HOURS_OF_LATENCY_PRUNED",
        ngettext_lazy(
            "%(count)d hour of latency pruned", "%(count)d hours of latency pruned", "count"
        ),
    )
    HOURS_OF_BACKLOG_PRUNED = (
        "HOURS_OF_BACKLOG_PRUNED",
        ngettext_lazy(
            "%(count)d hour of backlog pruned", "%(count)d hours of backlog pruned", "count"
        ),
    )
    HOURS_OF_REFUSALS_PRUNED = (
        "HOURS_OF_REFUSALS_PRUNED",
        ngettext_lazy(
            "%(count)d hour of refusals pruned", "%(count)d hours of refusals pruned", "count"
        ),
    )
    BILLS_RECONCILED = (
        "BILLS_RECONCILED",
        ngettext_lazy("%(count)d bill reconciled", "%(count)d bills reconciled", "count"),
    )
    NOT_READY = "NOT_READY", _("%(count)d not ready yet")
    PAID_TWICE = (
        "PAID_TWICE",
        ngettext_lazy("%(count)d order paid twice", "%(count)d orders paid twice", "count"),
    )
    NO_LONGER = "NO_LONGER", _("%(count)d no longer")
    CERTIFICATES_RENEWED = (
        "CERTIFICATES_RENEWED",
        ngettext_lazy(
            "%(count)d merchant's certificates renewed",
            "%(count)d merchants' certificates renewed",
            "count",
        ),
    )
    LEFT = "LEFT", _("%(count)d left for later")


class Parts(TextChoices):
    """What of a job's work fails although the job goes on; of NO_ANSWER, for each merchant."""

    EVENTS_REFUSED = (
        "EVENTS_REFUSED",
        ngettext_lazy(
            "%(count)d event that a receiver refuses",
            "%(count)d events that a receiver refuses",
            "count",
        ),
    )
    NOTIFICATIONS_FAILING = (
        "NOTIFICATIONS_FAILING",
        ngettext_lazy(
            "%(count)d notification that fails again",
            "%(count)d notifications that fail again",
            "count",
        ),
    )
    NO_ANSWER = "NO_ANSWER", _("%(count)d without an answer of merchant %(merchant)s")
    REPORTS_UNANSWERED = (
        "REPORTS_UNANSWERED",
        ngettext_lazy(
            "%(count)d report without an answer", "%(count)d reports without an answer", "count"
        ),
    )
    BILLS_FAILED = (
        "BILLS_FAILED",
        ngettext_lazy(
            "%(count)d bill not fetched or not reconciled",
            "%(count)d bills not fetched or not reconciled",
            "count",
        ),
    )


def counts_text(counts: Mapping[str, int]) -> str:
    """Return what a job has counted, without what it counted none of."""
    known = [code for code in Counts.values if code in counts]
    done = [
        str(Counts(code).label % {"count": counts[code]})
        if code in Counts
        else _unknown(counts, code)
        for code in dict.fromkeys((*known, *counts))
        if counts[code]
    ]
    return gettext(", ").join(done) or gettext("nothing to do")


def _unknown(counts: Mapping[str, int], code: str) -> str:
    # Of a version that counted something else.
    return f"{counts[code]} {code}"


def no_answer_of(merchant: str) -> str:
    """Return the part of a job's work that waits for answers to this merchant."""
    return f"{Parts.NO_ANSWER} {merchant}"


def parts_text(parts: Mapping[str, int]) -> str:
    """Return what of a job's work fails, on one line; "" where nothing does."""
    return gettext(", ").join(_part(part, count) for part, count in sorted(parts.items()))


def _part(part: str, count: int) -> str:
    code, _space, merchant = part.partition(" ")
    if code not in Parts:
        return f"{count} {part}"
    return str(Parts(code).label % {"count": count, "merchant": merchant})
