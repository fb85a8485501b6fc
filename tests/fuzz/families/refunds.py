"""Refunds: unsigned hints of v2, signed notices of v3, and refunds that cannot be.

A case that hints sets ``hints``, the most refunds that they may make known.
"""

from __future__ import annotations

import re

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.ledger import Trade
from tests.fuzz.merchants import ACCOUNTS, SPEAK_V2, SPEAK_V3, Account

_BLOCK = 16
# What one refund is told from another by; its status besides.
_IDENTITY = re.compile(rb"<(out_trade_no|out_refund_no|refund_status)>([^<]*)")


def _paid(scene: Scene, account: Account, **fields: int) -> Trade:
    trade = scene.trade(account, **fields)
    scene.pay(trade)
    scene.settle(trade)
    return trade


def _hint(scene: Scene, trade: Trade, number: str, /, **changes: str | None) -> None:
    document = composing.xml(composing.hint_fields(trade, number, **changes), root="root")
    sealed = composing.sealed_hint(document, trade.account.api_key)
    body = composing.hint(trade.account, sealed, scene.rng)
    scene.send(trade.account, body, Sender.KEY, kind=scene.one_of(("refund", "refund", "payment")))


@family("v2 hints")
def hints(scene: Scene) -> None:
    """Hints in many wordings: each names one refund, in a few statuses."""
    trade = _paid(scene, scene.one_of(SPEAK_V2))
    number = scene.number("R")
    trade.refunds[number] = ("SUCCESS", trade.total_fee)
    changes: list[dict[str, str | None]] = [
        {},
        {"refund_fee": "1"},
        {"refund_fee": str(trade.total_fee * 2)},
        {"total_fee": "7"},
        {"refund_status": "CHANGE"},
        {"refund_status": "REFUNDCLOSE"},
        {"refund_status": scene.word()},
        {"success_time": "0001-01-01 00:00:00"},
        {"refund_recv_accout": scene.word(200)},
        {"transaction_id": "1"},
        {"refund_id": "x"},
    ]
    for _ in range(scene.rng.randint(2, 5)):
        _hint(scene, trade, number, **scene.one_of(changes))
    scene.case.hints = 1
    # One row of the payment, and one for each status that is told apart.
    scene.case.rows = 1 + 4


@family("hint before proof")
def hint_before_proof(scene: Scene) -> None:
    """A hint with a wrong fee; the signed notice that follows must settle the refund."""
    account = ACCOUNTS["both"]
    trade = _paid(scene, account, total_fee=1000)
    number = scene.number("R")
    trade.refunds[number] = ("SUCCESS", scene.rng.randint(1, 999))
    other = scene.trade(account)
    wrong: list[dict[str, str | None]] = [
        {"refund_fee": "1000"},
        {"total_fee": "999"},
        {"out_trade_no": other.out_trade_no},
        {"refund_fee": "1000", "refund_status": "REFUNDCLOSE"},
    ]
    for _ in range(scene.rng.randint(1, 3)):
        _hint(scene, trade, number, **scene.one_of(wrong))
    scene.send_v3(account, composing.refund_v3(trade, number, scene.rng), kind="refund")
    scene.case.refunded.append((trade, number))


@family("v2 blocks")
def blocks(scene: Scene) -> None:
    """Blocks of two seen hints, recombined by somebody who holds no key."""
    account = scene.one_of(SPEAK_V2)
    trade = _paid(scene, account, total_fee=5000)
    seen = []
    for fee in (100, 4900):
        number = scene.number("R")
        trade.refunds[number] = ("SUCCESS", fee)
        document = composing.xml(composing.hint_fields(trade, number), root="root")
        seen.append(composing.sealed_hint(document, account.api_key))
    spelt = set()
    for _ in range(scene.rng.randint(3, 8)):
        sealed = _recombined(scene, seen)
        spelt.add(tuple(_IDENTITY.findall(composing.opened_hint(sealed, account.api_key))))
        scene.send(account, composing.hint(account, sealed, scene.rng), Sender.SEEN, kind="refund")
    # Blocks can spell refunds that nobody has sent, each of them once, and no more than that.
    scene.case.hints = len(spelt)
    scene.case.rows = 1 + len(spelt)


def _recombined(scene: Scene, seen: list[bytes]) -> bytes:
    first, second = scene.rng.sample(seen, 2)
    parts = [first[at : at + _BLOCK] for at in range(0, len(first), _BLOCK)]
    others = [second[at : at + _BLOCK] for at in range(0, len(second), _BLOCK)]
    for _ in range(scene.rng.randint(1, 4)):
        at = scene.rng.randrange(len(parts))
        move = scene.rng.randrange(4)
        if move == 0:
            parts[at] = scene.one_of(others)
        elif move == 1:
            parts[at] = others[min(at, len(others) - 1)]
        elif move == 2:
            parts.insert(at, scene.one_of(parts))
        else:
            at_other = scene.rng.randrange(len(parts))
            parts[at], parts[at_other] = parts[at_other], parts[at]
    return b"".join(parts)


@family("v2 hints forged")
def hints_forged(scene: Scene) -> None:
    """Hints that our key does not open, or that hold no document."""
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account)
    document = composing.xml(composing.hint_fields(trade, scene.number("R")), root="root")
    other = scene.one_of(one for one in SPEAK_V2 if one.api_key != account.api_key)
    ours = composing.sealed_hint(document, account.api_key)
    for _ in range(scene.rng.randint(8, 32)):
        sealed = scene.one_of(
            (
                composing.sealed_hint(document, other.api_key),
                composing.sealed_hint(document, ""),
                scene.rng.randbytes(16 * scene.rng.randint(0, 20)),
                scene.rng.randbytes(7),
                ours[16:],
                ours[:-16],
                b"",
            )
        )
        body = composing.hint(account, sealed, scene.rng)
        if scene.rng.random() < 0.3:
            body = body.replace(b"</req_info>", scene.one_of((b"=</req_info>", b"*</req_info>")))
        scene.send(account, body, Sender.NONE, kind="refund")
    scene.case.rows = 0


@family("v2 hints hostile")
def hints_hostile(scene: Scene) -> None:
    """Documents that our key opens, and that hold what no refund does."""
    account = scene.one_of(SPEAK_V2)
    trade = _paid(scene, account)
    number = scene.number("R")
    changes: list[dict[str, str | None]] = [
        {"refund_fee": scene.one_of(("0", "-1", "9" * 40, "1.5", "", "1e3", "१"))},
        {"out_refund_no": scene.one_of(("", "R" * 65, "é" * 64, " ", "R\t"))},
        {"out_trade_no": scene.one_of(("", "N" * 33, "no-such-order", trade.out_trade_no + " "))},
        {"success_time": scene.one_of(("0000-00-00 00:00:00", "9999-12-31 23:59:59", "x"))},
        {"refund_id": "9" * 65},
        {"transaction_id": "9" * 33},
        {"refund_recv_accout": "\U0001f4a9" * 300},
        {"total_fee": "9" * 30},
    ]
    for _ in range(scene.rng.randint(1, 2)):
        _hint(scene, trade, number, **scene.one_of(changes))
    scene.case.hints = len(scene.case.inputs)


@family("v3 refund")
def refund_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = _paid(scene, account)
    number = scene.number("R")
    status = scene.one_of(("SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED"))
    trade.refunds[number] = (status, scene.rng.randint(1, trade.total_fee))
    for _ in range(scene.rng.randint(1, 2)):
        body = composing.refund_v3(trade, number, scene.rng)
        scene.send_v3(account, body, kind=scene.one_of(("refund", "payment")))
    scene.case.refunded.append((trade, number))
    scene.case.rows = 2


@family("v3 refunds over")
def refunds_over(scene: Scene) -> None:
    """Signed refunds that are more together than what was paid: the ledger holds the first."""
    account = scene.one_of(SPEAK_V3)
    trade = _paid(scene, account, total_fee=100)
    for at in range(3):
        number = scene.number("R")
        fee = {"refund": 60, "total": 100, "currency": trade.fee_type}
        if at == 0:
            trade.refunds[number] = ("SUCCESS", 60)
            scene.case.refunded.append((trade, number))
        body = composing.refund_v3(trade, number, scene.rng, amount=fee)
        scene.send_v3(account, body, kind="refund")


@family("v3 refund of another order")
def refund_of_other(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade, other = _paid(scene, account, total_fee=100), _paid(scene, account, total_fee=100)
    number = scene.number("R")
    trade.refunds[number] = ("ABNORMAL", 100)
    scene.send_v3(account, composing.refund_v3(trade, number, scene.rng), kind="refund")
    # The number of the first order's refund, told for the second one, as settled.
    wrong = composing.refund_v3(
        other,
        number,
        scene.rng,
        refund_status=scene.one_of(("SUCCESS", "CLOSED", "ABNORMAL")),
    )
    scene.send_v3(account, wrong, kind="refund")
    scene.case.refunded.append((trade, number))


@family("v3 refund contradiction")
def refund_contradiction(scene: Scene) -> None:
    """A signed refund with a wrong amount, and the right one under the same number behind it."""
    account = scene.one_of(SPEAK_V3)
    trade = _paid(scene, account, total_fee=100)
    number = scene.number("R")
    trade.refunds[number] = ("SUCCESS", 60)
    wrong = scene.one_of(
        (
            {"amount": {"refund": 101, "total": 100, "currency": trade.fee_type}},
            {"amount": {"refund": 60, "total": 99, "currency": trade.fee_type}},
            {"transaction_id": "1"},
            {"amount": {"refund": 60, "total": 100, "currency": "USD"}},
        )
    )
    body = composing.refund_v3(trade, number, scene.rng, **wrong)
    scene.send_v3(account, body, kind="refund")
    scene.send_v3(account, composing.refund_v3(trade, number, scene.rng), kind="refund")
    scene.case.refunded.append((trade, number))


@family("v3 refund numbers")
def refund_numbers(scene: Scene) -> None:
    """The refund of another program, whose number a database may take for ours."""
    account = scene.one_of(SPEAK_V3)
    trade = _paid(scene, account, total_fee=100)
    number = scene.number("Ra")
    trade.refunds[number] = ("ABNORMAL", 10)
    scene.send_v3(account, composing.refund_v3(trade, number, scene.rng), kind="refund")
    scene.case.refunded.append((trade, number))
    alike = scene.one_of((number.swapcase(), f"{number} ", number.replace("a", "á")))
    trade.refunds[alike] = ("SUCCESS", 20)
    scene.send_v3(account, composing.refund_v3(trade, alike, scene.rng), kind="refund")
