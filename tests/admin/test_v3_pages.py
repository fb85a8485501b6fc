"""What v3 brought to the pages: refunds, certificates, sealed notices, and the seed's answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from django_wxpay import services
from django_wxpay.models import Order, Prepay, Promotion
from tests import seed_003
from tests.admin.conftest import ADMIN
from tests.factories import (
    CODE_URL,
    ApiReportFactory,
    CertificateDownloadFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PlatformCertificateFactory,
    PrepayFactory,
    RefundFactory,
)
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT

pytestmark = pytest.mark.django_db


def page(client: Client, model: str, row: Any) -> str:
    answer = client.get(f"{ADMIN}/{model}/{row.pk}/change/")
    assert answer.status_code == 200
    return answer.content.decode()


def badge(text: str, tone: str) -> str:
    return f'<span class="wxpay-badge wxpay-{tone}">{text}</span>'


# --- refunds


def test_an_order_shows_its_refunds_and_each_refund_the_order(boss: Client) -> None:
    order = OrderFactory(paid=True, fee_type="HKD")
    back = RefundFactory(order=order, paid_back=True, refund_fee=123456)
    stuck = RefundFactory(order=order, refund_status="ABNORMAL", refund_desc="", refund_fee=1)
    shown = page(boss, "order", order)
    for words in (
        f'<a href="{ADMIN}/refund/{back.pk}/change/">{back.out_refund_no}</a>',
        f'<a href="{ADMIN}/refund/{stuck.pk}/change/">{stuck.out_refund_no}</a>',
        f"{ADMIN}/refund/?order__id__exact={order.pk}",
        "1,234.56 HKD",
        "0.01 HKD",
        "one cup too many",
        badge("Paid back", "good"),
        badge("Stuck, needs a person", "bad"),
    ):
        assert words in shown, words
    assert boss.get(f"{ADMIN}/refund/?order__id__exact={order.pk}").status_code == 200
    assert f"{ADMIN}/order/{order.pk}/change/" in page(boss, "refund", back)


def test_a_hinted_refund_is_not_shown_as_confirmed(boss: Client) -> None:
    proven, hinted = RefundFactory(), RefundFactory(hinted=True)
    for refund, icon in ((proven, "icon-yes"), (hinted, "icon-no")):
        assert icon in page(boss, "refund", refund)
    shown = boss.get(f"{ADMIN}/refund/").content.decode()
    assert shown.count("Hinted at, not confirmed") == 1


def test_a_refund_leads_to_its_events_and_to_what_was_told_of_refunds(boss: Client) -> None:
    order = OrderFactory(paid=True)
    told = NotificationFactory(order=order, refund=True)
    hint = NotificationFactory(order=order, kind="refund")
    payment = NotificationFactory(order=order)
    event = OrderEventFactory(order=order, refunded=True, notification=told)
    other = OrderEventFactory(order=order, refunded=True)
    shown = page(boss, "refund", event.refund)
    for words in (
        "6.25 CNY",
        "支付用户零钱",
        event.refund.refund_id,
        "one cup too many",
        badge("Paid back", "good"),
        f"{ADMIN}/orderevent/{event.pk}/change/",
        f"{ADMIN}/notification/{told.pk}/change/",
        f"{ADMIN}/notification/{hint.pk}/change/",
        "delivered to your code at",
    ):
        assert words in shown, words
    assert f"{ADMIN}/notification/{payment.pk}/change/" not in shown
    assert f"{ADMIN}/orderevent/{other.pk}/change/" not in shown
    (address,) = re.findall(rf"{ADMIN}/notification/\?[^\"]+", shown)
    found = boss.get(address.replace("&amp;", "&")).context["cl"].queryset
    assert set(found) == {told, hint}


def test_what_belongs_to_a_refund_is_shown_to_those_who_may_see_it(
    as_holder: Callable[..., Client],
) -> None:
    order = OrderFactory(paid=True)
    told = NotificationFactory(order=order, refund=True)
    event = OrderEventFactory(order=order, refunded=True, notification=told)
    refund = page(as_holder("view_refund"), "refund", event.refund)
    assert f"{ADMIN}/orderevent/" not in refund
    assert f"{ADMIN}/notification/" not in refund
    timeline = page(as_holder("view_order"), "order", order)
    assert "Refund: Paid back" in timeline
    assert f"{ADMIN}/refund/" not in timeline
    assert f"{ADMIN}/refund/{event.refund_id}/change/" in page(
        as_holder("view_order", "view_refund"),
        "order",
        order,
    )


def test_a_settled_refund_is_an_event_that_says_what_became_of_it(boss: Client) -> None:
    event = OrderEventFactory(refunded=True, notification=NotificationFactory(refund=True))
    shown = page(boss, "orderevent", event)
    assert f"{ADMIN}/refund/{event.refund_id}/change/" in shown
    assert badge("Refund settled", "quiet") in shown
    assert '<div class="readonly">Paid back</div>' in shown
    listed = boss.get(f"{ADMIN}/orderevent/").content.decode()
    assert "Paid back" in listed
    assert badge("Refund: Paid back", "good") in page(boss, "order", event.order)
    told = page(boss, "notification", event.notification)
    assert badge("Refund settled", "quiet") in told
    assert "Paid back" in told


# --- certificates


@pytest.mark.parametrize(
    ("begins_in", "ends_in", "words", "tone"),
    [
        (-400, -0.01, "Expired", "bad"),
        (-400, 0.5, "Expires in 1 day", "waiting"),
        (-400, 12.5, "Expires in 13 days", "waiting"),
        (-400, 29.9, "Expires in 30 days", "waiting"),
        (-400, 30.1, "In use", "good"),
        (1, 1000, "Not used yet", "quiet"),
    ],
)
def test_a_certificate_says_whether_it_is_used_and_for_how_long(
    boss: Client,
    begins_in: float,
    ends_in: float,
    words: str,
    tone: str,
) -> None:
    now = datetime.now(UTC)
    certificate = PlatformCertificateFactory(
        effective_time=now + timedelta(days=begins_in),
        expire_time=now + timedelta(days=ends_in),
    )
    download = CertificateDownloadFactory()
    assert badge(words, tone) in page(boss, "platformcertificate", certificate)
    assert badge(words, tone) in boss.get(f"{ADMIN}/platformcertificate/").content.decode()
    assert badge(words, tone) in page(boss, "certificatedownload", download)


def test_certificates_and_downloads_of_a_merchant_lead_to_one_another(
    boss: Client,
    as_holder: Callable[..., Client],
) -> None:
    mine, other = PlatformCertificateFactory(), PlatformCertificateFactory(mch_id="1900000999")
    download = CertificateDownloadFactory()
    shown = page(boss, "platformcertificate", mine)
    assert "-----BEGIN CERTIFICATE-----" in shown
    assert f"{ADMIN}/certificatedownload/{download.pk}/change/" in shown
    back = page(boss, "certificatedownload", download)
    assert f"{ADMIN}/platformcertificate/{mine.pk}/change/" in back
    assert f"{ADMIN}/platformcertificate/{other.pk}/change/" not in back
    viewer = as_holder("view_platformcertificate")
    assert f"{ADMIN}/certificatedownload/" not in page(viewer, "platformcertificate", mine)
    viewer = as_holder("view_certificatedownload")
    assert f"{ADMIN}/platformcertificate/" not in page(viewer, "certificatedownload", download)


def test_the_list_of_certificates_leaves_the_pems_where_they_are(
    boss: Client,
    django_assert_max_num_queries: Any,
) -> None:
    PlatformCertificateFactory()
    with django_assert_max_num_queries(6) as captured:
        boss.get(f"{ADMIN}/platformcertificate/")
    assert [row["sql"] for row in captured if '"pem"' in row["sql"]] == []


# --- notices, calls, prepays and refusals


def test_a_v3_notice_is_shown_as_its_envelope_without_what_is_sealed(boss: Client) -> None:
    notification = NotificationFactory(v3=True)
    shown = page(boss, "notification", notification)
    for words in (
        '<div class="readonly">v3</div>',
        f'<div class="readonly">{notification.event_id}</div>',
        '<div class="readonly">TRANSACTION.SUCCESS</div>',
        "&quot;event_type&quot;: &quot;TRANSACTION.SUCCESS&quot;",
        "&quot;algorithm&quot;: &quot;AEAD_AES_256_GCM&quot;",
        "&quot;ciphertext&quot;: &quot;…&quot;",
    ):
        assert words in shown, words
    assert "5EC2E7" not in shown
    assert "TRANSACTION.SUCCESS" in boss.get(f"{ADMIN}/notification/").content.decode()


def test_a_notice_of_something_else_is_known_by_its_event(boss: Client) -> None:
    notification = NotificationFactory(
        v3=True,
        order=None,
        out_trade_no="",
        event_type="COUPON.USE",
        outcome="IGNORED",
    )
    with override("en"):
        assert str(notification) == "Payment COUPON.USE"
    assert "Payment COUPON.USE" in page(boss, "notification", notification)
    listed = boss.get(f"{ADMIN}/notification/").content.decode()
    assert '<td class="field-order_shown">-</td>' in listed


def test_a_call_says_which_protocol_it_was(boss: Client) -> None:
    report = ApiReportFactory(api="v3", request_id="08F00000-0")
    shown = page(boss, "apireport", report)
    assert '<div class="readonly">v3</div>' in shown
    assert "08F00000-0" in shown


def test_a_prepay_without_a_prepay_id_can_be_found_and_recognised(boss: Client) -> None:
    prepay = PrepayFactory(prepay_id="", sign_type="RSA")
    assert str(prepay) == "NATIVE"
    address = f"{ADMIN}/prepay/{prepay.pk}/change/"
    order = page(boss, "order", prepay.order)
    assert re.search(rf'<a href="{address}">[^<]+</a></td><td>{re.escape(CODE_URL)}', order)
    assert re.search(
        rf'<a href="{address}[^"]*">[^<]+</a>', boss.get(f"{ADMIN}/prepay/").content.decode()
    )


@pytest.mark.parametrize(
    ("merchant", "err_code", "words"),
    [
        ("v2", "SIGNERROR", "Compare the API key"),
        ("default", "SIGNERROR", "Compare PRIVATE_KEY and CERT_SERIAL_NO"),
        ("default", "HTTP_404", "WeChat Pay knows no such address"),
        ("default", "ORDERCLOSED", "Place it anew under a new number"),
        ("default", "XML_FORMAT_ERROR", "readable XML"),
        ("v2", "ACCOUNT_ERROR", "The account cannot be used for this"),
        ("gone", "SIGNERROR", "Compare the API key"),
        ("default", "HTTP_418", "not in our table"),
        ("default", "A_CODE_OF_TOMORROW", "not in our table"),
    ],
)
def test_the_advice_is_that_of_the_protocol_which_the_merchant_speaks(
    boss: Client,
    settings: Any,
    merchant: str,
    err_code: str,
    words: str,
) -> None:
    v2 = settings.WXPAY["MERCHANTS"]["default"]
    merchants = {"default": V3_MERCHANT | PUBLIC_KEY_MODE, "v2": v2}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": merchants}
    order = OrderFactory(refused=True, merchant=merchant, err_code=err_code)
    assert words in page(boss, "order", order)


def test_the_advice_on_a_refusal_as_a_whole_is_that_on_its_text(boss: Client) -> None:
    order = OrderFactory(refused=True, err_code="RETURN_FAIL", err_code_des="签名错误")
    assert "Compare the API key and the sign type" in page(boss, "order", order)


# --- the seed's answer


@pytest.fixture
def queried(
    platform: ScriptedTransport,
    settings: Any,
) -> Callable[[str, dict[str, Any]], Order]:
    """Place an order of a merchant, and query it once."""
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": seed_003.MERCHANTS}

    def query(merchant: str, answer: dict[str, Any]) -> Order:
        platform.answers[seed_003.NATIVE_PATH] = (200, {"code_url": CODE_URL})
        platform.answers[seed_003.QUERY_PATH] = (200, answer)
        order = services.checkout(merchant=merchant, **seed_003.ORDER).order
        return services.query_order(order)

    return query


@pytest.mark.parametrize(
    ("merchant", "answer", "payer"),
    [
        ("common", seed_003.COMMON, "openid oUpF…"),
        ("institution", seed_003.INSTITUTIONAL, "sp_openid oUpF…, sub_openid oUpF…"),
    ],
)
def test_the_seeds_answer_can_be_seen_on_the_order_and_its_promotion(
    boss: Client,
    queried: Callable[[str, dict[str, Any]], Order],
    merchant: str,
    answer: dict[str, Any],
    payer: str,
) -> None:
    order = queried(merchant, answer)
    shown = page(boss, "order", order)
    assert re.findall(r'<div class="readonly">((?:sp_)?openid [^<]*)</div>', shown) == [payer]
    for words in (
        badge("Paid", "good"),
        "8.88 CNY",
        "8.88 HKD",
        "0.8 SETTLEMENT_RATE",
        "1217752501201407033233368018",
        "4200752501201407033233368018",
        "2018-06-08 10:34:",
        "CMC",
        "Custom data",
        "Payment failed. Place another order and pay it again.",
        "by the answer to a query",
        "Single-item discount-6",
    ):
        assert words in shown, words
    discount = ["SINGLE", "DISCOUNT", "0.05 HKD", "0.00 HKD", "0.00 HKD", "0.05 HKD"]
    assert "".join(f"<td>{words}</td>" for words in discount) in shown
    assert seed_003.OPENID not in shown
    promotion = page(boss, "promotion", Promotion.objects.get())
    for words in (
        "Single-item discount-6",
        "109519",
        "931386",
        '<div class="readonly">0.05 HKD</div>',
        '<div class="readonly">0.00 HKD</div>',
        "<td>Product code</td><td>1001</td><td>1</td><td>5,288.00 CNY</td><td>1.00 HKD</td>",
    ):
        assert words in promotion, words
    prepay = Prepay.objects.get()
    assert f"{ADMIN}/prepay/{prepay.pk}/change/" in shown


@pytest.mark.parametrize(
    ("merchant", "answer"),
    [("common", seed_003.COMMON_UNPAID), ("institution", seed_003.INSTITUTIONAL_UNPAID)],
)
def test_an_unpaid_orders_answer_which_has_almost_nothing_can_be_seen_too(
    boss: Client,
    queried: Callable[[str, dict[str, Any]], Order],
    merchant: str,
    answer: dict[str, Any],
) -> None:
    shown = page(boss, "order", queried(merchant, answer))
    assert badge("Not paid", "waiting") in shown
    assert '<div class="readonly">Unpaid</div>' in shown
    for absent in ("Exchange rate", "Payer", "Promotions</h2>", "Refunds</h2>"):
        assert absent not in shown, absent


@pytest.mark.parametrize(
    ("merchant", "is_warned"), [("default", True), ("global", False), ("v2", False), ("x", False)]
)
def test_placing_again_says_what_it_does_not_send(
    boss: Client, settings: Any, merchant: str, is_warned: bool
) -> None:
    v2 = settings.WXPAY["MERCHANTS"]["default"]
    v3 = V3_MERCHANT | PUBLIC_KEY_MODE
    other = v3 | {"REGION": "global", "MERCHANT_CATEGORY_CODE": "5812"}
    merchants = {"default": v3, "global": other, "v2": v2}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": merchants}
    order = OrderFactory(created=True, merchant=merchant)
    address = f"{ADMIN}/order/{order.pk}/place/"
    question = boss.get(address).content.decode()
    assert "Place this order?" in question
    assert ("payer.identity" in question) is is_warned
    chinese = boss.get(address, headers={"accept-language": "zh-hans"}).content.decode()
    assert ("支付者身份（payer.identity）" in chinese) is is_warned
