"""Settings of other people's projects, each tried from the order to the page in the admin.

``docs/projects.md`` lists what was tried here. A row that needs a process of its own is tried by
``manage.py`` in one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.urls import reverse, set_script_prefix

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.services import gateways
from tests.laws.source import ROOT
from tests.long import first_of
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, granted, payment_notice, scripted_v2

pytestmark = pytest.mark.django_db(transaction=True)

GATEWAY = "http://gateway.test"
ADDRESS = "https://shop.example.com"
NUMBER = "PROJECT0001"
REPORTED = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
PAGES = ("order/", "order/?q=PROJECT", "order/{pk}/change/", "notification/", "hourlylatency/")
BODY = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 1234567, "product_id": "P1"}


@pytest.fixture
def gateway(settings: Any) -> Iterator[ScriptedTransport]:
    entry = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [GATEWAY]}
    settings.WXPAY = {"NOTIFY_BASE_URL": ADDRESS, "MERCHANTS": {"default": entry}}
    scripted = scripted_v2()
    scripted.answers["/pay/unifiedorder"] = granted
    scripted.answers["/payitil/report"] = REPORTED
    gateways.mount(GATEWAY, scripted)
    yield scripted
    gateways.unmount(GATEWAY)


def browser(host: str = "shop.example.com") -> Client:
    client = Client(enforce_csrf_checks=True, headers={"host": host})
    client.force_login(User.objects.create_superuser(f"clerk{User.objects.count()}"))
    return client


def notified(path: str, body: bytes, host: str = "shop.example.com", **extra: Any) -> Any:
    """Return how a notification is answered that comes as WeChat Pay's do."""
    return Client(enforce_csrf_checks=True).generic(
        "POST",
        path,
        body,
        content_type="text/xml",
        secure=True,
        headers={"host": host, "user-agent": "Mozilla/4.0"},
        **extra,
    )


def sold(host: str = "shop.example.com", pages: Iterable[str] = PAGES) -> None:
    """Sell one tea: over REST, by a notification, and look at it everywhere."""
    clerk = browser(host)
    order = services.create_order(**BODY, out_trade_no=NUMBER)  # type: ignore[arg-type]
    services.unified_order(order)
    shown = f"/wxpay/api/orders/{order.pk}/"
    assert clerk.get(shown, secure=True).json()["trade_state"] == "NOTPAY"

    path = order.notify_url.removeprefix(f"https://{host}")
    answer = notified(path, payment_notice(NUMBER, total_fee="1234567"), host)
    assert (answer.status_code, b"SUCCESS" in answer.content) == (200, True)
    assert clerk.get(shown, secure=True).json()["trade_state"] == "SUCCESS"
    listed = clerk.get("/wxpay/api/orders/?created_after=2026-01-01", secure=True)
    assert [each["total_fee"] for each in listed.json()["results"]] == [1234567]
    for page in pages:
        address = f"/admin/django_wxpay/{page.format(pk=order.pk)}"
        assert clerk.get(address, secure=True).status_code == 200, page
    assert [run for run in services.run_jobs() if not run.succeeded] == []


PROJECTS: dict[str, dict[str, Any]] = {
    "nothing changed": {},
    "no slash is appended": {"APPEND_SLASH": False},
    "every address begins with www": {
        "PREPEND_WWW": True,
        "ALLOWED_HOSTS": ["www.shop.example.com"],
    },
    "https only": {"SECURE_SSL_REDIRECT": True, "SECURE_HSTS_SECONDS": 3600},
    "no translation": {"USE_I18N": False},
    "Chinese": {"LANGUAGE_CODE": "zh-hans"},
    "a time zone with summer time": {"TIME_ZONE": "America/New_York"},
    "UTC": {"TIME_ZONE": "UTC"},
    "thousands set apart": {"USE_THOUSAND_SEPARATOR": True, "LANGUAGE_CODE": "de"},
    "small uploads": {"DATA_UPLOAD_MAX_MEMORY_SIZE": 10, "DATA_UPLOAD_MAX_NUMBER_FIELDS": 1},
    "sessions in cookies": {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"},
    "sessions in the cache": {
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
    },
    "sessions saved each time": {"SESSION_SAVE_EVERY_REQUEST": True},
    "CSRF in the session": {"CSRF_USE_SESSIONS": True},
    "no cache": {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}},
    "DEBUG": {"DEBUG": True},
    "errors passed on": {"DEBUG_PROPAGATE_EXCEPTIONS": True},
    "agents refused": {"DISALLOWED_USER_AGENTS": [re.compile("bot")]},
    "framed": {"X_FRAME_OPTIONS": "SAMEORIGIN"},
}


@pytest.mark.parametrize("name", first_of(PROJECTS))
def test_a_tea_is_sold_in_a_project_with(
    name: str, gateway: ScriptedTransport, settings: Any
) -> None:
    for setting, value in PROJECTS[name].items():
        setattr(settings, setting, value)
    host = settings.ALLOWED_HOSTS[0] if settings.PREPEND_WWW else "shop.example.com"
    settings.WXPAY = settings.WXPAY | {"NOTIFY_BASE_URL": f"https://{host}"}
    sold(host)


def test_payments_need_no_utf_8_of_pages_and_the_admin_does(
    gateway: ScriptedTransport, settings: Any
) -> None:
    settings.DEFAULT_CHARSET = "gbk"
    sold(pages=())


ENTRIES: dict[str, dict[str, Any]] = {
    "a transaction for each request": {"ATOMIC_REQUESTS": True},
    "connections kept for ever": {"CONN_MAX_AGE": None},
    "connections kept and asked": {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
}


@pytest.mark.parametrize("name", first_of(ENTRIES))
def test_a_tea_is_sold_on_a_database_with(
    name: str, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option, value in ENTRIES[name].items():
        monkeypatch.setitem(connections["default"].settings_dict, option, value)
    sold()


@pytest.mark.parametrize("name", ["gzip.GZipMiddleware", "http.ConditionalGetMiddleware"])
def test_a_tea_is_sold_behind(name: str, gateway: ScriptedTransport, settings: Any) -> None:
    settings.MIDDLEWARE = [f"django.middleware.{name}", *settings.MIDDLEWARE]
    sold()


def test_a_cache_of_the_whole_site_never_shows_an_order_as_it_was(
    gateway: ScriptedTransport, settings: Any
) -> None:
    cache.clear()
    settings.MIDDLEWARE = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *settings.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    sold()


@pytest.mark.parametrize(
    "broken",
    [
        {"PREPEND_WWW": True},
        {"ALLOWED_HOSTS": ["www.example.com"]},
        {"DISALLOWED_USER_AGENTS": [re.compile("Mozilla/4")]},
    ],
)
def test_what_check_warns_of_does_keep_a_notification_out(
    broken: dict[str, Any], gateway: ScriptedTransport, settings: Any
) -> None:
    for setting, value in broken.items():
        setattr(settings, setting, value)
    services.create_order(**BODY, out_trade_no=NUMBER)  # type: ignore[arg-type]
    path = reverse("django_wxpay:notify-payment", kwargs={"merchant": "default"})
    answer = notified(path, payment_notice(NUMBER, total_fee="1234567"))
    assert answer.status_code in {301, 400, 403}
    assert Order.objects.get().trade_state == "CREATED"


def test_under_a_prefix_the_address_of_notifications_has_it_in_every_thread(
    gateway: ScriptedTransport, settings: Any
) -> None:
    settings.FORCE_SCRIPT_NAME = "/pay"
    set_script_prefix("/pay/")
    found: list[str] = []

    def place() -> None:
        order = services.create_order(**BODY, out_trade_no=f"PREFIX000{len(found)}")  # type: ignore[arg-type]
        found.append(order.notify_url)
        connections.close_all()

    place()
    thread = threading.Thread(target=place)
    thread.start()
    thread.join()
    assert found == [f"{ADDRESS}/pay/wxpay/notify/default/payment/"] * 2


COMMANDS = {
    "another kind of key": (
        'DEFAULT_AUTO_FIELD = "django.db.models.AutoField"',
        "makemigrations --check",
    ),
    "static files by their hash": (
        (
            'BY_HASH = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"\n'
            'STORAGES = {"staticfiles": {"BACKEND": BY_HASH}}\nSTATIC_ROOT = FOLDER'
        ),
        "collectstatic --noinput",
    ),
    "no migrations of ours": ('MIGRATION_MODULES = {"django_wxpay": None}', "migrate --run-syncdb"),
    "logging of its own": ("LOGGING_CONFIG = None", "check"),
}


@pytest.mark.parametrize("name", first_of(COMMANDS))
def test_a_command_works_in_a_project_with(name: str, tmp_path: Path) -> None:
    lines, command = COMMANDS[name]
    (tmp_path / "other_settings.py").write_text(
        f"from example_project.settings import *\nFOLDER = {str(tmp_path / 'static')!r}\n{lines}\n"
    )
    ended = subprocess.run(
        [sys.executable, "manage.py", *command.split()],
        cwd=ROOT,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "other_settings",
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "EXAMPLE_DATABASE": str(tmp_path / "db.sqlite3"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
