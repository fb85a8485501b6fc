"""Trades: their states, their prepays, and the index that finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.times import parse_t14

# Where a browser pays (protocol-v2 section 3.6).
H5_PATH: Final = "/cgi-bin/mmpayweb-bin/checkmweb"

# Protocol-v2 section 3.4.
PREPAY_LIFE: Final = timedelta(hours=2)
MWEB_LIFE: Final = timedelta(minutes=5)
ORDER_LIFE: Final = timedelta(days=7)

BY_CODE: Final = "MICROPAY"

# The states of protocol-v2 section 5.3.
NOTPAY: Final = "NOTPAY"
USERPAYING: Final = "USERPAYING"
ACCEPT: Final = "ACCEPT"
SUCCESS: Final = "SUCCESS"
REFUND: Final = "REFUND"
CLOSED: Final = "CLOSED"
REVOKED: Final = "REVOKED"
PAYERROR: Final = "PAYERROR"

STATES: Final = (NOTPAY, USERPAYING, ACCEPT, SUCCESS, REFUND, CLOSED, REVOKED, PAYERROR)
PAID_STATES: Final = frozenset({SUCCESS, REFUND})
PAYABLE_STATES: Final = frozenset({NOTPAY, USERPAYING, PAYERROR})

# The Chinese trade_state_desc, the same in both protocols (protocol-v2 section 5.3).
DESCRIPTIONS: Final[dict[str, str]] = {
    NOTPAY: "订单未支付",
    USERPAYING: "用户支付中",
    ACCEPT: "已接收，等待扣款",
    SUCCESS: "支付成功",
    REFUND: "转入退款",
    CLOSED: "订单已关闭",
    REVOKED: "已撤销",
    PAYERROR: "支付失败，请重新下单支付",
}


@dataclass(slots=True, kw_only=True)
class Prepay:
    """One answer to unifiedorder: the right to pay a trade until ``expires_at``."""

    prepay_id: str
    code: str
    created_at: datetime
    expires_at: datetime

    @property
    def code_url(self) -> str:
        """The text of the QR code."""
        return f"weixin://wxpay/bizpayurl?pr={self.code}"

    def mweb_url(self, origin: str) -> str:
        """Return the address to which an H5 customer's browser is sent."""
        query = urlencode({"prepay_id": self.prepay_id, "package": self.code})
        return f"{origin}{H5_PATH}?{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The end that a charge by payment code comes to at ``at``, and the fields of its payment."""

    at: datetime
    state: str
    payment: dict[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class Trade:
    """One order: the fields it was placed with, its state and its payment.

    ``api`` is the protocol that placed it. ``terms`` are the wire fields of the first
    unifiedorder, under v2's names in both protocols, and ``document`` is the body of a v3 one;
    ``sign_type`` is that of the last one, "" if it had none. ``payment`` holds the v2 wire
    fields that a payment adds; ``notification_state`` is that of its last notification.

    ``charges`` counts how often money was taken, ``reversals`` how often a reversal gave it back.
    Of a charge by payment code, ``pending`` is the end that it will come to, ``unpaid_code`` the
    error that a repeated charge is answered with, and ``recalls`` how many reversals were put off.
    ``is_combined`` marks one of several that were placed, and are paid, at once.
    """

    mch_id: str
    out_trade_no: str
    terms: dict[str, str]
    sign_type: str
    created_at: datetime
    api: Api = Api.V2
    document: dict[str, Any] = field(default_factory=dict)
    state: str = NOTPAY
    prepays: list[Prepay] = field(default_factory=list)
    payment: dict[str, str] = field(default_factory=dict)
    notification_state: str = ""
    charges: int = 0
    reversals: int = 0
    pending: Pending | None = None
    unpaid_code: str = ""
    recalls: int = 0
    is_combined: bool = False

    @property
    def is_by_code(self) -> bool:
        """Whether a payment code pays it: it has no prepay, and nothing is notified of it."""
        return self.terms["trade_type"] == BY_CODE

    @property
    def transaction_id(self) -> str:
        return self.payment.get("transaction_id", "")

    @property
    def live_prepay(self) -> Prepay:
        """The last prepay; a re-entry makes earlier ones unusable (protocol-v2 section 3.8)."""
        return self.prepays[-1]

    @property
    def expires_at(self) -> datetime | None:
        """The order's own ``time_expire``: the last moment for a payment, if it names one."""
        text = self.terms.get("time_expire")
        return parse_t14(text) if text else None

    def is_too_late(self, now: datetime) -> bool:
        """Say whether ``time_expire`` has passed: it names a second, and all of it still counts."""
        return self.expires_at is not None and now >= self.expires_at + timedelta(seconds=1)

    def lapse(self, now: datetime) -> None:
        """Do what happens by itself: a pending end, and the close of an order unpaid for 7 days.

        Source: protocol-v2 sections 3.4 and 6.2.
        """
        if self.pending is not None and now >= self.pending.at:
            self.state, self.payment = self.pending.state, self.pending.payment
            self.charges += bool(self.payment)
            self.pending = None
        if self.state in {NOTPAY, PAYERROR} and now >= self.created_at + ORDER_LIFE:
            self.state = CLOSED


class Trades:
    """Every trade of the simulated gateway, indexed by its numbers and tokens."""

    def __init__(self) -> None:
        self._by_number: dict[tuple[str, str], Trade] = {}
        self._by_token: dict[str, tuple[Trade, Prepay]] = {}

    def __iter__(self) -> Iterator[Trade]:
        return iter(self._by_number.values())

    def add(self, trade: Trade) -> None:
        self._by_number[trade.mch_id, trade.out_trade_no] = trade

    def add_prepay(self, trade: Trade, prepay: Prepay) -> None:
        """Make ``prepay`` the one with which ``trade`` can be paid."""
        trade.prepays.append(prepay)
        self._by_token[prepay.prepay_id] = self._by_token[prepay.code] = (trade, prepay)

    def knows(self, token: str) -> bool:
        return token in self._by_token

    def holds(self, trade: Trade) -> bool:
        """Say whether ``trade`` is one of these; after a reset it no longer is."""
        return self._by_number.get((trade.mch_id, trade.out_trade_no)) is trade

    def find(self, mch_id: str, out_trade_no: str, *, now: datetime) -> Trade | None:
        """Return the trade with this merchant's number, as it stands ``now``."""
        trade = self._by_number.get((mch_id, out_trade_no))
        if trade is not None:
            trade.lapse(now)
        return trade

    def find_transaction(self, mch_id: str, transaction_id: str) -> Trade | None:
        """Return the trade with the gateway's number."""
        return next(
            (
                trade
                for trade in self
                if trade.mch_id == mch_id and trade.transaction_id == transaction_id
            ),
            None,
        )

    def find_prepay(self, token: str, *, now: datetime) -> tuple[Trade, Prepay] | None:
        """Return what a prepay_id or the code of a code_url stands for, replaced ones too."""
        found = self._by_token.get(token)
        if found is not None:
            found[0].lapse(now)
        return found
