"""The simulator inside a process: a ``requests`` adapter that calls it without sockets.

Delays cost no time here. One that is longer than the caller would have waited is the
time-out it would have been, at once; a shorter one is passed over.
"""

from __future__ import annotations

import errno
import io
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError

from django_wxpay.simulator.http.messages import Environ, Line
from django_wxpay.simulator.http.wsgi import Application, Called, call, environment

_PORTS: Final = {"http": 80, "https": 443}


class SimulatorAdapter(HTTPAdapter):
    """Mount it on a ``requests.Session`` under any address: ``session.mount(url, adapter)``."""

    def __init__(self, app: Application) -> None:
        super().__init__()
        self._app = app

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        *,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        **_: Any,
    ) -> requests.Response:
        """Carry one request to the simulator and its answer back, or raise what would happen."""
        called = call(self._app, _environment(request))
        _suffer(request, called.line, timeout)
        response = self.build_response(request, _raw(request, called))
        if not stream:
            # Reading is what notices an answer that breaks off.
            response.content  # noqa: B018
        return response


def _environment(request: requests.PreparedRequest) -> Environ:
    parts = urlsplit(request.url or "")
    body = request.body or b""
    return environment(
        method=request.method or "GET",
        scheme=parts.scheme,
        target=request.path_url,
        server=(parts.hostname or "", parts.port or _PORTS[parts.scheme]),
        headers={"Host": parts.netloc, **request.headers},
        body=body.encode() if isinstance(body, str) else bytes(body),
    )


def _suffer(
    request: requests.PreparedRequest,
    line: Line,
    timeout: float | tuple[float | None, float | None] | None,
) -> None:
    patience = timeout[1] if isinstance(timeout, tuple) else timeout
    if patience is not None and line.delay_s > patience:
        raise requests.ReadTimeout(f"Read timed out. (read timeout={patience})", request=request)
    if line.reset:
        reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        raise requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)


def _raw(request: requests.PreparedRequest, called: Called) -> HTTPResponse:
    return HTTPResponse(
        body=io.BytesIO(called.body[: called.line.cut_at]),
        headers=HTTPHeaderDict(called.headers),
        status=called.status,
        reason=called.reason,
        preload_content=False,
        enforce_content_length=True,
        request_method=request.method,
    )
