"""The OpenAPI document of these routes, and of nothing else of the site.

Our views carry their own ``AutoSchema``, so that neither this document nor the site's own
one needs a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from django.http import HttpResponse
from django.urls import include, path
from django.utils.translation import get_language
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.hooks import postprocess_schema_enums
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import (
    build_root_object,
    normalize_result_object,
    sanitize_result_object,
)
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from drf_spectacular.utils import Direction
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

import django_wxpay
from django_wxpay.api.error_bodies import WXPayErrorSerializer, WXPayInvalidSerializer
from django_wxpay.api.fields import LARGEST_KEY

_JSON: Final = "application/json"
_KEY: Final = {"type": "integer", "minimum": 1, "maximum": LARGEST_KEY}

# The errors that a route may answer whatever it does: its own are named beside its view.
_ANYWHERE: Final = {
    400: WXPayInvalidSerializer,
    401: WXPayErrorSerializer,
    403: WXPayErrorSerializer,
    406: WXPayErrorSerializer,
    429: WXPayErrorSerializer,
    503: WXPayErrorSerializer,
}
_OF_A_BODY: Final = {413: WXPayErrorSerializer, 415: WXPayErrorSerializer}
_OF_A_ROW: Final = {404: WXPayErrorSerializer}


class RouteSchema(AutoSchema):
    """The operations as they are: spelt for every generator of clients, with all their errors."""

    def get_operation_id(self) -> str:
        return str(super().get_operation_id()).replace(".", "_")

    def _resolve_path_parameters(self, variables: Sequence[str]) -> list[dict[str, Any]]:
        # Text to Django's routes, so that a key that no row can have is a 404 in JSON.
        found = super()._resolve_path_parameters(variables)  # type: ignore[no-untyped-call]
        return [row | {"schema": _KEY} if row["name"] == "id" else row for row in found]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies = super()._get_response_bodies(direction)
        errors = {
            **_ANYWHERE,
            **(_OF_A_ROW if "{id}" in self.path else {}),
            **(_OF_A_BODY if self.method == "POST" else {}),
        }
        for status, serializer in errors.items():
            if str(status) not in bodies:
                bodies[str(status)] = self._get_response_for_code(serializer, str(status))
        return dict(sorted(bodies.items()))

    def _get_response_for_code(
        self,
        serializer: Any,
        status_code: str,
        media_types: list[str] | None = None,
        direction: Direction = "response",
    ) -> dict[str, Any]:
        # An error is JSON, also where the answer is a picture.
        chosen = media_types if status_code < "400" else [_JSON]
        response: dict[str, Any] = super()._get_response_for_code(  # type: ignore[no-untyped-call]
            serializer, status_code, chosen, direction
        )
        return response


class RouteGenerator(SchemaGenerator):
    """Leaves out the site's own hooks: they respell keys (camelCase) that these routes do not."""

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        root = build_root_object(
            paths=self.parse(request, public),  # type: ignore[no-untyped-call]
            components=self.registry.build({}),
            webhooks={},
            version=None,
        )
        named = postprocess_schema_enums(root, self)  # type: ignore[no-untyped-call]
        whole = normalize_result_object(named)  # type: ignore[no-untyped-call]
        return dict(sanitize_result_object(whole))  # type: ignore[no-untyped-call]


# By the names that the address may ask for.
_RENDERERS: Final[dict[str, type[BaseRenderer]]] = {
    renderer.format: renderer for renderer in (OpenApiYamlRenderer, OpenApiJsonRenderer)
}


class Unlisted(AutoSchema):
    """Keeps the document's own route out of every document."""

    def is_excluded(self) -> bool:
        return True


@lru_cache(maxsize=64)
def rendered(prefix: str, language: str | None, form: str) -> bytes:  # noqa: ARG001
    """Return the document of the routes below ``prefix``, made once for each language and format.

    It takes as long as a hundred refused notifications, and nobody need log in to ask for it. A
    prefix may hold what the address captures, so the number that is kept is bounded.
    """
    patterns = [path(prefix, include("django_wxpay.api.urls"))]
    generator = RouteGenerator(patterns=patterns)  # type: ignore[no-untyped-call]
    document = generator.get_schema(public=True)
    renderer: Any = _RENDERERS[form]()
    whole = renderer.render(document | {"info": _info()}, renderer_context={})
    return bytes(whole)


class SchemaView(APIView):
    """The routes below this prefix as OpenAPI 3, in JSON or YAML. No data, so no login."""

    schema = Unlisted()
    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = DefaultContentNegotiation
    versioning_class = None
    renderer_classes = (
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiJsonRenderer2,
    )

    def get(self, request: Request) -> HttpResponse:
        """Return the document, with the paths under which this site serves them."""
        # With the mount (SCRIPT_NAME), which the paths have to show.
        prefix = request.path.removeprefix("/").removesuffix("schema/")
        renderer = request.accepted_renderer
        body = rendered(prefix, get_language(), renderer.format)
        return HttpResponse(body, content_type=renderer.media_type)


def _info() -> dict[str, Any]:
    return {
        "title": "WeChat Pay",
        "version": django_wxpay.__version__,
        "description": django_wxpay.__doc__,
    }
