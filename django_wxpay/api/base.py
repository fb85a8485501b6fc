"""The base of every REST view, and what a body may be.

Logins and throttles are the site's. What the contract rests on is ours, whatever the site's own
REST settings are: requests and answers, permissions, pages, filters, versions and errors.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from django.utils.decorators import method_decorator
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.filters import BaseFilterBackend
from rest_framework.generics import GenericAPIView
from rest_framework.metadata import SimpleMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from django_wxpay import conf
from django_wxpay.api.errors import BodyTooLarge, answer_error
from django_wxpay.api.fields import asked_key
from django_wxpay.api.pages import NewestFirst
from django_wxpay.api.schema import RouteSchema
from django_wxpay.models import Order
from django_wxpay.services.transactions import without_atomic_requests

# An order's longest texts are 6000 characters of detail, 12 bytes each where they are escaped.
LARGEST_BODY: Final = 128 * 1024
# Each of those characters may be a comma.
MOST_VALUES: Final = 10_000
DEEPEST: Final = 32


class SafeJSONParser(JSONParser):
    """JSON alone, because a form has no integers; too much of it is refused before it is read."""

    strict = True

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        context = {**(parser_context or {}), "encoding": "utf-8"}
        body: bytes = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
        if sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
            raise ParseError(_("The JSON holds too many values."))
        try:
            # JSON is UTF-8. A charset of the caller's may name any codec, bz2 among them, which
            # REST framework 3.16 would unpack without end.
            value = super().parse(io.BytesIO(body), media_type, context)
        except RecursionError:
            raise _too_deep() from None
        if _is_deeper(value, DEEPEST):
            raise _too_deep()
        return value


def _too_deep() -> ParseError:
    return ParseError(_("The JSON is nested too deeply."))


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether lists and objects stand in one another more than ``levels`` deep."""
    level = [value]
    for _level in range(levels + 1):
        holders = [one for one in level if isinstance(one, dict | list)]
        if not holders:
            return False
        level = [
            held for one in holders for held in (one.values() if isinstance(one, dict) else one)
        ]
    return True


class HoldsModelPermission(BasePermission):
    """A login that holds the view's ``permission_to_read`` (GET) or ``permission_to_write`` (POST).

    A method that the view does not answer is let through to its 405.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        # Before any object is looked for, so that a 403 does not reveal which objects exist.
        user = request.user
        if not getattr(user, "is_authenticated", False):
            return False
        if not hasattr(view, str(request.method).lower()):
            return True
        sufficient = [f"django_wxpay.{name}" for name in _sufficient(request, view)]
        # One instance for each request.
        self.message = _("This needs the permission %s.") % " / ".join(sufficient)
        return any(user.has_perm(name) for name in sufficient)


def _sufficient(request: Request, view: APIView) -> Iterator[str]:
    read, write = view.permission_to_read, view.permission_to_write  # type: ignore[attr-defined]
    if read and request.method in SAFE_METHODS:
        yield read
    if write and request.method not in {"GET", "HEAD"}:
        yield write


# Never inside a transaction, because a call to WeChat Pay must not hold one open.
@method_decorator([without_atomic_requests, never_cache], name="dispatch")
class WXPayView(GenericAPIView[Any]):
    """``order`` is what an error is about, once it is known."""

    parser_classes: Sequence[type[BaseParser]] = (SafeJSONParser,)
    # Not the site's: one that respells keys on the way out would not be undone on the way in.
    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer, BrowsableAPIRenderer)
    content_negotiation_class = DefaultContentNegotiation
    metadata_class = SimpleMetadata
    pagination_class = NewestFirst
    filter_backends: Sequence[type[BaseFilterBackend]] = ()
    versioning_class = None
    schema = RouteSchema()

    permission_to_read = ""
    permission_to_write = ""
    order: Order | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read as UTF-8, whichever charset the request names, and no body that is too large."""
        # Some charsets decode to half a character, and some to no text at all. Not before this
        # method: only here is what Django raises meanwhile answered in JSON.
        request.parser_context["encoding"] = request._request.encoding = "utf-8"  # noqa: SLF001
        length = request.META.get("CONTENT_LENGTH") or "0"
        is_too_large = length.isascii() and length.isdigit() and int(length) > LARGEST_BODY
        if not is_too_large:
            # Kept, before a login class looks for a form in it: before 3.18, REST framework uses
            # the body up, and middleware that looks at it afterwards, such as an audit log, would
            # turn an order that was placed into a 500.
            request._request.body  # noqa: B018, SLF001
        super().initial(request, *args, **kwargs)
        if is_too_large:
            raise BodyTooLarge

    def get_object(self) -> Any:
        """Return the row of the address; a key that no row can have is a 404 like any other."""
        if asked_key(self.kwargs["pk"]) is None:
            raise NotFound
        return super().get_object()

    def get_permissions(self) -> Sequence[Any]:
        """Return what ``API_PERMISSION_CLASSES`` names, or the model permission."""
        paths = conf.current().api_permission_classes
        if paths is None:
            return [HoldsModelPermission()]
        return [import_string(path)() for path in paths]

    def get_renderers(self) -> list[BaseRenderer]:
        """Return ours, without the pages for browsing where the site has none."""
        classes: Any = api_settings.DEFAULT_RENDERER_CLASSES
        ours = super().get_renderers()
        if any(issubclass(each, BrowsableAPIRenderer) for each in classes):
            return ours
        return [each for each in ours if not isinstance(each, BrowsableAPIRenderer)]

    def get_exception_handler(self) -> Callable[..., Any]:
        return answer_error
