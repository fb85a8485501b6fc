"""Pages out of templates, and static files.

Django's template engine escapes every value; it runs without settings, and a strict content
policy lets a page load nothing from elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from django.template import Context, Engine

from django_wxpay.simulator.http.messages import Response
from django_wxpay.simulator.pages.messages import Messages

# Everything a page needs comes from the simulator itself: one script that reads the page again.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    # Not "no-referrer": a form would then hide its origin from the simulator as well.
    ("Referrer-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_HOME: Final = Path(__file__).resolve().parents[1]
# A name that a template asks for and does not get is shown, so that a test can notice it.
_ENGINE: Final = Engine(dirs=[str(_HOME / "templates")], string_if_invalid="MISSING %s")
STATIC: Final = {
    "simulator.css": "text/css; charset=utf-8",
    "simulator.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


def page(
    template: str, *, title: str, messages: Messages, status: int = 200, **values: Any
) -> Response:
    """Return ``template``, filled with ``values``, as an answer."""
    # Without the two switches the engine would look at Django's settings, which are not there.
    context = Context(
        {"title": title, "messages": messages, **values}, use_l10n=False, use_tz=False
    )
    return Response(
        body=_ENGINE.get_template(template).render(context).encode(),
        status=status,
        content_type="text/html; charset=utf-8",
        headers=_HEADERS,
    )


def static_file(name: str) -> Response:
    """Return one of the files in ``STATIC``."""
    headers = (("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-cache"))
    body = (_HOME / "static" / name).read_bytes()
    return Response(body=body, content_type=STATIC[name], headers=headers)
