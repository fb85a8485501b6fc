"""Asking a service on a person's behalf, and saying in plain words what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.exceptions import BadAnswer, OutcomeUnknown, Refused, WXPayError

_UNTRUSTED: Final = _(
    "An answer came that cannot be trusted, so nothing was changed. Asking again is safe."
)
_SILENT: Final = _("No answer came from WeChat Pay, so nothing is known. Asking again is safe.")


def ask(request: HttpRequest, subject: str, verb: Callable[[], str]) -> str:
    """Run ``verb`` and tell the person about ``subject``; return what was told, for the log.

    ``verb`` returns its good news as a sentence.
    """
    try:
        level, said = messages.SUCCESS, verb()
    except Refused as exc:
        level, said = messages.ERROR, _refusal(exc)
    except BadAnswer:
        level, said = messages.WARNING, str(_UNTRUSTED)
    except OutcomeUnknown:
        level, said = messages.WARNING, str(_SILENT)
    except WXPayError as exc:
        level, said = messages.ERROR, str(exc)
    sentence = f"{subject}: {said}"
    messages.add_message(request, level, sentence)
    return sentence


def too_many(request: HttpRequest, count: int, most: int) -> bool:
    """Say whether more rows are chosen than a person would wait for, and tell them."""
    if count <= most:
        return False
    said = _("Each of these is a call to WeChat Pay; please choose at most %(most)d at once.")
    messages.error(request, said % {"most": most})
    return True


def _refusal(refused: Refused) -> str:
    values: dict[str, Any] = {"code": refused.err_code, "words": refused.err_code_des}
    said = gettext("WeChat Pay said no (%(code)s).") % values
    if refused.err_code_des:
        said = gettext("WeChat Pay said no (%(code)s: %(words)s).") % values
    return f"{said} {gettext(refused.advice)}" if refused.advice else said
