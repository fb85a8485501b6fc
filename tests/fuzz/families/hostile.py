"""Hostile contents: texts, times, numbers and shapes, signed and not.

What only describes a payment stands in no payment's way, so these cases settle where the ledger
says that the trade is paid.
"""

from __future__ import annotations

import json
from typing import Any

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.families.values import NUMBERS, TEXTS, TIMES_V2, TIMES_V3, UNSTORABLE
from tests.fuzz.merchants import SPEAK_V2, SPEAK_V3, Account


@family("v2 texts")
def texts_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account)
    names = ("bank_type", "openid", "is_subscribe", "device_info", "cash_fee_type", "err_code_des")
    names += ("coupon_id_0", "coupon_type_0", "promotion_detail", "trade_state_desc", "unknown")
    changes = {name: scene.one_of(TEXTS) for name in scene.rng.sample(names, 3)}
    if scene.rng.random() < 0.3:
        detail = [{"promotion_id": scene.one_of((*TEXTS, *UNSTORABLE)), "name": "\0"}]
        changes["promotion_detail"] = json.dumps({"promotion_detail": detail * 2})
    scene.send(account, composing.notice(trade, scene.rng, **changes), Sender.KEY)
    scene.settle(trade)


@family("v3 texts")
def texts_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account)
    texts = (*TEXTS, *UNSTORABLE, *NUMBERS)
    names = ("bank_type", "trade_state_desc", "trade_type", "payer", "scene_info", "unknown")
    changes: dict[str, Any] = {name: scene.one_of(texts) for name in scene.rng.sample(names, 2)}
    changes = {name: "" if value is None else value for name, value in changes.items()}
    if scene.rng.random() < 0.5:
        changes["payer"] = {"openid": scene.one_of(texts)}
    if scene.rng.random() < 0.5:
        line = {"goods_id": scene.one_of(texts), "quantity": scene.one_of(NUMBERS)}
        promotion = {"coupon_id": scene.one_of(texts), "amount": scene.one_of(NUMBERS)}
        changes["promotion_detail"] = [promotion | {"goods_detail": [line]}] * 2
    scene.send_v3(account, composing.payment_v3(trade, scene.rng, **changes))
    scene.settle(trade)


@family("times")
def times(scene: Scene) -> None:
    """The edges of the calendar, where only the time describes."""
    account: Account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account)
    if account.api_key:
        body = composing.notice(trade, scene.rng, time_end=scene.one_of(TIMES_V2))
        scene.send(account, body, Sender.KEY)
    else:
        stated = {"success_time": scene.one_of(TIMES_V3)}
        scene.send_v3(account, composing.payment_v3(trade, scene.rng, **stated))
    scene.settle(trade)


@family("v2 huge numbers")
def huge_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    is_described = scene.rng.random() < 0.6
    trade = scene.trade(account, paid=is_described)
    numbers = ("9" * 16, "9" * 19, "9" * 4000, "-1", "1e9", "0x10", "1.0", "٣", "")
    described = ("cash_fee", "coupon_fee", "coupon_fee_0", "settlement_total_fee", "rate")
    name = scene.one_of((*described, "coupon_count", "coupon_fee_999")) if is_described else ""
    body = composing.notice(trade, scene.rng, **{name or "total_fee": scene.one_of(numbers)})
    scene.send(account, body, Sender.KEY)
    if is_described:
        scene.settle(trade)


@family("v3 huge numbers")
def huge_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=False)
    numbers = [each for each in NUMBERS if each is not None]
    amount = {"total": scene.one_of(numbers), "currency": trade.fee_type}
    if amount["total"] == trade.total_fee:
        return
    body = composing.payment_v3(trade, scene.rng, amount=amount)
    scene.send_v3(account, body)


@family("deep and wide")
def deep_and_wide(scene: Scene) -> None:
    """Documents that cost a reader more than a sender; few, for they cost the harness too."""
    account: Account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    depth = scene.one_of((3, 33, 300, 3000, 15_000))
    bodies = [
        b"<xml>" + b"<a>" * depth,
        b"<xml>" + b"<a>" * depth + b"</a>" * depth + b"</xml>",
        b"<xml>" + b"".join(b"<a%d>1</a%d>" % (at, at) for at in range(depth // 8)) + b"</xml>",
        b"<xml " + b" ".join(b'a%d="1"' % at for at in range(depth // 8)) + b"/>",
        b"[" * depth,
        b'{"a":' * depth,
    ]
    body = scene.one_of(bodies)[:65_000]
    headers = {}
    if account.serial and scene.rng.random() < 0.5:
        headers = composing.headers_v3(body + b" ", account, scene.rng, scene.now)
    scene.send(account, body, Sender.NONE, headers=headers)


@family("v3 wide, signed")
def wide_signed(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account)
    size = scene.one_of((10, 100, 2000))
    extra = {f"member{at}": scene.one_of((1, "x", [], {})) for at in range(size)}
    deep: Any = 0
    for _ in range(scene.one_of((1, 30, 60))):
        deep = [deep]
    scene.send_v3(account, composing.payment_v3(trade, scene.rng, deep=deep, **extra))
    scene.settle(trade)


@family("declarations")
def declarations(scene: Scene) -> None:
    """Entities, DOCTYPEs, instructions and encodings around fields whose signature holds."""
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account, paid=False)
    fields = composing.notice_fields(trade, scene.rng)
    document = composing.xml(composing.signed(fields, account)).decode()
    bomb = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 9))
    starts = (
        f'<!DOCTYPE xml [<!ENTITY a0 "x">{bomb}]>',
        '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "<!-- x -->",
        "<?php echo 1 ?>",
        '<?xml version="1.0" encoding="GBK"?>',
        '<?xml version="1.0" encoding="UTF-16"?>',
        '<?xml version="1.1" encoding="x"?>',
        "\0",
        "x",
    )
    bodies = [(start + document).encode() for start in starts]
    bodies += [document.encode("utf-16"), document.encode("utf-16-be"), document.encode("utf-32")]
    bodies += [document.replace("<xml>", "<xml><attach>&a0;</attach>").encode()]
    bodies += [document.replace("</xml>", "<total_fee>1</total_fee></xml>").encode()]
    bodies += [document.replace("xml>", "XML>").encode(), document.encode() * 2]
    bodies += [document.replace("<total_fee>", '<total_fee x="1">').encode()]
    bodies += [document.encode().replace(b"<openid>o", b"<openid>\xff\xfe\xed\xa0\x80")]
    scene.send(account, scene.one_of(bodies), Sender.NONE)
    scene.case.rows = 0


@family("v3 shapes")
def shapes_v3(scene: Scene) -> None:
    """Signed envelopes and resources of the wrong shape, and seals that do not open."""
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=False)
    plain = scene.one_of((b"", b"[]", b"1", b"{", b"\xff", b'{"a":NaN}', b'{"a":1,"a":2}', b"null"))
    odd = scene.one_of((None, 1, [], "x", {}, True, {"algorithm": 1}, {"ciphertext": "*"}))
    seal = composing.sealed(plain, account, scene.rng, "transaction")
    wrong = [
        {"key": "TESTONLYapiv3keyTESTONLYapiv3k99"},
        {"nonce": "é"},
        {"nonce": "short"},
        {"associated_data": "other"},
        {"algorithm": "AEAD_SM4_GCM"},
        {"ciphertext": "AAAA"},
        {"ciphertext": None},
        {"original_type": "\ud800"},
    ]
    content = json.dumps({"out_trade_no": trade.out_trade_no, "trade_state": "SUCCESS"}).encode()
    spoilt = composing.sealed(content, account, scene.rng, "transaction", **scene.one_of(wrong))
    body = composing.envelope(
        scene.one_of(("TRANSACTION.SUCCESS", "REFUND.SUCCESS", "", "\0", 1, "X" * 300)),
        scene.one_of((odd, seal, spoilt)),
        scene.rng,
        **scene.one_of(({}, {"id": "x" * 100}, {"id": None}, {"id": "\0"}, {"id": ["x"]})),
    )
    body = scene.one_of((body, body, plain, b"\xef\xbb\xbf" + body))
    scene.send_v3(account, body, kind=scene.one_of(("payment", "refund")))


@family("products")
def products(scene: Scene) -> None:
    """Events of other products that come to the same address."""
    account: Account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=False)
    kinds = ("PROFITSHARING", "COUPON.USE", "MCHTRANSFER.BILL.FINISHED", "TRANSACTION.SUCCESS")
    kind = scene.one_of(("profitsharing", "coupon", "mch_payment", "payscore"))
    content = {"out_order_no": trade.out_trade_no, "state": "FINISHED", "mchid": account.mch_id}
    if scene.rng.random() < 0.4:
        content |= {"combine_out_trade_no": trade.out_trade_no, "sub_orders": [{"trade_state": 1}]}
    resource = composing.sealed(json.dumps(content).encode(), account, scene.rng, kind)
    scene.send_v3(account, composing.envelope(scene.one_of(kinds), resource, scene.rng))
