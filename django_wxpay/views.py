"""The notification endpoints (webhooks): no session, no CSRF, no login, no open transaction.

The view decides what is HTTP's own (404, 405, how much is read), and ``services`` the rest.
"""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_wxpay import services
from django_wxpay.exceptions import UnknownMerchant

# The signature header marks a v3 notification, whose limit is larger (interface.md section 4).
_LIMIT = 64 * 1024
_LIMIT_V3 = 1024 * 1024


@method_decorator([csrf_exempt, transaction.non_atomic_requests], name="dispatch")
class NotifyView(View):
    """Take a notification for one merchant; ``kind`` comes from the route."""

    http_method_names = ("post",)
    kind = "payment"

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
    try:
        return request.read(most)
    except OSError:
        return b""
