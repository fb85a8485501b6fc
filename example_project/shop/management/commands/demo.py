"""The whole demonstration in one process: database, simulated WeChat Pay, worker, shop."""

from __future__ import annotations

import copy
import logging
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import BaseCommand, CommandError, CommandParser, call_command
from django.db import connections
from django.test.utils import override_settings

from django_wxpay import conf
from django_wxpay.exceptions import WXPayError
from django_wxpay.services.worker.running import Worker
from django_wxpay.simulator import create_app, running
from example_project.accounts import ACCOUNTS
from example_project.shop.rehearsal import DidNotHappen, rehearse
from example_project.shop.serving import HOST, serving


class Command(BaseCommand):
    help = "Start the tea shop together with a simulated WeChat Pay, everything on this machine."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="pay one order headless and exit")
        parser.add_argument("--api", choices=("v2", "v3"), help="the protocol of the orders")
        parser.add_argument("--region", choices=("mainland", "global"), default="mainland")
        parser.add_argument("--shop-port", type=int, default=8000)
        parser.add_argument("--simulator-port", type=int, default=9100)

    def handle(self, *_args: Any, api: str | None, region: str, **options: Any) -> None:
        """Global orders are v3's unless v2 is asked for; mainland's are v2's unless v3 is."""
        chosen = api or ("v3" if region == "global" else "v2")
        with _account(ACCOUNTS[chosen, region]):
            self._run(**options)

    def _run(
        self, *, once: bool, shop_port: int, simulator_port: int, verbosity: int, **_: Any
    ) -> None:
        logging.getLogger("django.server").setLevel(logging.ERROR)
        _reach_this_machine_without_a_proxy()
        if once:
            with (
                _throwaway_database(),
                self._demonstration(0, 0, is_quiet=True) as (shop, simulator),
            ):
                self._rehearse(shop, simulator)
        else:
            ports, is_quiet = (shop_port, simulator_port), verbosity == 0
            with self._demonstration(*ports, is_quiet=is_quiet) as (shop, simulator), Worker():
                self._introduce(shop, simulator)
                self.stdout.flush()
                _wait_for_the_person()
                self.stdout.write("\nStopped.")

    @contextmanager
    def _demonstration(
        self, shop_port: int, simulator_port: int, *, is_quiet: bool
    ) -> Iterator[tuple[str, str]]:
        """Listen on both ports, point the settings at them, and serve."""
        log = None if is_quiet else self._write_line
        wxpay = create_app(list(conf.accounts()), log=log)
        shop = serving(StaticFilesHandler(WSGIHandler()), port=shop_port)
        simulator = running(wxpay, host=HOST, port=simulator_port)
        with (
            _port(simulator, simulator_port, "--simulator-port") as simulator_url,
            _port(shop, shop_port, "--shop-port") as shop_url,
            _settings_pointing_at(shop_url, simulator_url),
        ):
            call_command("migrate", verbosity=0)
            yield shop_url, simulator_url

    def _write_line(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _rehearse(self, shop: str, simulator: str) -> None:
        started_at = time.monotonic()
        try:
            for step, outcome in rehearse(shop=shop, simulator=simulator):
                self.stdout.write(f"{step:<14}{outcome}")
        except (DidNotHappen, WXPayError, requests.RequestException) as error:
            raise CommandError(f"The demonstration stopped: {error}") from error
        self.stdout.write(f"{'done':<14}{time.monotonic() - started_at:.1f} s")

    def _introduce(self, shop: str, simulator: str) -> None:
        login = _shop_keeper()
        self.stdout.write(
            f"\nA tea shop that takes WeChat Pay, and a WeChat Pay that takes no money.\n\n"
            f"  shop    {shop}/\n"
            f"  phone   {simulator}/   the simulated WeChat Pay and its phone\n"
            f"  admin   {shop}/admin/   {login}\n\n"
            f"Buy a tea, open the simulated phone, pay, and watch the shop's page.\n"
            f"Calls of the simulator and its notifications follow, in Beijing time (UTC+8).\n"
            f"Ctrl-C stops everything.",
        )


@contextmanager
def _port(server: AbstractContextManager[str], port: int, option: str) -> Iterator[str]:
    """Start ``server``, or raise ``CommandError`` with the reason why its port cannot be used."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such port"
            raise CommandError(
                f"Cannot listen on port {port} ({reason}): choose another one with {option}.",
            ) from error
        yield url


def _shop_keeper() -> str:
    """Make sure that there is an account for the admin, and return how to log in."""
    users = get_user_model()._default_manager  # noqa: SLF001 - the documented way in
    if not users.filter(username="admin").exists():
        users.create_superuser("admin", password="admin")  # noqa: S106
        return "log in as admin, password admin (made for this demonstration; never elsewhere)"
    return "log in as admin (password admin, unless you have changed it)"


def _wait_for_the_person() -> None:
    """Return on Ctrl-C, or when asked to terminate."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


@contextmanager
def _account(account: dict[str, Any]) -> Iterator[None]:
    """Let ``account`` be the shop's only merchant."""
    with override_settings(WXPAY={**settings.WXPAY, "MERCHANTS": {"default": account}}):
        yield


@contextmanager
def _settings_pointing_at(shop: str, simulator: str) -> Iterator[None]:
    wxpay: dict[str, Any] = copy.deepcopy(settings.WXPAY)
    wxpay["NOTIFY_BASE_URL"] = shop
    for merchant in wxpay["MERCHANTS"].values():
        merchant["HOSTS"] = [simulator]
    with override_settings(WXPAY=wxpay, SHOP_URL=shop, SIMULATOR_URL=simulator):
        yield


@contextmanager
def _throwaway_database() -> Iterator[None]:
    """Use a database that is gone afterwards.

    The dict is the one from which every thread opens its connection, so it is enough to
    change it here, before there is any.
    """
    database = settings.DATABASES["default"]
    usual = database["NAME"]
    connections.close_all()
    with tempfile.TemporaryDirectory(prefix="wxpay-demo-", ignore_cleanup_errors=True) as folder:
        database["NAME"] = Path(folder) / "demo.sqlite3"
        try:
            yield
        finally:
            connections.close_all()
            database["NAME"] = usual


def _reach_this_machine_without_a_proxy() -> None:
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    os.environ["no_proxy"] = ",".join(filter(None, (known, HOST)))
