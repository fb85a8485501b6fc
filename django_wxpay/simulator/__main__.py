"""``python -m django_wxpay.simulator``: a WeChat Pay gateway for any client, without Django.

Nothing it prints is a key: what it has made stands in files, and their names are printed.
"""

from __future__ import annotations

import argparse
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.simulator.app import Simulator, create_app
from django_wxpay.simulator.http.server import serve
from django_wxpay.simulator.http.tls import tls_context
from django_wxpay.simulator.standalone.config import Config, demo_config, read_config
from django_wxpay.simulator.standalone.folder import Folder

_LARGEST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, and return 0; 2 for what is wrong with the arguments."""
    parser = _parser()
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    try:
        folder = Folder(given.folder, now=datetime.now(UTC))
        named = given.config
        config = demo_config(folder) if named is None else read_config(named, folder)
        app = _simulator(config, given)
        context = _context(app, folder, given)
    except ConfigurationError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")

    def ready(url: str) -> None:
        _print(_greeting(url, given, folder, config, app))

    try:
        serve(
            app,
            given.host,
            given.port,
            ready=ready,
            tls=context if given.tls else None,
            proxy=context if given.proxy else None,
        )
    except (OSError, OverflowError) as error:
        place = f"{given.host} port {given.port}"
        advice = "choose another one with --port"
        parser.exit(2, f"{parser.prog}: cannot listen on {place}: {error}; {advice}\n")
    except KeyboardInterrupt:
        _print("\nThe simulator has stopped and forgotten everything but its keys.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m django_wxpay.simulator",
        description="A simulated WeChat Pay, v2 and APIv3, for a client in any language.",
    )
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", help="merchants, as JSON (else the demonstration's)")
    add(
        "--folder",
        type=Path,
        default=Path("wxpay-simulator"),
        metavar="DIR",
        help="where keys are made, and found the next time (%(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=_port, default=9100, help="port to listen on, 0 is any (%(default)s)")
    add("--tls", action="store_true", help="serve https with a certificate of the own CA")
    add(
        "--proxy",
        action="store_true",
        help="be an HTTP proxy too, whose way leads to WeChat Pay's host names alone",
    )
    add(
        "--allowed-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer for the pages and the control plane under this name too",
    )
    add("--quiet", action="store_true", help="print no line for each call and each notification")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _LARGEST_PORT):
        raise argparse.ArgumentTypeError("not a port from 0 to 65535")
    return int(text)


def _simulator(config: Config, given: argparse.Namespace) -> Simulator:
    return create_app(
        config.accounts,
        options=replace(config.options, own_hosts=frozenset(map(str.lower, given.allowed_host))),
        log=None if given.quiet else _print,
    )


def _context(app: Simulator, folder: Folder, given: argparse.Namespace) -> ssl.SSLContext:
    certificate, key = folder.host(given.host, *given.allowed_host)
    return tls_context(
        certificate, key, client_certificates=app.client_certificates, client_ca=folder.ca
    )


def _greeting(
    url: str, given: argparse.Namespace, folder: Folder, config: Config, app: Simulator
) -> str:
    home = folder.path.resolve()
    key_id, _ = app.public_key
    lines = [f"WeChat Pay simulator at {url}", f"  Its keys and those of merchants: {home}"]
    if given.proxy:
        proxy = url.replace("https://", "http://")
        lines.append(f"  For a client with hard-coded hosts: HTTPS_PROXY={proxy}")
    if given.proxy or given.tls:
        lines.append(f"  The CA that a client has to trust: {home / folder.ca.name}")
    lines.append(f"  WeChat Pay's public key: {key_id}")
    if given.config is None:
        lines.append("  The merchants are the demonstration's; --config FILE names others.")
    lines += [
        f"  Merchant {account.mch_id}: serial {', '.join(account.certificates)}"
        for account in config.accounts
    ]
    lines.append(f"  Pay as the customer: open {url}/ in a browser. Stop with Ctrl-C.")
    return "\n".join(lines)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
