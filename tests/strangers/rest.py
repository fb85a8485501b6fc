"""How the strangers' own REST views answer; ours may not be changed by it."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response


class CamelCaseRenderer(JSONRenderer):
    """Every key in camel case, as djangorestframework-camel-case does."""

    def render(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        return super().render(camelized(data), *args, **kwargs)


class NobodyMay(BasePermission):
    """The strangers' own rule for their own views."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return False


def camelized(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            re.sub(r"_([a-z])", lambda found: found[1].upper(), str(key)): camelized(value)
            for key, value in data.items()
        }
    return [camelized(item) for item in data] if isinstance(data, list | tuple) else data


def answer_in_our_own_way(error: Exception, context: dict[str, Any]) -> Response | None:
    # REST framework imports the classes that its settings name while it imports its views.
    from rest_framework.views import exception_handler

    answer = exception_handler(error, context)
    return answer and Response({"success": False, "error": answer.data}, answer.status_code)
