"""A shop whose merchants are in the database: notifications, the overview, bills and jobs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_wxpay import conf, services
from django_wxpay.exceptions import UnknownMerchant
from django_wxpay.merchants import save_account
from django_wxpay.models import MerchantAccount, Order
from django_wxpay.protocol.secrets import Secret
from django_wxpay.services.accounts.database import merchant_numbers
from django_wxpay.services.bills import fetching
from django_wxpay.services.bills.accounts import accounts
from django_wxpay.services.bills.fetching import fetch_bills
from django_wxpay.services.certificates import refresh_certificates
from django_wxpay.services.overview import overview
from tests.accounts import (
    API_KEY,
    NEXT_API_KEY,
    NEXT_SEALING_KEY,
    SEALING_KEY,
    V3,
    V3_KEYS,
    a_second_later,
    kept,
    secrets,
    wxpay,
)
from tests.factories import OrderFactory, PlatformCertificateFactory
from tests.tables import counted
from tests.wechatpay import v2

pytestmark = pytest.mark.django_db


def notified(alias: str, body: bytes) -> Any:
    url = reverse("django_wxpay:notify-payment", kwargs={"merchant": alias})
    return Client().post(url, data=body, content_type="text/xml")


def test_a_payment_of_a_merchant_added_a_second_ago_is_taken_in() -> None:
    assert notified("tea", b"<xml/>").status_code == 404
    kept("tea", appid=v2.APPID, mch_id=v2.MCH_ID)
    a_second_later()
    order = services.create_order(
        merchant="tea", trade_type="NATIVE", body="Tea", total_fee=100, product_id="P1"
    )
    Order.objects.filter(pk=order.pk).update(trade_state="NOTPAY")
    body = v2.payment_notice(order.out_trade_no, key=API_KEY, total_fee="100")
    assert b"SUCCESS" in notified("tea", body).content
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"


def test_a_strangers_alias_costs_no_query() -> None:
    kept("tea")
    conf.merchant("tea")
    with counted() as queries:
        for number in range(20):
            assert notified(f"stranger-{number}", b"<xml/>").status_code == 404
    ours = [each["sql"] for each in queries if "django_wxpay" in each["sql"]]
    # But for their count, once a second.
    assert [sql for sql in ours if "django_wxpay_refusalcount" not in sql] == []
    assert len(ours) <= 3


def test_new_keys_verify_and_old_ones_no_longer() -> None:
    tea = kept("tea", appid=v2.APPID, mch_id=v2.MCH_ID)
    order = OrderFactory(merchant="tea", appid=v2.APPID, mch_id=v2.MCH_ID, total_fee=100)
    save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
    a_second_later()
    forged = v2.payment_notice(order.out_trade_no, key=API_KEY)
    assert b"FAIL" in notified("tea", forged).content
    genuine = v2.payment_notice(order.out_trade_no, key=NEXT_API_KEY)
    assert b"SUCCESS" in notified("tea", genuine).content


def test_a_merchant_out_of_order_is_answered_with_failure_and_not_404(settings: Any) -> None:
    kept("lost")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("tea")
    answer = notified("lost", v2.payment_notice("N1"))
    assert answer.status_code == 200
    assert b"FAIL" in answer.content
    assert notified("stranger", b"<xml/>").status_code == 404


def test_the_overview_of_many_merchants_takes_as_many_queries_as_of_one() -> None:
    asked = []
    for number in range(3):
        kept(f"shop-{number}", mch_id=f"190000010{number}")
        a_second_later()
        conf.aliases()
        with counted() as queries:
            overview()
        asked.append(len(queries))
    assert asked[0] == asked[2]


def test_takings_and_certificates_are_those_of_the_accounts(
    clock_stands_still: datetime,
) -> None:
    columns = {**V3, "wechatpay_public_key": "", "wechatpay_public_key_id": ""}
    kept("tea", V3_KEYS, **columns)
    certificate = PlatformCertificateFactory(mch_id="1900000109")
    PlatformCertificateFactory(mch_id="1900000999")
    paid = OrderFactory(paid=True, merchant="tea", mch_id="1900000109")
    Order.objects.filter(pk=paid.pk).update(success_time=clock_stands_still)
    seen = overview()
    assert [each.merchant for each in seen.takings] == ["tea"]
    assert seen.keys_end_at == certificate.expire_time


def test_without_settings_there_are_no_numbers(settings: Any) -> None:
    settings.WXPAY = {}
    assert merchant_numbers() == []
    assert overview().keys_end_at is None


def test_bills_are_those_of_each_number_from_wherever_one_begins(settings: Any) -> None:
    for alias, number in (("a", "1"), ("b", "2"), ("also-b", "2"), ("c", "3")):
        kept(alias, mch_id=f"190000010{number}")
    assert [each.alias for each in accounts()] == ["a", "b", "c"]
    assert [each.alias for each in accounts(beginning_with="b")] == ["b", "c", "a"]
    assert [each.alias for each in accounts(beginning_with="gone")] == ["a", "b", "c"]
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("d", mch_id="1900000104")
    assert [each.alias for each in accounts()] == ["d"]


def test_a_full_run_of_bills_is_followed_by_one_that_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(3):
        kept(f"shop-{number}", mch_id=f"190000010{number}")
    looked_at: list[str] = []

    def missing(account: Any, last: date) -> list[date]:
        looked_at.append(account.alias)
        return [last] if account.alias == "shop-1" and len(looked_at) < 3 else []

    monkeypatch.setattr(fetching, "missing_days", missing)
    monkeypatch.setattr(fetching, "require_no_transaction", lambda _: None)
    monkeypatch.setattr(fetching, "download_bill", lambda *_, **__: None)
    monkeypatch.setattr(fetching, "reconcile", lambda _: None)
    assert fetch_bills(limit=1).reconciled == 1
    assert fetch_bills(limit=1).found == 0
    assert fetch_bills(limit=1).found == 0
    assert looked_at == [
        *("shop-0", "shop-1"),
        *("shop-1", "shop-2", "shop-0"),
        *("shop-0", "shop-1", "shop-2"),
    ]


def test_certificates_are_renewed_of_those_that_are_in_order(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_wxpay.services.certificates.require_no_transaction", lambda _: None)
    kept("lost", V3_KEYS, **V3)
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("tea", V3_KEYS, **{**V3, "mch_id": "1900000110"})
    renewed: list[str] = []

    def refresh(alias: str) -> bool:
        renewed.append(alias)
        return True

    assert refresh_certificates(refresh) == 1
    assert renewed == ["tea"]


def test_a_job_that_fails_shows_no_key_that_is_in_memory() -> None:
    kept("tea")
    conf.merchant("tea")
    assert {Secret(API_KEY), Secret(SEALING_KEY)} <= set(conf.known_keys())


def test_a_request_sees_one_account_from_its_start_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tea = kept("tea", appid=v2.APPID, mch_id=v2.MCH_ID)
    order = OrderFactory(merchant="tea", appid=v2.APPID, mch_id=v2.MCH_ID, total_fee=100)
    seen: list[Secret] = []

    def process(delivery: Any, notice: Any) -> Any:
        save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
        a_second_later()
        seen.append(conf.merchant("tea").api_key)
        raise RuntimeError

    monkeypatch.setattr("django_wxpay.services.notifications.processing.process", process)
    notified("tea", v2.payment_notice(order.out_trade_no, key=API_KEY))
    assert seen == [Secret(API_KEY)]
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)


def test_an_order_for_a_disabled_merchant_is_refused() -> None:
    tea = kept("tea")
    MerchantAccount.objects.get()
    tea.is_enabled = False
    save_account(tea)
    with pytest.raises(UnknownMerchant):
        services.create_order(
            merchant="tea", trade_type="NATIVE", body="Tea", total_fee=1, product_id="P1"
        )
