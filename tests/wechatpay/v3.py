"""API v3 messages as WeChat Pay signs and encrypts them, with test keys."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.protocol.v3.keys import load_private_key
from django_wxpay.protocol.v3.signing import signed_headers
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import NOW
from tests.wechatpay.transport import RawAnswer, ScriptedTransport
from tests.wechatpay.v2 import APPID, MCH_ID

REQUEST_ID = "08D0A9C7B10610D60118C2F0A8EF0120-0"
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
    """Return ``content``, or the document that it is, as the resource of a callback."""
    resource = encrypt_resource(
        content if isinstance(content, bytes) else json.dumps(content).encode(),
        api_v3_key=changes.pop("key", keys.API_V3_KEY),
        nonce=secrets.token_hex(6),
        associated_data=kind,
        original_type=kind,
    )
    return {**resource, **changes}


def written(content: object) -> bytes:
    return b"" if content is None else json.dumps(content, ensure_ascii=False).encode()


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


def signed(
    content: object = b"",
    status: int = 200,
    *,
    serial: str = keys.PLATFORM_SERIAL,
    key: str = keys.PLATFORM_KEY,
    at: int = keys.NOW,
) -> RawAnswer:
    """Return an answer as WeChat Pay signs it; octets are taken as they are."""
    body = content if isinstance(content, bytes) else written(content)
    headers = signed_headers(
        body, serial=serial, private_key=key, timestamp=at, nonce="0a5ccb1cfb2add2f751351f363c1ead1"
    )
    return status, body, headers | {"Request-ID": REQUEST_ID}


def refusal(status: int, code: str, message: str = "no", **members: Any) -> RawAnswer:
    """Return an error answer, which nobody signs."""
    return status, written({"code": code, "message": message} | members), {"Request-ID": "08D0-7"}


def spoilt(answer: RawAnswer, **headers: str | None) -> RawAnswer:
    """Return an answer with other headers; None takes one away."""
    status, body, headers_before = answer
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    merged = {**headers_before, **changes}
    return status, body, {name: value for name, value in merged.items() if value is not None}


def probe(answer: RawAnswer) -> RawAnswer:
    """Return an answer signed wrongly on purpose, as WeChat Pay does to try us out."""
    signature = answer[2]["Wechatpay-Signature"]
    return spoilt(answer, Wechatpay_Signature=f"WECHATPAY/SIGNTEST/{signature[19:]}")


def certificate(serial: str, key: str = keys.PUBLIC_MODE_KEY) -> str:
    """Return the PEM of a certificate made here, TEST ONLY; it was over long ago."""
    private = load_private_key(key)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST ONLY")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=private.public_key(),
        serial_number=int(serial, 16),
        not_valid_before=NOW - timedelta(days=2),
        not_valid_after=NOW - timedelta(days=1),
    )
    return builder.sign(private, SHA256()).public_bytes(Encoding.PEM).decode()


YOUNG_SERIAL = "0" * 38 + "AB"
YOUNG = certificate(YOUNG_SERIAL)
YOUNG_KEY = keys.PUBLIC_MODE_KEY
OLD = keys.PLATFORM_CERTIFICATE


def listing(pems: dict[str, str], api_v3_key: str = keys.API_V3_KEY) -> bytes:
    """Return the list of certificates, by serial, encrypted under ``api_v3_key``."""

    def encrypted(pem: str) -> dict[str, str]:
        resource = encrypt_resource(
            pem.encode(),
            api_v3_key=api_v3_key,
            nonce="61f9c719728a",
            associated_data="certificate",
            original_type="",
        )
        return {name: value for name, value in resource.items() if name != "original_type"}

    entries = [
        {
            "serial_no": serial,
            "effective_time": "2024-01-01T08:00:00+08:00",
            "expire_time": "2034-01-01T08:00:00+08:00",
            "encrypt_certificate": encrypted(pem),
        }
        for serial, pem in pems.items()
    ]
    return written({"data": entries})


CERTIFICATES = 200, listing({keys.PLATFORM_SERIAL: keys.PLATFORM_CERTIFICATE})


class V3:
    """API v3: an answer is a status and its content; a success is signed under ``serial``."""

    serial = keys.PUBLIC_KEY_ID

    def read(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request

    def write(self, answer: tuple[int, Any], sent: requests.PreparedRequest) -> RawAnswer:
        status, content = answer
        body = content if isinstance(content, bytes) else written(content)
        if status >= 300:
            return status, body
        headers = signature(body, serial=self.serial) | {"Request-ID": "08F00000-0"}
        return status, body, headers


def scripted_v3(*script: Any) -> ScriptedTransport:
    return ScriptedTransport(*script, dialect=V3())
