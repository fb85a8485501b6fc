"""One shop in a process of its own, in the project of a stranger; it prints what came of it.

``python -m tests.strangers.project NAME FOLDER`` makes the project ``PROJECTS[NAME]`` with its
databases in ``FOLDER``, sells over v2 and APIv3, and prints a JSON object. Requests go through
the WSGI handler as a server makes them, so that nothing of Django's test client helps along.
"""

from __future__ import annotations

import importlib
import io
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import django
from django.conf import settings

ADDRESS: Final = "https://shop.example.com"
MIDDLEWARE: Final = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
LOGIN_REQUIRED: Final = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def _database(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20}
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(folder / f"{name}.sqlite3"),
        "OPTIONS": options,
        **more,
    }


# What is paid meanwhile waits for a receiver.
LATE: Final = "a receiver that comes later"
Entries = Callable[[Path], dict[str, Any]]
# A value that is called is given the folder of the databases.
PROJECTS: Final[dict[str, dict[str, Any]]] = {
    "a plain one": {},
    LATE: {},
    "python -O": {},
    "a database of its own": {
        "DATABASES": lambda at: {"default": _database(at, "d"), "payments": _database(at, "p")},
        "DATABASE_ROUTERS": ["tests.strangers.routers.Payments"],
    },
    "a transaction for each request there": {
        "DATABASES": lambda at: {
            "default": _database(at, "d"),
            "payments": _database(at, "p", ATOMIC_REQUESTS=True),
        },
        "DATABASE_ROUTERS": ["tests.strangers.routers.Payments"],
    },
    "an empty default": {
        "DATABASES": lambda at: {
            "default": {},
            "site": _database(at, "s"),
            "payments": _database(at, "p", ATOMIC_REQUESTS=True),
        },
        "DATABASE_ROUTERS": ["tests.strangers.routers.NoDefault"],
    },
    "a replica that lags": {
        "DATABASES": lambda at: {"default": _database(at, "d"), "replica": _database(at, "r")},
        "DATABASE_ROUTERS": ["tests.strangers.routers.Replicated"],
    },
    "naive times": {"USE_TZ": False},
    "commits by hand": {
        "DATABASES": lambda at: {"default": _database(at, "d", AUTOCOMMIT=False)},
    },
    "a login for every page": {"MIDDLEWARE": [*MIDDLEWARE, LOGIN_REQUIRED]},
    "a log of bodies": {"MIDDLEWARE": ["tests.strangers.middleware.audited", *MIDDLEWARE]},
    "a second admin site": {"ROOT_URLCONF": "tests.strangers.backoffice"},
    "a mount of the server's": {},
    "a mount in the settings": {"FORCE_SCRIPT_NAME": "/shop"},
    "bodies in chunks": {},
    "REST in camel case": {
        "REST_FRAMEWORK": {
            "DEFAULT_RENDERER_CLASSES": ["tests.strangers.rest.CamelCaseRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
            "DEFAULT_PERMISSION_CLASSES": ["tests.strangers.rest.NobodyMay"],
            "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
            "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.URLPathVersioning",
            "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
            "EXCEPTION_HANDLER": "tests.strangers.rest.answer_in_our_own_way",
            "DATETIME_FORMAT": "%d.%m.%Y %H:%M",
            "PAGE_SIZE": 1,
        },
    },
    "Chinese, far away": {
        "LANGUAGE_CODE": "zh-hans",
        "TIME_ZONE": "America/St_Johns",
        "USE_THOUSAND_SEPARATOR": True,
    },
}
# The path below which a server serves the project, as WSGI says it.
MOUNTS: Final = {"a mount of the server's": "/shop", "a mount in the settings": "/shop"}


def configure(name: str, folder: Path) -> None:
    """Set Django up as the project ``name`` has it."""
    from example_project.accounts import ACCOUNTS

    changes = {
        key: value(folder) if callable(value) else value for key, value in PROJECTS[name].items()
    }
    merchants = {api: ACCOUNTS[api, "mainland"] for api in ("v2", "v3")}
    usual: dict[str, Any] = {
        "SECRET_KEY": "a stranger's",
        "ALLOWED_HOSTS": ["shop.example.com"],
        "DATABASES": {"default": _database(folder, "d")},
        "INSTALLED_APPS": [
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "rest_framework",
            "django_wxpay",
        ],
        "MIDDLEWARE": MIDDLEWARE,
        "ROOT_URLCONF": "tests.strangers.plain",
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        "LOGIN_URL": "admin:login",
        "STATIC_URL": "static/",
        "USE_TZ": True,
        "TIME_ZONE": "Asia/Shanghai",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "WXPAY": {"NOTIFY_BASE_URL": ADDRESS, "MERCHANTS": merchants},
    }
    settings.configure(**usual | changes)
    django.setup()


def found_by_check(*databases: str) -> list[str]:
    """Return the codes of ours that ``check`` finds."""
    from django.core.checks import run_checks

    found = run_checks(databases=databases)
    return sorted({str(each.id) for each in found if str(each.id).startswith("django_wxpay.")})


def migrate() -> None:
    from django.core.management import call_command

    for alias, entry in settings.DATABASES.items():
        if entry.get("ENGINE", "").endswith("sqlite3"):
            call_command("migrate", database=alias, verbosity=0, interactive=False)


def request(
    method: str,
    path: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    mount: str = "",
    is_chunked: bool = False,
) -> tuple[int, bytes]:
    """Return the status and the body that the WSGI handler answers; ``path`` has the mount."""
    from django.core.handlers.wsgi import WSGIHandler

    parts = urlsplit(path)
    if not parts.path.startswith(f"{mount}/"):
        return 404, b"the server serves something else here"
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        # What the settings say of the mount goes before what the server says.
        "SCRIPT_NAME": "" if settings.FORCE_SCRIPT_NAME else mount,
        "PATH_INFO": parts.path.removeprefix(mount),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": "shop.example.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "https",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for key, value in (headers or {}).items():
        name = key.upper().replace("-", "_")
        environ[name if name == "CONTENT_TYPE" else f"HTTP_{name}"] = value
    if is_chunked:
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    else:
        environ["CONTENT_LENGTH"] = str(len(body))
    statuses: list[int] = []
    answer = WSGIHandler()(environ, lambda status, _: statuses.append(int(status[:3])))
    try:
        return statuses[0], b"".join(answer)
    finally:
        answer.close()


class Shop:
    """The stranger's own side: a receiver that fails once, a login, a page that lists."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.mount = MOUNTS.get(name, "")
        self.is_chunked = name == "bodies in chunks"
        self.told: dict[str, int] = {}
        self.answers: list[int] = []
        if name != LATE:
            self.open()

    def open(self) -> None:
        """Connect the receiver of payments."""
        from django_wxpay.signals import order_paid

        order_paid.connect(self.ship, dispatch_uid="ship")

    def ship(self, order: Any, **_: Any) -> None:
        """Fail the first time, as warehouses do: the event has to come again."""
        self.told[order.merchant] = self.told.get(order.merchant, 0) + 1
        if self.told[order.merchant] == 1:
            raise RuntimeError("the warehouse is away for a moment")

    def hear(self, url: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """Take a notification in at the address that the order named."""
        from django_wxpay.simulator import Reply

        path = urlsplit(url).path
        kept = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        given = {"mount": self.mount, "is_chunked": self.is_chunked}
        status, answered = request("POST", path, body, headers=kept, **given)  # type: ignore[arg-type]
        self.answers.append(status)
        return Reply(status, answered)

    def log_in(self) -> dict[str, str]:
        """Return the headers of a browser whose person may do everything."""
        from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
        from django.contrib.auth.models import User

        person = User.objects.create_superuser("boss")
        session = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.create()
        token = "a" * 32
        return {
            "Cookie": f"sessionid={session.session_key}; csrftoken={token}",
            "X-CSRFToken": token,
            "Referer": f"{ADDRESS}/",
            "Host": "shop.example.com",
            "Content-Type": "application/json",
        }


def catch_up() -> None:
    """Bring the replica up to date, where there is one; from then on it lags."""
    from django.db import connections

    from tests.strangers.routers import Replicated

    if "replica" not in settings.DATABASES:
        return
    connections.close_all()
    names = [settings.DATABASES[alias]["NAME"] for alias in ("default", "replica")]
    primary, replica = map(sqlite3.connect, names)
    primary.backup(replica)
    primary.close()
    replica.close()
    Replicated.is_on = True


def sell(shop: Shop) -> dict[str, Any]:
    """Sell one tea over each protocol, and look at it everywhere."""
    from django.db import router
    from django.urls import reverse, set_script_prefix

    from django_wxpay import conf, services
    from django_wxpay.models import Order, OrderEvent
    from django_wxpay.services import gateways
    from django_wxpay.simulator import Options, SimulatorAdapter, create_app

    headers = shop.log_in()
    catch_up()
    merchants = tuple(conf.merchants().values())
    simulator = create_app(merchants, deliver=shop.hear, options=Options(live=False))
    for host in {host for merchant in merchants for host in merchant.hosts}:
        gateways.mount(host, SimulatorAdapter(simulator))

    place = {"a mount of the server's": _over_rest}.get(shop.name, _over_services)
    placed = {"v2": _over_rest(headers, shop, "v2"), "v3": place(headers, shop, "v3")}
    # Only a request knows what the server says of the mount.
    set_script_prefix(f"{shop.mount}/")
    primary = Order.objects.using(router.db_for_write(Order))
    for api in placed:
        order = primary.get(merchant=api)
        simulator.pay(order.mch_id, order.out_trade_no)
    if shop.name == LATE:
        waiting = _undelivered()
        services.run_jobs("events")
        assert _undelivered() == waiting == [("PAID", 0), ("PAID", 0)]
        assert shop.told == {}
        shop.open()
        services.run_jobs("events")
    OrderEvent.objects.filter(dispatched_at=None).update(next_dispatch_at=None)
    runs = [run.name for run in services.run_jobs() if not run.succeeded]
    catch_up()
    path = reverse("django_wxpay:api-orders")
    status, listed = request("GET", path, headers=headers, mount=shop.mount)
    return {
        "placed": placed,
        "answers": shop.answers,
        "states": {order.merchant: order.trade_state for order in primary.all()},
        "told": shop.told,
        "failed jobs": runs,
        "list": [status, sorted(json.loads(listed)), _states(json.loads(listed))],
        "admin": dict(_pages_that_fail(headers, shop.mount)),
        "stranger": request("GET", path, mount=shop.mount)[0],
    }


def _undelivered() -> list[tuple[str, int]]:
    from django_wxpay.models import OrderEvent

    pending = OrderEvent.objects.filter(dispatched_at=None)
    return list(pending.values_list("kind", "dispatch_attempts"))


def _over_rest(headers: Mapping[str, str], shop: Shop, merchant: str) -> int:
    from django.urls import reverse

    wanted = {
        "merchant": merchant,
        "trade_type": "NATIVE",
        "body": "Tea",
        "total_fee": 1234567,
        "product_id": "T",
    }
    path = shop.mount + reverse("django_wxpay:api-orders").removeprefix(shop.mount)
    status, _ = request(
        "POST", path, json.dumps(wanted).encode(), headers=headers, mount=shop.mount
    )
    return status


def _over_services(headers: Mapping[str, str], shop: Shop, merchant: str) -> int:
    from django_wxpay import services

    checkout = services.checkout(
        merchant=merchant, trade_type="NATIVE", body="Tea", total_fee=1234567, product_id="T"
    )
    return 201 if checkout.parameters["code_url"].startswith("weixin://") else 0


def _states(listed: Any) -> list[str]:
    rows = listed.get("results", [])
    return sorted(row.get("trade_state", row.get("tradeState", "")) for row in rows)


def _pages_that_fail(headers: Mapping[str, str], mount: str) -> Iterator[tuple[str, int]]:
    """Yield each page of ours, on each admin site that shows it, that is not shown."""
    from django.apps import apps
    from django.contrib.admin.sites import all_sites
    from django.urls import NoReverseMatch, reverse

    looked = 0
    for site in all_sites:
        for model in apps.get_app_config("django_wxpay").get_models():
            if not site.is_registered(model):
                continue
            base = f"{site.name}:django_wxpay_{model._meta.model_name}"
            paths = [reverse(f"{base}_changelist")]
            # A row of some has no page of its own.
            with suppress(NoReverseMatch):
                rows = model.objects.all()[:2]
                paths += [reverse(f"{base}_change", args=[row.pk]) for row in rows]
            for path in paths:
                looked += 1
                status, _ = request("GET", path, headers=headers, mount=mount)
                if status != 200:
                    yield path, status
    if looked < 20:
        yield "pages looked at", looked


def main(name: str, folder: Path) -> dict[str, Any]:
    configure(name, folder)
    shop = Shop(name)
    found = found_by_check()
    if found and name != LATE:
        return {"check": found}
    migrate()
    found = found_by_check(*(alias for alias, entry in settings.DATABASES.items() if entry))
    return {"optimized": sys.flags.optimize, "check": found} | sell(shop)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
