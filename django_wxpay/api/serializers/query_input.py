"""What may be posted to ask about an order: which protocol to ask over, or nothing at all."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from django_wxpay import conf
from django_wxpay.api.serializers.known_fields import KnownFieldsSerializer
from django_wxpay.protocol.merchants import Api

_KEY: Final = {Api.V2: "api_key", Api.V3: "api_v3_key"}


class WXPayQueryInputSerializer(KnownFieldsSerializer):
    """The ``merchant`` of the context is the alias of the order's."""

    api = serializers.ChoiceField(
        [api.value for api in Api],
        required=False,
        # The framework's own words repeat what was sent, which may be nothing to write out.
        error_messages={"invalid_choice": _("This is neither v2 nor v3.")},
        help_text=_("The protocol to ask over; the merchant's own if absent."),
    )

    def validate_api(self, name: str) -> Api:
        """Return a protocol that the merchant has the keys for."""
        api = Api(name)
        if not getattr(conf.merchant(self.context["merchant"]), _KEY[api]):
            raise serializers.ValidationError(_("This merchant has no keys for that."))
        return api
