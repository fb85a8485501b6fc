"""Posted objects: unifiedorder's own fields, and no others.

This file judges whether there is such a field, and ``fields`` the JSON type of its value. What the
value may be is decided once, by the protocol that the merchant speaks, for every door.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.fields import empty

from django_wxpay import conf
from django_wxpay.api.fields import (
    NON_FIELD_ERRORS,
    JSONDocument,
    MomentIn,
    Text,
    WholeNumber,
    unknown_names,
)
from django_wxpay.protocol.merchants import Api

_WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::\d*)?|([\d.]+):\d*")
_KEY: Final = {Api.V2: "api_key", Api.V3: "api_v3_key"}


class KnownFieldsSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields, and names them together with the wrong ones.

    A misspelt name that was passed over in silence would look as if it had been taken.
    """

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, Mapping):
            return super().run_validation(data)
        # Under a key of ours: the site's own for this may be the name of a field of ours.
        sentence = self.error_messages["invalid"].format(datatype=type(data).__name__)
        raise serializers.ValidationError({NON_FIELD_ERRORS: [sentence]})

    def to_internal_value(self, data: Any) -> Any:
        known = self.fields
        unknown = unknown_names(
            (name for name in data if name not in known), _("There is no such field.")
        )
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            raise serializers.ValidationError({**unknown, **exc.detail}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def bare_address(text: str) -> str:
    """Return the IP address in what a server writes for its caller, or "" where there is none.

    Some write ``address:port`` or ``[address]:port``, some a zone, some an IPv4 address in IPv6
    clothes; over a Unix socket some write ``unix:`` and some nothing.
    """
    match = _WITH_PORT.fullmatch(text.strip())
    bare = (match[1] or match[2] or "") if match else text.strip()
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


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
    spbill_create_ip = _optional(
        help_text=_("The caller's address if absent; MWEB asks for the phone's.")
    )
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
        # null for what may be absent is absent.
        values = super().to_internal_value(data)
        return {name: value for name, value in values.items() if value is not None}

    def validate_merchant(self, alias: str) -> str:
        if alias not in conf.merchants():
            raise serializers.ValidationError(_("There is no such merchant."))
        return alias


class WXPayCodeInputSerializer(WXPayOrderInputSerializer):
    """A payment by code: the fields of an order without those that a scanned payer makes needless.

    The code is read and never shown, in an answer as little as in an error.
    """

    trade_type = None  # type: ignore[assignment]
    openid = None  # type: ignore[assignment]
    sub_openid = None  # type: ignore[assignment]
    product_id = None  # type: ignore[assignment]
    fingerprint = None  # type: ignore[assignment]
    user_type = None  # type: ignore[assignment]
    user_creid = None  # type: ignore[assignment]
    user_truename = None  # type: ignore[assignment]
    auth_code = Text(
        write_only=True, help_text=_("The 18 digits of the code that the customer shows.")
    )
    spbill_create_ip = _optional(help_text=_("The till's address; the caller's if absent."))


class WXPayQueryInputSerializer(KnownFieldsSerializer):
    """The protocol to ask over, if any. The context's ``merchant`` is the alias of the order's."""

    api = serializers.ChoiceField(
        [api.value for api in Api],
        required=False,
        # The framework's own words repeat what was sent, which may be nothing to write out.
        error_messages={"invalid_choice": _("This is neither v2 nor v3.")},
        help_text=_("The protocol to ask over; the merchant's own if absent."),
    )

    def validate_api(self, name: str) -> Api:
        api = Api(name)
        if not getattr(conf.merchant(self.context["merchant"]), _KEY[api]):
            raise serializers.ValidationError(_("This merchant has no keys for that."))
        return api


class WXPayRefundInputSerializer(KnownFieldsSerializer):
    refund_fee = WholeNumber(min_value=1, help_text=_("In the minor unit of the order's fee_type."))
    out_refund_no = Text(
        required=False,
        help_text=_("Made for you if absent; each request without one is another refund."),
    )
    refund_desc = _optional(help_text=_("The payer reads it."))


class WXPayAbnormalRefundInputSerializer(KnownFieldsSerializer):
    type = Text(help_text=_("USER_BANK_CARD or MERCHANT_BANK_CARD."))
    bank_type = _optional(help_text=_("Such as ICBC_DEBIT; for the payer's card."))
    bank_account = _optional(write_only=True, help_text=_("For the payer's card."))
    real_name = _optional(write_only=True, help_text=_("For the payer's card."))
