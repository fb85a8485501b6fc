"""What a payment-code terminal knows of one sale (protocol-v2 sections 6.2 and 8.5).

A sale that breaks a rule cannot be made, so whatever has been made can be reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.fields import Time14
from django_wxpay.protocol.times import to_t14
from django_wxpay.protocol.v2.rules import UNIFIEDORDER_RULES

_NUMBER: Final = UNIFIEDORDER_RULES["out_trade_no"].rule


class SaleState(StrEnum):
    """How a sale ended. The wire misspells the third word, and that is the wire's word."""

    OK = "OK"
    FAIL = "FAIL"
    CANCELLED = "CANCLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSale:
    """One payment-code sale, from the scan (``begin_at``) to its final result (``end_at``).

    Both times are aware; a terminal whose clock went back meanwhile took no time. ``err_msg``
    is free text, of which as much is told as there is room for. Raises ``InvalidOrder``,
    naming the field that breaks its rule.
    """

    out_trade_no: str
    begin_at: datetime
    end_at: datetime
    state: SaleState
    err_msg: str = ""

    def __post_init__(self) -> None:
        check_number(self.out_trade_no)
        check_moment("begin_at", self.begin_at)
        check_moment("end_at", self.end_at)
        if self.state not in tuple(SaleState):
            raise InvalidOrder("state", "not one of the words known", ", ".join(SaleState))
        check_text("err_msg", self.err_msg)


def check_number(out_trade_no: object) -> None:
    """Raise ``InvalidOrder`` unless this is the number of an order (section 3.2)."""
    check_text("out_trade_no", out_trade_no)
    if problem := _NUMBER.problem(str(out_trade_no)):
        raise InvalidOrder("out_trade_no", problem, _NUMBER.text)


def check_moment(name: str, moment: object) -> None:
    """Raise ``InvalidOrder`` unless ``moment`` is aware and has 14 digits on the wire."""
    rule = "a time with a zone"
    if not isinstance(moment, datetime):
        raise InvalidOrder(name, f"{type(moment).__name__} is not a time", rule)
    try:
        problem = Time14().problem(to_t14(moment))
    except (ValueError, OverflowError) as error:
        raise InvalidOrder(name, str(error), rule) from error
    if problem:
        raise InvalidOrder(name, problem, rule)


def check_text(name: str, text: object) -> None:
    """Raise ``InvalidOrder`` unless ``text`` is a text."""
    if not isinstance(text, str):
        raise InvalidOrder(name, f"{type(text).__name__} is not text")
