"""One process of the shop: ``web``, ``worker`` or ``simulator``, killed without warning.

Its receivers do what receivers do: write, raise, swallow an IntegrityError, and take too long.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django

# In how many of a hundred calls a receiver fails in each way.
_RAISES: Final = 8
_SWALLOWS: Final = 8
_HANGS: Final = 2
_HANGS_S: Final = 3.0

_dice = random.Random()


def receive(sender: Any, order: Any, event: Any, **_: Any) -> None:
    """Write down what was delivered: one row each time, so that a second one shows."""
    from django.db import IntegrityError

    from example_project.shop.models import Purchase

    kind = event.kind.lower()
    throw = _dice.randrange(100)
    Purchase.objects.create(tea=kind, title=order.out_trade_no, total_fee=order.total_fee)
    if throw < _RAISES:
        raise RuntimeError("the shop's own fault")
    if throw < _RAISES + _SWALLOWS:
        # The commonest way to say "there already", and it leaves the transaction broken.
        with suppress(IntegrityError):
            row = Purchase.objects.filter(title=order.out_trade_no).first()
            Purchase.objects.create(
                reference=row.reference, tea="twice", title=order.out_trade_no, total_fee=1
            )
    elif throw < _RAISES + _SWALLOWS + _HANGS:
        time.sleep(_HANGS_S)


def connect() -> None:
    """Connect the receivers; call it when Django is set up."""
    from django_wxpay.signals import order_closed, order_conflicted, order_paid

    for signal in (order_paid, order_closed, order_conflicted):
        signal.connect(receive)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        # Several processes take turns at one address, as workers of a real server do.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve() -> None:
    """Answer on the shop's address until the process is killed."""
    from django.core.wsgi import get_wsgi_application

    port = int(os.environ["CHAOS_SHOP_PORT"])
    server = _Server(("127.0.0.1", port), _Handler)
    server.set_app(get_wsgi_application())
    server.serve_forever()


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.chaos.settings"
    django.setup()
    connect()
    from django.core.management import call_command

    role = sys.argv[1]
    if role == "web":
        serve()
    elif role == "worker":
        call_command("wxpay_worker")
    else:
        call_command("wxpay_simulator", port=int(os.environ["CHAOS_SIMULATOR_PORT"]))


if __name__ == "__main__":
    main()
