"""Attention in the admin: badges in the list, a filter, and what happened on top of an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import Button
from django_wxpay.admin.orders.filters import ListFilter
from django_wxpay.admin.refunds import words
from django_wxpay.models import Order, OrderEvent, Refund
from django_wxpay.models.choices import Attentions
from django_wxpay.protocol.facts import TradeType
from django_wxpay.services import clock
from django_wxpay.services.attention.cases import (
    MOST,
    among,
    attention_of,
    endless_events,
    needing,
    open_conflicts,
    paid_twice,
    refused_events,
    stuck_refunds,
)

_ATTENTION: Final = "needs_attention"
_ANY: Final = "any"
# What happened, and what to do about it.
_SENTENCES: Final[dict[Attentions, tuple[Any, Any]]] = {
    Attentions.CONFLICT: (
        _("WeChat Pay states something else about this order than what is here."),
        _(
            "Hand over no goods yet. Compare it with the merchant platform, then resolve the "
            "conflict with a note."
        ),
    ),
    Attentions.PAID_TWICE: (
        _("Another order with the same reference is paid as well."),
        _("Refund one of the two, or resolve this with a note if the customer owes both."),
    ),
    Attentions.REFUND_ABNORMAL: (
        _("WeChat Pay could not pay a refund back."),
        _("Open the refund, which says what to do."),
    ),
    Attentions.NOT_DELIVERED: (
        _("Your shop's own code has not taken what happened to this order."),
        _("Tell your developers what the event says. Once it is mended, deliver it again."),
    ),
    Attentions.OUTCOME_UNKNOWN: (
        _("WeChat Pay gave no answer when this order was placed. It may be there or not."),
        _("Ask WeChat Pay. To place the order again is safe too: it cannot be paid twice."),
    ),
    Attentions.OVERDUE: (
        _("WeChat Pay should have been asked about this order by now."),
        _("Ask WeChat Pay. If other orders wait as well, no worker is running."),
    ),
}
_UNKNOWN_SALE: Final = _(
    "Ask WeChat Pay, or reverse the sale. The worker asks too, and reverses what is not paid."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """What needs a person, what to do, and links to the rows that it is about."""

    title: Any
    what_happened: Any
    what_to_do: Any
    links: list[SafeString]


class AttentionOrderList(words.OrderList):
    """A list of orders that reads what needs attention for a whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        _attach(self.result_list)


class AttentionFilter(ListFilter):
    """Orders that need a person, by what for."""

    title = _("attention")
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [(_ANY, _("For any reason")), *Attentions.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        value = self.value()
        if value is None:
            return queryset
        kinds = [kind for kind in Attentions if value in {_ANY, kind.value}]
        # By their keys, which are few: a condition would be tried on every row of the table.
        if not kinds:
            return queryset.none()
        found = needing(kinds)
        if found.is_cut:
            self.cut(
                _(
                    "Only %(most)d of these orders are shown, and there may be more: those that "
                    "are seen to make room for the others."
                ),
                MOST,
            )
        return among(queryset, found.keys)


def needs_of(order: Order) -> list[Attentions]:
    """Return what of ``order`` needs a person, read once for each object."""
    if not hasattr(order, _ATTENTION):
        _attach([order])
    found: list[Attentions] = getattr(order, _ATTENTION)
    return found


def _attach(orders: Iterable[Order]) -> None:
    every = list(orders)
    found = attention_of(every)
    for order in every:
        setattr(order, _ATTENTION, found[order.pk])


def badges(order: Order) -> SafeString:
    """Return the state of ``order`` with its refunds, and what of it needs a person."""
    needs = [(display.badge(kind.label, display.BAD),) for kind in needs_of(order)]
    return format_html_join(" ", "{}", [(words.order_badge(order),), *needs])


def banners(site: AdminSite, request: HttpRequest, order: Order) -> list[Banner]:
    """Return what stands on top of the page of ``order``."""
    return [
        Banner(
            title=kind.label,
            what_happened=_SENTENCES[kind][0],
            what_to_do=_what_to_do(order, kind),
            links=_links(site, request, order, kind),
        )
        for kind in needs_of(order)
    ]


def _what_to_do(order: Order, kind: Attentions) -> Any:
    if kind is Attentions.OUTCOME_UNKNOWN and order.trade_type == TradeType.MICROPAY:
        return _UNKNOWN_SALE
    return _SENTENCES[kind][1]


def redelivery_buttons(site: AdminSite, request: HttpRequest, order: Order) -> list[Button]:
    """Return a button for the oldest event that the shop's code has not taken, for who may."""
    if not display.may_operate(site, request, OrderEvent):
        return []
    if Attentions.NOT_DELIVERED not in needs_of(order):
        return []
    event = _undelivered(order)[0]
    address = display.page_address(site, OrderEvent, "tell", event.pk)
    return [Button(label=_("Deliver again"), url=address)] if address else []


def _undelivered(order: Order) -> list[OrderEvent]:
    rows = refused_events().filter(order=order), endless_events(clock.now()).filter(order=order)
    return sorted({event for each in rows for event in each}, key=lambda event: event.pk)


def _links(
    site: AdminSite, request: HttpRequest, order: Order, kind: Attentions
) -> list[SafeString]:
    model: Any = Refund if kind is Attentions.REFUND_ABNORMAL else OrderEvent
    rows: Iterable[Any] = ()
    match kind:
        case Attentions.CONFLICT:
            rows = open_conflicts().filter(order=order)
        case Attentions.PAID_TWICE:
            rows = paid_twice().filter(order=order)
        case Attentions.REFUND_ABNORMAL:
            rows = stuck_refunds().filter(order=order)
        case Attentions.NOT_DELIVERED:
            rows = _undelivered(order)
    if not display.may_see(site, request, model):
        return []
    return [display.page_link(site, model, row.pk, _title(row)) for row in rows]


def _title(row: Any) -> str:
    if isinstance(row, Refund):
        return row.out_refund_no
    if number := row.detail.get("out_trade_no"):
        return f"{row.get_kind_display()}: {number}"
    return f"{row.get_kind_display()}, {display.moment(row.created_at)}"
