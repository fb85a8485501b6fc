"""Filters of the order list by payment and refund: the day of a payment, unpaid, refunded.

The day is one of the current time zone. What no index finds in the order of the list is found by
keys first, up to a number that the list then names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import base
from django_wxpay.admin.lookups import day_asked, moment_asked
from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.states import OPEN, PAID
from django_wxpay.services.attention.cases import among
from django_wxpay.services.orders.totals import paid_back

_FROM: Final = "paid_from"
_TO: Final = "paid_to"
_UNPAID: Final = "no"
# Of each state, and of refunds: nobody works through more of them in a list.
MOST: Final = 500


class ListFilter(SimpleListFilter):
    """A filter with a ``note`` for the list; ``is_cut`` where it finds rows up to a number."""

    note: str = ""
    is_cut: bool = False

    def cut(self, sentence: Any, most: int) -> None:
        """Say that there may be more rows than these."""
        self.is_cut, self.note = True, str(sentence) % {"most": most}


@dataclass(frozen=True, slots=True)
class Period:
    """Days from ``first`` to ``last``, both included; None is without an end."""

    first: date | None
    last: date | None

    def conditions(self) -> dict[str, datetime]:
        """Return the lookups of a payment within these days."""
        found = {}
        if self.first:
            found["success_time__gte"] = _midnight(self.first)
        if self.last:
            found["success_time__lt"] = _midnight(self.last + timedelta(days=1))
        return found


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def period_asked(request: HttpRequest) -> Period | None:
    """Return the days of payment that the address asks for, or None.

    A name goes before days, and what is not paid has no day.
    """
    if request.GET.get("paid") == _UNPAID:
        return None
    today = timezone.localdate()
    named = {
        "today": Period(today, today),
        "yesterday": Period(today - timedelta(days=1), today - timedelta(days=1)),
        "week": Period(today - timedelta(days=7), today),
        "month": Period(today.replace(day=1), today),
    }.get(request.GET.get("paid", ""))
    if named:
        return named
    first, last = (day_asked(request.GET.get(name, "")) for name in (_FROM, _TO))
    return Period(first, last) if first or last else None


def time_asked(request: HttpRequest) -> str:
    """Return the time along whose index the list goes: it has the range that is asked for."""
    return "success_time" if period_asked(request) else "created_at"


def conditions_asked(request: HttpRequest) -> dict[str, Any]:
    """Return the lookups of merchant and times that the address asks for, for a search."""
    period = period_asked(request)
    found: dict[str, Any] = dict(period.conditions()) if period else {}
    if merchant := request.GET.get("merchant"):
        found["merchant"] = merchant
    for name in ("created_at__gte", "created_at__lt"):
        # Django takes several of a name as alternatives.
        moments = [moment_asked(text) for text in request.GET.getlist(name)]
        if len(moments) == 1 and moments[0]:
            found[name] = moments[0]
    return found


class PaidFilter(ListFilter):
    """The day of the payment, or from one day to another, and what is not paid yet."""

    title = _("day of payment")
    parameter_name = "paid"
    template = "admin/django_wxpay/paid_filter.html"

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        self.days = {name: params.pop(name)[-1] for name in (_FROM, _TO) if name in params}
        self.kept: list[tuple[str, str]] = []

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name, _FROM, _TO]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [
            ("today", _("Today")),
            ("yesterday", _("Yesterday")),
            ("week", _("Past 7 days")),
            ("month", _("This month")),
            (_UNPAID, _("Not paid yet")),
        ]

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the choices, each of which takes the place of the days of the form."""
        ours = self.expected_parameters()
        # What the form keeps of the address.
        self.kept = [
            (name, value)
            for name, values in changelist.filter_params.items()
            for value in values
            if name not in ours
        ]
        for value, title in ((None, _("All")), *self.lookup_choices):
            yield {
                "selected": self.value() == value and not (value is None and self.days),
                "query_string": changelist.get_query_string({self.parameter_name: value}, ours),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if unreadable := [text for text in self.days.values() if text and not day_asked(text)]:
            self.note = gettext("“%(text)s” is no day.") % {"text": unreadable[0]}
            return queryset.none()
        if self.value() == _UNPAID:
            return among(queryset, self._unpaid())
        period = period_asked(request)
        if period is None:
            return queryset if self.value() is None else queryset.none()
        return queryset.filter(**period.conditions())

    def _unpaid(self) -> list[int]:
        keys: list[int] = []
        for state in sorted(OPEN):
            rows = Order.objects.filter(trade_state=state).order_by("-created_at")
            found = list(rows.values_list("pk", flat=True)[:MOST])
            if len(found) == MOST:
                self.cut(_("Only the newest %(most)d orders of each state are shown."), MOST)
            keys += found
        return keys


class RefundedFilter(ListFilter):
    """Orders of which a part was paid back, or everything."""

    title = _("refund")
    parameter_name = "refunded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("partly", _("In part")), ("fully", _("In full"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() is None:
            return queryset
        keys = self._paid_in(period_asked(request))
        sums = paid_back(self._lately_refunded() if keys is None else keys)
        # By the keys alone: asked for those that are paid, SQLite would look at all of these.
        rows = Order.objects.filter(pk__in=sums).order_by()
        found = [
            pk
            for pk, state, total_fee in rows.values_list("pk", "trade_state", "total_fee")
            if state in PAID and self.value() == ("fully" if sums[pk] >= total_fee else "partly")
        ]
        return among(queryset, found)

    def _paid_in(self, period: Period | None) -> list[int] | None:
        """Return the orders that were paid in ``period``; None if there are too many to look at."""
        if period is None:
            return None
        rows = Order.objects.filter(**period.conditions()).order_by()
        keys = list(rows.values_list("pk", flat=True)[: base.FARTHEST + 1])
        return keys if len(keys) <= base.FARTHEST else None

    def _lately_refunded(self) -> list[int]:
        rows = Refund.objects.filter(refund_status=RefundStatus.SUCCESS).order_by("-created_at")
        keys = list(rows.values_list("order_id", flat=True)[:MOST])
        if len(keys) == MOST:
            self.cut(
                _(
                    "Only the orders of the newest %(most)d refunds are shown. Choose a day of "
                    "payment to see all of that day."
                ),
                MOST,
            )
        return sorted(set(keys))
