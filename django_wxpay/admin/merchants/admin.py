"""The page of a merchant in the database: the one page of the admin on which rows are edited.

What decides where the money goes and whose answers are believed, its numbers, keys, certificates
and hosts, is changed by those alone who hold ``change_merchant_keys``.
"""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin, Section
from django_wxpay.admin.merchants.form import KEY_FIELDS, MerchantAccountForm, MerchantKeysForm
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import MerchantAccount, Order
from django_wxpay.models.merchant import SEALED
from django_wxpay.services.accounts.database import accounts_in_use
from django_wxpay.services.accounts.saving import has_orders, save_account
from django_wxpay.services.accounts.sealing import sealing_key_ids

_TRUSTED: Final = (
    "cert_serial_no",
    "client_cert",
    "wechatpay_public_key",
    "wechatpay_public_key_id",
    "platform_certificates",
    "hosts",
)
_IDENTITY: Final = (
    "alias",
    "is_enabled",
    "mch_id",
    "appid",
    "appids",
    "mode",
    "region",
    "api",
    "sign_type",
    "sub_appid",
    "sub_mch_id",
    "merchant_category_code",
)
# They say whose account is paid into, and which gateway is asked.
_PAYEE: Final = ("mch_id", "appid", "appids", "mode", "region", "sub_appid", "sub_mch_id")
_SEALED_STATE: Final = ("sealing", "keys_changed_at", "keys_changed_by")


@admin.register(MerchantAccount)
class MerchantAccountAdmin(ReadOnlyAdmin):
    form = MerchantAccountForm
    list_display = ("alias", "mch_id", "api", "use", "sealing", "updated_at")
    list_filter = ("is_enabled", "api", "mode", "region")
    search_fields = ("alias__exact", "mch_id__exact")
    search_help_text = _("A whole alias or MCH_ID.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        # Without a key there is no merchant.
        return self.holds(request, "add") and self.may_change_keys(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return self.holds(request, "change")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One by one, and none that an order names: it is taken out of use instead."""
        may_delete = obj is not None and self.holds(request, "delete")
        return may_delete and not has_orders(obj)

    def may_change_keys(self, request: HttpRequest) -> bool:
        """Return whether this person may enter keys, and say who is paid and who is believed."""
        return request.user.has_perm(f"{self.opts.app_label}.change_merchant_keys")

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - the signature is Django's
        **options: Any,
    ) -> Any:
        if self._enters_keys(request, obj):
            options["form"] = MerchantKeysForm
        return super().get_form(request, obj, change, **options)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        enters = self._enters_keys(request, obj)
        fields = (*KEY_FIELDS.values(), *(("removed_keys",) if obj else ())) if enters else ()
        keys = (*fields, *(_SEALED_STATE if obj else ()))
        return [
            (None, {"fields": _IDENTITY}),
            *([(gettext("Keys"), {"fields": keys})] if keys else []),
            (gettext("Certificates and hosts"), {"fields": _TRUSTED}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = list(_SEALED_STATE)
        if obj is not None:
            fields.append("alias")
        if not self.may_change_keys(request):
            fields += (*_PAYEE, *_TRUSTED)
        return fields

    @method_decorator(sensitive_post_parameters(*KEY_FIELDS.values()))
    def changeform_view(self, *args: Any, **options: Any) -> Any:
        return super().changeform_view(*args, **options)

    def save_model(
        self,
        request: HttpRequest,
        obj: Any,
        form: Any,
        change: bool,  # noqa: ARG002, FBT001
    ) -> None:
        save_account(obj, keys=form.new_keys(), by=request.user.get_username())

    def render_change_form(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        if accounts_in_use() is None:
            sentence = _("MERCHANTS in the settings names other merchants: these are not used.")
            messages.warning(request, sentence, fail_silently=True)
        return super().render_change_form(request, *args, **options)

    def sections(self, request: HttpRequest, row: Any) -> list[Section]:
        """Return which keys the merchant has, and the way to its orders."""
        if row is None or row.pk is None:
            return []
        states = [
            (name, gettext("set") if getattr(row, column) else gettext("not set"))
            for name, column in SEALED.items()
        ]
        found = [Section(title=_("Keys"), columns=(_("key"), _("state")), rows=states)]
        if display.may_see(self.admin_site, request, Order):
            link = display.list_link(self.admin_site, Order, gettext("Orders"), merchant=row.alias)
            found.append(Section(title=_("Orders"), columns=(_("list"),), rows=[(link,)]))
        return found

    @admin.display(description=_("in use"))
    def use(self, row: MerchantAccount) -> SafeString:
        if row.is_enabled:
            return display.badge(gettext("in use"), display.GOOD)
        return display.badge(gettext("out of use"), display.QUIET)

    @admin.display(description=_("keys"))
    def sealing(self, row: MerchantAccount) -> SafeString:
        """Return whether the keys open, without opening one."""
        ids = _known_ids()
        if not row.sealing_key:
            return display.badge(gettext("none"), display.BAD)
        if row.sealing_key not in ids:
            return display.badge(gettext("no sealing key opens them"), display.BAD)
        if row.sealing_key != ids[0]:
            return display.badge(gettext("under an old sealing key"), display.WAITING)
        return display.badge(gettext("sealed"), display.GOOD)

    def _enters_keys(self, request: HttpRequest, obj: Any) -> bool:
        may_edit = self.has_change_permission(request, obj) if obj else True
        return may_edit and self.may_change_keys(request)


def _known_ids() -> list[str]:
    try:
        return sealing_key_ids()
    except ConfigurationError:
        return []
