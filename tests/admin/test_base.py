"""Every page of the admin: to be seen by those who may, to be edited by nobody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from django_wxpay.admin import base
from django_wxpay.admin.base import NewestPaginator
from django_wxpay.models import (
    ApiReport,
    BackgroundJob,
    Bill,
    CertificateDownload,
    Discrepancy,
    Notification,
    Order,
    OrderEvent,
    PlatformCertificate,
    Prepay,
    Promotion,
    Refund,
    RefusalCount,
)
from tests.admin.conftest import ADMIN, MODELS
from tests.factories import (
    OPENID,
    ApiReportFactory,
    BackgroundJobFactory,
    CertificateDownloadFactory,
    DiscrepancyFactory,
    FeeFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PlatformCertificateFactory,
    PrepayFactory,
    PromotionFactory,
    RefundFactory,
    RefusalCountFactory,
)
from tests.tables import counted

pytestmark = pytest.mark.django_db
CLASSES = {
    "order": Order,
    "prepay": Prepay,
    "notification": Notification,
    "orderevent": OrderEvent,
    "apireport": ApiReport,
    "promotion": Promotion,
    "refund": Refund,
    "platformcertificate": PlatformCertificate,
    "certificatedownload": CertificateDownload,
    "backgroundjob": BackgroundJob,
    "refusalcount": RefusalCount,
    "bill": Bill,
    "discrepancy": Discrepancy,
}


def one_of_each(**fields: Any) -> Order:
    order: Order = OrderFactory(paid=True, **fields)
    PrepayFactory(order=order)
    told = NotificationFactory(order=order, refund=True)
    OrderEventFactory(order=order, refunded=True, notification=told)
    OrderEventFactory(order=order, notification=NotificationFactory(order=order))
    OrderEventFactory(order=order, conflict=True)
    PromotionFactory(order=order)
    ApiReportFactory(out_trade_no=order.out_trade_no)
    PlatformCertificateFactory()
    CertificateDownloadFactory()
    BackgroundJobFactory()
    RefusalCountFactory()
    difference = DiscrepancyFactory(local_order=order)
    FeeFactory(order=order, bill=difference.bill)
    return order


def page(client: Client, model: str) -> str:
    row = CLASSES[model].objects.order_by("-pk")[0]
    answer = client.get(f"{ADMIN}/{model}/{row.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_model_has_its_page() -> None:
    assert admin.site._registry.keys() >= set(CLASSES.values())


@pytest.mark.parametrize("model", MODELS)
def test_the_list_and_the_page_can_be_seen_with_the_view_permission_alone(
    as_holder: Callable[..., Client],
    model: str,
) -> None:
    one_of_each()
    viewer = as_holder(f"view_{model}")
    assert viewer.get(f"{ADMIN}/{model}/").status_code == 200
    assert "<form" in page(viewer, model)
    nobody = as_holder()
    assert nobody.get(f"{ADMIN}/{model}/").status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_not_even_a_superuser_adds_edits_or_deletes(boss: Client, model: str) -> None:
    one_of_each()
    row = CLASSES[model].objects.order_by("-pk")[0]
    count = CLASSES[model].objects.count()
    assert boss.get(f"{ADMIN}/{model}/add/").status_code == 403
    assert boss.post(f"{ADMIN}/{model}/{row.pk}/change/", {"total_fee": 1}).status_code == 403
    assert boss.post(f"{ADMIN}/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    boss.post(
        f"{ADMIN}/{model}/",
        {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
    )
    assert CLASSES[model].objects.count() == count
    assert "delete_selected" not in boss.get(f"{ADMIN}/{model}/").content.decode()
    assert 'name="_save"' not in page(boss, model)


def test_twenty_rows_cost_as_many_queries_as_one(boss: Client) -> None:
    one_of_each()
    of_one = {model: _queries_of_list(boss, model)[0] for model in MODELS}
    # A month chooses the merchants that it shows before it loads their bills.
    assert [model for model in MODELS if of_one[model] > (7 if model == "bill" else 6)] == []
    for _ in range(19):
        one_of_each()
    of_twenty = {model: _queries_of_list(boss, model) for model in MODELS}
    assert [model for model in MODELS if of_twenty[model][0] > of_one[model]] == []
    assert {shown for _, shown in of_twenty.values()} <= {0, 20, 40, 50}


def _queries_of_list(browser: Client, model: str) -> tuple[int, int]:
    """Return how many queries a list makes, and how many rows it shows."""
    with counted() as queries:
        answer = browser.get(f"{ADMIN}/{model}/")
    assert answer.status_code == 200
    return len(queries), answer.content.decode().count('class="action-select"')


@pytest.mark.parametrize("model", MODELS)
def test_a_page_says_nothing_that_is_private(boss: Client, model: str) -> None:
    one_of_each(openid=OPENID, sub_openid="oSubSubSubSub", user_creid="11010119900307000X")
    for text in (page(boss, model), boss.get(f"{ADMIN}/{model}/").content.decode()):
        assert OPENID not in text
        assert "oSubSubSubSub" not in text
        assert "11010119900307000X" not in text
        assert "5EC2E7" not in text


@pytest.mark.parametrize(
    ("model", "by"),
    [
        ("order", "out_trade_no"),
        ("order", "transaction_id"),
        ("order", "reference"),
        ("prepay", "prepay_id"),
        ("prepay", "order.out_trade_no"),
        ("notification", "out_trade_no"),
        ("notification", "transaction_id"),
        ("orderevent", "order.out_trade_no"),
        ("apireport", "out_trade_no"),
        ("promotion", "order.out_trade_no"),
        ("refund", "out_refund_no"),
        ("refund", "refund_id"),
        ("refund", "order.out_trade_no"),
        ("platformcertificate", "serial_no"),
        ("platformcertificate", "mch_id"),
        ("certificatedownload", "mch_id"),
        ("discrepancy", "out_trade_no"),
        ("discrepancy", "transaction_id"),
    ],
)
def test_a_row_is_found_by_its_numbers(boss: Client, model: str, by: str) -> None:
    one_of_each()
    wanted = one_of_each()
    row: Any = CLASSES[model].objects.order_by("-pk")[0]
    value = row
    for name in by.split("."):
        value = getattr(value, name)
    found = boss.get(f"{ADMIN}/{model}/", {"q": value}).context["cl"].queryset
    assert set(found) <= set(CLASSES[model].objects.order_by("-pk")[:3])
    assert row in found
    assert str(wanted) in str([getattr(one, "out_trade_no", wanted) for one in found])


@pytest.mark.parametrize("query", ["c5d1", "C5D1", "0C5D1", f"{0xC5D1:040X} "])
def test_a_certificate_is_found_by_its_number_however_it_is_written(
    boss: Client, query: str
) -> None:
    wanted = PlatformCertificateFactory(serial_no=f"{0xC5D1:040X}")
    PlatformCertificateFactory()
    found = boss.get(f"{ADMIN}/platformcertificate/", {"q": query}).context["cl"].queryset
    assert list(found) == [wanted]


@pytest.mark.parametrize(
    ("model", "query", "count"),
    [
        ("order", "trade_state__exact=SUCCESS", 1),
        ("order", "trade_type__exact=JSAPI", 1),
        ("order", "merchant=other", 1),
        ("order", "merchant=default", 1),
        ("apireport", "failed=yes", 1),
        ("apireport", "failed=no", 1),
        ("apireport", "failed=TIMEOUT", 1),
        ("apireport", "failed=DNS", 0),
        ("apireport", "report_status__exact=PENDING", 2),
        ("apireport", "report_status__exact=SENT", 0),
        ("apireport", "host=gateway.test", 0),
        ("orderevent", "told=no", 1),
        ("orderevent", "told=yes", 1),
        ("orderevent", "kind__exact=PAID", 2),
        ("notification", "outcome__exact=FAILED", 1),
        ("refund", "refund_status__exact=PROCESSING", 1),
        ("refund", "merchant=other", 1),
    ],
)
def test_lists_are_filtered(boss: Client, model: str, query: str, count: int) -> None:
    paid = OrderFactory(paid=True)
    OrderFactory(jsapi=True, merchant="other")
    ApiReportFactory()
    ApiReportFactory(failed=True)
    OrderEventFactory(order=paid)
    OrderEventFactory(order=paid, untold=True)
    NotificationFactory(order=paid)
    NotificationFactory(unknown=True)
    RefundFactory(order=paid, paid_back=True)
    RefundFactory(order=OrderFactory(closed=True, merchant="third"), merchant="other")
    answer = boss.get(f"{ADMIN}/{model}/?{query}")
    assert answer.status_code == 200
    assert answer.context["cl"].queryset.count() == count


def test_one_merchant_needs_no_filter(boss: Client, settings: Any) -> None:
    account = settings.WXPAY["MERCHANTS"]["default"]
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": account}}
    assert "?merchant=" not in boss.get(f"{ADMIN}/order/").content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_settings_that_are_wrong_do_not_take_the_pages_down(
    boss: Client,
    settings: Any,
    model: str,
) -> None:
    settings.WXPAY = {}
    one_of_each()
    assert boss.get(f"{ADMIN}/{model}/").status_code == 200
    page(boss, model)


def test_a_list_counts_no_further_than_anybody_turns_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ApiReportFactory.create_batch(7)
    rows = ApiReport.objects.order_by("-created_at")
    assert NewestPaginator(rows, 2).count == 7
    monkeypatch.setattr(base, "FARTHEST", 5)
    paginator = NewestPaginator(rows, 2)
    assert (paginator.count, paginator.num_pages) == (5, 3)
    assert list(paginator.page(1)) == list(rows[:2])


def test_what_is_counted_is_not_put_in_order(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1) as queries:
        assert NewestPaginator(ApiReport.objects.order_by("-created_at", "-id"), 2).count == 0
    assert "ORDER BY" not in queries[0]["sql"]


@pytest.mark.parametrize("name", ["merchant", "host", "interface", "failed"])
def test_a_filter_that_is_nonsense_breaks_no_list(boss: Client, name: str) -> None:
    ApiReportFactory()
    nul = boss.get(f"{ADMIN}/apireport/", {name: "a\0b"})
    assert (nul.status_code, nul["Location"]) == (302, f"{ADMIN}/apireport/?e=1")
    assert boss.get(nul["Location"]).status_code == 200
    for nonsense in ("http://[x", "<script>alert(1)", "漢" * 300):
        page = boss.get(f"{ADMIN}/apireport/", {name: nonsense})
        assert page.status_code == 200
        assert "<script>alert" not in page.content.decode()


def test_pages_lead_to_one_another_in_both_directions(boss: Client) -> None:
    order = one_of_each()
    belonging = [Prepay, Notification, OrderEvent, Promotion, Refund, ApiReport]
    links = {
        model: f"/{model.__name__.lower()}/{model.objects.order_by('-pk')[0].pk}/change/"
        for model in belonging
    }
    shown = page(boss, "order")
    for model, link in links.items():
        if model is OrderEvent:
            link = f"/orderevent/?order__id__exact={order.pk}"  # noqa: PLW2901
        assert link in shown, model
        assert f"/order/{order.pk}/change/" in page(boss, model.__name__.lower())
    event = page(boss, "notification")
    assert re.search(r"/orderevent/\d+/change/", event)
    for model_name in ("prepay", "notification", "orderevent", "promotion", "refund"):
        listed = boss.get(f"{ADMIN}/{model_name}/").content.decode()
        assert f"/order/{order.pk}/change/" in listed
    calls = boss.get(f"{ADMIN}/apireport/").content.decode()
    assert f"/order/?out_trade_no={order.out_trade_no}" in calls
    assert boss.get(f"{ADMIN}/order/?out_trade_no={order.out_trade_no}").status_code == 200
    assert boss.get(f"{ADMIN}/orderevent/?order__id__exact={order.pk}").status_code == 200
    assert boss.get(f"{ADMIN}/apireport/?out_trade_no={order.out_trade_no}").status_code == 200


def test_what_belongs_to_a_row_is_shown_to_those_who_may_see_it(
    as_holder: Callable[..., Client],
) -> None:
    one_of_each()
    order = page(as_holder("view_order"), "order")
    for other in ("prepay", "notification", "orderevent", "apireport", "promotion", "refund"):
        assert f"{ADMIN}/{other}/" not in order
    assert "by a notification" in order
    assert "Ask WeChat Pay" not in order
    assert f"{ADMIN}/orderevent/" not in page(as_holder("view_notification"), "notification")
    assert "The order" not in page(as_holder("view_apireport"), "apireport")
