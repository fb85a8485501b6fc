"""The least correct notification view: the same checks and the same two transactions, in plain SQL.

It verifies as we do, on C alone, and takes a payment for its order once. It keeps what it was sent,
tells the shop's receiver and marks the event, so that a crash at any point loses nothing. It has
one merchant, one product and one currency, and no names for what went wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree as ET

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from django_wxpay.protocol.v3.keys import load_public_key
from tests.protocol.v3 import keys as test_keys
from tests.wechatpay import v2

_BEIJING = timezone(timedelta(hours=8))
_LARGEST = 64 * 1024
_ORDER = (
    "SELECT o.id, o.trade_state, o.total_fee, o.mch_id, o.appid, "
    "(SELECT n.outcome FROM django_wxpay_notification n WHERE n.fingerprint = %s) "
    "FROM django_wxpay_order o WHERE o.merchant = %s AND o.out_trade_no = %s"
)
_SEEN = (
    "UPDATE django_wxpay_notification SET attempts = attempts + 1, updated_at = %s "
    "WHERE fingerprint = %s"
)
_PAID = (
    "UPDATE django_wxpay_order SET trade_state = 'SUCCESS', transaction_id = %s, "
    "success_time = %s, "
    "bank_type = %s, payer_openid = %s, payer_total = %s, payer_currency = %s, cash_fee = %s, "
    "next_check_at = NULL, updated_at = %s WHERE id = %s AND trade_state = %s"
)
_KEPT = (
    "INSERT INTO django_wxpay_notification (merchant, kind, api, event_id, event_type, "
    "fingerprint, out_trade_no, transaction_id, order_id, outcome, reason_code, "
    "reason_params, attempts, retries, next_retry_at, headers, body, created_at, updated_at) "
    "VALUES "
    "(%s, 'payment', %s, %s, %s, %s, %s, %s, %s, 'APPLIED', '', '{}', 1, 0, NULL, %s, %s, %s, %s)"
)
_EVENT = (
    "INSERT INTO django_wxpay_orderevent (order_id, kind, from_state, to_state, source, detail, "
    "notification_id, dispatch_attempts, dispatch_error, resolved_by, note, next_dispatch_at, "
    "created_at) VALUES (%s, 'PAID', %s, 'SUCCESS', 'bare', '{}', %s, 1, '', '', '', %s, %s)"
)
_SENT = (
    "UPDATE django_wxpay_orderevent SET dispatched_at = %s, next_dispatch_at = NULL "
    "WHERE id = %s AND dispatched_at IS NULL"
)

Receiver = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The one merchant's, ready to use."""

    api_key: bytes
    platform_key: RSAPublicKey
    cipher: AESGCM


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment that WeChat Pay has stated."""

    merchant: str
    api: str
    out_trade_no: str
    transaction_id: str
    total: int
    mch_id: str
    appid: str
    bank_type: str
    openid: str
    payer_total: int
    currency: str
    success_time: datetime
    fingerprint: str
    event_id: str = ""
    event_type: str = ""


def keys_of_tests() -> Keys:
    """Return the keys of the merchants of the tests."""
    return Keys(
        api_key=v2.API_KEY.encode(),
        platform_key=load_public_key(test_keys.WECHATPAY_PUBLIC_KEY),
        cipher=AESGCM(test_keys.API_V3_KEY.encode()),
    )


def read_v2(body: bytes, keys: Keys) -> Payment | None:
    """Return the payment in a notification that our key has signed."""
    if len(body) > _LARGEST or b"<!DOCTYPE" in body:
        return None
    fields = {child.tag: child.text or "" for child in ET.fromstring(body)}  # noqa: S314
    joined = "&".join(
        [f"{name}={fields[name]}" for name in sorted(fields) if name != "sign" and fields[name]]
    )
    signed = b"%b&key=%b" % (joined.encode(), keys.api_key)
    if fields.get("sign_type") == "HMAC-SHA256":
        expected = hmac.digest(keys.api_key, signed, "sha256").hex().upper()
    else:
        expected = hashlib.md5(signed, usedforsecurity=False).hexdigest().upper()
    if not hmac.compare_digest(expected, fields.get("sign", "")):
        return None
    if fields.get("result_code") != "SUCCESS":
        return None
    paid_at = datetime.strptime(fields["time_end"], "%Y%m%d%H%M%S").replace(tzinfo=_BEIJING)
    about = f"{fields['mch_id']} {fields['out_trade_no']} {fields['transaction_id']}"
    return Payment(
        merchant="default",
        api="v2",
        out_trade_no=fields["out_trade_no"],
        transaction_id=fields["transaction_id"],
        total=int(fields["total_fee"]),
        mch_id=fields["mch_id"],
        appid=fields["appid"],
        bank_type=fields["bank_type"],
        openid=fields["openid"],
        payer_total=int(fields["cash_fee"]),
        currency=fields["fee_type"],
        success_time=paid_at,
        fingerprint=hashlib.sha256(about.encode()).hexdigest(),
    )


def read_v3(headers: Mapping[str, str], body: bytes, keys: Keys) -> Payment | None:
    """Return the payment in a callback that WeChat Pay has signed within five minutes."""
    stamp, nonce = headers["Wechatpay-Timestamp"], headers["Wechatpay-Nonce"]
    if abs(time.time() - int(stamp)) >= 300:
        return None
    message = b"%b\n%b\n%b\n" % (stamp.encode(), nonce.encode(), body)
    signature = base64.b64decode(headers["Wechatpay-Signature"], validate=True)
    keys.platform_key.verify(signature, message, PKCS1v15(), SHA256())
    event = json.loads(body)
    resource = event["resource"]
    plain = keys.cipher.decrypt(
        resource["nonce"].encode(),
        base64.b64decode(resource["ciphertext"], validate=True),
        resource["associated_data"].encode(),
    )
    trade = json.loads(plain)
    if trade["trade_state"] != "SUCCESS":
        return None
    amount = trade["amount"]
    return Payment(
        merchant="v3",
        api="v3",
        out_trade_no=trade["out_trade_no"],
        transaction_id=trade["transaction_id"],
        total=amount["total"],
        mch_id=trade["mchid"],
        appid=trade["appid"],
        bank_type=trade["bank_type"],
        openid=trade["payer"]["openid"],
        payer_total=amount["payer_total"],
        currency=amount["payer_currency"],
        success_time=datetime.fromisoformat(trade["success_time"]),
        fingerprint=hashlib.sha256(plain).hexdigest(),
        event_id=event["id"],
        event_type=event["event_type"],
    )


def settle(payment: Payment, headers: str, body: bytes, tell: Receiver) -> bool:
    """Take a payment once, and tell the receiver; return whether it is settled."""
    now = datetime.now(UTC)
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_ORDER, [payment.fingerprint, payment.merchant, payment.out_trade_no])
        order_id, state, total_fee, mch_id, appid, outcome = cursor.fetchone()
        if outcome is not None:
            cursor.execute(_SEEN, [at, payment.fingerprint])
            return True
        if (total_fee, mch_id, appid) != (payment.total, payment.mch_id, payment.appid):
            return False
        event_id = _take(cursor, payment, order_id, state, headers, body, now)
        if event_id is None:
            return False
        with transaction.atomic():
            tell(payment.out_trade_no)
            cursor.execute(_SENT, [at, event_id])
            return bool(cursor.rowcount == 1)


def _take(
    cursor: Any,
    payment: Payment,
    order_id: int,
    state: str,
    headers: str,
    body: bytes,
    now: datetime,
) -> int | None:
    as_stored = connection.ops.adapt_datetimefield_value
    at, lease = as_stored(now), as_stored(now + timedelta(minutes=1))
    with transaction.atomic():
        paid = [
            payment.transaction_id,
            as_stored(payment.success_time),
            payment.bank_type,
            payment.openid,
            payment.payer_total,
            payment.currency,
            payment.payer_total,
        ]
        cursor.execute(_PAID, [*paid, at, order_id, state])
        if cursor.rowcount != 1:
            return None
        kept = [payment.merchant, payment.api, payment.event_id, payment.event_type]
        numbers = [payment.fingerprint, payment.out_trade_no, payment.transaction_id, order_id]
        notification_id = _insert(cursor, _KEPT, [*kept, *numbers, headers, body, at, at])
        return _insert(cursor, _EVENT, [order_id, state, notification_id, lease, at])


def _insert(cursor: Any, sql: str, values: list[Any]) -> int:
    if connection.vendor == "postgresql":
        cursor.execute(f"{sql} RETURNING id", values)
        return int(cursor.fetchone()[0])
    cursor.execute(sql, values)
    return int(cursor.lastrowid)


def notify_view(keys: Keys, tell: Receiver) -> Callable[[HttpRequest], HttpResponse]:
    """Return the view of both protocols."""

    @csrf_exempt
    def notify(request: HttpRequest) -> HttpResponse:
        body = request.body
        if "Wechatpay-Signature" in request.headers:
            payment, kept = read_v3(request.headers, body, keys), _kept(request.headers)
        else:
            payment, kept = read_v2(body, keys), "{}"
        if payment is None or not settle(payment, kept, body, tell):
            return HttpResponse(b"FAIL", status=500)
        return HttpResponse(b"SUCCESS", content_type="text/plain")

    return notify


def _kept(headers: Mapping[str, str]) -> str:
    names = ("Timestamp", "Nonce", "Serial", "Signature")
    return json.dumps({name: headers[f"Wechatpay-{name}"] for name in names})
