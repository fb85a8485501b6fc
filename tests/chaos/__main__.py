"""The command ``python -m tests.chaos``: customers, faults, kills, and the two ledgers compared.

With ``--repeat`` or ``--minutes`` it starts one process after the other, each with the next seed.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests import neighbours


def main() -> int:
    options = _parser().parse_args()
    if options.database == "all":
        return _on_each_database(options)
    if options.repeat > 1 or options.minutes:
        return _repeat(options)
    return _once(options)


def _on_each_database(options: argparse.Namespace) -> int:
    results = []
    for options.database, server in neighbours.DATABASES.items():
        if server.is_there():
            results.append(_repeat(options))
        else:
            print(f"{server.name} is not here")
    return max(results)


def _repeat(options: argparse.Namespace) -> int:
    """Run again and again, with other seeds; return 1 if any run has found something."""
    over = time.monotonic() + 60 * options.minutes
    runs, failed = 0, []
    while runs < options.repeat or time.monotonic() < over:
        seed = options.seed + runs
        names = ("database", "orders", "faults", "kills", "threads")
        more = [f"--{name}={getattr(options, name)}" for name in names]
        if options.log:
            more.append(f"--log={options.log}.{seed}")
        run = subprocess.run(
            [sys.executable, "-m", "tests.chaos", f"--seed={seed}", *more], check=False
        )
        runs += 1
        failed += [seed] if run.returncode else []
    print(f"{runs} runs on {options.database}, {len(failed)} with findings {failed}", flush=True)
    return 1 if failed else 0


def _once(options: argparse.Namespace) -> int:
    shop_port, simulator_port = _free_ports()
    os.environ |= {
        "WXPAY_TEST_DATABASE": options.database,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "CHAOS_SHOP_PORT": str(shop_port),
        "CHAOS_SIMULATOR_PORT": str(simulator_port),
    }
    with tempfile.TemporaryDirectory() as folder:
        name = f"wxpay_chaos_{options.seed}_{os.getpid()}"
        is_file = options.database == "sqlite"
        os.environ["CHAOS_DATABASE"] = f"{folder}/{name}.sqlite3" if is_file else name

        import django

        django.setup()
        # What the jobs of the quiet time log is expected: receivers raise, and are called again.
        logging.disable()
        from django.core.management import call_command
        from django.db import connection

        if not is_file:
            # The test runner's own way to a database, under the name that all processes know.
            connection.settings_dict["TEST"]["NAME"] = name
            connection.creation._create_test_db(verbosity=0, autoclobber=True)
            connection.settings_dict["NAME"] = name
        try:
            call_command("migrate", verbosity=0)
            # This process asks nothing until all is quiet, and its connection is not to be cut.
            connection.close()
            return _run(options, Path(folder))
        finally:
            connection.close()
            if not is_file:
                _drop(name)


def _free_ports() -> tuple[int, int]:
    """Return two ports of our own, below those that connections leave from."""
    for at in range(8_000):
        first = 12_000 + 2 * ((os.getpid() + at) % 8_000)
        with suppress(OSError):
            for port in (first, first + 1):
                socket.create_server(("127.0.0.1", port)).close()
            return first, first + 1
    raise OSError("no port is free")


def _drop(name: str) -> None:
    from django.db import DatabaseError, connection

    for _ in range(20):
        try:
            connection.creation.destroy_test_db(name, verbosity=0)
        except DatabaseError:
            # The server has not noticed yet that the processes are dead.
            time.sleep(0.5)
        else:
            return


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--database", choices=(*neighbours.DATABASES, "all"), default="sqlite")
    parser.add_argument("--orders", type=int, default=40)
    parser.add_argument("--faults", type=float, default=0.2, help="the share of faults, 0 to 1")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1, help="so many runs, of as many seeds")
    parser.add_argument("--minutes", type=float, default=0, help="run again until so many are over")
    parser.add_argument("--log", type=Path, help="keep what the processes print")
    return parser


def _run(options: argparse.Namespace, folder: Path) -> int:
    from django.conf import settings

    from tests.chaos import calls, ledgers, quiet
    from tests.chaos.buying import Customers
    from tests.chaos.processes import Shop, trouble, wait_for

    rng = random.Random(options.seed)
    started = time.monotonic()
    shop = Shop(options.log or folder / "log")
    try:
        wait_for(f"{settings.SHOP}/wxpay/api/orders/")
        wait_for(f"{settings.SIMULATOR}/_simulator/clock")
        customers = Customers(options.orders, options.faults, rng, threads=options.threads)
        troubled = threading.Thread(
            target=trouble, args=(shop, rng, options.kills, customers.share_done), daemon=True
        )
        troubled.start()
        customers.buy()
        troubled.join()
        stormed_s = time.monotonic() - started
        quiet.calm(shop.revive)
        shop.stop(simulator=False)
        end = quiet.hurry()
        found = ledgers.compare(calls.ledger(), at=end)
    finally:
        shop.stop(simulator=True)
    found.wrong += customers.clerks.wrong
    print(f"{options.orders} orders on {options.database}, seed {options.seed}", end=", ")
    print(f"{time.monotonic() - started:.0f} s, {stormed_s:.0f} of them of storm")
    print(f"faults: {sum(customers.faults.set.values())} {dict(customers.faults.set)}")
    print(f"kills: {shop.kills}; by receivers: {shop.deaths}; connections cut: {shop.cuts}")
    print(f"customers: {dict(customers.counts)}; clerks: {dict(customers.clerks.counts)}")
    print(f"answers of the shop by status: {dict(calls.answers)}")
    print(found, flush=True)
    return 0 if found.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
