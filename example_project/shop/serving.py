"""Serving the shop on this machine, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from wsgiref.types import WSGIApplication

from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

HOST: Final = "127.0.0.1"


@contextmanager
def serving(application: WSGIApplication, *, port: int = 0) -> Iterator[str]:
    """Serve ``application`` and give its address; 0 is any free port.

    Raises ``OSError`` or ``OverflowError`` when the port cannot be listened on.
    """
    server = ThreadedWSGIServer((HOST, port), WSGIRequestHandler)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
