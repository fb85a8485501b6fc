"""The transition tables of orders and refunds, and the functions that read them.

A fact moves an order, leaves it as it is, or contradicts it. Nothing leads from a paid state
back to an unpaid one (protocol-v2 sections 5.3 and 7.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState


class EventKind(StrEnum):
    """The kind of a move, as the shop's receivers get it; ``MOVED`` is history only."""

    PAID = "PAID"
    CLOSED = "CLOSED"
    CONFLICTED = "CONFLICTED"
    MOVED = "MOVED"
    REFUND_SETTLED = "REFUND_SETTLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The order as we know it, for a fact to be compared with."""

    trade_state: TradeState
    mch_id: str
    appid: str
    sub_mch_id: str
    total_fee: int
    fee_type: str
    transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """The order goes to ``state``; ``kind`` is what that means to the shop."""

    state: TradeState
    kind: EventKind


@dataclass(frozen=True, slots=True)
class Same:
    """The fact is known already, or older than what is known."""


@dataclass(frozen=True, slots=True)
class Older(Same):
    """The fact is older than what is known, or contradicts it: only a new question can tell."""


class Demand(StrEnum):
    """What is expected of a number where no one number is."""

    ANY_NUMBER = "ANY_NUMBER"
    OF_THIS_ORDER = "OF_THIS_ORDER"
    OF_NO_OTHER_ORDER = "OF_NO_OTHER_ORDER"
    OF_NO_OTHER_REFUND = "OF_NO_OTHER_REFUND"


# Before an amount that is expected to be no more than that.
AT_MOST: Final = "<= "


@dataclass(frozen=True, slots=True)
class Conflict:
    """The fact contradicts the order; ``differences`` are (field, expected, stated).

    Expected is a value, one of ``Demand``, or ``AT_MOST`` and an amount.
    """

    differences: tuple[tuple[str, str, str], ...]

    @property
    def is_of_state(self) -> bool:
        """Whether nothing but the state differs, which alone depends on the time."""
        return all(name in _OF_TIME for name, *_ in self.differences)


_OF_TIME: Final = frozenset({"trade_state", "refund_status"})

Decision = Move | Same | Conflict

_S = TradeState
PAID: Final = frozenset({_S.SUCCESS, _S.REFUND})
OPEN: Final = frozenset({_S.CREATED, _S.NOTPAY, _S.USERPAYING, _S.PAYERROR})
_WAITING: Final = frozenset({_S.NOTPAY, _S.USERPAYING, _S.PAYERROR})
_ENDED: Final = frozenset({_S.CLOSED, _S.REVOKED})

# state -> the states a fact may move it to.
MOVES: Final[dict[TradeState, frozenset[TradeState]]] = {
    _S.CREATED: _WAITING | PAID | _ENDED,
    _S.NOTPAY: _WAITING - {_S.NOTPAY} | PAID | _ENDED,
    _S.USERPAYING: _WAITING - {_S.USERPAYING} | PAID | _ENDED,
    _S.PAYERROR: _WAITING - {_S.PAYERROR} | PAID | _ENDED,
    _S.SUCCESS: frozenset({_S.REFUND, _S.REVOKED}),
    _S.REFUND: frozenset({_S.REVOKED}),
    # A payment behind a close still counts: the money has arrived (protocol-v2 section 7.1).
    _S.CLOSED: PAID,
    # A payment after a reversal is a contradiction, for a person to decide.
    _S.REVOKED: frozenset(),
}

# state -> the states that are outdated when they arrive later. In neither table: a conflict.
STALE: Final[dict[TradeState, frozenset[TradeState]]] = {
    _S.CREATED: frozenset(),
    _S.NOTPAY: frozenset(),
    _S.USERPAYING: frozenset(),
    _S.PAYERROR: frozenset(),
    _S.SUCCESS: _WAITING,
    _S.REFUND: _WAITING | {_S.SUCCESS},
    _S.CLOSED: _WAITING | {_S.REVOKED},
    _S.REVOKED: _WAITING | {_S.CLOSED},
}


def decide(expected: Expectation, fact: TradeFact) -> Decision:
    """Return what ``fact`` does to an order of which ``expected`` is known.

    A fact about other money or another identity is a ``Conflict`` whatever its state, and
    so is a second transaction for an order that has one.
    """
    differences = _differences(expected, fact)
    if differences:
        return Conflict(differences)
    here, there = expected.trade_state, fact.trade_state
    if there is _S.SUCCESS and here not in PAID and (missing := _unstated(expected, fact)):
        return Conflict(missing)
    if there in MOVES[here]:
        return Move(there, _kind(here, there))
    if there == here or there in STALE[here]:
        return Same()
    return Conflict((("trade_state", here.value, there.value),))


def announced(decision: Decision, expected: Expectation, fact: TradeFact) -> Decision:
    """Return what ``decide`` has decided, if a notification states ``fact``.

    A notification is of a moment before it came, by seconds or by a day. So a state from which
    what is known follows contradicts nothing: it is ``Older``.
    """
    is_before = expected.trade_state in MOVES[fact.trade_state]
    is_of_state = isinstance(decision, Conflict) and decision.is_of_state
    return Older() if is_of_state and is_before else decision


def _differences(expected: Expectation, fact: TradeFact) -> tuple[tuple[str, str, str], ...]:
    pairs = [
        ("mch_id", expected.mch_id, fact.mch_id),
    ]
    # A v3 answer need not repeat the appid (protocol-v3 section 3.3).
    if fact.appid:
        pairs.append(("appid", expected.appid, fact.appid))
    if fact.sub_mch_id or expected.sub_mch_id:
        pairs.append(("sub_mch_id", expected.sub_mch_id, fact.sub_mch_id))
    if fact.total_fee is not None:
        pairs.append(("total_fee", str(expected.total_fee), str(fact.total_fee)))
    if fact.fee_type:
        pairs.append(("fee_type", expected.fee_type, fact.fee_type))
    if fact.transaction_id and expected.transaction_id:
        pairs.append(("transaction_id", expected.transaction_id, fact.transaction_id))
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _unstated(expected: Expectation, fact: TradeFact) -> tuple[tuple[str, str, str], ...]:
    # What is not stated contradicts nothing, and proves nothing either.
    rows = []
    if fact.total_fee is None:
        rows.append(("total_fee", str(expected.total_fee), ""))
    if not fact.transaction_id:
        rows.append(("transaction_id", Demand.ANY_NUMBER.value, ""))
    return tuple(rows)


def _kind(here: TradeState, there: TradeState) -> EventKind:
    if there in PAID:
        if here in PAID:
            return EventKind.MOVED
        # Seen as refunded before it was seen as paid. REFUND says neither how much went back nor
        # whether it has arrived (protocol-v3 section 8.1), so this is no sale to deliver and no
        # sale to forget: a person, or a receiver that looks at the refunds, decides.
        return EventKind.CONFLICTED if there is _S.REFUND else EventKind.PAID
    return EventKind.CLOSED if there in _ENDED else EventKind.MOVED


_R = RefundStatus

# status of a refund -> the statuses that a fact may move it to (protocol-v3 section 8.2).
REFUND_MOVES: Final[dict[RefundStatus, frozenset[RefundStatus]]] = {
    _R.PROCESSING: frozenset({_R.SUCCESS, _R.CLOSED, _R.ABNORMAL}),
    _R.ABNORMAL: frozenset({_R.PROCESSING, _R.SUCCESS, _R.CLOSED}),
    _R.SUCCESS: frozenset(),
    _R.CLOSED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundExpectation:
    """The refund as we know it, and the other refunds that a fact about it touches.

    ``status`` is None for one that WeChat Pay has not stated yet, ``refund_fee`` for one that is
    new to us or merely hinted at. ``is_reserved`` says that its amount is taken already from what
    can be refunded, and ``refunded_fee`` is what the order's other refunds have paid back.
    ``belongs_elsewhere`` says that the refund of this number is another order's, ``id_taken`` that
    the fact's refund_id is another refund's.
    """

    order: Expectation
    status: RefundStatus | None = None
    refund_fee: int | None = None
    refund_id: str = ""
    refunded_fee: int = 0
    is_reserved: bool = False
    belongs_elsewhere: bool = False
    id_taken: bool = False


@dataclass(frozen=True, slots=True)
class RefundMove:
    """The refund goes to ``status``; ``is_settled`` where the shop's receivers are called."""

    status: RefundStatus
    is_settled: bool


def decide_refund(expected: RefundExpectation, fact: RefundFact) -> RefundMove | Same | Conflict:
    """Return what ``fact`` does to a refund of which ``expected`` is known.

    Other money or another identity is a ``Conflict``, and so is a refund of more than was paid
    and not refunded yet, or one whose final status would change.
    """
    differences = _refund_differences(expected, fact)
    if differences:
        return Conflict(differences)
    here, there = expected.status, fact.refund_status
    if here is None or there in REFUND_MOVES[here]:
        return RefundMove(there, is_settled=there is not RefundStatus.PROCESSING)
    if there in {here, RefundStatus.PROCESSING}:
        return Same()
    return Conflict((("refund_status", here.value, there.value),))


def announced_refund(
    decision: RefundMove | Same | Conflict, expected: RefundExpectation, fact: RefundFact
) -> RefundMove | Same | Conflict:
    """Return what ``decide_refund`` has decided, if a notification states ``fact``.

    As ``announced``: that a refund is stuck may be stated after it was paid back.
    """
    is_before = expected.status in REFUND_MOVES[fact.refund_status]
    is_of_state = isinstance(decision, Conflict) and decision.is_of_state
    return Older() if is_of_state and is_before else decision


def _refund_differences(
    expected: RefundExpectation,
    fact: RefundFact,
) -> tuple[tuple[str, str, str], ...]:
    order = expected.order
    pairs = [("mch_id", order.mch_id, fact.mch_id)]
    if fact.sub_mch_id:
        pairs.append(("sub_mch_id", order.sub_mch_id, fact.sub_mch_id))
    if fact.total_fee is not None:
        pairs.append(("total_fee", str(order.total_fee), str(fact.total_fee)))
    if fact.fee_type:
        pairs.append(("fee_type", order.fee_type, fact.fee_type))
    if fact.transaction_id and order.transaction_id:
        pairs.append(("transaction_id", order.transaction_id, fact.transaction_id))
    if expected.refund_fee is not None:
        pairs.append(("refund_fee", str(expected.refund_fee), str(fact.refund_fee)))
    # One that is taken already may share its sum with another, until one of them is paid back.
    is_counted = not expected.is_reserved or fact.refund_status is RefundStatus.SUCCESS
    if is_counted and fact.refund_fee > (left := _left_to_refund(expected, fact)):
        pairs.append(("refund_fee", f"{AT_MOST}{left}", str(fact.refund_fee)))
    if fact.refund_id and expected.refund_id:
        pairs.append(("refund_id", expected.refund_id, fact.refund_id))
    if expected.belongs_elsewhere:
        pairs.append(("out_refund_no", Demand.OF_THIS_ORDER.value, fact.out_refund_no))
    if expected.id_taken:
        pairs.append(("refund_id", Demand.OF_NO_OTHER_REFUND.value, fact.refund_id))
    return tuple(pair for pair in pairs if pair[1] != pair[2])


def _left_to_refund(expected: RefundExpectation, fact: RefundFact) -> int:
    # A closed refund moves no money, so that it takes nothing from what is left.
    is_closed = fact.refund_status is RefundStatus.CLOSED
    return expected.order.total_fee - (0 if is_closed else expected.refunded_fee)
