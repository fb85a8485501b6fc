"""What every REST view has in common, whatever the site's own REST settings are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from rest_framework.filters import BaseFilterBackend
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import BaseParser

from django_wxpay.api.errors import answer_error
from django_wxpay.api.pagination import NewestFirst
from django_wxpay.api.parsers import SafeJSONParser
from django_wxpay.api.permissions import chosen_permissions
from django_wxpay.api.schema import RouteSchema
from django_wxpay.models import Order


@method_decorator([transaction.non_atomic_requests, never_cache], name="dispatch")
class WXPayView(GenericAPIView[Any]):
    """Logins, throttles and renderers are the site's; the rest is laid down here.

    Never inside a transaction, because a call to WeChat Pay must not hold one open.
    ``order`` is what an error is about, once it is known.
    """

    parser_classes: Sequence[type[BaseParser]] = (SafeJSONParser,)
    pagination_class = NewestFirst
    filter_backends: Sequence[type[BaseFilterBackend]] = ()
    versioning_class = None
    schema = RouteSchema()

    permission_to_read = ""
    permission_to_write = ""
    order: Order | None = None

    def get_permissions(self) -> Sequence[Any]:
        """Return what ``API_PERMISSION_CLASSES`` names, or the model permission."""
        return chosen_permissions()

    def get_exception_handler(self) -> Callable[..., Any]:
        """Return ours, and leave the site's alone."""
        return answer_error
