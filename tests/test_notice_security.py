"""The same security cases for every kind of notice: v2 and v3, payments and refunds alike."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.test import Client

from django_wxpay.models import Notification, Order, OrderEvent, Refund
from tests.protocol.v2.test_refund_notices import notice as v2_refund
from tests.protocol.v3 import keys
from tests.services.conftest import new_order
from tests.wechatpay.v2 import API_KEY, payment_notice
from tests.wechatpay.v3 import (
    PUBLIC_KEY_MODE,
    TRANSACTION_ID,
    V3_MERCHANT,
    paid_notice,
    refund_notice,
    signature,
)

SECRETS = (API_KEY, keys.API_V3_KEY, "BEGIN PRIVATE KEY")
NUMBER = "T20260101000001"


class NoticeSecurityCases:
    """Inherited by each kind of notice, which has a genuine and forged ones of its own."""

    kind = "payment"
    moves_the_order = True

    def genuine(self, out_trade_no: str = NUMBER) -> bytes:
        raise NotImplementedError

    def headers(self, body: bytes) -> dict[str, str]:
        return {}

    def forged(self) -> list[tuple[bytes, dict[str, str]]]:
        """Return forgeries: other keys, other bodies, other times."""
        raise NotImplementedError

    # --- how a case is carried out

    @pytest.fixture(autouse=True)
    def _site(self, db: None, settings: Any, caplog: pytest.LogCaptureFixture) -> Any:
        both = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": API_KEY}
        settings.WXPAY = {
            "NOTIFY_BASE_URL": "https://shop.example.com",
            "MERCHANTS": {"default": both},
        }
        self.order = new_order(out_trade_no=NUMBER)
        if self.kind == "refund":
            Order.objects.update(trade_state="SUCCESS", transaction_id=TRANSACTION_ID)
        caplog.set_level(logging.DEBUG)
        yield
        assert [secret for secret in SECRETS if secret in caplog.text] == []

    def url(self, merchant: str = "default") -> str:
        return f"/wxpay/notify/{merchant}/{self.kind}/"

    def post(self, body: bytes, headers: dict[str, str] | None = None, **how: Any) -> Any:
        given = self.headers(body) if headers is None else headers
        client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        return client.post(
            how.get("url", self.url()),
            data=body,
            content_type=how.get("content_type", "text/xml"),
            headers=given,
        )

    def assert_nothing_was_applied(self) -> None:
        assert Notification.objects.count() == 0
        assert Refund.objects.count() == 0
        assert OrderEvent.objects.count() == 0
        before = "SUCCESS" if self.kind == "refund" else "CREATED"
        assert Order.objects.get(out_trade_no=NUMBER).trade_state == before

    def is_success(self, response: Any) -> bool:
        return response.status_code == 200 and b"SUCCESS" in response.content

    # --- the cases

    def test_a_genuine_notice_is_taken_in(self) -> None:
        assert self.is_success(self.post(self.genuine()))
        assert Notification.objects.get().outcome == "APPLIED"

    def test_the_same_notice_again_changes_nothing(self) -> None:
        for _ in range(3):
            assert self.is_success(self.post(self.genuine()))
        assert Notification.objects.get().attempts == 3
        kinds = list(OrderEvent.objects.values_list("kind", flat=True))
        assert len(kinds) == len(set(kinds))
        assert Refund.objects.count() <= 1

    def test_what_is_forged_is_refused_and_costs_no_row(self) -> None:
        for body, headers in self.forged():
            response = self.post(body, headers)
            assert not self.is_success(response)
            assert response.status_code < 500
        self.assert_nothing_was_applied()

    def test_hostile_bytes_are_refused_and_cost_no_row(self) -> None:
        genuine = self.genuine()
        hostile = [
            b"",
            b"\x00",
            b"\xff\xfe<\x00x\x00",
            b"[]",
            b"{}",
            b'"text"',
            b"<xml>",
            b"<xml/>",
            b"<html><body>hello</body></html>",
            b"<xml>" + b"<a>" * 20_000,
            b"[" * 60_000,
            b'<!DOCTYPE x [<!ENTITY a "b">]><xml><return_code>&a;</return_code></xml>',
            genuine[: len(genuine) // 2],
        ]
        for body in hostile:
            # Signed, if at all, as another body was.
            response = self.post(body, self.headers(genuine))
            assert not self.is_success(response)
            assert response.status_code < 500
        self.assert_nothing_was_applied()

    def test_a_body_beyond_every_limit_is_413(self) -> None:
        for length in (1024 * 1024 + 1, 3 * 1024 * 1024):
            assert self.post(b" " * length).status_code == 413
        self.assert_nothing_was_applied()

    def test_only_post_is_served(self) -> None:
        for method in ("get", "put", "patch", "delete", "head", "options"):
            assert getattr(Client(), method)(self.url()).status_code == 405
        self.assert_nothing_was_applied()

    def test_an_unknown_merchant_is_404(self) -> None:
        assert self.post(self.genuine(), url=self.url("nobody")).status_code == 404
        self.assert_nothing_was_applied()

    def test_an_unknown_order_is_kept_and_answered_failure(self) -> None:
        response = self.post(self.genuine("T20260101000099"))
        assert not self.is_success(response)
        assert response.status_code in {200, 404}
        notification = Notification.objects.get()
        assert (notification.outcome, notification.order) == ("FAILED", None)

    def test_the_content_type_does_not_matter(self) -> None:
        assert self.is_success(self.post(self.genuine(), content_type="application/json"))


class TestV2Payment(NoticeSecurityCases):
    def genuine(self, out_trade_no: str = NUMBER) -> bytes:
        return payment_notice(out_trade_no)

    def forged(self) -> list[tuple[bytes, dict[str, str]]]:
        genuine = self.genuine()
        return [
            (genuine.replace(b"<total_fee>100<", b"<total_fee>101<"), {}),
            (genuine.replace(b"<sign>", b"<sign>0"), {}),
            (genuine.replace(b"HMAC-SHA256", b"MD5"), {}),
            (genuine.replace(b"HMAC-SHA256", b"NONE"), {}),
            (v2_refund(key="WRONGKEYwrongkeyWRONGKEYwrongkey"), {}),
            (genuine, signature(b"another body")),
        ]


class TestV3Payment(NoticeSecurityCases):
    def genuine(self, out_trade_no: str = NUMBER) -> bytes:
        return paid_notice(out_trade_no)

    def headers(self, body: bytes) -> dict[str, str]:
        return signature(body)

    def forged(self) -> list[tuple[bytes, dict[str, str]]]:
        genuine = self.genuine()
        headers = signature(genuine)
        return [
            (genuine + b" ", headers),
            (genuine, {}),
            (genuine, headers | {"Wechatpay-Nonce": "another"}),
            (genuine, headers | {"Wechatpay-Timestamp": "0"}),
            (genuine, headers | {"Wechatpay-Timestamp": "soon"}),
            (genuine, headers | {"Wechatpay-Serial": "PUB_KEY_ID_0"}),
            (genuine, headers | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/x"}),
            (genuine, headers | {"Wechatpay-Signature": "not base64!"}),
            (genuine, headers | {"Wechatpay-Signature-Type": "NONE"}),
            (payment_notice(NUMBER), headers),
        ]


class TestV2Refund(NoticeSecurityCases):
    kind = "refund"

    def genuine(self, out_trade_no: str = NUMBER) -> bytes:
        return v2_refund(out_trade_no=out_trade_no)

    def forged(self) -> list[tuple[bytes, dict[str, str]]]:
        genuine = self.genuine()
        return [
            (v2_refund(key="WRONGKEYwrongkeyWRONGKEYwrongkey"), {}),
            (v2_refund(outer={"mch_id": "1900000999"}), {}),
            (v2_refund(outer={"req_info": "AAAA"}), {}),
            (payment_notice(NUMBER, key="WRONGKEYwrongkeyWRONGKEYwrongkey"), {}),
            (genuine, signature(b"another body")),
        ]


class TestV3Refund(TestV3Payment):
    kind = "refund"

    def genuine(self, out_trade_no: str = NUMBER) -> bytes:
        return refund_notice(out_trade_no)
