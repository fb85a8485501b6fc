"""Admin actions: one call of a service for a person, and its result as a message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.exceptions import BadAnswer, OrderBusy, OutcomeUnknown, Refused, WXPayError
from django_wxpay.models.sentences import translated


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Sentences for no answer at all, and for one that cannot be trusted."""

    silent: Any
    untrusted: Any


UNCHANGED: Final = NoAnswer(
    silent=_("No answer came from WeChat Pay, so nothing was changed. Asking again is safe."),
    untrusted=_(
        "WeChat Pay gave no trustworthy answer, so nothing was changed. Asking again is safe."
    ),
)
_BUSY: Final = _(
    "Another call works on it, so WeChat Pay was not asked. Try again in a few seconds."
)


def run_action(
    request: HttpRequest,
    subject: str,
    verb: Callable[[], str],
    *,
    no_answer: NoAnswer = UNCHANGED,
    passing: tuple[type[WXPayError], ...] = (),
) -> str:
    """Run ``verb``, show its result as a message about ``subject``, and return that for the log.

    ``verb`` returns the sentence of its success. Errors of the classes ``passing`` are raised.
    """
    try:
        level, result = messages.SUCCESS, verb()
    except passing:
        raise
    except Refused as exc:
        level, result = messages.ERROR, _refusal(exc)
    except BadAnswer:
        level, result = messages.WARNING, str(no_answer.untrusted)
    except OrderBusy:
        level, result = messages.WARNING, str(_BUSY)
    except OutcomeUnknown:
        level, result = messages.WARNING, str(no_answer.silent)
    except WXPayError as exc:
        level, result = messages.ERROR, translated(str(exc))
    sentence = f"{subject}: {result}"
    # What was done is done, and in the log: a page without messages must not look like a failure.
    messages.add_message(request, level, sentence, fail_silently=True)
    return sentence


def too_many(request: HttpRequest, chosen: QuerySet[Any], most: int) -> bool:
    """Return whether more rows are chosen than a person would wait for, with a message if so."""
    # Those of a whole list may be millions; in no order, so that no index is walked to count them.
    if chosen.order_by()[: most + 1].count() <= most:
        return False
    sentence = _("Each of these is a call to WeChat Pay; please choose at most %(most)d at once.")
    messages.error(request, sentence % {"most": most}, fail_silently=True)
    return True


def _refusal(refused: Refused) -> str:
    values: dict[str, Any] = {"code": refused.err_code, "words": refused.err_code_des}
    text = gettext("WeChat Pay refused (%(code)s).") % values
    if refused.err_code_des:
        text = gettext("WeChat Pay refused (%(code)s: %(words)s).") % values
    return f"{text} {translated(refused.advice)}" if refused.advice else text
