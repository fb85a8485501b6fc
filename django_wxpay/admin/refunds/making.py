"""The making of a refund by a person: a form, a question, and only then the call.

The number is drawn with the empty form and travels through both pages, so that a double click, a
reload or a second look at the same page makes one refund. Nothing is kept in the session.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import NoAnswer, run_action
from django_wxpay.admin.base import Button, ReadOnlyAdmin
from django_wxpay.admin.refunds import words
from django_wxpay.admin.refunds.forms import RefundForm, too_much, written
from django_wxpay.exceptions import InvalidRefund, RefundConflict
from django_wxpay.models import Order, Refund
from django_wxpay.models.labels import LABELS
from django_wxpay.protocol.money import format_amount
from django_wxpay.services import clock
from django_wxpay.services.transactions import without_atomic_requests

ASKED_AGAIN: Final = NoAnswer(
    silent=_("WeChat Pay gave no answer; this refund is asked for again by itself."),
    untrusted=_("WeChat Pay gave no trustworthy answer; this refund is asked for again by itself."),
)
_IS_NOW: Final = _("The refund of %(amount)s is now “%(status)s”.")
_NOT_TWICE: Final = _(
    "This refund of %(amount)s was asked for before and is not made twice; it is now “%(status)s”."
)
_USED: Final = _(
    "This page has made another refund, so nothing was sent. Open it anew to make one more."
)

Facts = list[tuple[Any, Any]]


class RefundingAdmin(ReadOnlyAdmin):
    """A page from which money is paid back, by those who may."""

    def has_refund_permission(self, request: HttpRequest) -> bool:
        """Return whether this person may pay money back: a permission of its own."""
        opts = Refund._meta  # noqa: SLF001 - Django's documented model API
        return request.user.has_perm(f"{opts.app_label}.add_{opts.model_name}")

    def refund_buttons(self, row: Any) -> list[Button]:  # noqa: ARG002
        """Return the buttons that pay money back, for those who may use them."""
        return []

    def allowed_buttons(self, request: HttpRequest, row: Any) -> list[Button]:
        more = self.refund_buttons(row) if self.has_refund_permission(request) else []
        return [*super().allowed_buttons(request, row), *more]

    def refunded_row(self, request: HttpRequest, pk: int) -> Any:
        """Return the row for somebody who sees it and may pay back; 403 comes before 404."""
        if not (self.has_refund_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        return self.row(request, pk)

    def page(
        self, request: HttpRequest, row: Any, template: str, **context: Any
    ) -> TemplateResponse:
        """Return a page of ours about a row."""
        request.current_app = self.admin_site.name
        shown = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "row": row,
            "back": self.address(row),
            **context,
        }
        return TemplateResponse(request, f"admin/django_wxpay/{template}.html", shown)

    def send(
        self, request: HttpRequest, order: Order, asked: dict[str, Any], *, known: Refund | None
    ) -> Refund | None:
        """Ask for a refund of ``order``, and log who asked, when, and the result.

        Raises ``InvalidRefund`` and ``RefundConflict``; other errors become messages.
        """
        number = asked["out_refund_no"]
        amount = format_amount(asked["refund_fee"], order.fee_type)

        def verb() -> str:
            refund = services.create_refund(order, **asked)
            sentence = _IS_NOW if known is None or not known.is_proven else _NOT_TWICE
            return str(sentence) % {"amount": amount, "status": words.refund_words(refund)}

        # Before the call: a process that dies in it must not hide who refunded.
        request_sentence = gettext("%(number)s: refund of %(amount)s asked for.")
        values = {"number": number, "amount": amount}
        _log(self, request, [order], request_sentence % values)
        result = run_action(
            request,
            number,
            verb,
            no_answer=ASKED_AGAIN,
            passing=(InvalidRefund, RefundConflict),
        )
        refund = refund_of(order, number)
        _log(self, request, [order] if refund is None else [order, refund], result)
        return refund


def _log(page: ReadOnlyAdmin, request: HttpRequest, rows: Iterable[Any], sentence: str) -> None:
    for row in rows:
        page.log_change(request, row, sentence)


def refund_of(order: Order, number: str) -> Refund | None:
    """Return the refund of ``order`` that has this number, or None."""
    return order.refunds.filter(out_refund_no=number).select_related("order").first()


def order_facts(order: Order) -> Facts:
    """Return what a person compares before money is paid back."""
    balance = words.balance_of(order)
    amounts = [
        (_("paid"), balance.paid),
        (_("refunded"), balance.refunded),
        (_("in progress"), balance.in_progress),
        (_("stuck"), balance.stuck),
        (_("left"), balance.left),
    ]
    money = [
        (label, format_amount(amount, order.fee_type))
        for label, amount in amounts
        if amount or label != amounts[3][0]
    ]
    return [(LABELS["out_trade_no"], order.out_trade_no), (_("description"), order.body), *money]


def in_words(order: Order, amount: str) -> str:
    """Return the sentence that says what goes to whom."""
    values = {"amount": amount, "number": order.out_trade_no, "payer": display.payer(order)}
    if values["payer"]:
        sentence = gettext("%(amount)s of order %(number)s is paid back to the payer (%(payer)s).")
    else:
        sentence = gettext(
            "%(amount)s of order %(number)s is paid back to the account that paid for it."
        )
    return sentence % values


class OrderRefundsAdmin(RefundingAdmin):
    """The button "Refund…" on the page of an order, and the pages that it leads to."""

    def refund_buttons(self, row: Order) -> list[Button]:
        if words.balance_of(row).left < 1:
            return []
        return [Button(label=_("Refund"), url=self.address(row, "refund"), asks_first=True)]

    def get_urls(self) -> list[URLPattern]:
        return [self.route("refund", self.refund_view), *super().get_urls()]

    @without_atomic_requests
    def refund_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show the form, then the question, and refund when that is posted."""
        order: Order = self.refunded_row(request, pk)
        if request.method != "POST":
            left = words.balance_of(order).left
            if left < 1:
                return self.turned_away(request, order, too_much(left, order.fee_type))
            return self._form(request, order, _form(order, initial=_proposal(order, left)))
        form = _form(order, data=request.POST)
        step = request.POST.get("step")
        if not form.is_valid() or step == "edit":
            return self._form(request, order, form)
        if step != "send":
            return self._question(request, order, form)
        return self._refund(request, order, form)

    def _refund(self, request: HttpRequest, order: Order, form: RefundForm) -> HttpResponse:
        known = refund_of(order, form.cleaned_data["out_refund_no"])
        try:
            refund = self.send(request, order, form.cleaned_data, known=known)
        except InvalidRefund as error:
            form.refuse(error)
            # With what is left now.
            return self._form(request, self.row(request, order.pk), form)
        except RefundConflict:
            return self.turned_away(request, order, _USED)
        return redirect(self._address_after(request, order, refund))

    def _address_after(self, request: HttpRequest, order: Order, refund: Refund | None) -> str:
        if refund is not None and display.may_see(self.admin_site, request, Refund):
            # A site may show orders alone.
            page = display.page_address(self.admin_site, Refund, "change", refund.pk)
            return page or self.address(order)
        return self.address(order)

    def _form(self, request: HttpRequest, order: Order, form: RefundForm) -> HttpResponse:
        return self.page(
            request,
            order,
            "refund_form",
            title=gettext("Refund"),
            facts=order_facts(order),
            form=form,
            submit=_("Go on"),
        )

    def _question(self, request: HttpRequest, order: Order, form: RefundForm) -> HttpResponse:
        amount = format_amount(form.cleaned_data["refund_fee"], order.fee_type)
        return self.page(
            request,
            order,
            "refund_question",
            title=gettext("Refund %(amount)s?") % {"amount": amount},
            sentence=in_words(order, amount),
            facts=[*order_facts(order), (_("reason"), form.cleaned_data["refund_desc"] or "-")],
            form=form,
            submit=gettext("Yes, refund %(amount)s") % {"amount": amount},
        )


def _form(order: Order, **options: Any) -> RefundForm:
    return RefundForm(currency=order.fee_type, most=partial(_most, order), **options)


def _most(order: Order, number: str) -> int:
    known = refund_of(order, number)
    # What this very page has asked for before is not left any more.
    if known is not None and known.is_reserved:
        return order.total_fee
    return words.balance_of(order).left


def _proposal(order: Order, left: int) -> dict[str, str]:
    number = clock.out_trade_no()
    return {"refund_fee": written(left, order.fee_type), "out_refund_no": number}
