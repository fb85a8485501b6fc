"""The sentences for how a notification and a delivery ended, made where they are read.

A row holds a code with its parameters, so that one row reads well in every language, and so that a
test asks for the code and not for how a sentence begins. What WeChat Pay or an exception says is a
parameter, and stays as it was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from django.db.models import TextChoices
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.choices import REFUND_STATUSES, TRADE_STATES
from django_wxpay.models.labels import LABELS
from django_wxpay.protocol.money import format_amount
from django_wxpay.protocol.notices import Doubt
from django_wxpay.protocol.sentences import Sentence
from django_wxpay.protocol.states import AT_MOST, Demand


class Reasons(TextChoices):
    """Why a notification ended as it did; of DIFFERENT the differences are the sentence."""

    UNKNOWN_ORDER = "UNKNOWN_ORDER", _("no such order")
    UNREADABLE = "UNREADABLE", _("not readable: %(problem)s")
    UNPROVEN = "UNPROVEN", _("not proven: %(doubt)s")
    OTHER_PRODUCT = "OTHER_PRODUCT", _("for notification_received: %(product)s")
    SAID_ALREADY = "SAID_ALREADY", _("another notification says the same")
    NOT_SUCCESS = "NOT_SUCCESS", _("result_code is not SUCCESS")
    DIFFERENT = "DIFFERENT", _("contradicts the order")
    OUR_TROUBLE = "OUR_TROUBLE", _("not settled, please send again (%(error)s)")


DOUBTS: Final[dict[str, Any]] = {
    Doubt.CAN_BE_CUT: _("its values could be cut into other fields"),
    Doubt.NO_APPID: _("it names no appid"),
    Doubt.IS_AN_ANSWER: _("it is an answer to a query"),
    Doubt.UNSIGNED: _("WeChat Pay does not sign it"),
    Doubt.OTHER_ATTACH: _("its attach is not the order's"),
    Doubt.OTHER_TRADE_TYPE: _("its trade_type is not the order's"),
    Doubt.BY_CODE: _("a payment by code is not notified of, and may be on its way back"),
}
DEMANDS: Final[dict[str, Any]] = {
    Demand.ANY_NUMBER: _("a number"),
    Demand.OF_THIS_ORDER: _("a refund of this order"),
    Demand.OF_NO_OTHER_ORDER: _("of no other order"),
    Demand.OF_NO_OTHER_REFUND: _("of no other refund"),
}
_AMOUNTS: Final = frozenset({"total_fee", "refund_fee"})
_STATES: Final[dict[str, Mapping[str, Any]]] = {
    "trade_state": TRADE_STATES,
    "refund_status": REFUND_STATUSES,
}
_UNKNOWN: Final = dict.fromkeys(("problem", "doubt", "product", "error"), "-")
_NO_END: Final = "NO_END"


def translated(text: str) -> str:
    """Return a sentence of the protocol in the reader's language; other text as it is.

    Advice on a refusal is such a sentence too, kept as its English text.
    """
    if not isinstance(text, Sentence):
        return gettext(text) if text else ""
    values = {
        name: translated(value) if isinstance(value, Sentence) else value
        for name, value in text.values.items()
    }
    return gettext(text.form) % values if values else gettext(text.form)


def in_english(sentence: Callable[[], str]) -> str:
    """Return what ``sentence`` makes where no language is chosen: for logs, REST and the doctor."""
    with override(None):
        return sentence()


def reason_text(code: str, params: Mapping[str, Any], *, for_people: bool = False) -> str:
    """Return why a notification ended as it did, "" where nothing was wrong.

    ``for_people`` writes amounts, states and the names of fields as pages do.
    """
    if code not in Reasons:
        return code
    if code == Reasons.DIFFERENT:
        currency = params.get("fee_type", "") if for_people else ""
        return "; ".join(differences_text(params.get("differences", ()), currency=currency))
    words = {**_UNKNOWN, **params}
    words["doubt"] = DOUBTS.get(words["doubt"], words["doubt"])
    return str(Reasons(code).label) % words


def differences_text(rows: Iterable[Sequence[str]], *, currency: str = "") -> list[str]:
    """Return one sentence for each (field, expected, stated).

    In a ``currency`` they are for people; without one, amounts are in minor units, and fields and
    states have their names on the wire.
    """
    sentence = gettext("%(name)s: expected %(ours)s, received %(theirs)s")
    return [
        sentence
        % {
            "name": LABELS.get(name, name) if currency else name,
            "ours": _value(name, ours, currency),
            "theirs": _value(name, theirs, currency),
        }
        for name, ours, theirs in rows
    ]


def _value(name: str, value: str, currency: str) -> str:
    if value.startswith(AT_MOST):
        most = _value(name, value.removeprefix(AT_MOST), currency)
        return gettext("at most %(most)s") % {"most": most}
    if value in DEMANDS:
        return str(DEMANDS[value])
    if currency and name in _AMOUNTS and value.isdecimal():
        return format_amount(int(value), currency)
    if currency:
        value = str(_STATES.get(name, {}).get(value, value))
    return value or "-"


def no_end(waited_s: float) -> str:
    """Return the error of an event whose receiver had not ended after so many seconds."""
    return f"{_NO_END} {waited_s:g}"


def error_text(error: str) -> str:
    """Return the error of an event: what its receiver raised, or that it has not ended."""
    code, _space, seconds = error.partition(" ")
    if code != _NO_END:
        return error
    sentence = gettext("no end after %(seconds)s s: the receiver hangs, or takes too long")
    return sentence % {"seconds": seconds}
