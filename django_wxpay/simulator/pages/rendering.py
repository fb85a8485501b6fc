"""How a page is made: a template of this package, its values escaped, and a strict policy."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Final

from django_wxpay.simulator.http.messages import Response

# Everything a page needs comes from the simulator itself; nothing runs in it.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)
STATIC: Final = {"simulator.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


NOTHING: Final = Markup()


def render(name: str, values: Mapping[str, str]) -> Markup:
    """Fill the template ``name``; every value that is not ``Markup`` is escaped."""
    safe = {
        key: value if isinstance(value, Markup) else html.escape(value)
        for key, value in values.items()
    }
    return Markup(_template(name).substitute(safe))


def joined(parts: list[Markup]) -> Markup:
    """Put pieces of a page under one another."""
    return Markup("\n".join(parts))


def page(content: Markup, *, kind: str, title: str, lang: str, status: int = 200) -> Response:
    """Return a whole page as an answer."""
    values = {"content": content, "kind": kind, "title": title, "lang": lang}
    return Response(
        body=render("base.html", values).encode(),
        status=status,
        content_type="text/html; charset=utf-8",
        headers=_HEADERS,
    )


def static_file(name: str) -> Response:
    """Return one of the files in ``STATIC``."""
    body = files("django_wxpay.simulator").joinpath("static", name).read_bytes()
    headers = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))
    return Response(body=body, content_type=STATIC[name], headers=headers)


@cache
def _template(name: str) -> Template:
    path = files("django_wxpay.simulator").joinpath("templates", name)
    return Template(path.read_text(encoding="utf-8"))
