"""Chapter 6 of the issue, row by row, over HTTP: what bad input gets."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User

from django_wxpay.models import ApiReport, Notification, Order, OrderEvent
from tests.journeys.conftest import PASSWORD
from tests.journeys.ears import Ears
from tests.journeys.stage import DIRECT, PACE, Keeper, Stage, new_number, payment_notice

NUMBER = "BADINPUT0001"
GENUINE = payment_notice(NUMBER)


# --- row 1: a notification that nobody can believe

STRANGERS = {
    "bad signature": payment_notice(NUMBER, sign="0" * 64),
    "lower-case signature": GENUINE.replace(b"<sign><![CDATA[", b"<sign><![CDATA[ "),
    "missing signature": payment_notice(NUMBER, sign=None),
    "empty signature": payment_notice(NUMBER, sign=""),
    "wrong key": payment_notice(NUMBER, key="WRONGKEYwrongkeyWRONGKEYwrongkey"),
    "empty key": payment_notice(NUMBER, key=" "),
    "another sign_type": GENUINE.replace(b"HMAC-SHA256", b"MD5"),
    "unknown sign_type": payment_notice(NUMBER).replace(b"HMAC-SHA256", b"SM3"),
    "tampered amount": GENUINE.replace(b"<total_fee>1250<", b"<total_fee>1<"),
    "tampered number": GENUINE.replace(NUMBER.encode(), b"BADINPUT0002"),
    "added field": GENUINE.replace(b"<xml>", b"<xml><attach>x</attach>"),
    "DOCTYPE": b'<!DOCTYPE xml [<!ENTITY a "b">]>' + GENUINE,
    "external entity": b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml>&a;</xml>',
    "billion laughs": b'<!DOCTYPE xml [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><xml><a>&b;</a></xml>',
    "truncated XML": GENUINE[: len(GENUINE) // 2],
    "almost whole XML": GENUINE[:-1],
    "empty": b"",
    "blank": b" \r\n",
    "JSON": json.dumps({"out_trade_no": NUMBER, "total_fee": 1250}).encode(),
    "a form": b"out_trade_no=BADINPUT0001&total_fee=1250",
    "another root": GENUINE.replace(b"xml>", b"root>"),
    "nested": GENUINE.replace(b"<total_fee>1250<", b"<total_fee><v>1250</v><"),
    "deeply nested": b"<xml>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</xml>",
    "a field twice": GENUINE.replace(b"<xml>", b"<xml><total_fee>1</total_fee>"),
    "not UTF-8": "<xml><attach>茶</attach></xml>".encode("gbk"),
    "UTF-16": GENUINE.decode().encode("utf-16"),
    "a NUL": GENUINE.replace(b"Tea", b"T\0a") + b"\0",
    "return_code FAIL": b"<xml><return_code>FAIL</return_code><return_msg>x</return_msg></xml>",
    "random bytes": bytes(range(256)),
    "the largest size that is taken": b"<xml>" + b"x" * (65536 - 5),
}


def assert_nothing_happened(stage: Stage, ears: Ears, lines_before: int) -> None:
    """No row, no move, and one line that repeats nothing of what was sent."""
    assert Notification.objects.count() == 0
    assert stage.clerk.find(NUMBER)["trade_state"] == "NOTPAY"
    assert [event.kind for event in OrderEvent.objects.all()] == ["MOVED"]
    lines = ears.lines("django_wxpay.notifications")[lines_before:]
    assert len(lines) == 1
    assert not any(word in lines[0] for word in (NUMBER, "1250", "oUpF8", "passwd", "4200000"))


def test_what_nobody_can_believe_is_answered_failure_and_leaves_no_row(
    stage: Stage,
    ears: Ears,
) -> None:
    stage.clerk.placed(out_trade_no=NUMBER)
    for title, body in STRANGERS.items():
        before = len(ears.lines("django_wxpay.notifications"))
        answer = stage.notify(body)
        if body.startswith(b"<"):
            assert answer.status_code == 200, title
            assert answer.text.startswith("<xml><return_code><![CDATA[FAIL]]></return_code>"), title
            assert answer.headers["Content-Type"].startswith("text/xml"), title
        else:
            # It may be v3's without its header, and v3 takes any 200 for a success.
            assert answer.status_code == 401, title
            assert answer.json()["code"] == "FAIL", title
        assert_nothing_happened(stage, ears, before)
    # And the genuine one is still taken.
    assert b"SUCCESS" in stage.notify(GENUINE).content
    assert stage.clerk.find(NUMBER)["trade_state"] == "SUCCESS"


def test_a_body_over_64_kib_is_413_and_leaves_no_row(stage: Stage, ears: Ears) -> None:
    stage.clerk.placed(out_trade_no=NUMBER)
    for size in (65_537, 66_560, 3_000_000):
        before = len(ears.lines("django_wxpay.notifications"))
        padding = b"<attach>" + b"x" * (size - len(GENUINE) - 17) + b"</attach>"
        answer = stage.notify(GENUINE.replace(b"<xml>", b"<xml>" + padding))
        assert (answer.status_code, "FAIL" in answer.text) == (413, True)
        assert_nothing_happened(stage, ears, before)


def test_only_post_is_served_at_notify_url(stage: Stage) -> None:
    address = f"{stage.shop}/wxpay/notify/default/payment/"
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = stage.http.request(method, address, data=GENUINE)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST"), method
    assert Notification.objects.count() == 0


def test_notify_url_of_an_unknown_merchant_or_kind_is_404(stage: Stage) -> None:
    assert stage.notify(GENUINE, merchant="nobody").status_code == 404
    unknown = stage.http.post(f"{stage.shop}/wxpay/notify/default/nonsense/", data=GENUINE)
    assert unknown.status_code == 404
    assert Notification.objects.count() == 0


def test_a_body_of_another_length_than_was_said_is_no_500(stage: Stage, ears: Ears) -> None:
    stage.clerk.placed(out_trade_no=NUMBER)
    for head, body in (
        (b"Content-Length: 5000\r\n", GENUINE[:100]),
        (b"Content-Length: 5000\r\n", b""),
        (b"Content-Length: -1\r\n", b""),
        (b"Content-Length: nonsense\r\n", b""),
        (b"Transfer-Encoding: chunked\r\n", b""),
        (b"", b""),
    ):
        before = len(ears.lines("django_wxpay.notifications"))
        answer = _hung_up_in_the_middle(stage, head, body)
        assert answer.split(b" ")[1] in {b"200", b"400", b"401"}, head
        assert b"SUCCESS" not in answer, head
        assert_nothing_happened(stage, ears, before)


def _hung_up_in_the_middle(stage: Stage, head: bytes, body: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", urlsplit(stage.shop).port or 0), 5) as line:
        line.sendall(b"POST /wxpay/notify/default/payment/ HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        line.sendall(b"Content-Type: text/xml\r\nConnection: close\r\n" + head + b"\r\n")
        line.sendall(body)
        with suppress(OSError):  # the shop may have answered and hung up already
            line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


# --- row 2: a notification that is WeChat Pay's and not about this order


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("total_fee", "1", "1250"),
        ("total_fee", "1251", "1250"),
        ("fee_type", "HKD", "CNY"),
        ("mch_id", "1900000999", "1900000109"),
        ("appid", "wx6666666666666666", "wx8888888888888888"),
        ("appid", "wx0000000000000000", "wx8888888888888888"),
    ],
)
def test_what_differs_from_the_order_is_a_conflict_that_people_see(
    stage: Stage,
    keeper: Keeper,
    field: str,
    value: str,
    expected: str,
) -> None:
    order = stage.clerk.placed(out_trade_no=NUMBER)
    for _ in range(2):
        answer = stage.notify(payment_notice(NUMBER, **{field: value}))
        assert (answer.status_code, b"SUCCESS" in answer.content) == (200, True)

    shown = {name: value for name, value in order.items() if name != "parameters"}
    assert stage.clerk.show(order) == shown | {"attention": ["CONFLICT"]}
    (notification,) = stage.clerk.notifications(order)
    assert (notification["outcome"], notification["attempts"]) == ("CONFLICT", 2)
    assert notification["reason"] == f"{field}: expected {expected}, received {value}"
    event = OrderEvent.objects.get(kind="CONFLICTED")
    for path in ("orderevent/", f"orderevent/{event.pk}/change/", f"order/{order['id']}/change/"):
        assert "Conflict" in keeper.reads(f"django_wxpay/{path}")


# --- row 3: an order we do not know


def test_an_unknown_order_is_kept_answered_failure_and_settled_when_it_appears(
    stage: Stage,
    keeper: Keeper,
) -> None:
    answer = stage.notify(GENUINE)
    assert (answer.status_code, b"FAIL" in answer.content) == (200, True)
    (row,) = stage.clerk.get("notifications/", out_trade_no=NUMBER).json()["results"]
    assert (row["outcome"], row["reason"], row["order"]) == ("FAILED", "no such order", None)
    assert NUMBER in keeper.reads("django_wxpay/notification/")

    placed = stage.clerk.place(out_trade_no=NUMBER)
    assert (placed.status_code, placed.json()["err_code"]) == (422, "ORDERPAID")
    assert stage.clerk.find(NUMBER)["trade_state"] == "SUCCESS"
    (row,) = stage.clerk.get("notifications/", out_trade_no=NUMBER).json()["results"]
    assert (row["outcome"], row["order"]) == ("APPLIED", placed.json()["id"])


# --- row 5: the gateway (row 4, fifty at once, is in test_recovering; every fault in test_faults)


TROUBLE = {
    "timeout": (504, "outcome_unknown"),
    "reset": (504, "outcome_unknown"),
    "http_500": (504, "outcome_unknown"),
    "http_502": (504, "outcome_unknown"),
    "html": (502, "bad_answer"),
    "empty": (502, "bad_answer"),
    "truncated": (502, "bad_answer"),
    "half_xml": (502, "bad_answer"),
    "bad_signature": (502, "bad_answer"),
    "unsigned": (502, "bad_answer"),
    "wrong_mch_id": (502, "bad_answer"),
    "wrong_appid": (502, "bad_answer"),
    "systemerror": (504, "outcome_unknown"),
}


def test_a_gateway_in_trouble_is_told_in_the_right_words_and_the_order_is_kept(
    stage: Stage,
) -> None:
    for fault, told in TROUBLE.items():
        seconds = 20 * PACE if fault == "timeout" else 0
        # A busy gateway is asked once more; everything else is one call.
        times = 2 if fault == "systemerror" else 1
        stage.wechat.inject(fault, operation="unifiedorder", seconds=seconds, times=times)
        number = new_number()
        with stage.in_a_hurry():
            answer = stage.clerk.place(out_trade_no=number)
        assert (answer.status_code, answer.json()["code"]) == told, fault
        assert answer.json()["out_trade_no"] == number
        kept = stage.clerk.show(answer.json())
        assert (kept["trade_state"], kept["prepay"], kept["payment"]) == ("CREATED", None, None)
        assert stage.clerk.place(out_trade_no=number).status_code == 200, fault
    assert ApiReport.objects.count() == 2 * len(TROUBLE) + 1


def test_a_gateway_with_another_key_is_refused_by_both_sides(
    stage: Stage,
    settings: Any,
    configure: Callable[..., None],
) -> None:
    configure(stage.wechat.url)
    default = settings.WXPAY["MERCHANTS"]["default"] | {"API_KEY": "another" * 4 + "keys"}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": default}}
    answer = stage.clerk.place(out_trade_no=new_number())

    assert (answer.status_code, answer.json()["code"]) == (422, "refused")
    assert stage.wechat.ledger()["trades"] == []


# --- row 6: REST

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a float": ({"total_fee": 12.5}, "total_fee"),
    "a whole float": ({"total_fee": 1250.0}, "total_fee"),
    "a string": ({"total_fee": "1250"}, "total_fee"),
    "negative": ({"total_fee": -1}, "total_fee"),
    "zero": ({"total_fee": 0}, "total_fee"),
    "true": ({"total_fee": True}, "total_fee"),
    "a list": ({"total_fee": [1250]}, "total_fee"),
    "endless": ({"total_fee": 10**40}, "total_fee"),
    "no amount": ({"total_fee": None}, "total_fee"),
    "33 characters": ({"out_trade_no": "A" * 33}, "out_trade_no"),
    "5 characters": ({"out_trade_no": "A" * 5}, "out_trade_no"),
    "an alphabet of its own": ({"out_trade_no": "ORDER 00001"}, "out_trade_no"),
    "a number in Chinese": ({"out_trade_no": "订单0000001"}, "out_trade_no"),
    "an unknown field": ({"colour": "red"}, "colour"),
    "notify_url": ({"notify_url": "https://evil.example/"}, "notify_url"),
    "mch_id": ({"mch_id": "1900000001"}, "mch_id"),
    "sign": ({"sign": "x"}, "sign"),
    "nonce_str": ({"nonce_str": "x"}, "nonce_str"),
    "somebody else's appid": ({"appid": "wx0000000000000000"}, "appid"),
    "an unknown merchant": ({"merchant": "nobody"}, "merchant"),
    "an unknown trade type": ({"trade_type": "MICROPAY"}, "trade_type"),
    "an unknown currency": ({"fee_type": "XXX"}, "fee_type"),
    "NATIVE without product_id": ({"product_id": None}, "product_id"),
    "JSAPI without openid": ({"trade_type": "JSAPI"}, "openid"),
    "MWEB without scene_info": ({"trade_type": "MWEB"}, "scene_info"),
    "a body of 128 bytes": ({"body": "茶" * 42 + "xx"}, "body"),
    "a body with a line": ({"body": "Tea\nfor two"}, "body"),
    "a body with a NUL": ({"body": "Tea\0"}, "body"),
    "no body": ({"body": None}, "body"),
    "an attach too long": ({"attach": "a" * 128}, "attach"),
    "a detail that is no JSON": ({"detail": "{"}, "detail"),
    "an expiry that has passed": ({"time_expire": "20200101000000"}, "time_expire"),
    "an expiry that is no time": ({"time_expire": "tomorrow"}, "time_expire"),
    "an address that is none": ({"spbill_create_ip": "localhost"}, "spbill_create_ip"),
    "sub_mch_id of a direct merchant": ({"sub_mch_id": "1900000200"}, "sub_mch_id"),
}


def test_a_wrong_order_is_400_naming_the_field_and_nothing_is_written_or_sent(
    stage: Stage,
) -> None:
    for title, (changes, field) in WRONG.items():
        answer = stage.clerk.place(**changes)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), title
        assert field in answer.json(), f"{title}: {answer.text}"
        # The summary names it too, unless the field's own name is "detail".
        assert field in answer.json()["detail"] or field == "detail", title
    assert Order.objects.count() == 0
    assert stage.wechat.ledger()["requests"] == []


def test_what_is_no_order_at_all_is_400(stage: Stage) -> None:
    address = f"{stage.shop}/wxpay/api/orders/"
    nested, endless = b"[" * 100_000, b'{"total_fee": NaN}'
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", nested, endless, b"{}"):
        headers = {"Content-Type": "application/json"}
        answer = stage.clerk.http.post(address, data=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), body[:20]
    assert Order.objects.count() == 0


ROUTES = [
    ("POST", "orders/", "add_order"),
    ("GET", "orders/", "view_order"),
    ("GET", "orders/{id}/", "view_order"),
    ("GET", "orders/{id}/parameters/", "view_order"),
    ("GET", "orders/{id}/qr.svg", "view_order"),
    ("POST", "orders/{id}/query/", "change_order"),
    ("POST", "orders/{id}/close/", "change_order"),
    ("GET", "notifications/", "view_notification"),
    ("GET", "api-reports/", "view_apireport"),
    ("GET", "api-reports/summary/", "view_apireport"),
]


BUY = {"trade_type": "NATIVE", "body": "x", "total_fee": 1, "product_id": "1"}


def test_somebody_without_the_permission_is_403_and_with_it_alone_is_not(stage: Stage) -> None:
    order = stage.clerk.placed()
    calls = len(stage.wechat.ledger()["requests"])
    ours = Permission.objects.filter(content_type__app_label="django_wxpay")

    def ask(method: str, route: str, holder: User | None = None) -> int:
        return stage.http.request(
            method,
            f"{stage.shop}/wxpay/api/{route.format(**order)}",
            json=BUY if route == "orders/" and method == "POST" else None,
            auth=None if holder is None else (holder.username, PASSWORD),
        ).status_code

    person = User.objects.create_user("person", password=PASSWORD)
    for method, route, permission in ROUTES:
        person.user_permissions.set(ours.exclude(codename=permission))
        assert ask(method, route) in {401, 403}, route
        assert ask(method, route, person) == 403, route
    assert Order.objects.count() == 1
    assert len(stage.wechat.ledger()["requests"]) == calls

    for method, route, permission in reversed(ROUTES):
        person.user_permissions.set(ours.filter(codename=permission))
        # The order is closed by the first of them, and a closed order has no parameters.
        assert ask(method, route, person) in {200, 201, 404}, route


def test_orders_that_do_not_exist_are_404_and_nonsense_filters_400(stage: Stage) -> None:
    assert stage.clerk.get("orders/999999/").status_code == 404
    assert stage.clerk.post("orders/999999/query/").status_code == 404
    assert stage.clerk.post("orders/999999/close/").status_code == 404
    assert stage.clerk.get("orders/nonsense/").status_code == 404
    assert stage.clerk.get("orders/", created_after="yesterday").status_code == 400
    assert stage.wechat.ledger()["requests"] == []


def test_a_notice_for_another_merchant_of_this_shop_is_not_believed(stage: Stage) -> None:
    order = stage.clerk.placed(out_trade_no=NUMBER)
    other = replace(DIRECT, api_key="TESTKEYtestkeyTESTKEYtestkey0005")
    answer = stage.notify(payment_notice(NUMBER, merchant=other))

    assert b"FAIL" in answer.content
    assert stage.clerk.show(order)["trade_state"] == "NOTPAY"
    assert b"FAIL" in stage.notify(GENUINE, merchant="md5").content
    assert Notification.objects.count() == 0
