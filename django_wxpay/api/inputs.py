"""Posted objects: unifiedorder's own fields, and no others.

This file judges the JSON type of a value, and whether there is such a field: ``"100"`` is not an
amount, nor is ``1.0`` or ``true``, and ``5`` is not a text. What the value may be is decided once,
by the protocol that the merchant speaks, for every door.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_wxpay import conf
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.times import parse_t14

DATE_TIME: Final = {"type": "string", "format": "date-time"}
_WITH_PORT: Final = re.compile(r"\[([^\]]*)\](?::\d*)?|([\d.]+):\d*")
_KEY: Final = {Api.V2: "api_key", Api.V3: "api_v3_key"}


class Text(serializers.CharField):
    """A JSON string, kept character for character."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class WholeNumber(serializers.IntegerField):
    """A JSON integer; how large it may be is not decided here."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


@extend_schema_field({"oneOf": [{"type": "object"}, {"type": "string"}], "nullable": True})
class JSONDocument(serializers.Field[Any, Any, Any, Any]):
    """A JSON object, or the text of one, which is then kept byte for byte."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is neither a JSON object nor the text of one."),
        "characters": _("This holds characters that no text may hold."),
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict | str):
            self.fail("invalid")
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError):
            self.fail("characters")
        return data


@extend_schema_field(DATE_TIME | {"nullable": True})
class MomentIn(serializers.Field[Any, Any, Any, Any]):
    """ISO 8601 with an offset, or WeChat Pay's 14 digits of Beijing time."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": _("This is neither ISO 8601 nor 14 digits of Beijing time."),
        "naive": _("This time has no offset, such as +08:00, and would be a guess."),
    }

    def to_internal_value(self, data: Any) -> datetime:
        if not isinstance(data, str):
            self.fail("invalid")
        if data.isascii() and data.isdigit():
            return self._beijing(data)
        moment = parse_iso(data)
        if moment is None:
            self.fail("invalid")
        if timezone.is_naive(moment):
            self.fail("naive")
        return moment

    def _beijing(self, text: str) -> datetime:
        try:
            return parse_t14(text)
        except ValueError:
            self.fail("invalid")


def parse_iso(text: str) -> datetime | None:
    """Return the moment ``text`` names, if it names one that every zone can express."""
    try:
        moment = parse_datetime(text)
        if moment is not None and timezone.is_aware(moment):
            moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


class KnownFieldsSerializer(serializers.Serializer[Any]):
    """Refuses unknown fields, and names them together with the wrong ones.

    A misspelt name that was passed over in silence would look as if it had been taken.
    """

    def to_internal_value(self, data: Any) -> Any:
        unknown: dict[str, Any] = {}
        if isinstance(data, Mapping):
            problem = [_("There is no such field.")]
            unknown = {_writable(name): problem for name in data if name not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            raise serializers.ValidationError({**unknown, **exc.detail}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def _writable(name: str) -> str:
    # A lone surrogate in a posted name cannot be encoded, and would be a 500 in the answer.
    return name[:64].encode(errors="replace").decode()


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
