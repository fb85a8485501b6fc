"""The buttons of a row's page under themes, which lay the page out anew around its blocks."""

from __future__ import annotations

from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.admin.conftest import ADMIN
from tests.factories import NotificationFactory, OrderEventFactory, OrderFactory, UserFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, standing

pytestmark = pytest.mark.django_db


class Page(HTMLParser):
    """The forms of a page with their fields, and its submit buttons."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.buttons: list[dict[str, str]] = []
        self.nested = 0
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.nested += bool(self._open)
            self._open.append(given.get("id", ""))
            self.forms[self._open[-1]] = {}
        elif tag == "input" and self._open and given.get("name"):
            self.forms[self._open[-1]][given["name"]] = given.get("value", "")
        elif tag == "button" and "formaction" in given:
            self.buttons.append(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open.pop()


@pytest.fixture(params=["django", "tools inside the form"])
def boss(request: pytest.FixtureRequest, settings: Any) -> Client:
    """Return a browser whose posts need their token, in front of one of two layouts."""
    if request.param != "django":
        templates = deepcopy(settings.TEMPLATES)
        templates[0]["DIRS"] = [Path(__file__).parent / "theme"]
        settings.TEMPLATES = templates
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(UserFactory(is_staff=True, is_superuser=True))
    return browser


def test_a_button_posts_the_token_of_the_pages_own_form(
    boss: Client, gateway: ScriptedTransport
) -> None:
    gateway.answers["/pay/orderquery"] = standing(PAID)
    order, event = OrderFactory(), OrderEventFactory(untold=True)
    verbs = {
        f"{ADMIN}/order/{order.pk}": "query",
        f"{ADMIN}/notification/{NotificationFactory().pk}": "replay",
        f"{ADMIN}/orderevent/{event.pk}": "tell",
    }
    for at, verb in verbs.items():
        page = Page(boss.get(f"{at}/change/").content.decode())
        # The page of an order has another one, for a note.
        assert len(page.buttons) == (2 if verb == "query" else 1)
        (button,) = (each for each in page.buttons if each["formaction"] == f"{at}/{verb}/")
        assert {each["form"] for each in page.buttons} == {button["form"]}
        assert (button["type"], button["formmethod"]) == ("submit", "post")
        assert page.nested == 0
        answer = boss.post(button["formaction"], page.forms[button["form"]])
        assert answer.status_code == 302, verb
    assert len(gateway.calls) == 1


def test_the_way_to_close_is_shown_and_nothing_that_would_save(boss: Client) -> None:
    order = OrderFactory()
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert f'href="{ADMIN}/order/{order.pk}/close/"' in page
    assert f'href="{ADMIN}/order/{order.pk}/history/"' in page
    assert "submit-row" not in page
    assert 'name="_save"' not in page
