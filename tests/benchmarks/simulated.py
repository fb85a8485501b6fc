"""The simulator in a process of its own, and a shop whose merchants are its merchants.

Run by itself it serves until it is killed: python -m tests.benchmarks.simulated
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django_wxpay.simulator import DEMO_MERCHANTS, create_app
from django_wxpay.simulator.http.server import _Server
from tests.benchmarks.databases import use_merchants
from tests.benchmarks.measuring import say

ALIASES: Final = {"v2": "default", "v3": "v3"}


@contextmanager
def shop() -> Iterator[str]:
    """Serve the simulator, and give its address; the shop's merchants are there."""
    with served() as url:
        _point_at(url)
        yield url


@contextmanager
def served() -> Iterator[str]:
    """Serve the simulator in another process, and give its address."""
    command = [sys.executable, "-m", "tests.benchmarks.simulated"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _point_at(url: str) -> None:
    from example_project.accounts import ACCOUNTS

    use_merchants({ALIASES[api]: ACCOUNTS[api, "mainland"] | {"HOSTS": [url]} for api in ALIASES})


def main() -> None:
    """Serve until killed."""
    server = _Server(create_app(DEMO_MERCHANTS), "127.0.0.1", 0)
    say(server.url)
    server.serve_forever()


if __name__ == "__main__":
    main()
