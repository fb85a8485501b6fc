"""Where WeChat Pay calls notify_url: no session, no CSRF, no login, no surrounding transaction.

The view knows HTTP's own words (404, 405, 413) and leaves every other to ``services``.
"""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from django_wxpay import services
from django_wxpay.exceptions import UnknownMerchant

# A v2 notice may be 64 KiB; a v3 one, told by its signature header, 1 MiB.
_LIMIT = 64 * 1024
_LIMIT_V3 = 1024 * 1024


@method_decorator([csrf_exempt, transaction.non_atomic_requests], name="dispatch")
class NotifyView(View):
    """Take a notification for one merchant; ``kind`` comes from the route."""

    http_method_names = ("post",)
    kind = "payment"

    def post(self, request: HttpRequest, merchant: str) -> HttpResponse:
        """Answer in the form of the protocol that asked; see interface.md section 4."""
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
    """Read one byte more than is allowed and no further; what breaks off reads as what came."""
    try:
        return request.read(most)
    except OSError:
        return b""
