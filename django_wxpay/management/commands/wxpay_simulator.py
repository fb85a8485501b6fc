"""``manage.py wxpay_simulator``: a WeChat Pay gateway on this machine."""

from __future__ import annotations

import signal
import ssl
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from django_wxpay import conf
from django_wxpay.conf.following import Follower
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    Options,
    Simulator,
    create_app,
    serve,
    tls_context,
)


class Command(BaseCommand):
    help = "Run a simulated WeChat Pay gateway that knows this project's merchants."
    # The simulator needs no database, and a half-configured project is what it is for.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=9100, help="port to listen on; 0: any")
        parser.add_argument(
            "--allowed-host",
            action="append",
            default=[],
            metavar="NAME",
            help="answer for the pages and the control plane under this name too",
        )
        parser.add_argument(
            "--certificate", metavar="FILE", help="serve TLS with this certificate (PEM)"
        )
        parser.add_argument("--key", metavar="FILE", help="the key of --certificate (PEM)")
        parser.add_argument(
            "--client-ca",
            metavar="FILE",
            help="trust client certificates of this issuer, besides those in the settings",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        host, port = options["host"], options["port"]
        self._is_quiet = options["verbosity"] == 0
        app = self._simulator(frozenset(map(str.lower, options["allowed_host"])))
        tls = self._tls(app, options["certificate"], options["key"], options["client_ca"])
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _stop)
        try:
            serve(app, host, port, ready=self._greet, tls=tls)
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"cannot listen on {host} port {port}: {error}; choose another one with --port"
            ) from error
        except KeyboardInterrupt:
            self.stdout.write("\nThe simulator has stopped and forgotten everything.")

    def _merchants(self) -> Iterable[Merchant]:
        if any(problem.code == "E001" for problem in conf.problems()):
            self.stdout.write("settings.WXPAY is missing: using the demonstration merchants.")
            return DEMO_MERCHANTS
        return list(conf.accounts())

    def _simulator(self, own_hosts: frozenset[str]) -> Simulator:
        try:
            app = create_app(
                self._merchants(),
                options=Options(own_hosts=own_hosts),
                log=None if self._is_quiet else self._write_line,
            )
        except ConfigurationError as error:
            raise CommandError(f"{error}. Run manage.py check for all of it.") from error
        follower = Follower(app.learn, say=self._write_line)
        app.follow(lambda: _looked(follower))
        return app

    def _tls(
        self, app: Simulator, certificate: str | None, key: str | None, client_ca: str | None
    ) -> ssl.SSLContext | None:
        if certificate is None and key is None and client_ca is None:
            return None
        if certificate is None or key is None:
            raise CommandError("TLS needs both --certificate and --key.")
        try:
            return tls_context(
                certificate,
                key,
                client_certificates=app.client_certificates,
                client_ca=client_ca,
            )
        except ConfigurationError as error:
            raise CommandError(str(error)) from error

    def _greet(self, url: str) -> None:
        lines = "  Each call and each notification is a line here, in Beijing time (UTC+8).\n"
        self.stdout.write(
            f"WeChat Pay simulator at {url}\n"
            f'  In settings.WXPAY, give a merchant "HOSTS": ["{url}"], and set\n'
            '  "NOTIFY_BASE_URL" to where this site runs, such as "http://127.0.0.1:8000".\n'
            f"  Pay as the customer: open {url}/ in a browser, or\n"
            f"  curl {url}/_simulator/pay"
            """ -d '{"mch_id": "...", "out_trade_no": "..."}'\n"""
            f"{'' if self._is_quiet else lines}"
            "  Stop with Ctrl-C."
        )
        self.stdout.flush()

    def _write_line(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _looked(follower: Follower) -> None:
    try:
        follower.look()
    finally:
        # Each call comes on a thread of its own, whose connections nobody else closes.
        for connection in connections.all(initialized_only=True):
            if not connection.in_atomic_block:
                connection.close()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
