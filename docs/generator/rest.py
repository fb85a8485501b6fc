"""The reference of the REST API, from its OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse

from docs.generator.markdown import code, page, table

# Each says the same of every route, so they are told once.
_ANYWHERE = {"401", "403", "406", "429", "503"}


def document() -> dict[str, Any]:
    """Return the OpenAPI document, as the site of a project serves it."""
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        answer = Client().get(reverse("django_wxpay:api-schema"), {"format": "json"})
    found: dict[str, Any] = json.loads(answer.content)
    return found


def rest_page() -> str:
    """Return every route with its parameters and answers, then every object."""
    known = document()
    routes = [
        _route(method, path, operation)
        for path, methods in known["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = known["components"]["schemas"]
    objects = [_object(name, schema) for name, schema in schemas.items()]
    return page(
        "REST",
        "Every route and every object of the OpenAPI document, which a project serves under "
        "`wxpay/api/schema/`. [The public interface](../interface.md#5-rest) has the permissions, "
        "the rules that hold across fields, and the errors.",
        "Every route may also answer 401 or 403 (no login, no permission), 406, 429, and 503 "
        "(wrong settings), with a `WXPayError`.",
        "## Routes",
        *routes,
        "## Objects",
        *objects,
    )


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    shown = path.partition("/api/")[2]
    parts = [f"### {method.upper()} {shown}", operation.get("description", "")]
    asked = [each for each in operation.get("parameters", []) if each["in"] == "query"]
    if asked:
        rows = [(code(each["name"]), _kind(each["schema"])) for each in asked]
        parts.append(table(["Query", "Type"], rows))
    if body := operation.get("requestBody"):
        parts.append(f"Takes {_content(body)}.")
    answers = [
        (status, _content(answer))
        for status, answer in operation["responses"].items()
        if status not in _ANYWHERE
    ]
    parts.append(table(["Status", "Answer"], answers))
    return "\n\n".join(parts)


def _content(holder: dict[str, Any]) -> str:
    kinds = holder.get("content", {})
    if "application/json" in kinds:
        return _kind(kinds["application/json"]["schema"])
    return ", ".join(map(code, kinds)) or "nothing"


def _object(name: str, schema: dict[str, Any]) -> str:
    text = schema.get("description", "")
    if "enum" in schema:
        return f"### {name}\n\nOne of {', '.join(code(repr(each)) for each in schema['enum'])}."
    wanted = set(schema.get("required", ()))
    rows = [
        (code(field), _kind(kind), "" if field in wanted else "optional")
        for field, kind in schema.get("properties", {}).items()
    ]
    return f"### {name}\n\n{text}\n\n{table(['Field', 'Type', ''], rows)}"


def _kind(schema: dict[str, Any]) -> str:
    """Return the type in a few words, with its bounds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{code(name)}](#{name.lower()})"
    if several := schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf"):
        text = " or ".join(map(_kind, several))
    elif "enum" in schema:
        text = "one of " + ", ".join(map(code, schema["enum"]))
    elif schema.get("type") == "array":
        text = f"list of {_kind(schema['items'])}"
    else:
        text = schema.get("format") or schema.get("type") or "anything"
    bounds = {"maxLength": "up to {} characters", "minimum": "from {}", "maximum": "to {}"}
    limits = [words.format(schema[name]) for name, words in bounds.items() if name in schema]
    return ", ".join([text, *limits]) + (" or null" if schema.get("nullable") else "")
