"""Well-signed statements that contradict the order, one another, or what another order holds."""

from __future__ import annotations

import unicodedata
from typing import Any

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.ledger import Trade
from tests.fuzz.merchants import ACCOUNTS, SPEAK_V2, SPEAK_V3, Account


@family("v2 amounts")
def amounts_v2(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account, paid=scene.rng.random() < 0.7)
    changes: list[dict[str, str]] = [
        {"total_fee": str(trade.total_fee + 1)},
        {"total_fee": "0"},
        {"total_fee": f"0{trade.total_fee}1"},
        {"fee_type": "USD"},
        {"appid": "wx9999999999999999"},
        {"mch_id": "1900000999"},
    ]
    wrong = scene.one_of(changes)
    scene.send(account, composing.notice(trade, scene.rng, **wrong), Sender.KEY)
    if trade.is_paid:
        if scene.rng.random() < 0.5:
            scene.send(account, composing.notice(trade, scene.rng), Sender.KEY)
        # The right one may never come: then the order is asked for.
        if {"total_fee", "fee_type", "appid"} & set(wrong) and wrong.get("total_fee") != "0":
            scene.settle(trade)


@family("v3 contradiction, then right")
def contradiction_v3(scene: Scene) -> None:
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=scene.rng.random() < 0.8)
    wrong = _amount(trade, total=trade.total_fee + scene.rng.randint(1, 9))
    names = ("appid", "sp_appid") if account.is_institution else ("appid",)
    changes: list[dict[str, Any]] = [
        {"amount": wrong},
        {"amount": _amount(trade, currency="USD")},
        {names[-1]: "wx9999999999999999"},
        {"sub_mchid": "1900000999"},
    ]
    for _ in range(scene.rng.randint(1, 2)):
        body = composing.payment_v3(trade, scene.rng, **scene.one_of(changes))
        scene.send_v3(account, body)
    if trade.is_paid:
        if scene.rng.random() < 0.5:
            scene.send_v3(account, composing.payment_v3(trade, scene.rng))
        scene.settle(trade)


def _amount(trade: Trade, **changes: Any) -> dict[str, Any]:
    return {"total": trade.total_fee, "currency": trade.fee_type, **changes}


@family("v3 states")
def states_v3(scene: Scene) -> None:
    """Signed notices that do not say that anything was paid."""
    account = scene.one_of(SPEAK_V3)
    trade = scene.trade(account, paid=False)
    state = scene.one_of(
        ("NOTPAY", "USERPAYING", "ACCEPT", "PAYERROR", "success", " SUCCESS", "", None, 1, [])
    )
    body = composing.payment_v3(trade, scene.rng, trade_state=state)
    scene.send_v3(account, body)


@family("second transaction")
def second_transaction(scene: Scene) -> None:
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account)
    scene.pay(trade)
    again = Trade(
        account=account,
        out_trade_no=trade.out_trade_no,
        total_fee=trade.total_fee,
        fee_type=trade.fee_type,
        transaction_id=trade.transaction_id[::-1],
    )
    scene.pay(again)
    scene.pay(trade)
    scene.settle(trade)


@family("used transaction")
def used_transaction(scene: Scene) -> None:
    """A second order is told to be paid by the transaction of the first, also at another alias."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account)
    other: Account = account
    if account.mch_id == ACCOUNTS["md5"].mch_id:
        other = scene.one_of((ACCOUNTS["md5"], ACCOUNTS["twin"]))
    second = scene.trade(other, paid=False, transaction_id=trade.transaction_id)
    scene.pay(trade)
    for _ in range(scene.rng.randint(1, 2)):
        scene.pay(second)
    scene.settle(trade)


@family("spoilt answers")
def spoilt_answers(scene: Scene) -> None:
    """A notice that has to be asked about, and a signed answer that says too little or too much."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    trade = scene.trade(account, paid=scene.rng.random() < 0.5)
    if scene.rng.random() < 0.5:
        trade.state = scene.one_of(("REFUND", "REVOKED", "CLOSED", "USERPAYING", "PAYERROR"))
    nothing = {"total_fee": None, "amount": None, "fee_type": None, "cash_fee": None}
    changes: list[dict[str, object]] = [
        nothing,
        {"transaction_id": None, "id": None},
        nothing | {"transaction_id": None, "id": None},
        {"trade_state": "SUCCESS", "total_fee": None, "amount": None},
        {"trade_state": ""},
        {"out_trade_no": f"{trade.out_trade_no} "},
        {"out_trade_no": trade.out_trade_no.swapcase()},
        {"appid": "wx9999999999999999", "sp_appid": "wx9999999999999999"},
        {"mch_id": "1900000999", "mchid": "1900000999"},
        {"total_fee": str(trade.total_fee + 1), "amount": _amount(trade, total=1)},
        {"time_end": "00010101000000", "success_time": "0001-01-01T00:00:00+23:59"},
    ]
    trade.spoils = scene.one_of(changes)
    if account.api_key:
        body = composing.notice(trade, scene.rng, total_fee=str(trade.total_fee + 1))
        scene.send(account, body, Sender.KEY)
    else:
        wrong = _amount(trade, total=trade.total_fee + 1)
        scene.send_v3(account, composing.payment_v3(trade, scene.rng, amount=wrong))


@family("numbers")
def numbers(scene: Scene) -> None:
    """Genuine notices for numbers that a database may take for one of ours."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    number = scene.number("Fabe")
    trade = scene.trade(account, paid=False, out_trade_no=number)
    for _ in range(scene.rng.randint(1, 2)):
        other = _alike(scene, number)
        if (account.mch_id, other) in {
            (t.account.mch_id, t.out_trade_no) for t in scene.case.trades
        }:
            continue
        twin = scene.trade(account, ordered=False, out_trade_no=other, total_fee=trade.total_fee)
        scene.pay(twin)


@family("numbers of 33")
def overlong(scene: Scene) -> None:
    """A number that begins like one of ours of the full length."""
    account = scene.one_of((*SPEAK_V2, *SPEAK_V3))
    number = f"{scene.number()}{scene.word(32)}"[:32]
    trade = scene.trade(account, paid=False, out_trade_no=number)
    longer = number + scene.one_of(("0", " ", "é", "\N{ZERO WIDTH SPACE}", "x" * 40))
    twin = scene.trade(account, ordered=False, out_trade_no=longer, total_fee=trade.total_fee)
    scene.pay(twin)


def _alike(scene: Scene, number: str) -> str:
    at = scene.rng.randrange(len(number))
    here = number[at]
    accented = unicodedata.normalize("NFC", f"{here}\N{COMBINING ACUTE ACCENT}")
    return str(
        scene.one_of(
            (
                number.swapcase(),
                number.upper(),
                f"{number} ",
                f" {number}",
                f"{number}\t",
                f"{number}\n",
                number[:at] + accented + number[at + 1 :],
                number[:at] + chr(ord(here) + 0xFEE0) + number[at + 1 :],
                f"{number}\N{ZERO WIDTH SPACE}",
                f"{number}\N{NO-BREAK SPACE}",
                f"0{number}",
                f"{number}\N{SOFT HYPHEN}",
            )
        )
    )
