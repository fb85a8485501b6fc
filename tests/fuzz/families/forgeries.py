"""Genuine notices, and forgeries by somebody who holds no key of the merchant's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.merchants import (
    ACCOUNTS,
    MERCHANT_KEY,
    PLATFORM_KEY,
    PUBLIC_MODE_KEY,
    SPEAK_V2,
    SPEAK_V3,
)
from tests.protocol.v3 import keys


@family("v2 genuine")
def genuine_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account)
    for _ in range(scene.rng.randint(1, 3)):
        # A repetition has another nonce and another signature, and is the same statement.
        scene.send(account, composing.notice(trade, scene.rng), Sender.KEY)
    scene.settle(trade)
    scene.case.rows = 1


@family("v3 genuine")
def genuine_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account)
    for _ in range(scene.rng.randint(1, 3)):
        scene.send_v3(account, composing.payment_v3(trade, scene.rng))
    scene.settle(trade)
    scene.case.rows = 1


@family("v2 forged")
def forged_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account, paid=False)
    for _ in range(scene.rng.randint(8, 32)):
        fields = composing.notice_fields(trade, scene.rng)
        sign = scene.one_of(_SIGNS)(scene, fields)
        body = composing.xml(fields if sign is None else {**fields, "sign": sign})
        scene.send(account, body, Sender.NONE, kind=scene.one_of(("payment", "refund")))
    scene.case.rows = 0


def _of_other(scene: Scene, fields: Mapping[str, str]) -> str:
    mch_id = fields["mch_id"]
    other = scene.one_of(one for one in SPEAK_V2 if one.mch_id != mch_id)
    return composing.digest(composing.joined(fields), other.api_key, other.sign_type)


def _of_wrong_algorithm(scene: Scene, fields: Mapping[str, str]) -> str:
    named = {**fields, "sign_type": "HMAC-SHA256"}
    return composing.digest(composing.joined(named), "guess", "MD5")


_SIGNS: tuple[Callable[[Scene, Mapping[str, str]], str | None], ...] = (
    lambda _scene, _fields: None,
    lambda _scene, _fields: "",
    lambda scene, _fields: f"{scene.rng.getrandbits(128):032X}",
    lambda scene, _fields: f"{scene.rng.getrandbits(256):064X}",
    lambda _scene, fields: composing.digest(composing.joined(fields), "", "MD5"),
    lambda _scene, fields: composing.digest(composing.joined(fields), "", "HMAC-SHA256"),
    lambda _scene, fields: composing.digest(composing.joined(fields), fields["mch_id"], "MD5"),
    lambda scene, _fields: scene.one_of(("é" * 32, "\u2028", " ", "0", "null", "A" * 40_000)),
    lambda scene, _fields: scene.one_of(("True", "[]", "MD5", "&key=")),
    _of_other,
    _of_wrong_algorithm,
)


@family("v3 forged")
def forged_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=False)
    body = composing.payment_v3(trade, scene.rng)
    for _ in range(scene.rng.randint(8, 32)):
        headers = scene.one_of(_FORGED_HEADERS)(scene, body, account)
        scene.send(account, body, Sender.NONE, headers=headers)
    scene.case.rows = 0


def _headers(scene: Scene, body: bytes, account: Any, **more: Any) -> dict[str, str]:
    now = more.pop("now", scene.now)
    return composing.headers_v3(body, account, scene.rng, now, **more)


def _spoilt(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    headers = _headers(scene, body, account)
    name = scene.one_of(list(headers)[:4])
    changed: list[Callable[[str], str]] = [
        lambda _old: "",
        lambda old: f"{old}, {old}",
        lambda old: f"{old} ",
        # Two, because a serial without its leading zero is the same number.
        lambda old: old[2:],
        lambda _old: "é",
        lambda _old: "9" * 3000,
        lambda _old: "-1",
        lambda old: old.swapcase() if name == "Wechatpay-Signature" else old[::-1] + "0",
    ]
    return {**headers, name: scene.one_of(changed)(headers[name])}


def _without(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    headers = _headers(scene, body, account)
    del headers[scene.one_of(list(headers)[:4])]
    return headers


def _of_other_body(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    return _headers(scene, scene.one_of((b"", body + b" ", body[:-1])), account)


def _probe(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    headers = _headers(scene, body, account)
    probe = f"WECHATPAY/SIGNTEST/{headers['Wechatpay-Signature']}"
    return headers | {"Wechatpay-Signature": probe}


def _of_other_key(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    # Every key that is not the one of this serial: the merchant's own among them.
    wrong = [MERCHANT_KEY]
    wrong += [PLATFORM_KEY] if account.serial == keys.PUBLIC_KEY_ID else [PUBLIC_MODE_KEY]
    return _headers(scene, body, account, key=scene.one_of(wrong))


def _invented(scene: Scene, body: bytes, account: Any) -> dict[str, str]:
    serial = scene.one_of(
        (
            f"{scene.rng.getrandbits(160):040X}",
            f"{scene.rng.getrandbits(32):x}",
            f"PUB_KEY_ID_{scene.rng.getrandbits(100)}",
            keys.MERCHANT_SERIAL,
            scene.word(1024),
            "0",
            "../../etc/passwd",
            "%s%n",
        )
    )
    return _headers(scene, body, account, key=MERCHANT_KEY, serial=serial)


_FORGED_HEADERS: tuple[Callable[[Scene, bytes, Any], dict[str, str]], ...] = (
    _spoilt,
    _without,
    _of_other_body,
    _probe,
    _of_other_key,
    _invented,
    lambda scene, body, account: _headers(
        scene, body, account, now=scene.now + scene.one_of((-86400, -301, 301, 10**9, -(10**9)))
    ),
    lambda scene, body, account: (
        _headers(scene, body, account) | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}
    ),
    lambda scene, _body, account: {
        "Wechatpay-Signature": base64.b64encode(scene.rng.randbytes(256)).decode(),
        "Wechatpay-Timestamp": str(scene.now),
        "Wechatpay-Nonce": scene.word(32),
        "Wechatpay-Serial": account.serial,
    },
)


@family("v3 other merchant's")
def of_other_merchant(scene: Scene) -> None:
    """Content of one merchant, posted to another: WeChat Pay signs for all with one key."""
    account = ACCOUNTS["public-key"]
    other = ACCOUNTS["both"]
    trade = scene.trade(account, paid=False)
    scene.trade(other, out_trade_no=trade.out_trade_no, ordered=False)
    body = composing.payment_v3(trade, scene.rng, mchid=other.mch_id)
    headers = composing.headers_v3(body, account, scene.rng, scene.now)
    scene.send(account, body, Sender.KEY, headers=headers)
