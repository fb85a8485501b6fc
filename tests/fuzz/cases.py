"""Cases: a few trades and the requests about them, made of a seed and an index and nothing else.

A case has trades and orders of its own, so it can be run again alone. A *family* is a function
that fills a ``Scene``; ``families`` holds them.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, Final

from tests.fuzz import composing
from tests.fuzz.ledger import Trade
from tests.fuzz.merchants import ACCOUNTS, Account

# Cases of one index are at one moment, in every run.
EPOCH: Final = 1_800_000_000
STEP_S: Final = 0.7
# As many cases share a moment of the clock, the tables, and a quiet hour behind them.
BATCH: Final = 100
HOUR_S: Final = 3600

_ALPHABET: Final = string.ascii_letters + string.digits


class Sender(Enum):
    """What the sender of a request holds: a key, a genuine message that it has seen, or neither."""

    KEY = "key"
    SEEN = "seen"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One request. ``path`` stands in the place of the address that alias and kind have."""

    alias: str
    body: bytes
    sender: Sender
    kind: str = "payment"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    chunk: int = 0
    breaks_at: int = -1


@dataclass(slots=True, kw_only=True)
class Case:
    """What is sent, and what must be so afterwards.

    ``orders`` are the trades that the shop has an order for. ``settles`` and ``refunded`` must be
    settled in the end, ``rows`` is the most notifications that may be kept, ``hints`` the most
    refunds that unsigned notices may make known.
    """

    family: str
    index: int
    now: float
    trades: list[Trade] = field(default_factory=list)
    orders: list[Trade] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    settles: list[Trade] = field(default_factory=list)
    refunded: list[tuple[Trade, str]] = field(default_factory=list)
    rows: int | None = None
    hints: int | None = None


class Scene:
    """The maker of one case: trades, and the requests about them."""

    def __init__(self, family: str, seed: int, index: int) -> None:
        self.rng = Random(f"{seed}:{index}:{family}")
        self.index = index
        self._made = 0
        now = EPOCH + (index // BATCH) * HOUR_S + (index % BATCH) * STEP_S
        self.case = Case(family=family, index=index, now=now)

    @property
    def now(self) -> int:
        return int(self.case.now)

    def one_of(self, choices: Any) -> Any:
        return self.rng.choice(list(choices))

    def word(self, length: int = 8) -> str:
        return "".join(self.rng.choices(_ALPHABET, k=length))

    def number(self, start: str = "F") -> str:
        """Return a number that no other case has."""
        self._made += 1
        return f"{start}{self.index:08d}x{self._made}{self.word(4)}"

    def trade(
        self,
        account: Account | str,
        *,
        paid: bool = True,
        ordered: bool = True,
        **fields: Any,
    ) -> Trade:
        """Return a new trade of the ledger, with an order of ours unless not ``ordered``."""
        owner = ACCOUNTS[account] if isinstance(account, str) else account
        currency = "HKD" if owner.is_global else "CNY"
        given = {"fee_type": currency, "total_fee": self.rng.randint(1, 100_000), **fields}
        number = given.pop("out_trade_no", None) or self.number()
        trade = Trade(
            account=owner,
            out_trade_no=number,
            transaction_id=given.pop("transaction_id", f"4200{self.rng.getrandbits(80):024d}"[:28]),
            state="SUCCESS" if paid else "NOTPAY",
            **given,
        )
        self.case.trades.append(trade)
        if ordered:
            self.case.orders.append(trade)
        return trade

    def settle(self, *trades: Trade) -> None:
        self.case.settles += trades

    def send(self, account: Account, body: bytes, sender: Sender, **more: Any) -> None:
        self.case.inputs.append(Input(alias=account.alias, body=body, sender=sender, **more))

    def send_v3(
        self, account: Account, body: bytes, sender: Sender = Sender.KEY, **more: Any
    ) -> None:
        """Send ``body`` with the headers that sign it; ``more`` as of ``send``."""
        headers = composing.headers_v3(body, account, self.rng, self.now)
        self.send(account, body, sender, headers=headers, **more)

    def pay(self, trade: Trade, **changes: Any) -> None:
        """Send a genuine payment notice, over v2 where the merchant has it; else with changes."""
        if trade.account.api_key and not (trade.account.serial and self.rng.random() < 0.5):
            body = composing.notice(trade, self.rng, **changes)
            self.send(trade.account, body, Sender.KEY)
        else:
            self.send_v3(trade.account, composing.payment_v3(trade, self.rng))


Family = Callable[[Scene], None]
FAMILIES: Final[dict[str, Family]] = {}


def family(name: str) -> Callable[[Family], Family]:
    """Register a family under its name."""

    def register(fill: Family) -> Family:
        FAMILIES[name] = fill
        return fill

    return register


def make_case(seed: int, index: int, names: tuple[str, ...] = ()) -> Case:
    """Return the case of ``index``; families take turns, those of ``names`` or all."""
    known = names or tuple(FAMILIES)
    chosen = known[index % len(known)]
    scene = Scene(chosen, seed, index)
    FAMILIES[chosen](scene)
    return scene.case
