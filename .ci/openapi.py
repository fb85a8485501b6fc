"""The OpenAPI document against the views: schemathesis with all of its checks.

One process holds it all: the example project on a loopback address, with a fresh SQLite, the
simulator in the place of WeChat Pay, and a login with every permission. ``openapi.py [EXAMPLES
[SECONDS]]`` prints its counts, and ends non-zero at a finding. The seed is fixed.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import django

SEED: Final = 20260101
PASSWORD: Final = "examined"  # noqa: S105 - of a database that is gone in a minute
API: Final = "/wxpay/api"


def configuration(examples: int, seconds: int) -> dict[str, Any]:
    """Return schemathesis's settings: all checks, in all phases."""
    accepted = ["2xx", "401", "403", "404", "409", "422", "5xx"]
    return {
        "seed": SEED,
        "max-time": seconds,
        # What an earlier run has learnt would make this one ask something else.
        "cache": {"enabled": False},
        "continue-on-failure": True,
        "auth": {"openapi": {"basicAuth": {"username": "examiner", "password": PASSWORD}}},
        "generation": {"max-examples": examples, "deterministic": True, "database": "none"},
        # WeChat Pay's refusal of what is no mistake of the caller's: an order that is closed.
        "checks": {"enabled": True, "positive_data_acceptance": {"expected-statuses": accepted}},
        "operations": [
            {
                # The rules of a payment hold across fields, and across the clock: JSAPI has an
                # openid, time_expire is still to come, 127 bytes are not 127 characters. OpenAPI
                # can say none of them, so a body that fits the document may be refused by them;
                # and WeChat Pay may refuse (422) what no document of ours knows of.
                "include-path": f"{API}/orders/",
                "include-method": "POST",
                "checks": {"positive_data_acceptance": {"expected-statuses": [*accepted, "400"]}},
            },
        ],
    }


@contextmanager
def project() -> Iterator[str]:
    """Serve the example project, with some rows of each kind, and give its address."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXAMPLE_DATABASE"] = str(Path(folder) / "examined.sqlite3")
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        from django.core.management import call_command
        from django.core.wsgi import get_wsgi_application
        from django.test.utils import override_settings

        from django_wxpay.testing import simulated_wxpay

        # DEBUG keeps every query, and shows a page of its own for a 500.
        with override_settings(DEBUG=False):
            # A replay of a notification that no key signed is refused, and says so each time.
            logging.disable(logging.WARNING)
            call_command("migrate", verbosity=0)
            rows()
            with simulated_wxpay(), served(get_wsgi_application()) as address:
                yield address


@contextmanager
def served(application: Any) -> Iterator[str]:
    """Serve ``application`` on a thread. Called without a socket, schemathesis 4.32 breaks off."""
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

    class QuietHandler(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing: thousands of requests are answered."""

    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietHandler)
    server.set_app(application)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rows() -> None:
    """Make a login, and rows that the routes with a key can find."""
    from django.contrib.auth.models import User

    from tests import factories
    from tests.services.bills.conftest import bill_of
    from tests.services.bills.conftest import row as bill_row

    User.objects.create_superuser("examiner", password=PASSWORD)
    orders = factories.OrderFactory(paid=True), factories.OrderFactory()
    bill = bill_of(*map(bill_row, orders))
    for order in orders:
        factories.PrepayFactory(order=order, live=True)
        factories.PromotionFactory(order=order)
        factories.NotificationFactory(order=order)
        factories.RefundFactory(order=order)
        factories.ApiReportFactory(out_trade_no=order.out_trade_no)
        factories.FeeFactory(order=order, bill=bill)
        factories.DiscrepancyFactory(local_order=order, bill=bill)


def with_values_of_ours(_context: Any, case: Any) -> Any:
    """Ask only for what an answer has handed out, where valid values are asked for.

    A cursor that only has its type is refused, for no document can say which texts are cursors;
    one of a page takes its place. And a value may be taken out of a row that does not have it
    yet, such as the refund_id of a refund on its way: nobody asks for the empty text.
    """
    from schemathesis import GenerationMode

    given = case.query if isinstance(case.query, dict) else {}
    if case.meta.generation.mode is not GenerationMode.POSITIVE:
        return case
    for name in [name for name, value in given.items() if value == ""]:
        del given[name]
    if "cursor" in given:
        # A page of bills ends at a day, every other page at a moment.
        time = "" if case.path.endswith("/bills/") else "+00%3A00%3A00%2B00%3A00"
        position = f"p=2026-01-01{time}&k=1"
        given["cursor"] = b64encode(position.encode()).decode()
    return case


def examine(address: str, config: dict[str, Any]) -> int:
    """Run every phase, print what was asked and what was found, and return the findings."""
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema

    counts: Counter[str] = Counter()
    findings: dict[str, str] = {}
    schemathesis.hook("map_case")(with_values_of_ours)
    schema = schemathesis.openapi.from_url(
        f"{address}{API}/schema/?format=json", config=SchemathesisConfig.from_dict(config)
    )
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            counts[f"scenarios of {event.phase.value}"] += 1
            tally(event.recorder, counts, findings)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            findings[str(event)] = f"{getattr(event, 'label', '')}: {event}"
        elif isinstance(event, events.EngineFinished):
            counts["seconds"] = round(event.running_time)
            print("stopped:", event.stop_reason.value)
    for name, count in sorted(counts.items()):
        print(f"{count:8d}  {name}")
    for finding in findings.values():
        print("\n" + finding)
    print(f"\n{len(findings)} findings")
    return len(findings)


def tally(recorder: Any, counts: Counter[str], findings: dict[str, str]) -> None:
    """Add what one scenario asked to ``counts``, and each new kind of failure to ``findings``."""
    for case_id, interaction in recorder.interactions.items():
        counts["requests"] += 1
        if interaction.response is not None:
            counts[f"answers {interaction.response.status_code}"] += 1
        for check in recorder.checks.get(case_id, ()):
            counts[f"check {check.name}"] += 1
            if check.failure_info is None:
                continue
            failure = check.failure_info.failure
            findings.setdefault(
                f"{recorder.label} {check.name} {failure.title}",
                f"{recorder.label}: {check.name}: {failure.title}\n{failure.message}\n"
                f"{check.failure_info.code_sample}\n"
                f"{interaction.response and interaction.response.content[:400]!r}",
            )


if __name__ == "__main__":
    examples, seconds = (*map(int, sys.argv[1:]), *(25, 90)[len(sys.argv) - 1 :])
    with project() as address:
        sys.exit(bool(examine(address, configuration(examples, seconds))))
