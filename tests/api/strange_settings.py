"""Settings of a project whose REST framework is set up in every other way than ours expects."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotAcceptable
from rest_framework.filters import BaseFilterBackend
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

from tests.settings import *  # noqa: F403


class Respelt(JSONRenderer):
    """Answers in capitals, as others do in camelCase."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        return bytes(super().render(data, *args, **kwargs)).upper()


class RespeltPages(BrowsableAPIRenderer):
    def get_default_renderer(self, view: Any) -> Any:
        return Respelt()


class Nothing(JSONParser):
    def parse(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {}


class Empty(BaseFilterBackend):
    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        return queryset.none()


class NothingIsAcceptable(BaseContentNegotiation):
    def select_parser(self, request: Any, parsers: Any) -> Any:
        return parsers[-1]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        raise NotAcceptable


def respelt(exc: Exception, context: Any) -> Any:
    raise RuntimeError("the site's own handler was asked")


def hook(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    return {"respelt": "by the site's own hook"}


HERE = "tests.api.strange_settings"
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [f"{HERE}.Respelt", f"{HERE}.RespeltPages"],
    "DEFAULT_PARSER_CLASSES": [f"{HERE}.Nothing"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "DEFAULT_FILTER_BACKENDS": [f"{HERE}.Empty"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": f"{HERE}.NothingIsAcceptable",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "1.0",
    "ALLOWED_VERSIONS": ["1.0"],
    # None is a crash of REST framework's own where it still knows coreapi.
    "DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema",
    "EXCEPTION_HANDLER": f"{HERE}.respelt",
    "NON_FIELD_ERRORS_KEY": "detail",
    "PAGE_SIZE": None,
    "SEARCH_PARAM": "merchant",
    "DATETIME_FORMAT": "%d/%m/%Y",
    "DATETIME_INPUT_FORMATS": ["%d/%m/%Y"],
    "DATE_FORMAT": "%d/%m/%Y",
    "COERCE_BIGINT_TO_STRING": True,
    "COERCE_DECIMAL_TO_STRING": False,
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "STRICT_JSON": False,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "100/minute", "anon": "100/minute"},
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
}
SPECTACULAR_SETTINGS = {"POSTPROCESSING_HOOKS": [f"{HERE}.hook"], "SCHEMA_PATH_PREFIX": "/wxpay"}
USE_THOUSAND_SEPARATOR = True
