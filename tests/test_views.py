"""notify_url over HTTP: the words of HTTP where it has one, the protocol's everywhere else."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import Client

from django_wxpay.models import Notification, Order
from tests.services.conftest import new_order
from tests.wechatpay.v2 import payment_notice

pytestmark = pytest.mark.django_db

URL = "/wxpay/notify/default/payment/"


def post(client: Client, body: bytes, url: str = URL, **headers: Any) -> Any:
    return client.post(url, data=body, content_type="text/xml", **headers)


def test_a_notification_is_taken_in_without_session_login_or_csrf() -> None:
    order = new_order()
    response = post(Client(enforce_csrf_checks=True), payment_notice(order.out_trade_no))

    assert response.status_code == 200
    assert response.content == (
        b"<xml><return_code><![CDATA[SUCCESS]]></return_code>"
        b"<return_msg><![CDATA[OK]]></return_msg></xml>"
    )
    assert response["Content-Type"].startswith("text/xml")
    assert not response.cookies
    assert Order.objects.get().trade_state == "SUCCESS"


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head", "options"])
def test_only_post_is_served(client: Client, method: str) -> None:
    response = getattr(client, method)(URL)

    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_an_unknown_merchant_is_404(client: Client) -> None:
    assert post(client, b"<xml/>", "/wxpay/notify/nobody/payment/").status_code == 404


@pytest.mark.parametrize("length", [65537, 70_000, 3_000_000])
def test_a_body_over_64_kib_is_413(client: Client, length: int) -> None:
    response = post(client, b"<xml>" + b"x" * (length - 5))

    assert response.status_code == 413
    assert Notification.objects.count() == 0


@pytest.mark.parametrize(
    "body", [b"<xml>", b"<!DOCTYPE xml><xml/>", b"<xml/>", b"\xef\xbb\xbf<xml/>", b"\r\n <xml/>"]
)
def test_xml_of_a_stranger_is_answered_in_the_form_of_v2(client: Client, body: bytes) -> None:
    response = post(client, body)

    assert response.status_code == 200
    assert response.content.startswith(b"<xml><return_code><![CDATA[FAIL]]></return_code>")
    assert Notification.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"\xef\xbb\xbf{}",
        b' \n{"id":"1"}',
        b"\xff\xfe<\0",
        b"\x1f\x8b\x08",
        b"a=1&b=2",
        b"x" * 65536,
        b" " * 65536,
    ],
)
@pytest.mark.parametrize("content_type", ["text/xml", "application/json"])
def test_what_is_no_xml_is_never_answered_200_for_v3_takes_that_for_a_success(
    client: Client, body: bytes, content_type: str
) -> None:
    response = client.post(URL, data=body, content_type=content_type)

    assert response.status_code == 401
    assert response.json() == {"code": "FAIL", "message": "not authentic"}
    assert Notification.objects.count() == 0


def test_a_body_that_breaks_off_is_answered_and_not_a_500(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*args: Any) -> bytes:
        raise OSError("connection broken")

    monkeypatch.setattr("django.core.handlers.wsgi.WSGIRequest.read", broken)
    response = post(client, payment_notice("TEST000001"))

    assert response.status_code == 401
    assert b"FAIL" in response.content


def test_atomic_requests_of_no_database_wrap_a_notification() -> None:
    from django_wxpay.views import NotifyView

    assert NotifyView.as_view()._non_atomic_requests == set(connections)  # type: ignore[attr-defined]


def use_up(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Read the request as a stream, so that nothing is left of it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.read()
        return get_response(request)

    return middleware


def test_a_body_that_somebody_has_used_up_is_refused_and_named_in_the_log(
    client: Client,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.use_up"]
    body = payment_notice(new_order().out_trade_no)

    assert post(client, body).status_code == 401
    assert "a middleware has read a notification as a stream" in caplog.text


LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


def test_a_site_that_wants_a_login_everywhere_lets_notifications_in(
    client: Client,
    settings: Any,
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, LOGIN_REQUIRED]
    order = new_order()

    assert b"SUCCESS" in post(client, payment_notice(order.out_trade_no)).content
    assert client.get("/wxpay/api/schema/").status_code == 200, "no login class of REST's either"
    assert client.get("/wxpay/api/orders/").status_code in {401, 403}, "and no way to a login page"


def audit(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Look at the body after the view has read it, as an audit log does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["X-Audited"] = str(len(request.body))
        return response

    return middleware


def look_first(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Look at the body before the view does."""

    def middleware(request: HttpRequest) -> HttpResponse:
        assert request.body is not None
        return get_response(request)

    return middleware


def test_the_body_can_be_looked_at_before_and_after(client: Client, settings: Any) -> None:
    names = [f"{__name__}.{name}" for name in ("audit", "look_first")]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *names]
    order = new_order()
    body = payment_notice(order.out_trade_no)

    response = post(client, body)
    assert b"SUCCESS" in response.content
    assert response["X-Audited"] == str(len(body))

    too_large = post(client, b"<xml>" + b"x" * 70_000)
    assert too_large.status_code == 413


def test_the_projects_limit_for_forms_is_not_that_of_a_notification(
    client: Client,
    settings: Any,
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.audit"]
    order = new_order()

    assert b"SUCCESS" in post(client, payment_notice(order.out_trade_no)).content


def chunked(client: Client, body: bytes, *, is_terminated: bool = True) -> bytes:
    """Send a body without its length, as a WSGI server passes on a chunked one."""
    terminated = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": is_terminated}
    return post(client, body, CONTENT_LENGTH="", **terminated).content


def test_a_chunked_body_is_read_to_the_end_that_the_server_gives_it(client: Client) -> None:
    order = new_order()
    body = payment_notice(order.out_trade_no)

    assert b"FAIL" in chunked(client, body, is_terminated=False)
    assert b"SUCCESS" in chunked(client, body)


def test_a_chunked_body_is_read_by_the_view_although_somebody_asked_django_for_it(
    client: Client,
    settings: Any,
) -> None:
    names = [f"{__name__}.{name}" for name in ("audit", "look_first")]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *names]
    order = new_order()

    assert b"SUCCESS" in chunked(client, payment_notice(order.out_trade_no))
    assert b"too large" in chunked(client, b"<xml>" + b"x" * 3_000_000)


def test_no_address_is_looked_up_for_a_notification(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a notification went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    order = new_order()

    assert b"SUCCESS" in post(client, payment_notice(order.out_trade_no)).content
