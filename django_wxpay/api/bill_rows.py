"""Bills, differences and their counts as JSON, and what may be posted about them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from django_wxpay import conf
from django_wxpay.api.fields import DayAsked, Moment, RowSerializer, Text
from django_wxpay.api.inputs import KnownFieldsSerializer
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillKinds
from django_wxpay.protocol.bills.rows import AccountType

# A pattern and no enum: other rows have a kind as well, and two enums of one name get names that
# change with each new row.
_KINDS = {"type": "string", "pattern": f"^({'|'.join(BillKinds.values)})$"}
_SIDE = {"type": "object", "additionalProperties": True, "nullable": True}


@extend_schema_field(_KINDS)
class BillKindIn(serializers.ChoiceField):
    """The kind of a bill, posted."""


@extend_schema_field(_KINDS)
class BillKindShown(serializers.CharField):
    """The kind of a bill."""


class WXPayBillTotalsSerializer(serializers.Serializer[Any]):
    payments = serializers.IntegerField()
    paid = serializers.IntegerField()
    refunds = serializers.IntegerField()
    refunded = serializers.IntegerField()
    fees_e5 = serializers.IntegerField()


class WXPayBillSerializer(RowSerializer[Bill]):
    """Without the name of the file: where it is kept is the site's own."""

    kind = BillKindShown(read_only=True)
    totals = serializers.DictField(child=WXPayBillTotalsSerializer(), read_only=True)
    downloaded_at = Moment(read_only=True, allow_null=True)
    reconciled_at = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)

    class Meta:
        model = Bill
        fields = (
            "id",
            "merchant",
            "mch_id",
            "sub_mch_id",
            "kind",
            "account_type",
            "bill_date",
            "status",
            "sha1",
            "row_count",
            "totals",
            "error",
            "downloaded_at",
            "reconciled_at",
            "created_at",
        )
        read_only_fields = fields
        # In ISO 8601, whatever the site's own format of dates is.
        extra_kwargs = {"bill_date": {"format": "iso-8601"}}  # noqa: RUF012 - read by the framework


@extend_schema_field(_SIDE)
class Side(serializers.ReadOnlyField):
    """The values of one side by the names of the columns; null where it has no such payment."""


class WXPayDiscrepancySerializer(RowSerializer[Discrepancy]):
    # In no enum, for the reason above.
    kind = serializers.CharField(read_only=True)
    ours = Side()
    theirs = Side()
    resolved_at = Moment(read_only=True, allow_null=True)
    created_at = Moment(read_only=True)
    local_order = serializers.IntegerField(source="local_order_id", read_only=True, allow_null=True)
    local_refund = serializers.IntegerField(
        source="local_refund_id", read_only=True, allow_null=True
    )
    bill = serializers.IntegerField(source="bill_id", read_only=True)

    class Meta:
        model = Discrepancy
        fields = (
            "id",
            "bill",
            "kind",
            "out_trade_no",
            "transaction_id",
            "out_refund_no",
            "refund_id",
            "ours",
            "theirs",
            "local_order",
            "local_refund",
            "status",
            "resolution",
            "note",
            "resolved_by",
            "resolved_at",
            "created_at",
        )
        read_only_fields = fields


class WXPayReconciliationSerializer(serializers.Serializer[Any]):
    bill = WXPayBillSerializer(read_only=True)
    compared = serializers.IntegerField()
    asked = serializers.IntegerField()
    fees = serializers.IntegerField()
    opened = serializers.IntegerField()
    gone = serializers.IntegerField()
    open = serializers.IntegerField()


class WXPayBillInputSerializer(KnownFieldsSerializer):
    merchant = Text(default="default", help_text=_("The merchant's alias in the settings."))
    bill_date = DayAsked(help_text=_("The day in Beijing."))
    kind = BillKindIn(BillKinds.choices, default=BillKinds.TRADE.value)
    account_type = serializers.ChoiceField(
        [each.value for each in AccountType],
        default=AccountType.BASIC.value,
        help_text=_("The account of a fund flow bill."),
    )

    def validate_merchant(self, alias: str) -> str:
        if alias not in conf.merchants():
            raise serializers.ValidationError(_("There is no such merchant."))
        return alias


class WXPayResolveInputSerializer(KnownFieldsSerializer):
    note = Text(max_length=500, help_text=_("What was found, or done about it."))
