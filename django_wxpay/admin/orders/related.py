"""Tables on the page of an order: what belongs to it, for those who may see each kind."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import NEWEST, Section
from django_wxpay.admin.orders.timeline import history
from django_wxpay.admin.refunds import words
from django_wxpay.models import ApiReport, Notification, Order, Prepay, Promotion, Refund
from django_wxpay.models.labels import LABELS
from django_wxpay.models.sentences import reason_text


def related_sections(site: AdminSite, request: HttpRequest, order: Order) -> list[Section]:
    """Return the timeline and the tables, in the order in which their rows come about."""
    tables = (
        (Prepay, _prepays),
        (Notification, _notifications),
        (Promotion, _promotions),
        (Refund, _refunds),
        (ApiReport, _calls),
    )
    shown = [
        section(site, order) for model, section in tables if display.may_see(site, request, model)
    ]
    return [history(site, request, order), *shown]


def _prepays(site: AdminSite, order: Order) -> Section:
    rows = [
        (
            display.page_link(site, Prepay, row.pk, display.moment(row.created_at)),
            row.prepay_id or row.code_url or "-",
            row.expires_at,
        )
        for row in order.prepays.all()[:NEWEST]
    ]
    columns = (_("created"), _("prepay ID or QR code"), _("good until"))
    return Section(title=_("Prepays"), columns=columns, rows=rows)


def _notifications(site: AdminSite, order: Order) -> Section:
    return notifications_table(
        site,
        order.notifications.all(),
        title=_("Notifications"),
        order__id__exact=str(order.pk),
    )


def notifications_table(
    site: AdminSite,
    notifications: QuerySet[Notification],
    *,
    title: Any,
    **lookups: str,
) -> Section:
    """Return the newest of ``notifications``; ``lookups`` find all of them in their list."""
    rows = [
        (
            display.page_link(site, Notification, row.pk, display.moment(row.created_at)),
            row.get_kind_display(),
            display.value_badge(row.outcome, row.get_outcome_display()),
            row.attempts,
            reason_text(row.reason_code, row.reason_params, for_people=True),
        )
        for row in notifications.defer("body", "headers")[:NEWEST]
    ]
    return Section(
        title=title,
        columns=(_("first received"), _("kind"), _("outcome"), _("deliveries"), _("reason")),
        rows=rows,
        more=display.more_link(site, Notification, **lookups),
    )


def _promotions(site: AdminSite, order: Order) -> Section:
    rows = [
        (
            display.page_link(site, Promotion, row.pk, row),
            row.scope,
            row.type,
            *(display.money(amount, row.currency or "CNY") for amount in _shares(row)),
        )
        for row in order.promotions.all()[:NEWEST]
    ]
    shares = (
        LABELS["wxpay_contribute_amount"],
        LABELS["merchant_contribute_amount"],
        LABELS["other_contribute_amount"],
    )
    columns = (_("promotion"), LABELS["scope"], LABELS["type"], LABELS["amount"], *shares)
    return Section(title=_("Promotions"), columns=columns, rows=rows)


def _shares(promotion: Promotion) -> tuple[int | None, ...]:
    """Return the whole discount, then the share of each who bears it."""
    return (
        promotion.amount,
        promotion.wxpay_contribute_amount,
        promotion.merchant_contribute_amount,
        promotion.other_contribute_amount,
    )


def _refunds(site: AdminSite, order: Order) -> Section:
    rows = [
        (
            words.refund_badge(row),
            display.money(row.refund_fee, order.fee_type),
            display.page_link(site, Refund, row.pk, row),
            row.created_at,
            row.success_time or "-",
            row.refund_desc or "-",
        )
        for row in order.refunds.all()[:NEWEST]
    ]
    return Section(
        title=_("Refunds"),
        columns=(
            _("status"),
            _("amount"),
            LABELS["out_refund_no"],
            _("created"),
            _("paid back at"),
            _("reason"),
        ),
        rows=rows,
        more=display.more_link(site, Refund, order__id__exact=str(order.pk)),
    )


def _calls(site: AdminSite, order: Order) -> Section:
    calls = ApiReport.objects.filter(merchant=order.merchant, out_trade_no=order.out_trade_no)
    rows = [
        (
            display.page_link(site, ApiReport, row.pk, display.moment(row.created_at)),
            row.interface_url,
            f"{row.execute_time_ms} ms",
            display.answer_badge(row),
        )
        for row in calls[:NEWEST]
    ]
    return Section(
        title=_("Calls to WeChat Pay"),
        columns=(_("called"), LABELS["interface_url"], _("took"), _("answer")),
        rows=rows,
        more=display.more_link(site, ApiReport, out_trade_no=order.out_trade_no),
    )
