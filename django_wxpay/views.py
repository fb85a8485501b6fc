"""The notification endpoints (webhooks): no session, no CSRF, no login, no open transaction.

The view decides what is HTTP's own (404, 405, how much is read), and ``services`` the rest.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_wxpay import services
from django_wxpay.exceptions import UnknownMerchant
from django_wxpay.services.transactions import without_atomic_requests

logger = logging.getLogger("django_wxpay.notifications")

# The signature header marks a v3 notification, whose limit is larger (interface.md section 4).
_LIMIT: Final = 64 * 1024
_LIMIT_V3: Final = 1024 * 1024


class NotifyView(View):
    """Take a notification for one merchant; ``kind`` comes from the route."""

    http_method_names = ("post",)
    kind = "payment"

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Return the view, which no session, login or transaction stands around."""
        # Here and not on ``dispatch``, where a decorator is applied again for each request.
        view = super().as_view(**options)
        return csrf_exempt(login_not_required(without_atomic_requests(view)))

    def post(self, request: HttpRequest, merchant: str) -> HttpResponse:
        """Answer in the form of the protocol of the request (interface.md section 4)."""
        limit = _LIMIT_V3 if "Wechatpay-Signature" in request.headers else _LIMIT
        try:
            answer = services.receive_notification(
                merchant,
                self.kind,
                request.headers,
                _read(request, limit + 1),
            )
        except UnknownMerchant:
            return HttpResponse("no such merchant", status=404, content_type="text/plain")
        return HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)


def _read(request: HttpRequest, most: int) -> bytes:
    """Return the body up to ``most`` bytes; one that breaks off is empty, and so not authentic."""
    if getattr(request, "_read_started", False) and not hasattr(request, "_body"):
        # Nothing of it can be had again, so the notification is refused: this says why.
        logger.error("a middleware has read a notification as a stream, and left nothing of it")
    stream: Any = request.META["wsgi.input"] if _is_chunked(request) else request
    try:
        body: bytes = stream.read(most)
    except Exception as error:  # noqa: BLE001 - each server has exceptions of its own for a body
        logger.warning("the body of a notification broke off: %s", type(error).__name__)
        body = b""
    # ``request.body`` would hold a body of any size in memory, and refuse one that is larger than
    # the project lets a form be. What was read is put there, for middleware that looks at it
    # afterwards, such as an audit log.
    request._body = body  # noqa: SLF001
    return body


def _is_chunked(request: HttpRequest) -> bool:
    """Return whether only the server knows where the body ends.

    Django takes a WSGI request without a length for an empty one (its ticket 35838); a server
    that ends the body itself says so in ``wsgi.input_terminated``.
    """
    has_length = bool(request.META.get("CONTENT_LENGTH"))
    return not has_length and bool(request.META.get("wsgi.input_terminated"))
