"""Orders: their list, and the actions that query, close or reverse them at WeChat Pay."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import run_action, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, Button, Section
from django_wxpay.admin.filters import MerchantFilter, among
from django_wxpay.admin.orders.attention import (
    AttentionFilter,
    Banner,
    banners,
    redelivery_buttons,
)
from django_wxpay.admin.orders.fields import OrderFieldsAdmin
from django_wxpay.admin.orders.related import related_sections
from django_wxpay.admin.orders.searching import keys_found_by
from django_wxpay.admin.refunds.making import OrderRefundsAdmin
from django_wxpay.models import Order
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.states import OPEN
from django_wxpay.services.transactions import without_atomic_requests


@admin.register(Order)
class OrderAdmin(OrderRefundsAdmin, OrderFieldsAdmin):
    list_display = (
        "state",
        "amount_shown",
        "out_trade_no",
        "created_at",
        "reference",
        "merchant",
        "success_time",
    )
    list_display_links = ("out_trade_no",)
    list_filter = (
        AttentionFilter,
        "trade_state",
        "trade_type",
        MerchantFilter,
        ("created_at", DateFieldListFilter),
    )
    # The box is shown for them; what it finds is found by get_search_results.
    search_fields = ("out_trade_no__exact",)
    search_help_text = _(
        "A number or reference, whole, its first characters or its last six; an amount such as "
        "68.00; the payer's openid."
    )
    actions = ("query_now", "close")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        """Find orders by what a customer says."""
        if not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        # Among all of them, and then the filters: with a filter as well, the way to the newest of
        # an amount may be long.
        keys = keys_found_by(search_term, self.get_queryset(request))
        return among(queryset, keys), False

    def buttons(self, row: Order) -> list[Button]:
        """Return the actions that the state of the order allows."""
        found = [Button(label=_("Ask WeChat Pay"), url=self.address(row, "query"))]
        found += redelivery_buttons(self.admin_site, row)
        if row.trade_type == TradeType.MICROPAY:
            return found + self._reverse_button(row)
        if TradeState(row.trade_state) in OPEN:
            close = Button(
                label=_("Close the order"),
                url=self.address(row, "close"),
                asks_first=True,
            )
            found.append(close)
        return found

    def _reverse_button(self, row: Order) -> list[Button]:
        if row.trade_state in {TradeState.CLOSED, TradeState.REVOKED}:
            return []
        label = _("Reverse, money back") if row.is_paid else _("Reverse")
        return [Button(label=label, url=self.address(row, "reverse"), asks_first=True)]

    def banners(self, request: HttpRequest, row: Order) -> list[Banner]:
        return banners(self.admin_site, request, row)

    def sections(self, request: HttpRequest, row: Order) -> list[Section]:
        return related_sections(self.admin_site, request, row)

    def get_urls(self) -> list[URLPattern]:
        ours = [
            self.posted("query", self._query),
            self.route("close", self.close_view),
            self.route("reverse", self.reverse_view),
        ]
        return [*ours, *super().get_urls()]

    @admin.action(description=_("Ask WeChat Pay"), permissions=["operate"])
    def query_now(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Ask WeChat Pay how each order stands."""
        if not too_many(request, queryset.count(), MOST_AT_ONCE):
            for order in queryset:
                self._query(request, order)

    @admin.action(description=_("Close at WeChat Pay…"), permissions=["operate"])
    def close(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Ask for a confirmation, then close each order."""
        if too_many(request, queryset.count(), MOST_AT_ONCE):
            return None
        orders = list(queryset)
        if "confirmed" not in request.POST:
            return self._confirmation(request, orders, is_action=True)
        self._close(request, orders)
        return None

    @without_atomic_requests
    def close_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and close the order when it is posted."""
        order = self.operable(request, pk)
        if request.method != "POST":
            return self._confirmation(request, [order], is_action=False)
        self._close(request, [order])
        return redirect(self.address(order))

    @without_atomic_requests
    def reverse_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and reverse the payment by code when it is posted."""
        order = self.operable(request, pk)
        if request.method != "POST":
            return self._reverse_confirmation(request, order)

        def verb() -> str:
            state = services.reverse_order(order).get_trade_state_display()
            return gettext("The order is now “%(state)s”.") % {"state": state}

        self.log_change(request, order, run_action(request, order.out_trade_no, verb))
        return redirect(self.address(order))

    def _reverse_confirmation(self, request: HttpRequest, order: Order) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Reverse this payment?"),
            "opts": self.opts,
            "media": self.media,
            "order": order,
            "state": display.state_badge(order),
            "back": self.address(order),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_wxpay/reverse_confirmation.html", context)

    def _query(self, request: HttpRequest, order: Order) -> None:
        def verb() -> str:
            state = services.query_order(order).get_trade_state_display()
            return gettext("WeChat Pay was asked; the order is now “%(state)s”.") % {
                "state": state,
            }

        self.log_change(request, order, run_action(request, order.out_trade_no, verb))

    def _close(self, request: HttpRequest, orders: Iterable[Order]) -> None:
        for order in orders:

            def verb(order: Order = order) -> str:
                state = services.close_order(order).get_trade_state_display()
                return gettext("The order is now “%(state)s”.") % {"state": state}

            self.log_change(request, order, run_action(request, order.out_trade_no, verb))

    def _confirmation(
        self,
        request: HttpRequest,
        orders: list[Order],
        *,
        is_action: bool,
    ) -> HttpResponse:
        title = ngettext("Close this order?", "Close these orders?", len(orders))
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "media": self.media,
            "orders": [(order, display.state_badge(order), order.amount) for order in orders],
            "is_action": is_action,
            "back": self.address(orders[0]) if len(orders) == 1 else "",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_wxpay/close_confirmation.html", context)
