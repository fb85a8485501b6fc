"""Calls to WeChat Pay about an order: query, place, close and reverse, each by a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf, services
from django_wxpay.admin import display
from django_wxpay.admin.actions import UNCHANGED, NoAnswer, run_action, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, Button, ReadOnlyAdmin
from django_wxpay.admin.orders.attention import redelivery_buttons
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import Order
from django_wxpay.protocol.facts import TradeState, TradeType
from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.states import OPEN
from django_wxpay.services.transactions import without_atomic_requests

_IS_NOW: Final = _("The order is now “%(state)s”.")
_CLOSING: Final = _(
    "A closed order can no longer be paid, and closing cannot be undone. A customer who is paying "
    "at this moment may still succeed; the order is then paid."
)
_REVERSING_PAID: Final = _(
    "The whole amount goes back to the customer, and the order is over. This cannot be undone."
)
_REVERSING: Final = _(
    "The sale ends, and if the customer has paid meanwhile the money goes back. This cannot be "
    "undone."
)
_PLACING: Final = _(
    "The order is sent to WeChat Pay under the same number, so it can be paid once at most. A QR "
    "code that the customer may have of it stops working."
)
_WITHOUT_MEMBERS: Final = _(
    "What your shop's code gives with the call alone, such as the payer's identity "
    "(payer.identity) or a subsidy, is kept nowhere and not sent from here: if this order needs "
    "it, place it from your shop."
)
_PLACED: Final = _("WeChat Pay has accepted the order; it is now “%(state)s”.")
_STILL_UNKNOWN: Final = NoAnswer(
    silent=_(
        "No answer came from WeChat Pay: the outcome is still unknown. Placing again is safe."
    ),
    untrusted=_(
        "WeChat Pay gave no trustworthy answer: the outcome is still unknown. Placing again is "
        "safe."
    ),
)


class OrderCallsAdmin(ReadOnlyAdmin):
    """The buttons of an order, and the pages that ask before one of them calls."""

    def buttons(self, row: Order) -> list[Button]:
        """Return the actions that the state of the order allows."""
        found = [Button(label=_("Ask WeChat Pay"), url=self.address(row, "query"))]
        if row.trade_type == TradeType.MICROPAY:
            return found + self._reverse_button(row)
        if can_be_placed(row):
            label = _("Place") if row.placed_at is None else _("Place again")
            found.append(Button(label=label, url=self.address(row, "place"), asks_first=True))
        if TradeState(row.trade_state) in OPEN:
            close = Button(
                label=_("Close the order"),
                url=self.address(row, "close"),
                asks_first=True,
            )
            found.append(close)
        return found

    def allowed_buttons(self, request: HttpRequest, row: Order) -> list[Button]:
        """Return the buttons, with that of an event which the shop's code has not taken."""
        more = redelivery_buttons(self.admin_site, request, row)
        found = super().allowed_buttons(request, row)
        return [*found[:1], *more, *found[1:]]

    def _reverse_button(self, row: Order) -> list[Button]:
        if row.trade_state in {TradeState.CLOSED, TradeState.REVOKED}:
            return []
        label = _("Reverse, money back") if row.is_paid else _("Reverse")
        return [Button(label=label, url=self.address(row, "reverse"), asks_first=True)]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            self.posted("query", self._query),
            self.route("place", self.place_view),
            self.route("close", self.close_view),
            self.route("reverse", self.reverse_view),
        ]
        return [*ours, *super().get_urls()]

    @admin.action(description=_("Ask WeChat Pay"), permissions=["operate"])
    def query_now(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Ask WeChat Pay how each order stands."""
        if not too_many(request, queryset, MOST_AT_ONCE):
            for order in queryset:
                self._query(request, order)

    @admin.action(description=_("Close at WeChat Pay…"), permissions=["operate"])
    def close(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Ask for a confirmation, then close each order."""
        if too_many(request, queryset, MOST_AT_ONCE):
            return None
        orders = list(queryset)
        if "confirmed" not in request.POST:
            return self._close_question(request, orders, action="close")
        self._close(request, orders)
        return None

    @without_atomic_requests
    def place_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and place the order when it is posted."""
        order: Order = self.operable(request, pk)
        if not can_be_placed(order):
            return self.turned_away(request, order, gettext("There is nothing to place again."))
        if request.method != "POST":
            title = gettext("Place this order again?")
            return self._ask(
                request,
                [order],
                title=gettext("Place this order?") if order.placed_at is None else title,
                sentence=_PLACING,
                warning=_WITHOUT_MEMBERS if takes_members(order) else "",
                here=_("Place"),
                submit=_("Yes, place it"),
            )

        def call(order: Order) -> Order:
            services.unified_order(order)
            return order

        self._run(request, order, call, _PLACED, no_answer=_STILL_UNKNOWN)
        return redirect(self.address(order))

    @without_atomic_requests
    def close_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and close the order when it is posted."""
        order = self.operable(request, pk)
        if request.method != "POST":
            return self._close_question(request, [order])
        self._close(request, [order])
        return redirect(self.address(order))

    @without_atomic_requests
    def reverse_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and reverse the payment by code when it is posted."""
        order = self.operable(request, pk)
        if request.method != "POST":
            return self._ask(
                request,
                [order],
                title=gettext("Reverse this payment?"),
                sentence=_REVERSING_PAID if order.is_paid else _REVERSING,
                here=_("Reverse"),
                submit=_("Yes, reverse"),
            )
        self._run(request, order, services.reverse_order, _IS_NOW)
        return redirect(self.address(order))

    def _query(self, request: HttpRequest, order: Order) -> None:
        sentence = _("WeChat Pay was asked; the order is now “%(state)s”.")
        self._run(request, order, services.query_order, sentence)

    def _close(self, request: HttpRequest, orders: Iterable[Order]) -> None:
        for order in orders:
            self._run(request, order, services.close_order, _IS_NOW)

    def _run(
        self,
        request: HttpRequest,
        order: Order,
        call: Callable[[Order], Order],
        sentence: Any,
        no_answer: NoAnswer = UNCHANGED,
    ) -> None:
        """Make the call, show what the order is now, and log who made it."""

        def verb() -> str:
            return str(sentence) % {"state": call(order).get_trade_state_display()}

        result = run_action(request, order.out_trade_no, verb, no_answer=no_answer)
        self.log_change(request, order, result)

    def _close_question(
        self, request: HttpRequest, orders: list[Order], action: str = ""
    ) -> HttpResponse:
        return self._ask(
            request,
            orders,
            title=ngettext("Close this order?", "Close these orders?", len(orders)),
            sentence=_CLOSING,
            here=_("Close"),
            submit=_("Yes, close"),
            action=action,
        )

    def _ask(self, request: HttpRequest, orders: list[Order], **context: Any) -> HttpResponse:
        """Return the page that asks, with the ``title``, ``sentence``, ``here`` and ``submit``."""
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "orders": [(order, display.state_badge(order), order.amount) for order in orders],
            "back": self.address(orders[0]) if len(orders) == 1 else "",
            **context,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_wxpay/order_question.html", whole)


def takes_members(order: Order) -> bool:
    """Return whether a call may give WeChat Pay of ``order`` what no column keeps."""
    try:
        account = conf.merchant(order.merchant)
    except ConfigurationError:
        return False
    return account.api is Api.V3 and account.region is Region.MAINLAND


def can_be_placed(order: Order) -> bool:
    """Return whether WeChat Pay may lack the order, which a customer pays by himself."""
    return order.trade_state == TradeState.CREATED and order.trade_type != TradeType.MICROPAY
