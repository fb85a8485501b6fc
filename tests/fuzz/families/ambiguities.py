"""Messages of v2 with a good signature that are not what they seem.

The string that v2 signs has no escaping, so one signature fits every way to cut the string; and
answers to our questions are signed like notices.
"""

from __future__ import annotations

import re

from tests.fuzz import composing
from tests.fuzz.cases import Scene, Sender, family
from tests.fuzz.ledger import Trade, trade_fields
from tests.fuzz.merchants import SPEAK_V2, Account

# Of the protocol, in characters of one octet.
_LONGEST_ATTACH = 127
_OF_A_PAYMENT = (
    "out_trade_no",
    "result_code",
    "return_code",
    "total_fee",
    "transaction_id",
    "mch_id",
)
_CUT = re.compile(r"(?:^|&)([A-Za-z_][A-Za-z0-9_.-]*)=")


@family("v2 re-cut")
def recut(scene: Scene) -> None:
    """A genuine notice for one fen, cut differently so that it pays another order."""
    account = scene.one_of(SPEAK_V2)
    victim = scene.trade(account, paid=False)
    own = scene.trade(account, total_fee=1, attach=_attach(scene, victim))
    fields = composing.signed(composing.notice_fields(own, scene.rng), account)
    if scene.rng.random() < 0.3:
        scene.send(account, composing.xml(fields), Sender.KEY)
        scene.settle(own)
    for _ in range(scene.rng.randint(1, 4)):
        cut = _cut_again(scene, composing.joined(fields))
        scene.send(account, composing.xml({**cut, "sign": fields["sign"]}), Sender.SEEN)


def _attach(scene: Scene, victim: Trade, *names: str) -> str:
    """Return what to attach to an order so that its notice can be cut into one for ``victim``.

    It holds the fields of ``names``, or some of them all, as far as an order has room for them.
    """
    wanted = {
        "mch_id": victim.account.mch_id,
        "out_trade_no": victim.out_trade_no,
        "result_code": "SUCCESS",
        "return_code": "SUCCESS",
        "total_fee": str(victim.total_fee),
        "transaction_id": "1",
        "fee_type": victim.fee_type,
        "appid": victim.account.appid,
        "trade_type": "NATIVE",
        "attach": victim.attach,
        "cash_fee": "1",
        "sub_mch_id": victim.account.sub_mch_id,
    }
    chosen = list(names) or ["out_trade_no", *scene.rng.sample(sorted(wanted), len(wanted))]
    last = scene.one_of(("z", "zz", "~z", "Z"))
    text = ""
    for at in range(len(chosen), 0, -1):
        parts = [f"{name}={wanted[name]}" for name in sorted(set(chosen[:at]))]
        text = f"x&{'&'.join(parts)}&{last}="
        if len(text) <= _LONGEST_ATTACH:
            break
    return text


def _cut_again(scene: Scene, text: str) -> dict[str, str]:
    """Cut the signed string at some of its ``&name=``, so that the names are in order."""
    found = list(_CUT.finditer(text))
    # Every cut but the first may be left out; names must rise for the signature to hold.
    share = scene.one_of((0.3, 0.7, 0.9))
    kept = [found[0]]
    for at in found[1:]:
        rises = at[1] > kept[-1][1]
        if rises and (at[1] in {"out_trade_no", "mch_id"} or scene.rng.random() < share):
            kept.append(at)
    ends = [*(at.start() for at in kept[1:]), len(text)]
    return {at[1]: text[at.end() : end] for at, end in zip(kept, ends, strict=True)}


@family("v2 re-cut to the end")
def recut_whole(scene: Scene) -> None:
    """The strongest re-cut: every field of a payment is there, and the rest hides in the last."""
    account = scene.one_of(SPEAK_V2)
    victim = scene.trade(account, paid=False)
    own = scene.trade(account, total_fee=1, attach=_attach(scene, victim, *_OF_A_PAYMENT))
    fields = composing.signed(composing.notice_fields(own, scene.rng), account)
    text = composing.joined(fields)
    start = text.index("&attach=x") + len("&attach=x")
    end = text.index(own.attach) + len(own.attach)
    cut = dict(part.split("=", 1) for part in text[:start].split("&"))
    inner = [part.split("=", 1) for part in text[start + 1 : end].split("&")]
    cut |= dict(inner[:-1]) | {inner[-1][0]: text[end:]}
    scene.send(account, composing.xml({**cut, "sign": fields["sign"]}), Sender.SEEN)


@family("v2 answers")
def answers(scene: Scene) -> None:
    """Signed answers to our questions, and our own requests, posted as notices."""
    account = scene.one_of(SPEAK_V2)
    trade = scene.trade(account, paid=scene.rng.random() < 0.3)
    for _ in range(scene.rng.randint(1, 3)):
        fields = _common(account) | scene.one_of(_ANSWERS)(scene, trade)
        body = composing.xml(composing.signed(fields, account))
        scene.send(account, body, Sender.SEEN, kind=scene.one_of(("payment", "refund")))


def _common(account: Account) -> dict[str, str]:
    fields = {"appid": account.appid, "mch_id": account.mch_id, "nonce_str": "answernonce"}
    if account.sub_mch_id:
        fields["sub_mch_id"] = account.sub_mch_id
    return fields


def _granted(**fields: str) -> dict[str, str]:
    return {"return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS", **fields}


def _orderquery(scene: Scene, trade: Trade) -> dict[str, str]:
    states = ("NOTPAY", "USERPAYING", "CLOSED", "REVOKED", "PAYERROR", "REFUND", "ACCEPT", "")
    fields = _granted(**trade_fields(trade))
    if not trade.is_paid:
        fields["trade_state"] = scene.one_of(states)
        fields["total_fee"] = str(trade.total_fee)
    if fields["trade_state"] == "REFUND":
        # A trade that was paid and refunded: whoever asks is told so as well.
        trade.state = "REFUND"
        fields["transaction_id"] = trade.transaction_id
    return fields


def _request(scene: Scene, trade: Trade) -> dict[str, str]:
    fields = {
        "out_trade_no": trade.out_trade_no,
        "total_fee": str(trade.total_fee),
        "body": "Tea",
        "trade_type": "NATIVE",
        "notify_url": "https://shop.example.com",
        "transaction_id": trade.transaction_id,
    }
    return {name: fields[name] for name in fields if scene.rng.random() < 0.8}


_ANSWERS = (
    _orderquery,
    _orderquery,
    _request,
    lambda scene, _trade: _granted(prepay_id=f"wx{scene.word(34)}", trade_type="NATIVE"),
    lambda _scene, trade: _granted(out_trade_no=trade.out_trade_no),
    # Closing, refunding, asking for a refund, reversing: each names the order and its money.
    lambda scene, trade: _granted(
        out_trade_no=trade.out_trade_no,
        out_refund_no=scene.number("R"),
        refund_id="50000000000000000000000000000",
        refund_fee=str(trade.total_fee),
        total_fee=str(trade.total_fee),
        cash_fee=str(trade.total_fee),
        transaction_id=trade.transaction_id,
    ),
    lambda scene, trade: _granted(
        out_trade_no=trade.out_trade_no,
        transaction_id=trade.transaction_id,
        total_fee=str(trade.total_fee),
        out_refund_no_0=scene.number("R"),
        refund_status_0="SUCCESS",
        refund_count="1",
        refund_fee="1",
    ),
    lambda scene, _trade: _granted(recall="N", result=scene.word()),
)


@family("v2 missing")
def missing(scene: Scene) -> None:
    """Signed notices that lack what a payment is proved by."""
    account = scene.one_of(SPEAK_V2)
    is_paid = scene.rng.random() < 0.5
    trade = scene.trade(account, paid=is_paid)
    needed = ("appid", "mch_id", "transaction_id", "total_fee", "out_trade_no", "return_code")
    lacking = {scene.one_of((*needed, "result_code"))}
    if scene.rng.random() < 0.3:
        lacking.add(scene.one_of(("fee_type", "time_end", "openid", "trade_type", "cash_fee")))
    body = composing.notice(trade, scene.rng, **dict.fromkeys(lacking))
    scene.send(account, body, Sender.KEY)
    if is_paid and "appid" in lacking:
        scene.settle(trade)


@family("v2 echo")
def echo(scene: Scene) -> None:
    """Signed notices whose echo is not what the order was placed with."""
    account = scene.one_of(SPEAK_V2)
    is_paid = scene.rng.random() < 0.5
    trade = scene.trade(account, paid=is_paid, attach=scene.one_of(("", "a&b=c", "tea", "=&=")))
    changed: dict[str, str | None] = {"attach": scene.one_of(("other", "te", "tea ", "TEA", "é"))}
    if account.is_institution and scene.rng.random() < 0.5:
        changed = {"sub_mch_id": scene.one_of(("1900000999", "", None))}
    body = composing.notice(trade, scene.rng, **changed)
    scene.send(account, body, Sender.KEY)
    if is_paid:
        scene.settle(trade)


@family("v2 honest ampersand")
def honest_ampersand(scene: Scene) -> None:
    """Attached texts of honest shops that hold what a cut looks like: they must be paid too."""
    account = scene.one_of(SPEAK_V2)
    attach = scene.one_of(("a&b=c", "Tom & Jerry", "utm=1&ref=2", "x&total_fee=1", "&", "=", "&a="))
    trade = scene.trade(account, attach=attach)
    scene.send(account, composing.notice(trade, scene.rng), Sender.KEY)
    scene.settle(trade)
