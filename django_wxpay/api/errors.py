"""Errors over HTTP: ``{"code", "detail", ...}``, decided by the exception's class.

This is the exception handler of our views alone; the site's own ``EXCEPTION_HANDLER`` is
neither called nor replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, UnreadablePostError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response

from django_wxpay.api.fields import NON_FIELD_ERRORS
from django_wxpay.exceptions import (
    BadAnswer,
    BillNotReady,
    BillStorageError,
    ConfigurationError,
    InvalidBill,
    InvalidParameter,
    NotRefundable,
    OrderBusy,
    OrderConflict,
    OutcomeUnknown,
    RefundConflict,
    Refused,
    WXPayError,
)
from django_wxpay.models import Order
from django_wxpay.models.sentences import translated

logger = logging.getLogger("django_wxpay.api")

# Subclasses first; what is not here is a fault and stays a 500.
ANSWERS: Final[tuple[tuple[type[WXPayError], HTTPStatus, str, Any], ...]] = (
    (OrderConflict, HTTPStatus.CONFLICT, "order_conflict", None),
    (RefundConflict, HTTPStatus.CONFLICT, "refund_conflict", None),
    (
        BillNotReady,
        HTTPStatus.CONFLICT,
        "not_ready",
        _(
            "WeChat Pay has not made this bill yet. It is ready after 10:00 in Beijing the next "
            "day."
        ),
    ),
    (NotRefundable, HTTPStatus.UNPROCESSABLE_ENTITY, "refused", None),
    (Refused, HTTPStatus.UNPROCESSABLE_ENTITY, "refused", None),
    (
        BadAnswer,
        HTTPStatus.BAD_GATEWAY,
        "bad_answer",
        _("An answer came that cannot be trusted. The order may or may not exist; ask again."),
    ),
    (
        OrderBusy,
        HTTPStatus.CONFLICT,
        "busy",
        _(
            "Another call works on this order, so WeChat Pay was not asked. Ask again in a few "
            "seconds."
        ),
    ),
    # What WeChat Pay gave is at fault, and not what was posted.
    (
        InvalidBill,
        HTTPStatus.BAD_GATEWAY,
        "invalid_bill",
        _("The bill cannot be read, and nothing of it was applied; `problem` says why."),
    ),
    (
        OutcomeUnknown,
        HTTPStatus.GATEWAY_TIMEOUT,
        "outcome_unknown",
        _("No answer came from WeChat Pay. The order may or may not exist; ask again."),
    ),
    (
        BillStorageError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "bill_storage",
        _("The storage of this site does not take the file of a bill, or does not give it back."),
    ),
    (
        ConfigurationError,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "misconfigured",
        _("The WeChat Pay settings of this site are wrong; `manage.py check` says how."),
    ),
)
# In the place of the sentences above, where the call was about a refund.
OF_REFUNDS: Final[dict[str, Any]] = {
    "bad_answer": _(
        "An answer came that cannot be trusted. Refund %(out_refund_no)s may or may not have been "
        "made; ask again under the same number."
    ),
    "outcome_unknown": _(
        "No answer came from WeChat Pay. Refund %(out_refund_no)s may or may not have been made; "
        "ask again under the same number."
    ),
    "busy": _(
        "Another call sends refund %(out_refund_no)s, so WeChat Pay was not asked. Ask again in a "
        "few seconds, under the same number."
    ),
}
# A call at work ends within seconds, and to ask costs one row.
RETRY_AFTER_S: Final = 5


class BodyTooLarge(exceptions.APIException):
    """A body that is larger than any that these routes take."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = _("The body is too large.")


def answer_error(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to ``exc``, or None for a fault of ours, which Django then reports."""
    if isinstance(exc, RequestDataTooBig):
        exc = BodyTooLarge()
    if isinstance(exc, SuspiciousOperation | UnreadablePostError):
        # Django's own page of a 400 is HTML.
        exc = exceptions.ParseError()
    if isinstance(exc, InvalidParameter) and not isinstance(exc, NotRefundable):
        exc = exceptions.ValidationError({exc.field: [_sentence(exc)]})
    if isinstance(exc, exceptions.ValidationError | exceptions.ParseError):
        return Response(_invalid(exc.detail), status=HTTPStatus.BAD_REQUEST)
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    if isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    if isinstance(exc, exceptions.APIException):
        return _of_the_framework(exc)
    return _of_ours(exc, context)


def _sentence(invalid: InvalidParameter) -> str:
    problem = translated(invalid.problem)
    if not invalid.rule:
        return problem
    words = {"problem": problem, "rule": translated(invalid.rule)}
    return gettext("%(problem)s (%(rule)s)") % words


def _invalid(detail: Any) -> dict[str, Any]:
    if not isinstance(detail, Mapping):
        return {"code": "invalid", "detail": _in_a_sentence(detail), "errors": {}}
    names = ", ".join(name for name in detail if name != NON_FIELD_ERRORS)
    summary = gettext("Refused because of: %(names)s.") % {"names": names}
    if not names:
        summary = gettext("The request is not of the form that is asked for.")
    # The envelope's own keys come last: an order has a field called ``detail``, and a caller may
    # post one called ``code``. Under ``errors`` no name is taken.
    return {**detail, "code": "invalid", "detail": summary, "errors": detail}


def _of_the_framework(exc: exceptions.APIException) -> Response:
    headers = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(exc, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    codes = exc.get_codes()
    code = codes if isinstance(codes, str) else exc.default_code
    body = {"code": code, "detail": _in_a_sentence(exc.detail)}
    return Response(body, status=exc.status_code, headers=headers)


def _in_a_sentence(detail: Any) -> str:
    # Login classes of others raise whole objects, and keep the sentence under this name.
    if isinstance(detail, Mapping):
        detail = detail.get("detail") or next(iter(detail.values()), "")
        return _in_a_sentence(detail)
    if isinstance(detail, list | tuple):
        return " ".join(_in_a_sentence(line) for line in detail)
    return str(detail)


def _of_ours(exc: Exception, context: dict[str, Any]) -> Response | None:
    for kind, status, code, detail in ANSWERS:
        if isinstance(exc, kind):
            logger.log(
                logging.ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO,
                "answered %d %s: %s",
                status,
                code,
                exc,
            )
            body = {"code": code, "detail": detail or _detail(exc), **_particulars(exc)}
            body |= _order_of(context) | _refund_of(exc, context)
            if "out_refund_no" in body and code in OF_REFUNDS:
                body["detail"] = OF_REFUNDS[code] % body
            headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(exc, OrderBusy) else None
            return Response(body, status=status, headers=headers)
    return None


def _detail(exc: WXPayError) -> str:
    if isinstance(exc, NotRefundable):
        return _sentence(exc)
    if isinstance(exc, Refused):
        # What WeChat Pay says stays as it was said.
        exc = Refused(exc.err_code, exc.err_code_des, translated(exc.advice))
    return translated(str(exc))


def _particulars(exc: WXPayError) -> dict[str, Any]:
    if isinstance(exc, Refused):
        return {
            "err_code": exc.err_code,
            "err_code_des": exc.err_code_des,
            "advice": translated(exc.advice),
            "kind": exc.kind,
        }
    if isinstance(exc, NotRefundable):
        # In the words of a refusal, which it would be if WeChat Pay were asked.
        return {
            "err_code": "NOT_REFUNDABLE",
            "err_code_des": translated(exc.problem),
            "advice": translated(exc.rule),
            "kind": "NOT_REFUNDABLE",
            "refundable": exc.refundable,
        }
    if isinstance(exc, OrderConflict):
        return {"out_trade_no": exc.out_trade_no, "fields": list(exc.fields)}
    if isinstance(exc, RefundConflict):
        return {"out_refund_no": exc.out_refund_no, "fields": list(exc.fields)}
    if isinstance(exc, InvalidBill):
        return {"line": exc.line, "column": exc.column, "problem": exc.problem}
    return {}


def _order_of(context: dict[str, Any]) -> dict[str, Any]:
    # The caller asks again with it: the order may exist at WeChat Pay.
    order: Order | None = getattr(context.get("view"), "order", None)
    return {} if order is None else {"id": order.pk, "out_trade_no": order.out_trade_no}


def _refund_of(exc: WXPayError, context: dict[str, Any]) -> dict[str, Any]:
    # The number may be of our making, and the caller has to ask again under the same.
    asked = getattr(context.get("view"), "out_refund_no", "")
    number = asked or getattr(exc, "out_refund_no", "")
    return {"out_refund_no": number} if number else {}
