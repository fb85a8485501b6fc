"""The page of each kind of row in a real browser, its texts as long as their columns, unbroken."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.db import models
from django.urls import reverse
from factory.django import DjangoModelFactory
from pytest_django.live_server_helper import LiveServer

from django_wxpay.models import HourlyLatency, MerchantAccount, RefusalCount
from tests import factories
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


@pytest.mark.long
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("factory", FACTORIES, ids=lambda one: one._meta.model.__name__)
def test_no_value_is_wider_than_the_screen(
    browser: Browser, live_server: LiveServer, width: int, factory: type[DjangoModelFactory]
) -> None:
    row = lengthened(factory())
    browser.appear(width=width, scheme="light", language="en")
    page = reverse(f"admin:django_wxpay_{row._meta.model_name}_change", args=[row.pk])
    browser.look_at(f"{live_server.url}{page}")
    assert "WWWWWWWWWWWWWWWW" in browser.run("document.body.innerText")
    assert browser.run("document.documentElement.scrollWidth") == width
