"""A v3 merchant through the same services, which cannot tell the difference."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from django_wxpay import services
from django_wxpay.exceptions import ConfigurationError, InvalidOrder, OrderClosed
from django_wxpay.gateway.v3.platform_keys import KeyNotHereYet
from django_wxpay.models import (
    ApiReport,
    CertificateDownload,
    Notification,
    Order,
    OrderEvent,
    PlatformCertificate,
)
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v3.encryption import decrypt_field
from django_wxpay.protocol.v3.keys import load_public_key
from django_wxpay.services import certificates, gateways
from django_wxpay.services.notifications import processing, receiving
from django_wxpay.services.notifications.responses import Acknowledgement
from django_wxpay.services.orders import leases
from tests.protocol.v3 import keys
from tests.selling import V3_HOST, mounted
from tests.services.conftest import new_order
from tests.tables import atomic, connection
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v3 import (
    CERTIFICATES,
    PUBLIC_KEY_MODE,
    TRANSACTION_ID,
    V3_MERCHANT,
    envelope,
    paid_notice,
    scripted_v3,
    sealed,
    signature,
    trade,
)

pytestmark = pytest.mark.django_db

SUCCESS = b'{"code": "SUCCESS", "message": "OK"}'
NATIVE = "/v3/pay/transactions/native"


@pytest.fixture(autouse=True)
def v3(wxpay: dict[str, Any], settings: Any) -> dict[str, Any]:
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": V3_MERCHANT | PUBLIC_KEY_MODE}}
    return settings.WXPAY


@pytest.fixture
def certificate_mode(v3: dict[str, Any], settings: Any) -> None:
    settings.WXPAY = v3 | {"MERCHANTS": {"default": V3_MERCHANT}}


@pytest.fixture
def platform() -> Iterator[ScriptedTransport]:
    scripted = scripted_v3()
    scripted.answers[NATIVE] = (200, {"code_url": "weixin://wxpay/bizpayurl?pr=TEST123"})
    scripted.answers["/v3/certificates"] = CERTIFICATES
    with mounted(scripted, V3_HOST):
        yield scripted


def notify(body: bytes, **how: Any) -> Acknowledgement:
    return services.receive_notification("default", "payment", signature(body, **how), body)


def test_an_order_is_placed_queried_and_closed_through_the_same_services(
    platform: ScriptedTransport,
) -> None:
    placed = services.checkout(trade_type="NATIVE", body="Tea", total_fee=100)
    order = placed.order
    assert placed.parameters == {"code_url": "weixin://wxpay/bizpayurl?pr=TEST123"}
    assert placed.prepay.sign_type == "RSA"
    assert order.trade_state == "NOTPAY"

    number = f"/v3/pay/transactions/out-trade-no/{order.out_trade_no}"
    platform.answers[number] = (
        200,
        {
            "mchid": order.mch_id,
            "appid": order.appid,
            "out_trade_no": order.out_trade_no,
            "trade_state": "NOTPAY",
            "trade_state_desc": "not paid",
        },
    )
    assert services.query_order(order).trade_state_desc == "not paid"
    platform.answers[f"{number}/close"] = (204, None)
    assert services.close_order(order).trade_state == "CLOSED"

    assert platform.paths() == [NATIVE, number, f"{number}/close"]
    report = ApiReport.objects.order_by("id").first()
    assert report is not None
    assert (report.api, report.http_status, report.request_id) == ("v3", 200, "08F00000-0")
    assert (report.return_code, report.result_code) == ("SUCCESS", "SUCCESS")


def test_a_refusal_keeps_the_gateways_word_and_has_the_kind_of_both_protocols(
    platform: ScriptedTransport,
) -> None:
    platform.answers[NATIVE] = (400, {"code": "ORDER_CLOSED", "message": "closed"})
    order = services.create_order(trade_type="NATIVE", body="Tea", total_fee=100)
    with pytest.raises(OrderClosed) as caught:
        services.unified_order(order)

    assert (caught.value.err_code, caught.value.kind) == ("ORDER_CLOSED", "ORDERCLOSED")
    assert caught.value.advice
    order.refresh_from_db()
    assert (order.trade_state, order.err_code) == ("CREATED", "ORDER_CLOSED")
    assert len(platform.calls) == 1


def test_mainland_takes_no_other_currency_and_names_the_field() -> None:
    with pytest.raises(InvalidOrder) as caught:
        services.create_order(trade_type="NATIVE", body="Tea", total_fee=100, fee_type="HKD")

    assert caught.value.field == "fee_type"
    assert Order.objects.count() == 0


def test_a_prepay_of_v2_is_paid_with_v2s_signature_after_the_merchant_moved_to_v3(
    platform: ScriptedTransport,
    v3: dict[str, Any],
    settings: Any,
) -> None:
    both = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}
    settings.WXPAY = v3 | {"MERCHANTS": {"default": both}}
    order = services.create_order(
        trade_type="JSAPI", body="Tea", total_fee=100, openid="oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
    )
    platform.answers["/v3/pay/transactions/jsapi"] = (200, {"prepay_id": "wx01"})
    prepay = services.unified_order(order)
    assert services.payment_parameters(prepay)["signType"] == "RSA"

    prepay.sign_type = "MD5"
    assert services.payment_parameters(prepay)["signType"] == "MD5"


def test_a_v2_merchant_with_v3_keys_may_ask_over_v3(
    platform: ScriptedTransport,
    v3: dict[str, Any],
    settings: Any,
) -> None:
    both = V3_MERCHANT | PUBLIC_KEY_MODE
    v2 = both | {"API": "v2", "API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}
    settings.WXPAY = v3 | {"MERCHANTS": {"default": v2}}
    order = new_order()
    path = f"/v3/pay/transactions/out-trade-no/{order.out_trade_no}"
    platform.answers[path] = (200, trade(order.out_trade_no))

    assert services.query_order(order, api=Api.V3).trade_state == "SUCCESS"
    assert platform.paths() == [path]


def test_asking_over_v2_without_its_key_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="v2"):
        services.query_order(new_order(), api="v2")


def test_asking_over_v3_without_its_keys_is_a_configuration_error(
    v3: dict[str, Any],
    settings: Any,
) -> None:
    v2 = {"APPID": "wx1", "MCH_ID": "1", "API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}
    settings.WXPAY = v3 | {"MERCHANTS": {"default": v2}}
    with pytest.raises(ConfigurationError, match="v3"):
        services.query_order(new_order(), api=Api.V3)


def test_a_payment_notice_pays_the_order_and_a_repetition_is_a_duplicate() -> None:
    order = new_order()
    answer = notify(paid_notice(order.out_trade_no))
    again = notify(paid_notice(order.out_trade_no))

    assert (answer.status, answer.body, answer.accepted) == (200, SUCCESS, True)
    assert answer.content_type == "application/json"
    assert again.accepted
    order.refresh_from_db()
    assert (order.trade_state, order.transaction_id) == ("SUCCESS", TRANSACTION_ID)
    assert (order.payer_openid, order.payer_total) == ("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", 100)
    notification = Notification.objects.get()
    assert (notification.api, notification.event_type) == ("v3", "TRANSACTION.SUCCESS")
    assert (notification.outcome, notification.attempts) == ("APPLIED", 2)
    assert notification.event_id == "0d7c4a52-5a3e-5b6f-9d0e-1f2a3b4c5d6e"
    assert [event.source for event in OrderEvent.objects.all()] == ["v3.notice"]


@pytest.mark.undisturbed
@pytest.mark.django_db(transaction=True)
def test_a_callback_costs_at_most_six_queries_and_a_duplicate_two(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    order = new_order()
    with CaptureQueriesContext(connection) as counted:
        assert notify(paid_notice(order.out_trade_no)).accepted
    ours = [row["sql"] for row in counted.captured_queries if "shop_purchase" not in row["sql"]]
    begins = [number for number, sql in enumerate(ours) if sql.startswith("BEGIN")]
    assert len(begins) == 2
    assert begins[1] <= 6
    with django_assert_max_num_queries(2):
        assert notify(paid_notice(order.out_trade_no)).accepted


def test_a_payment_told_by_both_protocols_is_one_payment(
    v3: dict[str, Any],
    settings: Any,
) -> None:
    from tests.wechatpay.v2 import API_KEY, payment_notice

    both = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": API_KEY}
    settings.WXPAY = v3 | {"MERCHANTS": {"default": both}}
    order = new_order()

    assert notify(paid_notice(order.out_trade_no)).accepted
    v2_body = payment_notice(order.out_trade_no)
    assert services.receive_notification("default", "payment", {}, v2_body).accepted
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]
    assert Notification.objects.count() == 2


def stale(body: bytes) -> dict[str, str]:
    return signature(body, timestamp=int(time.time()) - 300)


def future(body: bytes) -> dict[str, str]:
    # Half a minute beyond the window, for as long may pass before the notification is read.
    return signature(body, timestamp=int(time.time()) + 330)


def another_serial(body: bytes) -> dict[str, str]:
    return signature(body) | {"Wechatpay-Serial": "PUB_KEY_ID_0000"}


def another_body(body: bytes) -> dict[str, str]:
    return signature(body + b" ")


def probe(body: bytes) -> dict[str, str]:
    return signature(body) | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/not base64"}


def sm2(body: bytes) -> dict[str, str]:
    return signature(body) | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}


def only_the_signature(body: bytes) -> dict[str, str]:
    return {"Wechatpay-Signature": signature(body)["Wechatpay-Signature"]}


@pytest.mark.parametrize(
    "headers",
    [stale, future, another_serial, another_body, probe, sm2, only_the_signature],
)
def test_what_is_not_signed_now_by_a_key_we_know_is_401_and_costs_no_row(
    headers: Any,
    platform: ScriptedTransport,
) -> None:
    order = new_order()
    body = paid_notice(order.out_trade_no)
    answer = services.receive_notification("default", "payment", headers(body), body)

    assert (answer.status, answer.accepted) == (401, False)
    assert json.loads(answer.body)["code"] == "FAIL"
    assert Notification.objects.count() == 0
    assert platform.calls == []
    order.refresh_from_db()
    assert order.trade_state == "CREATED"


def test_what_is_signed_and_too_large_is_413_and_costs_no_row() -> None:
    answer = notify(b" " * (1024 * 1024 + 1))

    assert (answer.status, answer.accepted) == (413, False)
    assert json.loads(answer.body)["code"] == "FAIL"
    assert Notification.objects.count() == 0


def test_an_unknown_event_is_kept_and_acknowledged() -> None:
    body = envelope("COUPON.USE", sealed({"coupon": 1}))

    assert notify(body).accepted
    assert notify(body).accepted
    notification = Notification.objects.get()
    assert (notification.outcome, notification.reason) == (
        "APPLIED",
        "for notification_received: COUPON.USE",
    )
    assert notification.attempts == 2


def test_an_unknown_order_is_404_and_its_notice_settles_it_when_it_appears() -> None:
    answer = notify(paid_notice("TEST000001"))
    assert (answer.status, answer.accepted) == (404, False)

    assert new_order(out_trade_no="TEST000001").trade_state == "SUCCESS"


def test_a_stored_notice_may_be_replayed_long_after_its_timestamp(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notify(paid_notice("TEST000001"))
    notification = Notification.objects.get()
    notification.headers = signature(bytes(notification.body), timestamp=1714554000)
    notification.save()
    Order.objects.bulk_create([_bare_order()])

    assert services.replay_notification(notification).accepted
    assert Order.objects.get().trade_state == "SUCCESS"


def test_a_replay_under_a_lost_key_is_refused(v3: dict[str, Any], settings: Any) -> None:
    notify(paid_notice("TEST000001"))
    settings.WXPAY = v3 | {"MERCHANTS": {"default": V3_MERCHANT}}

    assert services.replay_notification(Notification.objects.get()).status == 401


def test_other_money_in_a_v3_notice_is_a_conflict_acknowledged() -> None:
    order = new_order()
    amount = {"total": 1, "payer_total": 1, "currency": "CNY", "payer_currency": "CNY"}

    assert notify(paid_notice(order.out_trade_no, amount=amount)).body == SUCCESS
    order.refresh_from_db()
    assert order.trade_state == "CREATED"
    assert Notification.objects.get().outcome == "CONFLICT"


def test_our_own_trouble_with_a_v3_notice_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    order = new_order()

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(processing, "apply_trade_fact", broken)
    answer = notify(paid_notice(order.out_trade_no))

    assert (answer.status, answer.accepted) == (503, False)


def test_a_notice_whose_key_is_being_downloaded_is_503_without_a_row_or_a_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not 401: whether the key exists is not known yet, and WeChat Pay sends it again."""

    def not_here(alias: str, serial: str) -> None:
        raise KeyNotHereYet("the platform certificates are being downloaded; ask again")

    order = new_order()
    monkeypatch.setattr(gateways, "platform_key", not_here)
    answer = notify(paid_notice(order.out_trade_no))
    assert (answer.status, answer.accepted) == (503, False)
    assert Notification.objects.count() == 0
    assert [record.exc_info for record in caplog.records] == [None]


def test_a_database_that_cannot_even_be_read_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*args: Any, **kwargs: Any) -> Any:
        raise DatabaseError("down")

    monkeypatch.setattr(receiving, "read", down)

    assert notify(b"{}").status == 503


def test_a_merchant_without_v2_key_takes_no_v2_notice() -> None:
    from tests.wechatpay.v2 import payment_notice

    answer = services.receive_notification("default", "payment", {}, payment_notice("TEST000001"))

    assert (answer.status, answer.accepted) == (200, False)
    assert Notification.objects.count() == 0


@pytest.mark.usefixtures("certificate_mode")
def test_certificates_are_downloaded_once_kept_and_shared(platform: ScriptedTransport) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    order = services.checkout(trade_type="NATIVE", body="Tea", total_fee=100).order
    assert platform.paths() == [NATIVE, "/v3/certificates"]
    kept = PlatformCertificate.objects.get()
    assert (kept.mch_id, kept.serial_no) == (order.mch_id, keys.PLATFORM_SERIAL)

    gateways.platform_keys.cache_clear()
    assert notify(paid_notice(order.out_trade_no), serial=keys.PLATFORM_SERIAL).accepted
    assert platform.paths() == [NATIVE, "/v3/certificates"], "another process finds it kept"


@pytest.mark.usefixtures("certificate_mode")
def test_what_is_stored_is_replayed_when_its_certificate_has_ended_and_what_comes_is_refused(
    platform: ScriptedTransport,
) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    body = paid_notice("TEST000001")
    assert notify(body, serial=keys.PLATFORM_SERIAL).status == 404
    PlatformCertificate.objects.update(expire_time=services.clock.now() - timedelta(days=400))
    gateways.platform_keys.cache_clear()
    platform.answers["/v3/certificates"] = (404, {"code": "RESOURCE_NOT_EXISTS", "message": ""})
    Order.objects.bulk_create([_bare_order()])

    assert notify(body, serial=keys.PLATFORM_SERIAL).status == 401
    asked = len(platform.calls)
    assert services.replay_notification(Notification.objects.get()).accepted
    assert Order.objects.get().trade_state == "SUCCESS"
    assert len(platform.calls) == asked


@pytest.mark.usefixtures("certificate_mode")
def test_a_stored_certificate_that_is_damaged_is_looked_for_like_one_that_is_not_here(
    platform: ScriptedTransport,
) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    notify(paid_notice("TEST000001"), serial=keys.PLATFORM_SERIAL)
    PlatformCertificate.objects.update(pem="-----BEGIN CERTIFICATE-----")

    assert services.replay_notification(Notification.objects.get()).status == 404


@pytest.mark.usefixtures("certificate_mode")
def test_a_replay_under_a_certificate_of_another_merchant_is_refused(
    platform: ScriptedTransport,
) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    notify(paid_notice("TEST000001"), serial=keys.PLATFORM_SERIAL)
    PlatformCertificate.objects.update(mch_id="1900000110")
    gateways.platform_keys.cache_clear()
    platform.answers["/v3/certificates"] = (404, {"code": "RESOURCE_NOT_EXISTS", "message": ""})

    assert services.replay_notification(Notification.objects.get()).status == 401


@pytest.mark.usefixtures("certificate_mode")
def test_strangers_serials_cause_one_download_a_minute_over_all_processes(
    platform: ScriptedTransport,
) -> None:
    body = paid_notice("TEST000001")
    for number in range(5):
        headers = signature(body) | {"Wechatpay-Serial": f"{number:040X}"}
        assert services.receive_notification("default", "payment", headers, body).status == 401
        gateways.platform_keys.cache_clear()

    assert platform.paths() == ["/v3/certificates"]
    assert Notification.objects.count() == 0
    CertificateDownload.objects.update(claimed_at=services.clock.now() - timedelta(minutes=1))
    services.receive_notification("default", "payment", headers, body)
    assert platform.paths() == ["/v3/certificates"] * 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("certificate_mode")
def test_no_certificate_is_fetched_while_a_transaction_is_open(platform: ScriptedTransport) -> None:
    body = paid_notice("TEST000001")
    with atomic():
        answer = services.receive_notification(
            "default", "payment", signature(body, serial=keys.PLATFORM_SERIAL), body
        )

    assert answer.status == 401
    assert platform.calls == []


def test_over_v3_an_order_is_held_for_three_rounds(settings: Any, v3: dict[str, Any]) -> None:
    assert leases.longest_call_s("default") == 3 * 20 + 5
    key = "TESTKEYtestkeyTESTKEYtestkey0000"
    settings.WXPAY = v3 | {"MERCHANTS": {"default": V3_MERCHANT | {"API": "v2", "API_KEY": key}}}
    assert leases.longest_call_s("default") == 20 + 5


@pytest.mark.usefixtures("certificate_mode")
def test_certificates_told_again_take_over_their_dates(platform: ScriptedTransport) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    vault = certificates.CertificateStore("1900000109")
    listed = gateways.gateway("default").certificates()  # type: ignore[attr-defined]
    vault.keep(listed)
    PlatformCertificate.objects.update(expire_time=services.clock.now())
    assert vault.certificates() == []

    vault.keep(listed)
    assert vault.certificates() == [keys.PLATFORM_CERTIFICATE]
    assert PlatformCertificate.objects.count() == 1


def test_the_leave_to_download_is_taken_by_one() -> None:
    vault = certificates.CertificateStore("1900000109")
    every = timedelta(minutes=1)

    assert vault.may_download(every=every)
    assert not vault.may_download(every=every)
    assert vault.may_download(every=timedelta(0))
    assert certificates.CertificateStore("1900000110").may_download(every=every)


def test_the_leave_taken_in_the_same_moment_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def taken(**kwargs: Any) -> None:
        raise IntegrityError("taken")

    monkeypatch.setattr(CertificateDownload.objects, "create", taken)

    assert not certificates.CertificateStore("1900000109").may_download(every=timedelta(minutes=1))


def test_keys_are_parsed_once_and_not_per_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    order = new_order()
    notify(paid_notice(order.out_trade_no))
    before = load_public_key.__module__ and _parsed()
    for _ in range(3):
        notify(paid_notice(order.out_trade_no))

    assert _parsed() == before


def _parsed() -> int:
    from django_wxpay.protocol.v3 import keys as loading

    return loading._public_key.cache_info().misses + loading._private_key.cache_info().misses


@pytest.mark.django_db(transaction=True)
def test_the_same_callback_twenty_times_at_once_is_one_move() -> None:
    order = new_order()
    answers: list[Acknowledgement] = []

    def deliver() -> None:
        try:
            answers.append(notify(paid_notice(order.out_trade_no)))
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert [answer.status for answer in answers] == [200] * 20
    assert [event.kind for event in OrderEvent.objects.all()] == ["PAID"]


def _bare_order() -> Order:
    now = services.clock.now()
    return Order(
        merchant="default",
        mch_id="1900000109",
        appid="wx8888888888888888",
        out_trade_no="TEST000001",
        trade_type="NATIVE",
        body="Tea",
        total_fee=100,
        created_at=now,
        updated_at=now,
    )


IDENTITY = {"type": "IDCARD", "number": "110101199003070000", "name": "张三"}


def test_an_order_is_placed_with_what_it_has_no_column_for(platform: ScriptedTransport) -> None:
    order = new_order()
    services.unified_order(order, members={"payer": {"identity": IDENTITY}})
    sent = platform.requests[-1]
    assert sent.headers["Wechatpay-Serial"] == keys.PUBLIC_KEY_ID
    sealed = json.loads(sent.body or b"")["payer"]["identity"]["name"]
    assert decrypt_field(sealed, private_key=keys.PUBLIC_MODE_KEY) == "张三"
    columns = Order.objects.filter(pk=order.pk).values_list().get()
    assert not any(IDENTITY["name"] in str(value) for value in columns)


def test_members_are_refused_before_the_order_is_placed(
    platform: ScriptedTransport, v3: dict[str, Any], wxpay: dict[str, Any], settings: Any
) -> None:
    order = new_order()
    with pytest.raises(InvalidOrder, match="members"):
        services.unified_order(order, members={"payer": {}})
    settings.WXPAY = wxpay
    with pytest.raises(InvalidOrder, match="v2 has no place"):
        services.unified_order(order, members={"payer": {"identity": IDENTITY}})
    order.refresh_from_db()
    assert order.placed_at is None
    assert platform.requests == []


@pytest.mark.usefixtures("certificate_mode")
@pytest.mark.parametrize(
    "statement",
    [
        'SELECT "django_wxpay_platformcertificate"."pem"',
        'INSERT INTO "django_wxpay_certificatedownload"',
        'INSERT INTO "django_wxpay_platformcertificate"',
    ],
)
def test_a_lock_on_the_certificates_costs_a_moment_and_no_order(
    platform: ScriptedTransport, statement: str
) -> None:
    platform.dialect.serial = keys.PLATFORM_SERIAL
    order = new_order()
    locked = list[str]()

    def lock_once(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.replace("`", '"').startswith(statement) and not locked:
            locked.append(sql)
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(lock_once):
        services.unified_order(order)
    assert len(locked) == 1
    assert platform.paths().count(NATIVE) == 1
    assert PlatformCertificate.objects.count() == 1
