"""One process of the shop: ``web``, ``worker`` or ``simulator``, killed without warning.

Its receivers do what receivers do: write, raise, swallow an IntegrityError, take too long, and
take their process with them.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import time
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django

# In how many of a hundred calls a receiver fails in each way.
_RAISES: Final = 10
_SWALLOWS: Final = 8
_HANGS: Final = 2
_KILLS: Final = 1
_HANGS_S: Final = 3.0
# Sales end within seconds, for the simulator reverses at any age (protocol-v2 section 6.3).
_REVERSIBLE_AFTER_S: Final = 1
_OPTIONS: Final[dict[str, Any]] = {
    "unknown_codes": "refuse",
    "password_s": 2.0,
    "recalls": 1,
    "refund_settles_s": 2.0,
}

_dice = random.Random()


def receive(sender: Any, order: Any, event: Any, refund: Any = None, **_: Any) -> None:
    """Write down what was delivered: one row each time, so that a second one shows."""
    from example_project.shop.models import Purchase

    kind, title = event.kind.lower(), order.out_trade_no
    if event.kind == "REFUND_SETTLED":
        # What it came to with this event: a refund that was closed may be asked for again.
        kind, title = f"refund_{event.detail['refund_status'].lower()}", refund.out_refund_no
    Purchase.objects.create(tea=kind, title=title, total_fee=order.total_fee)
    _fail(title)


def _fail(title: str) -> None:
    from django.db import IntegrityError

    from example_project.shop.models import Purchase

    throw = _dice.randrange(100)
    if throw < _RAISES:
        raise RuntimeError("the shop's own fault")
    throw -= _RAISES
    if throw < _SWALLOWS:
        # The commonest way to say "there already", and it leaves the transaction broken.
        with suppress(IntegrityError):
            row = Purchase.objects.filter(title=title).first()
            Purchase.objects.create(reference=row.reference, tea="twice", title=title, total_fee=1)
    elif throw < _SWALLOWS + _HANGS:
        time.sleep(_HANGS_S)
    elif throw < _SWALLOWS + _HANGS + _KILLS and sys.argv[-1] in {"web", "worker"}:
        os.kill(os.getpid(), signal.SIGKILL)


def connect() -> None:
    """Connect the receivers, and hurry the tills; call it when Django is set up."""
    from django_wxpay.services.orders import codepay, leases, reversing
    from django_wxpay.signals import order_closed, order_conflicted, order_paid, refund_settled

    for signal_ in (order_paid, order_closed, order_conflicted, refund_settled):
        signal_.connect(receive)
    for module in (codepay, leases, reversing):
        module.REVERSIBLE_AFTER_S = _REVERSIBLE_AFTER_S


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


def simulate() -> None:
    """Be WeChat Pay until the process is killed, with customers who are quick."""
    from django_wxpay import conf
    from django_wxpay.simulator import Options, create_app
    from django_wxpay.simulator import serve as serve_simulator

    app = create_app(conf.merchants().values(), options=Options(**_OPTIONS))
    serve_simulator(app, "127.0.0.1", int(os.environ["CHAOS_SIMULATOR_PORT"]))


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
        simulate()


if __name__ == "__main__":
    main()
