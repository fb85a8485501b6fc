"""Forms of refunds: how much is paid back, and where a refund that is stuck is paid out.

An amount is read as people write it, in the major unit of its currency, and never as a float. The
payer's card and name become secrets as they are read, and are written into no page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.exceptions import InvalidRefund, NotRefundable
from django_wxpay.models.labels import LABELS
from django_wxpay.models.sentences import translated
from django_wxpay.protocol.money import decimals, format_amount, major_units
from django_wxpay.protocol.refunds import PayeeAccount
from django_wxpay.protocol.secrets import Secret

_AMOUNT: Final = re.compile(r"[0-9]{1,12}(?:\.([0-9]{1,12}))?")
_EXAMPLE: Final = 4500
_OFF: Final = {"autocomplete": "off"}


def written(amount: int, currency: str) -> str:
    """Return minor units as a person types them into a form: ``"1250.00"``."""
    return f"{major_units(amount, currency):f}"


class AmountField(forms.CharField):
    """An amount of ``currency``, cleaned to its minor units."""

    def __init__(self, *, currency: str, **options: Any) -> None:
        self.currency = currency
        attributes = _OFF | {"inputmode": "decimal", "size": "12"}
        super().__init__(widget=forms.TextInput(attributes), **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found = _AMOUNT.fullmatch(text)
        if found is None:
            sentence = gettext("Write the amount in plain digits, like %(example)s.")
            example = written(_EXAMPLE, self.currency)
            raise forms.ValidationError(sentence % {"example": example})
        places = decimals(self.currency)
        if len(found[1] or "") > places:
            raise forms.ValidationError(_too_precise(self.currency, places))
        amount = int(Decimal(text).scaleb(places))
        if amount < 1:
            least = {"amount": format_amount(1, self.currency)}
            raise forms.ValidationError(gettext("Refund at least %(amount)s.") % least)
        return amount


def _too_precise(currency: str, places: int) -> str:
    if not places:
        return gettext("%(currency)s has no decimals.") % {"currency": currency}
    sentence = ngettext(
        "%(currency)s has at most %(places)d decimal.",
        "%(currency)s has at most %(places)d decimals.",
        places,
    )
    return sentence % {"currency": currency, "places": places}


def too_much(left: int, currency: str) -> str:
    """Return the sentence for more than is left of an order."""
    if left < 1:
        return gettext("Nothing is left that could be refunded.")
    return gettext("At most %(amount)s is left.") % {"amount": format_amount(left, currency)}


class RefundForm(forms.Form):
    """A refund; ``out_refund_no`` is drawn before it is filled in, and makes one refund of it.

    ``most`` returns how many minor units the refund of a number may have.
    """

    refund_desc = forms.CharField(
        label=_("reason"),
        help_text=_("Shown to the payer. At most 80 characters."),
        max_length=80,
        required=False,
        widget=forms.TextInput(_OFF | {"size": "40"}),
    )
    out_refund_no = forms.CharField(max_length=64, widget=forms.HiddenInput)

    field_order = ("refund_fee", "refund_desc", "out_refund_no")

    def __init__(
        self, *args: Any, currency: str, most: Callable[[str], int], **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.currency = currency
        self.most = most
        label = gettext("amount in %(currency)s") % {"currency": currency}
        self.fields["refund_fee"] = AmountField(currency=currency, label=label)
        self.order_fields(self.field_order)

    def clean(self) -> dict[str, Any]:
        """Compare the amount with what is left, once the number is known to be one."""
        given = self.cleaned_data
        if {"refund_fee", "out_refund_no"} <= given.keys():
            most = self.most(given["out_refund_no"])
            if given["refund_fee"] > most:
                self.add_error("refund_fee", too_much(most, self.currency))
        return given

    def refuse(self, error: InvalidRefund) -> None:
        """Show what the service has refused at the field that it names."""
        field = error.field if error.field in self.fields else None
        if isinstance(error, NotRefundable):
            self.add_error(field, too_much(error.refundable, self.currency))
        else:
            self.add_error(field, refusal(error))


def refusal(error: InvalidRefund) -> str:
    """Return what is wrong with a value, without the value."""
    rule = translated(error.rule) or error.field
    values = {"problem": translated(error.problem), "rule": rule}
    return gettext("WeChat Pay does not take this: %(problem)s (%(rule)s).") % values


class _Unechoed(forms.TextInput):
    """An input that a page never fills in, for what was typed is private."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:  # noqa: ARG002
        return super().get_context(name, None, attrs)


class SecretField(forms.CharField):
    """A private text, as a secret."""

    widget = _Unechoed

    def __init__(self, **options: Any) -> None:
        widget = _Unechoed(_OFF | {"size": "30", "spellcheck": "false"})
        super().__init__(required=False, widget=widget, **options)

    def clean(self, value: Any) -> Any:
        return Secret(super().clean(value))


class PayoutForm(forms.Form):
    """Where the money of a stuck refund goes instead."""

    type = forms.ChoiceField(
        label=_("pay out to"),
        choices=(
            (PayeeAccount.USER_BANK_CARD.value, _("A bank card of the payer")),
            (
                PayeeAccount.MERCHANT_BANK_CARD.value,
                _("Your own account; you then pay the customer yourself"),
            ),
        ),
        widget=forms.RadioSelect,
    )
    bank_type = forms.CharField(
        label=LABELS["bank_type"],
        help_text=_("WeChat Pay's word for the bank, such as ICBC_DEBIT."),
        max_length=16,
        required=False,
        widget=forms.TextInput(_OFF),
    )
    bank_account = SecretField(label=_("card number"), max_length=64)
    real_name = SecretField(label=_("name of the payer"), max_length=64)

    def clean(self) -> dict[str, Any]:
        """Ask for the whole card where the payer's is chosen, and for no card otherwise."""
        given = self.cleaned_data
        to_payer = given.get("type") == PayeeAccount.USER_BANK_CARD
        for name in ("bank_type", "bank_account", "real_name"):
            if "type" not in given or name not in given:
                continue
            if to_payer and not given[name]:
                self.add_error(name, _("The payer's card needs this."))
            elif given[name] and not to_payer:
                self.add_error(name, _("Leave this empty: nothing goes to the payer's card."))
        return given

    def refuse(self, error: InvalidRefund) -> None:
        """Show what the service has refused at the field that it names."""
        self.add_error(error.field if error.field in self.fields else None, refusal(error))
