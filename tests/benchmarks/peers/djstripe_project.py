"""dj-stripe's webhook view as a competitor: a project of its own, with its default settings.

What it does for ``payment_intent.succeeded`` by default: it records the request, checks the
signature, records the event, asks Stripe's API for the payment intent, and records that. The API
is answered within the process and at once, so that no network is measured. Everything else is as
favourable to it as it can honestly be: the account and its key are known, the intent has neither a
customer nor a payment method to look up, it is not there yet (one INSERT), and no receiver of the
shop's is connected. For ``balance.available`` dj-stripe has no handler: the request and the event
are recorded, and nothing is settled.

It runs in an environment with dj-stripe alone: ``python -m`` with Django's entry for the database,
as JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import django
from django.conf import settings

from tests.benchmarks.peers.obeying import Action, obey
from tests.benchmarks.wsgi import Application, accepted, post

ACCOUNT = "acct_1Bench0000000000"
API_KEY = "sk_test_bench0000000000000000000000"
SIGNING_KEY = "whsec_bench000000000000000000000000"
API_VERSION = "2026-05-27.dahlia"
EVENTS = ("payment_intent.succeeded", "balance.available")

_numbers = itertools.count(1)


def configure(entry: dict[str, Any]) -> None:
    """Set Django up as ``startproject`` does, on the database of this entry."""
    if entry["ENGINE"].endswith("mysql"):
        import pymysql  # type: ignore[import-untyped]

        pymysql.install_as_MySQLdb()
    settings.configure(
        SECRET_KEY="benchmark",
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="djstripe.urls",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "djstripe",
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            "django.middleware.clickjacking.XFrameOptionsMiddleware",
        ],
        DATABASES={"default": entry},
        USE_TZ=True,
        STRIPE_TEST_SECRET_KEY=API_KEY,
        STRIPE_LIVE_MODE=False,
        # dj-stripe's migrations take a minute, and end with the same tables. Those that it refers
        # to are made in the same way, because tables without migrations come first.
        MIGRATION_MODULES=dict.fromkeys(("auth", "contenttypes", "sessions", "djstripe")),
    )
    django.setup()


def main(entry: dict[str, Any]) -> None:
    """Make the tables and the endpoint, serve until the input ends, and drop the database."""
    configure(entry)
    from django.db import connection

    was = str(connection.settings_dict["NAME"])
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        answer_the_api()
        target = f"/webhook/{endpoint()}/"
        obey(lambda way, count, is_kept: events(target, way, count, is_kept=is_kept))
    finally:
        connection.creation.destroy_test_db(was, verbosity=0)


def answer_the_api() -> None:
    """Answer every call to Stripe's API within the process."""
    import stripe

    class Stripe(stripe.HTTPClient):  # type: ignore[misc] # stripe is in the peer's environment
        name = "answered in the process"

        def request(
            self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
        ) -> tuple[str, int, dict[str, str]]:
            number = url.partition("?")[0].rpartition("/")[2]
            return json.dumps(payment_intent(number)), 200, {}

    stripe.default_http_client = Stripe()


def endpoint() -> str:
    """Record the account, its key and the endpoint, as a project has them; return its UUID."""
    from djstripe.models import Account, APIKey, WebhookEndpoint

    account = Account.objects.create(id=ACCOUNT, livemode=False)
    APIKey.objects.create(
        secret=API_KEY, type="secret", livemode=False, djstripe_owner_account=account
    )
    made = WebhookEndpoint.objects.create(
        id="we_1Bench",
        livemode=False,
        url="https://testserver/webhook/",
        secret=SIGNING_KEY,
        enabled_events=["*"],
        status="enabled",
        api_version=API_VERSION,
        djstripe_owner_account=account,
    )
    return str(made.djstripe_uuid)


def events(target: str, kind: str, count: int, *, is_kept: bool) -> Iterator[Action]:
    """Make signed events, each of another object."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connection

    connection.close()
    connection.settings_dict["CONN_MAX_AGE"] = None if is_kept else 0
    application = WSGIHandler()
    for at in itertools.islice(_numbers, count):
        content = payment_intent(f"pi_{at:024d}") if kind == EVENTS[0] else balance()
        yield partial(_posted, application, target, event(at, kind, content))


def _posted(application: Application, target: str, body: bytes) -> None:
    headers = {"Stripe-Signature": signature(body)}
    accepted(post(application, target, body, content_type="application/json", headers=headers))


def signature(body: bytes) -> str:
    """Return Stripe's header for these bytes, of this second."""
    at = int(time.time())
    signed = hmac.new(SIGNING_KEY.encode(), b"%d.%b" % (at, body), hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"


def event(at: int, kind: str, content: dict[str, Any]) -> bytes:
    """Return an event as Stripe sends it."""
    return json.dumps(
        {
            "id": f"evt_{at:024d}",
            "object": "event",
            "api_version": API_VERSION,
            "created": 1_764_374_400,
            "data": {"object": content},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": f"req_{at:014d}", "idempotency_key": None},
            "type": kind,
        },
        indent=2,
    ).encode()


def balance() -> dict[str, Any]:
    """Return a balance."""
    funds = [{"amount": 1250, "currency": "cny", "source_types": {"card": 1250}}]
    return {"object": "balance", "available": funds, "pending": funds, "livemode": False}


def payment_intent(number: str) -> dict[str, Any]:
    """Return a payment intent that has succeeded, with what Stripe sends in one."""
    return {
        "id": number,
        "object": "payment_intent",
        "amount": 1250,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 1250,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{number}_secret_bench",
        "confirmation_method": "automatic",
        "created": 1_764_374_400,
        "currency": "cny",
        "customer": None,
        "description": "Tea",
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {"order": number},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {"wechat_pay": {"app_id": None, "client": "web"}},
        "payment_method_types": ["wechat_pay"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
