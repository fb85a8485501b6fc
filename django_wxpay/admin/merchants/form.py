"""The form of a merchant: its settings, and fields for keys that are written and never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_wxpay.conf.hints import HINTS
from django_wxpay.models import MerchantAccount
from django_wxpay.models.merchant import SEALED
from django_wxpay.models.sentences import translated
from django_wxpay.protocol.secrets import Secret
from django_wxpay.services.accounts.saving import account_problems

# Django's own class takes no type argument at run time.
if TYPE_CHECKING:
    ModelFormBase = forms.ModelForm[MerchantAccount]
else:
    ModelFormBase = forms.ModelForm

# The longest is the PEM of an RSA key of 8192 bits.
_LONGEST: Final = 16_384
# Fields of the form, by the settings that they write.
KEY_FIELDS: Final = {name: f"new_{name.lower()}" for name in SEALED}
# Where a form takes something else than the settings do.
_FORM_HINTS: Final = {
    "APPIDS": _("Write one a line, without commas."),
    "HOSTS": _("Write one a line, without commas: scheme and host only, primary first."),
    "E014": _(
        "Paste the text of the PEM with its BEGIN and END lines, and no path: no file is read here."
    ),
}
_LINES: Final = {"appids": 2, "hosts": 2}
_PEMS: Final = {"client_cert": 4, "wechatpay_public_key": 4, "platform_certificates": 4}


class KeyInput(forms.Textarea):
    """A field that is empty whenever it is shown, also after an error."""

    def __init__(self, rows: int) -> None:
        super().__init__(
            {"rows": rows, "autocomplete": "off", "spellcheck": "false", "class": "wxpay-key"}
        )

    def format_value(self, value: Any) -> str | None:  # noqa: ARG002
        return None


class KeyField(forms.CharField):
    """A key as a ``Secret``, from here on."""

    def __init__(self, label: str) -> None:
        is_pem = label in {"CLIENT_KEY", "PRIVATE_KEY"}
        super().__init__(
            label=label,
            required=False,
            max_length=_LONGEST,
            widget=KeyInput(rows=4 if is_pem else 1),
            help_text=_("Paste the whole PEM. It is not shown again; empty: it stays as it is.")
            if is_pem
            else _("It is not shown again; empty: it stays as it is."),
        )

    @method_decorator(sensitive_variables())
    def clean(self, value: Any) -> Any:
        return Secret(super().clean(value))


class MerchantAccountForm(ModelFormBase):
    """The settings without the keys; whatever is wrong is found as ``manage.py check`` does."""

    class Meta:
        model = MerchantAccount
        fields = ()
        widgets: ClassVar = {
            name: forms.Textarea({"rows": rows}) for name, rows in (_LINES | _PEMS).items()
        }
        help_texts: ClassVar = {
            "alias": _("It stands in notify_url: letters, digits, - and _. It cannot be changed."),
            "is_enabled": _("Otherwise no order is placed for it, and notifications get 404."),
            "appids": _("Further appids bound to MCH_ID, one a line."),
            "hosts": _("One a line, primary first; empty: those of WeChat Pay."),
            "platform_certificates": _("PEMs to start from, one after another; they are public."),
        }

    def new_keys(self) -> dict[str, Secret]:
        """Return the keys that were entered, and an empty one for each that is to be removed."""
        given = {name: self.cleaned_data.get(field) for name, field in KEY_FIELDS.items()}
        entered = {name: key for name, key in given.items() if key}
        return dict.fromkeys(self.cleaned_data.get("removed_keys", ()), Secret("")) | entered

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        for problem in account_problems(self.instance, self.new_keys()):
            name, words = problem.setting, translated(problem.words)
            field = next(
                (each for each in (name.lower(), KEY_FIELDS.get(name)) if each in self.fields), None
            )
            values = {
                "fault": f"{name} {words}" if name else words,
                "code": problem.code,
                "hint": _FORM_HINTS.get(name)
                or _FORM_HINTS.get(problem.code)
                or translated(HINTS[problem.code]),
            }
            self.add_error(field, gettext("%(fault)s (%(code)s). %(hint)s") % values)


class MerchantKeysForm(MerchantAccountForm):
    """The same with the keys, for those who may change them."""

    new_api_key = KeyField("API_KEY")
    new_api_v3_key = KeyField("API_V3_KEY")
    new_private_key = KeyField("PRIVATE_KEY")
    new_client_key = KeyField("CLIENT_KEY")
    removed_keys = forms.MultipleChoiceField(
        label=_("Remove keys"),
        required=False,
        choices=[(name, name) for name in SEALED],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Keys that this merchant is to be without."),
    )
