"""The OpenAPI document of these routes, and of nothing else of the site.

Our views carry their own ``AutoSchema``, so that neither this document nor the site's own
one needs a setting.
"""

from __future__ import annotations

from typing import Any

from django.urls import include, path
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
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

import django_wxpay


class RouteSchema(AutoSchema):
    """Names each operation so that every generator of clients can spell it."""

    def get_operation_id(self) -> str:
        return str(super().get_operation_id()).replace(".", "_")


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


class Unlisted(AutoSchema):
    """Keeps the document's own route out of every document."""

    def is_excluded(self) -> bool:
        return True


class SchemaView(APIView):
    """The routes below this prefix as OpenAPI 3, in JSON or YAML. No data, so no login."""

    schema = Unlisted()
    permission_classes = (AllowAny,)
    versioning_class = None
    renderer_classes = (
        OpenApiYamlRenderer,
        OpenApiYamlRenderer2,
        OpenApiJsonRenderer,
        OpenApiJsonRenderer2,
    )

    def get(self, request: Request) -> Response:
        """Return the document, with the paths under which this site serves them."""
        prefix = request.path.removeprefix("/").removesuffix("schema/")
        patterns = [path(prefix, include("django_wxpay.api.urls"))]
        generator = RouteGenerator(patterns=patterns)  # type: ignore[no-untyped-call]
        document = generator.get_schema(request=request, public=True)
        return Response(document | {"info": _info()})


def _info() -> dict[str, Any]:
    return {
        "title": "WeChat Pay",
        "version": django_wxpay.__version__,
        "description": django_wxpay.__doc__,
    }
