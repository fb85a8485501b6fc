"""The page of each kind of row in a real browser, its texts as long as their columns, unbroken."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import models
from factory.django import DjangoModelFactory
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import HourlyLatency, MerchantAccount, Order, RefusalCount
from tests import factories
from tests.admin.conftest import ADMIN
from tests.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
FACTORIES: tuple[type[DjangoModelFactory], ...] = (
    *(factories.OrderFactory, factories.OrderEventFactory, factories.RefundFactory),
    *(factories.NotificationFactory, factories.ApiReportFactory, factories.PrepayFactory),
    *(factories.PromotionFactory, factories.BillFactory, factories.DiscrepancyFactory),
    *(factories.BackgroundJobFactory, factories.PlatformCertificateFactory),
    factories.CertificateDownloadFactory,
)
# A merchant's values stand in boxes to type in; the other two have lists and charts alone.
WITHOUT = {MerchantAccount, HourlyLatency, RefusalCount}


def lengthened(row: models.Model) -> models.Model:
    """Fill each column of free text to its end with the widest letter."""
    texts = {
        field.attname: "W" * field.max_length
        for field in row._meta.concrete_fields
        if isinstance(field, models.CharField) and field.max_length and not field.choices
    }
    type(row)._base_manager.filter(pk=row.pk).update(**texts)
    return row


def test_each_kind_of_row_with_a_page_is_tried() -> None:
    ours = {model for model in admin.site._registry if model._meta.app_label == "django_wxpay"}
    assert {factory._meta.model for factory in FACTORIES} == ours - WITHOUT


def looks(
    browser: Browser, live_server: LiveServer, row: models.Model, page: str, width: int
) -> None:
    browser.look_at(f"{live_server.url}{ADMIN}/{row._meta.model_name}/{row.pk}/{page}/")
    # The history of an event is headed by its state alone.
    assert page == "history" or "W" * 16 in browser.run("document.body.innerText"), page
    assert browser.run("document.documentElement.scrollWidth") == width, page


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("factory", FACTORIES, ids=lambda one: one._meta.model.__name__)
def test_no_value_is_wider_than_the_screen(
    browser: Browser, live_server: LiveServer, width: int, factory: type[DjangoModelFactory]
) -> None:
    row = lengthened(factory())
    browser.appear(width=width, scheme="light", language="en")
    for page in ("change", "history"):
        looks(browser, live_server, row, page, width)


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
def test_no_question_is_wider_than_the_screen(
    browser: Browser, live_server: LiveServer, width: int
) -> None:
    browser.appear(width=width, scheme="light", language="en")
    for page, order in (
        ("close", factories.OrderFactory()),
        ("reverse", factories.OrderFactory(created=True)),
        ("refund", factories.OrderFactory(paid=True)),
        ("note", factories.OrderFactory(paid=True)),
    ):
        columns = {"out_trade_no": f"{page:W<32}", "body": "W" * 127}
        Order.objects.filter(pk=order.pk).update(**columns)
        looks(browser, live_server, order, page, width)


# Names of WeChat Pay's fields that stand on a line of their own.
ALONE = """
[...document.querySelectorAll(".wxpay-wire")].filter((name) => {
    const {top, height} = name.getBoundingClientRect();
    return ![...name.closest(".form-row").querySelectorAll("label, .readonly")].some((one) => {
        const box = one.getBoundingClientRect();
        return box.top < top + height / 2 && top + height / 2 < box.bottom;
    });
}).filter((name) => name.offsetParent).map((name) => name.textContent)
"""


@pytest.mark.long
def test_the_name_of_a_field_stands_on_the_line_of_its_label_or_value(
    browser: Browser, live_server: LiveServer
) -> None:
    order = factories.OrderFactory(paid=True)
    browser.appear(width=1280)
    browser.look_at(f"{live_server.url}{ADMIN}/order/{order.pk}/change/")
    assert browser.run("document.querySelectorAll('.wxpay-wire').length") > 5
    assert browser.run(ALONE) == []
