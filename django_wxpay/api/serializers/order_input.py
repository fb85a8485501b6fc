"""What may be posted to place an order: unifiedorder's own fields, and no others.

Here a value's JSON type is judged, and whether there is such a field at all. What the
value may be is decided once, by the protocol the merchant speaks, for every door.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_wxpay import conf
from django_wxpay.api.fields import JSONDocument, MomentIn, Text, WholeNumber
from django_wxpay.api.serializers.known_fields import KnownFieldsSerializer


def _optional(**kwargs: Any) -> Text:
    return Text(required=False, allow_blank=True, **kwargs)


class WXPayOrderInputSerializer(KnownFieldsSerializer):
    merchant = Text(
        default="default",
        initial="default",
        help_text=_("The merchant's alias in the settings."),
    )
    trade_type = Text(help_text=_("JSAPI, NATIVE, APP or MWEB."))
    body = Text(help_text=_("What the customer reads when paying."))
    total_fee = WholeNumber(min_value=1, help_text=_("In the minor unit of fee_type."))
    fee_type = Text(required=False, initial="CNY", help_text=_("CNY if absent."))
    out_trade_no = Text(required=False, help_text=_("Made for you if absent."))
    reference = _optional(help_text=_("The shop's own order number."))
    appid = _optional(help_text=_("One of the merchant's own; its APPID if absent."))
    sub_appid = _optional()
    sub_mch_id = _optional()
    openid = _optional(help_text=_("Who pays; JSAPI asks for it."))
    sub_openid = _optional()
    product_id = _optional(help_text=_("NATIVE asks for it on v2."))
    spbill_create_ip = _optional(help_text=_("The caller's address if absent."))
    device_info = _optional()
    version = _optional()
    detail = JSONDocument(required=False, allow_null=True)
    attach = _optional()
    time_start = MomentIn(required=False, allow_null=True)
    time_expire = MomentIn(required=False, allow_null=True)
    goods_tag = _optional()
    limit_pay = _optional()
    receipt = _optional()
    profit_sharing = _optional()
    scene_info = JSONDocument(required=False, allow_null=True)
    fingerprint = _optional()
    user_type = _optional()
    user_creid = _optional()
    user_truename = _optional()

    def to_internal_value(self, data: Any) -> Any:
        """Return the fields given; null for what may be absent is absent."""
        values = super().to_internal_value(data)
        return {name: value for name, value in values.items() if value is not None}

    def validate_merchant(self, alias: str) -> str:
        """Return the alias of a merchant there is."""
        if alias not in conf.merchants():
            raise serializers.ValidationError(_("There is no such merchant."))
        return alias
