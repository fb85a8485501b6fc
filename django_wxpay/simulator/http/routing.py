"""Routes of a request: to a gateway, a page or the control plane, and back through WSGI."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus

from django_wxpay.simulator.control.access import check_access
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.control.routes import control, error_response, not_allowed
from django_wxpay.simulator.http.messages import (
    HOME,
    NETWORK_FAULT_KEY,
    Environ,
    Request,
    Response,
    StartResponse,
    read_request,
    see_other,
)
from django_wxpay.simulator.pages.home import home
from django_wxpay.simulator.pages.order import is_order_page, order_page
from django_wxpay.simulator.pages.payment_code import code_page, is_code_page
from django_wxpay.simulator.pages.phone import cashier, phone
from django_wxpay.simulator.pages.rendering import STATIC, static_file
from django_wxpay.simulator.state.trades import H5_PATH
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.gateway import answer, operation_at
from django_wxpay.simulator.v3.gateway import answer_v3

# The global family has two prefixes (protocol-v3 section 1.1).
_V3 = ("/v3/", "/hk/v3/")


def respond(world: World, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one HTTP request, with its network fault where the server can make it."""
    response = _routed(world, read_request(environ))
    report_fault = environ.get(NETWORK_FAULT_KEY)
    if report_fault is None:
        response = _with_fault(response)
    else:
        report_fault(response.network_fault)
    return _started(response, start_response, head=environ["REQUEST_METHOD"] == "HEAD")


def _with_fault(response: Response) -> Response:
    """Apply the network fault as far as a WSGI application can on any server."""
    line = response.network_fault
    if line.delay_s:
        time.sleep(line.delay_s)
    if line.reset:
        raise ConnectionResetError("a scripted fault")
    return response if line.cut_at is None else replace(response, body=response.body[: line.cut_at])


def _started(response: Response, start_response: StartResponse, *, head: bool) -> Iterable[bytes]:
    status = HTTPStatus(response.status)
    headers = list(response.headers)
    if status is not HTTPStatus.NO_CONTENT:
        headers.insert(0, ("Content-Type", response.content_type))
        headers.append(("Content-Length", str(len(response.body))))
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if head else [response.body]


def _routed(world: World, request: Request) -> Response:
    path, is_reading = request.path, request.method in {"GET", "HEAD"}
    is_phone = is_reading and path == H5_PATH
    if is_phone or path.startswith(HOME):
        try:
            check_access(request, world.options)
        except ControlError as error:
            return error_response(error)
    if path.startswith(HOME):
        return _own(world, request, path.removeprefix(HOME))
    if is_reading and path in {"/", HOME.rstrip("/")}:
        # For a person who types the address of the host; no client of a gateway asks for it.
        return see_other(HOME)
    if is_phone:
        return cashier(world, request)
    if path.startswith(_V3):
        return answer_v3(world, request)
    return answer(world, operation_at(path), request)


def _own(world: World, request: Request, name: str) -> Response:
    """Answer a request for one of the pages, a file of theirs, or the control plane."""
    if name.startswith("phone/"):
        token = name.removeprefix("phone/")
        return (code_page if is_code_page(token) else phone)(world, request, token)
    if is_order_page(name):
        return order_page(world, request, name)
    file = name.removeprefix("static/") if name.startswith("static/") else ""
    if name and file not in STATIC:
        return control(world, request)
    if request.method not in {"GET", "HEAD"}:
        return not_allowed(("GET", "HEAD"))
    return static_file(file) if file else home(world, request)
