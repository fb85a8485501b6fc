"""Staff with a permission each, and a scripted gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as project
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from tests.browser import Browser, chromium
from tests.factories import UserFactory
from tests.selling import HOST, V3_HOST, mounted
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, scripted_v2
from tests.wechatpay.v3 import scripted_v3

ADMIN = reverse("admin:app_list", args=["django_wxpay"]).rstrip("/")
# Staff who read English, whatever the language of the project.
ENGLISH = {"accept-language": "en"}
MODELS = [
    "order",
    "prepay",
    "notification",
    "orderevent",
    "apireport",
    "promotion",
    "refund",
    "platformcertificate",
    "certificatedownload",
    "backgroundjob",
    "refusalcount",
    "bill",
    "discrepancy",
]


@pytest.fixture(autouse=True)
def wxpay(settings: Any) -> dict[str, Any]:
    account = {"APPID": APPID, "MCH_ID": MCH_ID, "API_KEY": API_KEY, "HOSTS": [HOST]}
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": account, "other": account},
    }
    return settings.WXPAY


@pytest.fixture
def gateway(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    with mounted(scripted_v2(), HOST) as scripted:
        yield scripted


@pytest.fixture
def platform(wxpay: dict[str, Any]) -> Iterator[ScriptedTransport]:
    """Stand in for WeChat Pay's v3 side, for whichever merchants a test sets up."""
    with mounted(scripted_v3(), V3_HOST) as scripted:
        yield scripted


@pytest.fixture
def as_holder(db: None) -> Callable[..., Client]:
    """Return a browser whose person is staff and holds the permissions named, no others."""

    def client(*permissions: str) -> Client:
        browser = Client(headers=ENGLISH)
        browser.force_login(UserFactory(permissions=permissions, is_staff=True))
        return browser

    return client


@pytest.fixture
def boss(db: None) -> Client:
    browser = Client(headers=ENGLISH)
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    return browser


@pytest.fixture(scope="module")
def chromium_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(
    chromium_of_module: Browser,
    live_server: LiveServer,
    transactional_db: None,
) -> Browser:
    """Return a browser in which a superuser is logged in."""
    client = Client()
    client.force_login(UserFactory(username="ada", is_staff=True, is_superuser=True))
    session = client.cookies[project.SESSION_COOKIE_NAME].value
    cookie = {"name": project.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}
    chromium_of_module.ask("Network.setCookie", **cookie)
    chromium_of_module.complaints.clear()
    return chromium_of_module
