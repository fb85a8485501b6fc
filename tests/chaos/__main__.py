"""The command ``python -m tests.chaos``: orders, faults, kills, and the two ledgers compared."""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path


def main() -> int:
    options = _parser().parse_args()
    port = 20_000 + os.getpid() % 20_000
    os.environ |= {
        "WXPAY_TEST_DATABASE": options.database,
        "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
        "CHAOS_SHOP_PORT": str(port),
        "CHAOS_SIMULATOR_PORT": str(port + 1),
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
    parser.add_argument("--database", choices=("sqlite", "postgresql", "mariadb"), default="sqlite")
    parser.add_argument("--orders", type=int, default=1500)
    parser.add_argument("--faults", type=float, default=0.2, help="the share of faults, 0 to 1")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="keep what the processes print")
    return parser


def _run(options: argparse.Namespace, folder: Path) -> int:
    from django.conf import settings

    from tests.chaos import ledgers, quiet
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
        quiet.send_again(settings.SIMULATOR)
        trades = quiet.ledger(settings.SIMULATOR)["trades"]
        shop.stop(simulator=False)
        quiet.run_jobs()
        spoilt = ledgers.unsettled(trades)
        asked = quiet.ask_for(spoilt, trades)
        quiet.run_jobs()
        found = ledgers.compare(trades)
    finally:
        shop.stop(simulator=True)
    paid = sum(trade["trade_state"] == "SUCCESS" for trade in trades)
    print(f"{options.orders} orders on {options.database}, seed {options.seed}", end=", ")
    print(f"{time.monotonic() - started:.0f} s")
    print(f"faults: {customers.faults}; kills: {shop.kills}; connections cut: {shop.cuts}")
    print(f"placed: {customers.placed}, given up: {customers.given_up}, paid: {paid}")
    print(f"never notified, and asked for by the shop: {asked.lost}")
    print(f"notified and not settled by itself: {len(asked.missed)} {asked.missed[:5]}")
    print(found)
    return 0 if found.is_clean and not asked.missed else 1


if __name__ == "__main__":
    sys.exit(main())
