"""Messages as WeChat Pay writes them, from a trade of the ledger; every part can be replaced.

Nothing here refuses what is no message: hostile names, texts and keys are written as they are.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from random import Random
from typing import Any
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.padding import PKCS7

from tests.fuzz.ledger import Trade, refund_content, refund_id, trade_content, trade_fields
from tests.fuzz.merchants import Account

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SCHEME = "WECHATPAY2-SHA256-RSA2048"


def joined(fields: Mapping[str, str]) -> str:
    """Return what v2 signs of ``fields``, without the key."""
    return "&".join(
        f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign"
    )


def digest(text: str, key: str, sign_type: str) -> str:
    """Return the v2 signature of a string, as the protocol writes it."""
    message = f"{text}&key={key}".encode(errors="surrogatepass")
    if sign_type == "MD5":
        return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest().upper()


def notice_fields(trade: Trade, rng: Random, **changes: str | None) -> dict[str, str]:
    """Return the fields of a payment notice of v2; ``changes`` of None drop a field."""
    account = trade.account
    fields: dict[str, str | None] = {
        **trade_fields(trade),
        "trade_state": None,
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": account.appid,
        "mch_id": account.mch_id,
        "sub_mch_id": account.sub_mch_id,
        "nonce_str": f"{rng.getrandbits(128):032x}",
        # An unpaid trade has none of these: a notice that states them all the same is spoilt.
        "transaction_id": trade.transaction_id,
        "total_fee": str(trade.total_fee),
        "fee_type": trade.fee_type,
        "trade_type": trade.trade_type,
        "attach": trade.attach,
        "bank_type": "OTHERS",
        "cash_fee": str(trade.total_fee),
        "openid": OPENID,
        "time_end": "20260101000130",
    }
    # WeChat Pay names the algorithm in some notices, and in others not.
    if account.sign_type != "MD5" and rng.random() < 0.5:
        fields["sign_type"] = account.sign_type
    kept = {**fields, **changes}
    return {name: value for name, value in kept.items() if value is not None}


def signed(fields: Mapping[str, str], account: Account, *, key: str = "") -> dict[str, str]:
    sign_type = fields.get("sign_type") or account.sign_type
    return {**fields, "sign": digest(joined(fields), key or account.api_key, sign_type)}


def xml(fields: Mapping[str, str], *, root: str = "xml") -> bytes:
    """Write ``fields`` as they are; a reader of XML takes a bare CR for LF."""
    parts = (
        f"<{name}>{escape(value, {chr(13): '&#13;'})}</{name}>" for name, value in fields.items()
    )
    return f"<{root}>{''.join(parts)}</{root}>".encode(errors="surrogatepass")


def notice(trade: Trade, rng: Random, **changes: str | None) -> bytes:
    """Return a signed payment notice of v2."""
    return xml(signed(notice_fields(trade, rng, **changes), trade.account))


def sealed_hint(document: bytes, key: str) -> bytes:
    """Return ``document`` under the API key: AES-256-ECB, as v2 seals its refund notices."""
    secret = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.ECB()).encryptor()  # noqa: S305 - as v2 does
    padded = padder.update(document) + padder.finalize()
    return encryptor.update(padded) + encryptor.finalize()


def opened_hint(sealed: bytes, key: str) -> bytes:
    """Return what ``sealed_hint`` has sealed, with its padding."""
    secret = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().encode()
    return Cipher(algorithms.AES(secret), modes.ECB()).decryptor().update(sealed)  # noqa: S305 - as above


def hint_fields(trade: Trade, out_refund_no: str, /, **changes: str | None) -> dict[str, str]:
    """Return what a refund notice of v2 seals."""
    status, fee = trade.refunds.get(out_refund_no, ("SUCCESS", trade.total_fee))
    fields: dict[str, str | None] = {
        "out_refund_no": out_refund_no,
        "out_trade_no": trade.out_trade_no,
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_fee": str(fee),
        "refund_id": refund_id(out_refund_no),
        "refund_recv_accout": "balance",
        "refund_request_source": "API",
        "refund_status": {"ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}.get(status, status),
        "settlement_refund_fee": str(fee),
        "settlement_total_fee": str(trade.total_fee),
        "success_time": "2026-01-02 00:00:00",
        "total_fee": str(trade.total_fee),
        "transaction_id": trade.transaction_id,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def hint(account: Account, ciphertext: bytes, rng: Random, **changes: str) -> bytes:
    """Return a refund notice of v2, which nobody signs, around ``ciphertext``."""
    fields = {
        "return_code": "SUCCESS",
        "appid": account.appid,
        "mch_id": account.mch_id,
        "sub_mch_id": account.sub_mch_id,
        "nonce_str": f"{rng.getrandbits(128):032x}",
        "req_info": base64.b64encode(ciphertext).decode(),
        **changes,
    }
    return xml({name: value for name, value in fields.items() if value})


def refund_notice(trade: Trade, out_refund_no: str, /, **changes: Any) -> dict[str, Any]:
    """Return the resource of a refund notice of v3."""
    content = refund_content(trade, out_refund_no)
    # A notice and an answer name the status differently (protocol-v3 section 6.3).
    content["refund_status"] = content.pop("status")
    content |= changes
    return {name: value for name, value in content.items() if value is not None}


def sealed(
    plain: bytes, account: Account, rng: Random, kind: str, **changes: Any
) -> dict[str, Any]:
    """Return ``plain`` as the resource of a notice of v3; a ``key`` replaces the right one."""
    key = changes.pop("key", account.api_v3_key).encode()
    nonce = f"{rng.getrandbits(48):012x}"
    ciphertext = AESGCM(key).encrypt(nonce.encode(), plain, kind.encode())
    resource = {
        "original_type": kind,
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "associated_data": kind,
        "nonce": nonce,
    }
    return {name: value for name, value in {**resource, **changes}.items() if value is not None}


def envelope(event_type: str, resource: Any, rng: Random, **changes: Any) -> bytes:
    members = {
        "id": f"{rng.getrandbits(128):032x}",
        "create_time": "2026-01-01T00:01:30+08:00",
        "event_type": event_type,
        "resource_type": "encrypt-resource",
        "resource": resource,
    }
    return json.dumps({**members, **changes}).encode()


def payment_v3(trade: Trade, rng: Random, **changes: Any) -> bytes:
    """Return the body of a payment notice of v3; ``changes`` are of its content."""
    content = {**_stated(trade), **changes}
    kept = {name: value for name, value in content.items() if value is not None}
    plain = json.dumps(kept).encode()
    return envelope("TRANSACTION.SUCCESS", sealed(plain, trade.account, rng, "transaction"), rng)


def refund_v3(trade: Trade, out_refund_no: str, rng: Random, /, **changes: Any) -> bytes:
    """Return the body of a refund notice of v3."""
    content = refund_notice(trade, out_refund_no, **changes)
    resource = sealed(json.dumps(content).encode(), trade.account, rng, "refund")
    return envelope(f"REFUND.{content.get('refund_status', 'SUCCESS')}", resource, rng)


def _stated(trade: Trade) -> dict[str, Any]:
    # As if it were paid: what is not in the ledger is a spoilt notice, and the test of it.
    before = trade.state
    trade.state = "SUCCESS"
    try:
        return trade_content(trade)
    finally:
        trade.state = before


def headers_v3(
    body: bytes,
    account: Account,
    rng: Random,
    now: int,
    *,
    key: Any = None,
    serial: str = "",
) -> dict[str, str]:
    """Return the five headers under which WeChat Pay sends ``body``."""
    nonce = f"{rng.getrandbits(128):032x}"
    message = f"{now}\n{nonce}\n".encode() + body + b"\n"
    signature = (key or account.platform_key).sign(message, PKCS1v15(), SHA256())
    return {
        "Wechatpay-Timestamp": str(now),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": serial or account.serial,
        "Wechatpay-Signature": base64.b64encode(signature).decode(),
        "Wechatpay-Signature-Type": SCHEME,
    }
