"""State of the simulated gateway, under one lock.

The lock is held for every read and change, and never while a notification is sent or an
answer is delayed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.faults.script import FaultScript
from django_wxpay.simulator.http.messages import Request
from django_wxpay.simulator.notifications.delivery import Deliver
from django_wxpay.simulator.notifications.notices import Attempt, Notice, Outbox
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.clock import Clock
from django_wxpay.simulator.state.identifiers import Identifiers
from django_wxpay.simulator.state.journal import Journal
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.payment_codes import PaymentCodes
from django_wxpay.simulator.state.products import Products
from django_wxpay.simulator.state.refunds import CLOSED, Refund, Refunds
from django_wxpay.simulator.state.trades import (
    MWEB_LIFE,
    PREPAY_LIFE,
    REFUND,
    Prepay,
    Trade,
    Trades,
)
from django_wxpay.simulator.v3.keychain import Keychain

# Where the real gateway sends a browser (protocol-v2 section 3.6), and its own names.
_H5_ORIGIN: Final = "https://wx.tenpay.com"
WECHAT_PAY: Final = (".mch.weixin.qq.com", ".wechatpay.cn")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One call of the gateway, as the ledger shows it: the request and its answer.

    ``err_code`` has the spelling of the answer. ``signed_by`` is the serial or id of the key
    that signed a v3 answer.
    """

    at: datetime
    api: Api
    operation: str
    host: str
    mch_id: str
    out_trade_no: str
    out_refund_no: str
    http_status: int
    return_code: str
    result_code: str
    err_code: str
    fault: str
    signed_by: str
    unknown_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One report to payitil/report, as received."""

    at: datetime
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFile:
    """A bill that v3 has made for ``mch_id``, to be fetched until ``expires_at``."""

    mch_id: str
    body: bytes = field(repr=False)
    expires_at: datetime


@dataclass(slots=True, kw_only=True)
class World:
    """The state of one simulated gateway, and the collaborators that change it.

    ``notices`` has the last notification of each payment and each refund.
    """

    options: Options
    accounts: dict[str, Account]
    clock: Clock
    deliver: Deliver
    live: bool
    journal: Journal = field(default_factory=Journal)
    identifiers: Identifiers = field(init=False)
    keychain: Keychain = field(init=False)
    lock: threading.RLock = field(init=False, default_factory=threading.RLock)
    changed: threading.Condition = field(init=False)
    pump: threading.Thread | None = field(init=False, default=None)
    in_flight: int = field(init=False, default=0)
    trades: Trades = field(init=False)
    codes: PaymentCodes = field(init=False)
    refunds: Refunds = field(init=False)
    balances: dict[str, int | None] = field(init=False)
    script: FaultScript = field(init=False)
    outbox: Outbox = field(init=False)
    notices: dict[Trade | Refund, Notice] = field(init=False)
    requests: deque[RequestRecord] = field(init=False)
    reports: deque[Report] = field(init=False)
    attempts: deque[Attempt] = field(init=False)
    bill_files: dict[str, BillFile] = field(init=False)
    products: Products = field(init=False)

    def __post_init__(self) -> None:
        self.identifiers = Identifiers(self.options.entropy)
        self.keychain = Keychain(
            self.options.material, self.accounts, clock=self.clock, identifiers=self.identifiers
        )
        self.changed = threading.Condition(self.lock)
        self._clear()

    def reset(self) -> None:
        """Drop every trade, fault and notification; return to real time and the first keys."""
        with self.lock:
            self.clock.reset()
            self.keychain.reset()
            self._clear()
            self.changed.notify_all()

    def learn(self, accounts: Mapping[str, Account]) -> None:
        """Take in merchants that are new or have changed; lock held."""
        for mch_id, account in accounts.items():
            before = self.accounts.get(mch_id, account).certificates
            certificates = {**before, **account.certificates}
            self.accounts[mch_id] = replace(account, certificates=certificates)
            self.balances.setdefault(mch_id, self.options.refund_balance)

    def record(self, request: Request, record: RequestRecord) -> None:
        """Enter one call of the gateway into the ledger and the journal; lock held."""
        self.requests.append(record)
        self.journal.call(
            record.at,
            request.method,
            request.path,
            record.http_status,
            record.out_trade_no,
            record.out_refund_no,
            record.err_code,
            f"fault {record.fault}" if record.fault else "",
        )

    def trade(self, mch_id: str, out_trade_no: str) -> Trade:
        """Return a trade for the control plane; ``ControlError`` when it was never placed."""
        trade = self.trades.find(mch_id, out_trade_no, now=self.clock.now())
        if trade is None:
            detail = f"merchant {mch_id} has no trade {out_trade_no}"
            raise ControlError("unknown_trade", detail, status=404)
        return trade

    def refund(self, mch_id: str, out_refund_no: str) -> Refund:
        """Return a refund for the control plane; ``ControlError`` when there is none."""
        refund = self.refunds.find(mch_id, out_refund_no)
        if refund is None:
            detail = f"merchant {mch_id} has no refund {out_refund_no}"
            raise ControlError("unknown_refund", detail, status=404)
        return refund

    def add_refund(self, refund: Refund) -> None:
        """Enter a refund, and take it from what the merchant has for refunds; lock held."""
        self.refunds.add(refund)
        refund.trade.state = REFUND
        self._move_balance(refund, -refund.refund_fee)

    def settle_refund(self, refund: Refund, status: str, *, at: datetime) -> None:
        """Put a refund into ``status``; one that is closed gives its money back. Lock held."""
        if status == CLOSED != refund.status:
            self._move_balance(refund, refund.refund_fee)
        refund.settle(status, at)

    def _move_balance(self, refund: Refund, amount: int) -> None:
        balance = self.balances[refund.trade.mch_id]
        if balance is not None:
            self.balances[refund.trade.mch_id] = balance + amount

    def new_prepay(self, trade: Trade) -> Prepay:
        """Give ``trade`` a new prepay, from now on the only one that can pay it; lock held."""
        now = self.clock.now()
        code = self.identifiers.code()
        # Seven characters can repeat; a token has to find one trade.
        while self.trades.knows(code):
            code = self.identifiers.code()
        prepay = Prepay(
            prepay_id=self.identifiers.prepay_id(now),
            code=code,
            created_at=now,
            expires_at=now + (MWEB_LIFE if trade.terms["trade_type"] == "MWEB" else PREPAY_LIFE),
        )
        self.trades.add_prepay(trade, prepay)
        return prepay

    def mweb_url(self, prepay: Prepay, *, origin: str) -> str:
        """Return where a browser pays, for a client that called the gateway at ``origin``.

        The real one names a host of its own. Under an address that is not WeChat Pay's, that
        would lead a local browser away from this machine.
        """
        host = urlsplit(origin).hostname or ""
        real = _H5_ORIGIN if f".{host}".endswith(WECHAT_PAY) else origin
        return prepay.mweb_url(self.options.h5_origin or real)

    def _clear(self) -> None:
        size = self.options.ledger_size
        self.trades = Trades()
        self.codes = PaymentCodes()
        self.refunds = Refunds()
        self.balances = dict.fromkeys(self.accounts, self.options.refund_balance)
        self.script = FaultScript()
        self.outbox = Outbox()
        self.notices = {}
        self.requests = deque(maxlen=size)
        self.reports = deque(maxlen=size)
        self.attempts = deque(maxlen=size)
        self.bill_files = {}
        self.products = Products()
