"""WeChat Pay's side of v3 for the tests of services: signs answers and callbacks with test keys."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter

from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.protocol.v3.signing import signed_headers
from tests.protocol.v3 import keys

MCH_ID = "1900000109"
APPID = "wx8888888888888888"
TRANSACTION_ID = "4200000000202601010000000001"

V3_MERCHANT: dict[str, Any] = {
    "API": "v3",
    "APPID": APPID,
    "MCH_ID": MCH_ID,
    "API_V3_KEY": keys.API_V3_KEY,
    "PRIVATE_KEY": keys.MERCHANT_KEY,
    "CERT_SERIAL_NO": keys.MERCHANT_SERIAL,
    "HOSTS": ["http://v3.test"],
}
PUBLIC_KEY_MODE = {
    "WECHATPAY_PUBLIC_KEY": keys.WECHATPAY_PUBLIC_KEY,
    "WECHATPAY_PUBLIC_KEY_ID": keys.PUBLIC_KEY_ID,
}


def signature(
    body: bytes,
    *,
    serial: str = keys.PUBLIC_KEY_ID,
    timestamp: int | None = None,
) -> dict[str, str]:
    """Return the headers with which WeChat Pay signs ``body`` under the key ``serial`` names."""
    public = serial.startswith("PUB_KEY_ID_")
    return signed_headers(
        body,
        serial=serial,
        private_key=keys.PUBLIC_MODE_KEY if public else keys.PLATFORM_KEY,
        timestamp=int(time.time()) if timestamp is None else timestamp,
        nonce=secrets.token_hex(16),
    )


def sealed(content: Any, *, kind: str = "transaction", **changes: Any) -> dict[str, str]:
    """Return ``content`` as the resource of a callback."""
    resource = encrypt_resource(
        json.dumps(content).encode(),
        api_v3_key=changes.pop("key", keys.API_V3_KEY),
        nonce=secrets.token_hex(6),
        associated_data=kind,
        original_type=kind,
    )
    return {**resource, **changes}


def envelope(event_type: str, resource: Mapping[str, Any], **changes: Any) -> bytes:
    members = {
        "id": "0d7c4a52-5a3e-5b6f-9d0e-1f2a3b4c5d6e",
        "create_time": "2026-01-01T00:01:30+08:00",
        "event_type": event_type,
        "resource_type": "encrypt-resource",
        "resource": resource,
    }
    return json.dumps(members | changes).encode()


def trade(out_trade_no: str, **changes: Any) -> dict[str, Any]:
    """Return a paid domestic order object."""
    content = {
        "mchid": MCH_ID,
        "appid": APPID,
        "out_trade_no": out_trade_no,
        "transaction_id": TRANSACTION_ID,
        "trade_type": "NATIVE",
        "trade_state": "SUCCESS",
        "trade_state_desc": "paid",
        "bank_type": "OTHERS",
        "success_time": "2026-01-01T00:01:30+08:00",
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": 100, "payer_total": 100, "currency": "CNY", "payer_currency": "CNY"},
    }
    return content | changes


def refund(out_trade_no: str, **changes: Any) -> dict[str, Any]:
    """Return the resource of a refund callback."""
    content = {
        "mchid": MCH_ID,
        "out_trade_no": out_trade_no,
        "transaction_id": TRANSACTION_ID,
        "out_refund_no": "R20260101000001",
        "refund_id": "50300000000000000000000000001",
        "refund_status": "SUCCESS",
        "success_time": "2026-01-02T00:00:00+08:00",
        "user_received_account": "零钱",
        "amount": {"total": 100, "refund": 88, "payer_total": 100, "payer_refund": 88},
    }
    return content | changes


def paid_notice(out_trade_no: str, **changes: Any) -> bytes:
    return envelope("TRANSACTION.SUCCESS", sealed(trade(out_trade_no, **changes)))


def refund_notice(out_trade_no: str, **changes: Any) -> bytes:
    content = refund(out_trade_no, **changes)
    return envelope(f"REFUND.{content['refund_status']}", sealed(content, kind="refund"))


class ScriptedPlatform(BaseAdapter):
    """Answers v3 requests by path; ``calls`` is every request it saw, as (path, request)."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, tuple[int, Any] | Callable[[], tuple[int, Any]]] = {}
        self.calls: list[tuple[str, requests.PreparedRequest]] = []
        self.serial = keys.PUBLIC_KEY_ID

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        path = urlsplit(str(request.url)).path
        self.calls.append((path, request))
        answer = self.answers[path]
        status, content = answer() if callable(answer) else answer
        body = b"" if content is None else json.dumps(content).encode()
        response = requests.Response()
        response.status_code = status
        response.request = request
        response.url = str(request.url)
        response._content = body
        response._content_consumed = True
        if status < 300:
            response.headers.update(signature(body, serial=self.serial))
            response.headers["Request-ID"] = "08F00000-0"
        return response

    def close(self) -> None:
        pass


def certificates_answer() -> tuple[int, Any]:
    """Return the answer of GET /v3/certificates that lists the test platform certificate."""
    resource = encrypt_resource(
        keys.PLATFORM_CERTIFICATE.encode(),
        api_v3_key=keys.API_V3_KEY,
        nonce=secrets.token_hex(6),
        associated_data="certificate",
        original_type="",
    )
    entry = {
        "serial_no": keys.PLATFORM_SERIAL,
        "effective_time": "2024-01-01T00:00:00+08:00",
        "expire_time": "2034-01-01T00:00:00+08:00",
        "encrypt_certificate": {n: v for n, v in resource.items() if n != "original_type"},
    }
    return 200, {"data": [entry]}
