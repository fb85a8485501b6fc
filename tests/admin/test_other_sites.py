"""Our models on admin sites of the project's own: every way out stays on the site that shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages.middleware import MessageMiddleware
from django.test import Client
from django.urls import get_script_prefix, reverse, set_script_prefix

from django_wxpay.models import Order, OrderEvent
from tests.admin import latency_rows
from tests.admin.conftest import MODELS
from tests.admin.test_base import CLASSES, one_of_each
from tests.factories import OrderFactory, UserFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, standing

pytestmark = pytest.mark.django_db
ALONE, BOTH = "tests.admin.other_sites", "tests.admin.other_sites_and_ours"
ADDRESS = re.compile(r'\b(?:href|action|formaction|src)="([^"#?]+)')
# What every site has in common.
SHARED = ("/static/", "/wxpay/", "/i18n/")


def ways_out(page: str, root: str = "") -> list[str]:
    """Return the addresses on a page that lead into some admin site."""
    found = {each for each in ADDRESS.findall(page) if each.startswith("/")} - {root or "/"}
    return sorted(each for each in found if not each.removeprefix(root).startswith(SHARED))


def pages(order: Order) -> list[str]:
    rows = {name: model.objects.order_by("-pk")[0] for name, model in CLASSES.items()}
    rows["order"] = order
    changes = [f"{name}/{rows[name].pk}/change/" for name in MODELS]
    return [
        *changes,
        *(f"{name}/" for name in MODELS),
        "hourlylatency/",
        f"order/{order.pk}/close/",
    ]


@pytest.fixture(params=["", "/shop"])
def root(request: pytest.FixtureRequest) -> str:
    """Serve the project below a path; what a server's handler does, a test's client does not."""
    set_script_prefix(f"{request.param}/")
    prefix: str = request.param
    return prefix


@pytest.mark.parametrize("urls", [ALONE, BOTH])
def test_every_address_stays_on_the_site(boss: Client, settings: Any, urls: str, root: str) -> None:
    settings.ROOT_URLCONF = urls
    order = one_of_each()
    latency_rows.a_day()
    for page in pages(order):
        answer = boss.get(f"/back/django_wxpay/{page}", SCRIPT_NAME=root)
        assert answer.status_code == 200, page
        out = ways_out(answer.content.decode(), root)
        assert [each for each in out if not each.startswith(f"{root}/back/")] == [], page
        assert len(out) > 5
    if urls == BOTH:
        for page in pages(order):
            answer = boss.get(f"/admin/django_wxpay/{page}", SCRIPT_NAME=root)
            out = ways_out(answer.content.decode(), root)
            assert [each for each in out if not each.startswith(f"{root}/admin/")] == [], page


@pytest.mark.parametrize("urls", [ALONE, BOTH])
def test_buttons_and_actions_lead_back_to_their_site(
    boss: Client, gateway: ScriptedTransport, settings: Any, urls: str
) -> None:
    settings.ROOT_URLCONF = urls
    gateway.answers["/pay/orderquery"] = standing(PAID)
    first, second, third = (OrderFactory() for _ in range(3))
    mount = get_script_prefix().rstrip("/")
    at = f"{mount}/back/django_wxpay/order"
    pressed = boss.post(f"{at}/{first.pk}/query/", follow=True)
    assert pressed.redirect_chain == [(f"{at}/{first.pk}/change/", 302)]
    assert pressed.status_code == 200
    acted = boss.post(
        f"{at}/", {"action": "query_now", "_selected_action": [second.pk]}, follow=True
    )
    assert acted.redirect_chain == [(f"{at}/", 302)]
    asked = boss.post(f"{at}/", {"action": "close", "_selected_action": [third.pk]})
    assert f'href="{at}/{third.pk}/change/"' in asked.content.decode()
    assert boss.get(f"{at}/?q=%00").headers["Location"] == f"{at}/?e=1"
    anonymous = Client().post(f"{at}/{first.pk}/query/")
    # Where every page asks for a login, the middleware answers before the site does.
    is_asked_before = "LoginRequiredMiddleware" in "".join(settings.MIDDLEWARE)
    login = reverse("admin:login") if is_asked_before else f"{mount}/back/login/"
    assert anonymous.headers["Location"].startswith(login)
    assert len(gateway.calls) == 2


@pytest.mark.urls(ALONE)
def test_what_a_site_does_not_show_is_text_on_it(boss: Client) -> None:
    order = one_of_each()
    latency_rows.a_day()
    page = boss.get(f"/part/django_wxpay/order/{order.pk}/change/").content.decode()
    assert "Prepays" in page
    assert order.prepays.get().prepay_id in page
    assert "the notification" in page
    assert "See all" not in page
    latency = boss.get("/part/django_wxpay/hourlylatency/").content.decode()
    assert "/pay/unifiedorder" in latency
    assert "Single calls" not in latency
    assert "leads to its single calls" not in latency
    for shown in (page, latency):
        out = ways_out(shown, get_script_prefix().rstrip("/"))
        assert [each for each in out if not each.startswith(f"{get_script_prefix()}part/")] == []


@pytest.mark.urls(ALONE)
def test_a_site_and_a_class_of_the_projects_own_decide_who_sees_what(db: None) -> None:
    shown, hidden = one_of_each(), OrderFactory(reference="hidden")
    visitor = Client()
    visitor.force_login(UserFactory())
    at = "/open/django_wxpay/order"
    page = visitor.get(f"{at}/{shown.pk}/change/")
    assert page.status_code == 200
    assert "wxpay-tool" not in page.content.decode()
    assert "Prepays" not in page.content.decode()
    assert visitor.post(f"{at}/{shown.pk}/query/").status_code == 403
    assert str(hidden.out_trade_no) not in visitor.get(f"{at}/").content.decode()
    boss = Client()
    boss.force_login(UserFactory(is_superuser=True))
    assert boss.post(f"{at}/{hidden.pk}/query/").status_code == 404
    assert visitor.get(f"/back/django_wxpay/order/{shown.pk}/change/").status_code == 302


@pytest.mark.urls(ALONE)
def test_who_may_act_sees_the_tables_of_what_they_may_act_on(
    as_holder: Callable[..., Client],
) -> None:
    order = one_of_each()
    event = OrderEvent.objects.filter(notification__isnull=False)[0]
    holder = as_holder("view_order", "change_notification")
    page = holder.get(f"/back/django_wxpay/order/{order.pk}/change/").content.decode()
    assert f"/back/django_wxpay/notification/{event.notification_id}/change/" in page
    assert "/back/django_wxpay/prepay/" not in page


def test_a_project_without_messages_gets_its_answer_and_the_log(
    boss: Client, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answers["/pay/orderquery"] = standing(PAID)
    monkeypatch.setattr(MessageMiddleware, "process_request", lambda self, request: None)
    monkeypatch.setattr(
        MessageMiddleware, "process_response", lambda self, request, response: response
    )
    order = OrderFactory()
    answer = boss.post(f"/admin/django_wxpay/order/{order.pk}/query/")
    assert answer.status_code == 302
    assert LogEntry.objects.count() == 1
    many = [OrderFactory().pk for _ in range(51)]
    chosen = {"action": "query_now", "_selected_action": many}
    assert boss.post("/admin/django_wxpay/order/", chosen).status_code == 302
    assert len(gateway.calls) == 1


@pytest.mark.urls(ALONE)
@pytest.mark.parametrize("translated", [True, False])
def test_addresses_hold_plain_numbers_whatever_the_formats_of_the_project(
    boss: Client, settings: Any, translated: bool
) -> None:
    settings.USE_I18N = translated
    settings.USE_THOUSAND_SEPARATOR = True
    settings.DATETIME_FORMAT = settings.DATE_FORMAT = "d/m/Y"
    order = one_of_each(pk=1234567)
    latency_rows.a_day()
    for page in pages(order):
        answer = boss.get(f"/back/django_wxpay/{page}")
        assert answer.status_code == 200, page
        assert "1,234,567" not in "".join(ways_out(answer.content.decode())), page
    chosen = {"action": "close", "_selected_action": [order.pk]}
    asked = boss.post("/back/django_wxpay/order/", chosen).content.decode()
    assert 'name="_selected_action" value="1234567"' in asked


def test_the_package_works_without_the_admin() -> None:
    program = """
import django
from django.conf import settings
from example_project import settings as shop

ours = {name: getattr(shop, name) for name in dir(shop) if name.isupper()}
ours |= {
    "INSTALLED_APPS": [
        "django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_wxpay",
    ],
    "MIDDLEWARE": [],
    "TEMPLATES": [],
    "ROOT_URLCONF": "shop_urls",
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
}
settings.configure(**ours)
django.setup()
import sys
import types

from django.core.management import call_command
from django.test import Client
from django.urls import include, path

sys.modules["shop_urls"] = types.ModuleType("shop_urls")
sys.modules["shop_urls"].urlpatterns = [path("wxpay/", include("django_wxpay.urls"))]
call_command("migrate", verbosity=0)
call_command("check")
assert Client().get("/wxpay/api/orders/").status_code in (401, 403)
assert Client().get("/wxpay/api/schema/").status_code == 200
assert Client().post("/wxpay/notify/default/payment/").status_code < 500
assert "django_wxpay.admin" not in sys.modules
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
