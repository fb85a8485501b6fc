"""Everything the simulated gateway remembers, under one lock.

The lock is held while something is looked up or changed, and never while a notification is
on its way or an answer is being delayed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.control.errors import unknown_trade
from django_wxpay.simulator.faults.faults import Script
from django_wxpay.simulator.notifications.notices import Attempt, Deliver, Outbox
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.clock import Clock
from django_wxpay.simulator.state.identifiers import Numbers
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.refunds import Refunds
from django_wxpay.simulator.state.trades import Trade, Trades
from django_wxpay.simulator.v3.keychain import Keychain


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One call as the ledger shows it: who asked what, and what was answered.

    ``err_code`` is spelled as it was answered. ``signed_by`` is the serial or id of the key
    that signed a v3 answer.
    """

    at: datetime
    api: Api
    operation: str
    host: str
    mch_id: str
    out_trade_no: str
    http_status: int
    return_code: str
    result_code: str
    err_code: str
    fault: str
    signed_by: str
    unknown_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report of a call's latency, as it came."""

    at: datetime
    fields: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class World:
    """The gateway's memory and its means."""

    options: Options
    accounts: Mapping[str, Account]
    clock: Clock
    deliver: Deliver
    live: bool
    numbers: Numbers = field(init=False)
    keychain: Keychain = field(init=False)
    lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    changed: threading.Condition = field(init=False)
    pump: threading.Thread | None = field(init=False, default=None)
    in_flight: int = field(init=False, default=0)
    trades: Trades = field(init=False)
    refunds: Refunds = field(init=False)
    script: Script = field(init=False)
    outbox: Outbox = field(init=False)
    heard: deque[Heard] = field(init=False)
    reports: deque[Report] = field(init=False)
    attempts: deque[Attempt] = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = Numbers(self.options.entropy)
        self.keychain = Keychain(
            self.options.material, self.accounts, clock=self.clock, numbers=self.numbers
        )
        self.changed = threading.Condition(self.lock)
        self._forget()

    def reset(self) -> None:
        """Forget every trade, fault and notification; return to real time and the first keys."""
        with self.lock:
            self.clock.reset()
            self.keychain.reset()
            self._forget()
            self.changed.notify_all()

    def trade(self, mch_id: str, out_trade_no: str) -> Trade:
        """Return a trade for the control plane; ``ControlError`` when it was never placed."""
        trade = self.trades.find(mch_id, out_trade_no, now=self.clock.now())
        if trade is None:
            raise unknown_trade(mch_id, out_trade_no)
        return trade

    def _forget(self) -> None:
        size = self.options.ledger_size
        self.trades = Trades()
        self.refunds = Refunds()
        self.script = Script()
        self.outbox = Outbox()
        self.heard = deque(maxlen=size)
        self.reports = deque(maxlen=size)
        self.attempts = deque(maxlen=size)
