"""Routes of the whole simulator: gateways, control plane, pages and static files."""

from __future__ import annotations

from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.control.routes import control, error_response, not_allowed
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.pages.home import home
from django_wxpay.simulator.pages.phone import phone
from django_wxpay.simulator.pages.rendering import STATIC, static_file
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.gateway import OPERATIONS, answer
from django_wxpay.simulator.v3.gateway import answer_v3

_H5 = "/cgi-bin/mmpayweb-bin/checkmweb"


def route(world: World, request: Request) -> Response:
    """Answer any request."""
    path = request.path
    if path.startswith("/v3/"):
        return answer_v3(world, request)
    operation = OPERATIONS.get(path)
    if operation is not None:
        return answer(world, operation, request)
    if path.startswith("/_simulator/"):
        return control(world, request)
    if path.startswith("/pay/"):
        return phone(world, request, path.removeprefix("/pay/"))
    return _page(world, request)


def _page(world: World, request: Request) -> Response:
    name = request.path.removeprefix("/static/")
    known = request.path in {"/", _H5} or name in STATIC
    if not known:
        return error_response(ControlError("not_found", "there is no such page", status=404))
    if request.method not in {"GET", "HEAD"}:
        return not_allowed(("GET", "HEAD"))
    if request.path == "/":
        return home(world, request)
    if request.path == _H5:
        return phone(world, request, request.query.get("prepay_id", ""))
    return static_file(name)
