"""Prepays, promotions and refunds: the rows that belong to one order."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import AdminSite, DateFieldListFilter
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import NEWEST, ReadOnlyAdmin, Section
from django_wxpay.admin.filters import MerchantFilter
from django_wxpay.admin.orders.events import delivery, move
from django_wxpay.admin.orders.related import notifications_table
from django_wxpay.models import Notification, Order, OrderEvent, Prepay, Promotion, Refund
from django_wxpay.models.choices import NotificationKinds


class OwnedAdmin(ReadOnlyAdmin):
    """A page of rows that belong to an order."""

    list_select_related = ("order",)

    @admin.display(description=_("order"))
    def order_link(self, row: Prepay | Promotion | Refund) -> SafeString:
        """Return a link to the order."""
        return display.page_link(self.admin_site, Order, row.order.pk, row.order)


@admin.register(Prepay)
class PrepayAdmin(OwnedAdmin):
    # The first leads to the page, and v3 grants NATIVE and MWEB without a prepay_id.
    list_display = ("created_at", "order_link", "prepay_id", "trade_type", "live", "expires_at")
    search_fields = ("prepay_id__exact", "order__out_trade_no__exact")
    search_help_text = _("A whole prepay_id or out_trade_no.")
    fields = (
        "order",
        "prepay_id",
        "trade_type",
        "live",
        "code_url",
        "mweb_url",
        "sign_type",
        "created_at",
        "expires_at",
    )

    @admin.display(description=_("good for paying"))
    def live(self, prepay: Prepay) -> SafeString:
        if prepay.is_live(timezone.now()):
            return display.badge(gettext("Live"), display.GOOD)
        return display.badge(gettext("Expired"), display.QUIET)


@admin.register(Promotion)
class PromotionAdmin(OwnedAdmin):
    ordering = ("-id",)
    list_display = ("promotion_id", "name", "order_link", "scope", "type", "amount_shown")
    search_fields = ("order__out_trade_no__exact",)
    search_help_text = _("A whole out_trade_no.")
    fields = (
        "name",
        "promotion_id",
        "order",
        "scope",
        "type",
        "amount_shown",
        "wxpay_contribute_shown",
        "merchant_contribute_shown",
        "other_contribute_shown",
        "activity_id",
    )

    def sections(self, request: HttpRequest, row: Promotion) -> list[Section]:  # noqa: ARG002
        names = ("goods_id", "goods_remark", "quantity", "price", "discount_amount")
        rows = [tuple(_cell(row, name, line.get(name)) for name in names) for line in _lines(row)]
        columns = ("goods_id", _("remark"), _("quantity"), _("unit price"), _("discount"))
        return [Section(title=_("Goods"), columns=columns, rows=rows)]

    @admin.display(description=_("amount"))
    def amount_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.amount)

    @admin.display(description=_("paid by WeChat Pay"))
    def wxpay_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.wxpay_contribute_amount)

    @admin.display(description=_("paid by the merchant"))
    def merchant_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.merchant_contribute_amount)

    @admin.display(description=_("paid by others"))
    def other_contribute_shown(self, promotion: Promotion) -> str:
        return _money(promotion, promotion.other_contribute_amount)


def _money(promotion: Promotion, amount: int | None) -> str:
    return display.money(amount, promotion.currency or "CNY")


def _lines(promotion: Promotion) -> list[dict[str, object]]:
    return list(promotion.goods_detail)


def _cell(promotion: Promotion, name: str, value: object) -> object:
    if name == "discount_amount" and isinstance(value, int):
        return _money(promotion, value)
    if name == "price" and isinstance(value, int):
        # A price is the shop's own, so it is in the currency of the order.
        return display.money(value, promotion.order.fee_type)
    return "-" if value in (None, "") else value


@admin.register(Refund)
class RefundAdmin(OwnedAdmin):
    list_display = (
        "status_shown",
        "amount_shown",
        "is_proven",
        "out_refund_no",
        "created_at",
        "order_link",
        "merchant",
        "success_time",
    )
    list_display_links = ("out_refund_no",)
    list_filter = ("refund_status", MerchantFilter, ("created_at", DateFieldListFilter))
    search_fields = ("out_refund_no__exact", "refund_id__exact", "order__out_trade_no__exact")
    search_help_text = _("A whole out_refund_no, refund_id or out_trade_no.")
    fields = (
        "status_shown",
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

    def sections(self, request: HttpRequest, row: Refund) -> list[Section]:
        tables = ((OrderEvent, _events), (Notification, _notifications))
        site = self.admin_site
        return [
            section(site, row) for model, section in tables if display.may_see(site, request, model)
        ]

    @admin.display(description=_("status"))
    def status_shown(self, refund: Refund) -> SafeString:
        return display.refund_badge(refund.refund_status)

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
