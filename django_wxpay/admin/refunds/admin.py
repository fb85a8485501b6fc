"""Refunds: their list and page, with the buttons for one that is not over."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin import AdminSite, DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import NoAnswer, run_action, too_many
from django_wxpay.admin.base import MOST_AT_ONCE, NEWEST, Button, Section
from django_wxpay.admin.bills.fees import fee_of
from django_wxpay.admin.exporting import RefundExportingAdmin
from django_wxpay.admin.filters import MerchantFilter
from django_wxpay.admin.orders.events import delivery, move
from django_wxpay.admin.orders.related import notifications_table
from django_wxpay.admin.payments import NumberedAdmin
from django_wxpay.admin.refunds import advice, words
from django_wxpay.admin.refunds.forms import PayoutForm, too_much
from django_wxpay.admin.refunds.making import RefundingAdmin, in_words, order_facts
from django_wxpay.exceptions import InvalidRefund, NotRefundable, RefundConflict
from django_wxpay.models import Notification, OrderEvent, Refund
from django_wxpay.models.choices import NotificationKinds
from django_wxpay.models.labels import LABELS
from django_wxpay.models.sentences import translated
from django_wxpay.services.transactions import without_atomic_requests

_PAYOUT_UNKNOWN: Final = NoAnswer(
    silent=_("WeChat Pay gave no answer. Ask WeChat Pay about the refund before you try again."),
    untrusted=_(
        "WeChat Pay gave no trustworthy answer. Ask WeChat Pay about the refund before you try "
        "again."
    ),
)


@admin.register(Refund)
class RefundAdmin(RefundingAdmin, NumberedAdmin, RefundExportingAdmin):
    list_display = (
        "status_shown",
        "amount_shown",
        "out_refund_no",
        "created_at",
        "order_shown",
        "success_time",
    )
    list_display_links = ("out_refund_no",)
    list_filter = ("refund_status", MerchantFilter, ("created_at", DateFieldListFilter))
    search_fields = ("out_refund_no__exact", "refund_id__exact")
    search_help_text = _(
        "A whole merchant refund number (out_refund_no), WeChat Pay refund ID (refund_id) or "
        "merchant order number (out_trade_no)."
    )
    actions = ("query_now", "save_csv")
    wire_names: ClassVar = {"status_shown": "refund_status", "amount_shown": "refund_fee"}
    _FIELDS = (
        "amount_shown",
        "is_proven",
        "order",
        "out_refund_no",
        "refund_id",
        "refund_desc",
        "user_received_account",
        "success_time",
        "merchant",
        "created_at",
        "updated_at",
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the fields; the advice and the refusal where there is one."""
        what_to_do = ("what_to_do",) if advice.what_to_do(obj) else ()
        refused = ("err_code", "err_code_des") if obj.err_code else ()
        fee = ("fee_shown",) if fee_of(obj) else ()
        return [(None, {"fields": ("status_shown", *what_to_do, *refused, *self._FIELDS, *fee)})]

    @admin.display(description=_("order"))
    def order_shown(self, refund: Refund) -> SafeString | str:
        """Return a link to the order, and the merchant if it is another than "default"."""
        return display.with_merchant(self.order_link(refund), refund.merchant)

    @admin.display(description=_("fee"))
    def fee_shown(self, refund: Refund) -> str:
        return fee_of(refund)

    def buttons(self, row: Refund) -> list[Button]:
        return [Button(label=_("Ask WeChat Pay"), url=self.address(row, "query"))]

    def refund_buttons(self, row: Refund) -> list[Button]:
        found = []
        if advice.can_be_sent(row):
            address = self.address(row, "send")
            found.append(Button(label=_("Send again"), url=address, asks_first=True))
        if advice.can_be_paid_out(row):
            address = self.address(row, "payout")
            found.append(Button(label=_("Pay out otherwise"), url=address, asks_first=True))
        return found

    def sections(self, request: HttpRequest, row: Refund) -> list[Section]:
        tables = ((OrderEvent, _events), (Notification, _notifications))
        site = self.admin_site
        return [
            section(site, row) for model, section in tables if display.may_see(site, request, model)
        ]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            self.posted("query", self._query),
            self.route("send", self.send_view),
            self.route("payout", self.payout_view),
        ]
        return [*ours, *super().get_urls()]

    @admin.action(description=_("Ask WeChat Pay"), permissions=["operate"])
    def query_now(self, request: HttpRequest, queryset: QuerySet[Refund]) -> None:
        """Ask WeChat Pay how each refund stands."""
        if not too_many(request, queryset, MOST_AT_ONCE):
            for refund in queryset:
                self._query(request, refund)

    @without_atomic_requests
    def send_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for a confirmation, and send the refund again under its number when it is posted."""
        refund: Refund = self.refunded_row(request, pk)
        if not advice.can_be_sent(refund):
            return self.turned_away(request, refund, gettext("There is nothing to send again."))
        if request.method != "POST":
            return self._question(request, refund)
        asked = {
            "refund_fee": refund.refund_fee,
            "out_refund_no": refund.out_refund_no,
            "refund_desc": refund.refund_desc,
        }
        try:
            self.send(request, refund.order, asked, known=refund)
        except NotRefundable as error:
            sentence = too_much(error.refundable, refund.order.fee_type)
            return self.turned_away(request, refund, sentence)
        except (InvalidRefund, RefundConflict) as error:
            return self.turned_away(request, refund, translated(str(error)))
        return redirect(self.address(refund))

    # Error pages and trackers leave these out of the request that they show.
    @without_atomic_requests
    @method_decorator(sensitive_post_parameters("bank_account", "real_name"))
    def payout_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form, and have the money paid out otherwise when it is posted."""
        refund: Refund = self.refunded_row(request, pk)
        if not advice.can_be_paid_out(refund):
            sentence = gettext("This refund cannot be paid out otherwise here.")
            return self.turned_away(request, refund, sentence)
        form = PayoutForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                return self._pay_out(request, refund, form)
            except InvalidRefund as error:
                form.refuse(error)
        return self.page(
            request,
            refund,
            "refund_form",
            title=gettext("Pay out %(amount)s otherwise") % {"amount": refund.amount},
            facts=[(LABELS["out_refund_no"], refund.out_refund_no), *order_facts(refund.order)],
            form=form,
            submit=gettext("Pay out %(amount)s") % {"amount": refund.amount},
            is_final=True,
        )

    def _pay_out(self, request: HttpRequest, refund: Refund, form: PayoutForm) -> HttpResponse:
        given = form.cleaned_data

        def verb() -> str:
            status = words.refund_words(services.apply_abnormal_refund(refund, **given))
            return gettext("Paid out otherwise; the refund is now “%(status)s”.") % {
                "status": status
            }

        sentence = run_action(
            request,
            refund.out_refund_no,
            verb,
            no_answer=_PAYOUT_UNKNOWN,
            passing=(InvalidRefund,),
        )
        self.log_change(request, refund, f"{sentence} ({given['type']})")
        return redirect(self.address(refund))

    def _query(self, request: HttpRequest, refund: Refund) -> None:
        def verb() -> str:
            status = words.refund_words(services.query_refund(refund))
            return gettext("WeChat Pay was asked; the refund is now “%(status)s”.") % {
                "status": status
            }

        self.log_change(request, refund, run_action(request, refund.out_refund_no, verb))

    def _question(self, request: HttpRequest, refund: Refund) -> HttpResponse:
        return self.page(
            request,
            refund,
            "refund_question",
            title=gettext("Send this refund again?"),
            sentence=in_words(refund.order, refund.amount),
            facts=[
                (LABELS["out_refund_no"], refund.out_refund_no),
                *order_facts(refund.order),
                (_("reason"), refund.refund_desc or "-"),
            ],
            submit=gettext("Yes, refund %(amount)s") % {"amount": refund.amount},
        )

    @admin.display(description=_("status"))
    def status_shown(self, refund: Refund) -> SafeString:
        return words.refund_badge(refund)

    @admin.display(description=_("what to do"))
    def what_to_do(self, refund: Refund) -> str:
        return advice.what_to_do(refund)

    @admin.display(description=_("amount"))
    def amount_shown(self, refund: Refund) -> str:
        return refund.amount

    @admin.display(description=_("confirmed"), boolean=True)
    def is_proven(self, refund: Refund) -> bool:
        return refund.is_proven


def _events(site: AdminSite, refund: Refund) -> Section:
    rows = [
        (
            display.page_link(site, OrderEvent, event.pk, display.moment(event.created_at)),
            move(event),
            delivery(event),
        )
        for event in refund.events.all()[:NEWEST]
    ]
    return Section(title=_("History"), columns=(_("created"), _("move"), _("your code")), rows=rows)


def _notifications(site: AdminSite, refund: Refund) -> Section:
    # Those of the whole order: one that changed nothing is tied to no refund.
    notifications = Notification.objects.filter(
        order=refund.order_id, kind=NotificationKinds.REFUND
    )
    return notifications_table(
        site,
        notifications,
        title=_("Notifications of refunds of this order"),
        order__id__exact=str(refund.order_id),
        kind__exact=NotificationKinds.REFUND.value,
    )
