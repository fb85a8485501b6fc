"""Prepays: what customers were given to pay with."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.links import page_link
from django_wxpay.models import Order, Prepay


@admin.register(Prepay)
class PrepayAdmin(Ledger):
    """Found by its prepay_id or by its order."""

    # The first leads to the page, and v3 grants NATIVE and MWEB without a prepay_id.
    list_display = ("created_at", "order_link", "prepay_id", "trade_type", "live", "expires_at")
    list_select_related = ("order",)
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

    @admin.display(description=_("order"))
    def order_link(self, prepay: Prepay) -> SafeString:
        """Return the way to its order."""
        return page_link(Order, prepay.order_id, prepay.order)

    @admin.display(description=_("good for paying"))
    def live(self, prepay: Prepay) -> SafeString:
        """Return whether a customer can still pay with it."""
        if prepay.is_live(timezone.now()):
            return badges.badge(gettext("Live"), badges.GOOD)
        return badges.badge(gettext("Expired"), badges.QUIET)
