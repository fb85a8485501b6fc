"""Batch reports of a payment-code terminal's sales (protocol-v2 sections 6.2 and 8.5).

A ``TerminalSale`` that breaks a rule cannot be made, so every one can be reported. The field
``trades`` has room for 1024 bytes, and a batch is as many whole sales as fit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import accumulate, takewhile
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import to_t14, within_calendar
from django_wxpay.protocol.v2.fields import UNIFIEDORDER_RULES
from django_wxpay.protocol.v2.reports import Reporter, cut, identity, report_ip, signed, writable

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
    is free text, of which as much is sent as there is room for. Raises ``InvalidOrder``,
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
    """Raise ``InvalidOrder`` unless this is the number of an order (protocol-v2 section 3.2)."""
    check_text("out_trade_no", out_trade_no)
    if problem := _NUMBER.problem(str(out_trade_no)):
        raise InvalidOrder("out_trade_no", problem, _NUMBER.text)


def check_moment(name: str, moment: object) -> datetime:
    """Return ``moment`` as it is stored; ``InvalidOrder`` unless it is an aware time."""
    rule = "a time with a zone"
    if not isinstance(moment, datetime):
        raise InvalidOrder(name, f"{type(moment).__name__} is not a time", rule)
    try:
        return within_calendar(moment)
    except ValueError as error:
        raise InvalidOrder(name, str(error), rule) from error


def check_text(name: str, text: object) -> None:
    """Raise ``InvalidOrder`` unless ``text`` is a text."""
    if not isinstance(text, str):
        raise InvalidOrder(name, f"{type(text).__name__} is not text")


# Not a call either: the interface under which a batch is reported.
BATCH_PATH: Final = "/pay/batchreport/micropay/total"

# Bytes of UTF-8; the sheet does not say bytes, but what fits in bytes fits in characters.
LARGEST_BATCH: Final = 1024


def batches(sales: Iterable[TerminalSale]) -> Iterator[tuple[TerminalSale, ...]]:
    """Yield ``sales`` in their order, each time as many as one report has room for."""
    batch: list[TerminalSale] = []
    size = len("[]")
    for sale in sales:
        more = len(_text(sale).encode())
        if batch and size + len(",") + more > LARGEST_BATCH:
            yield tuple(batch)
            batch, size = [], len("[]")
        size += more + (len(",") if batch else 0)
        batch.append(sale)
    if batch:
        yield tuple(batch)


def trades_text(sales: Iterable[TerminalSale]) -> str:
    """Return ``sales`` as the JSON text of ``trades``."""
    return f"[{','.join(map(_text, sales))}]"


def batch_report_fields(
    sales: Sequence[TerminalSale],
    *,
    reporter: Reporter,
    mode: Mode,
    sign_type: SignType,
    key: Secret,
    nonce: str,
) -> dict[str, str]:
    """Return the signed fields of the report on one of ``batches``.

    Raises ``InvalidOrder`` for no sales, and for more than fit.
    """
    trades = trades_text(sales)
    if not sales or len(trades.encode()) > LARGEST_BATCH:
        raise InvalidOrder("trades", f"{len(sales)} sales", f"1 to {LARGEST_BATCH} bytes of them")
    fields = identity(reporter, mode) | {
        "device_info": cut(reporter.device_info, 32),
        "interface_url": cut(reporter.interface_url, 127),
        "user_ip": report_ip(reporter.user_ip),
        "trades": trades,
    }
    return signed(fields, sign_type=sign_type, key=key, nonce=nonce)


def _text(sale: TerminalSale) -> str:
    room = LARGEST_BATCH - len("[]") - len(_object(sale, ""))
    return _object(sale, _fitting(writable(sale.err_msg), room))


def _object(sale: TerminalSale, err_msg: str) -> str:
    return _json(
        {
            "out_trade_no": sale.out_trade_no,
            "begin_time": to_t14(sale.begin_at),
            "end_time": to_t14(max(sale.begin_at, sale.end_at)),
            "state": SaleState(sale.state).value,
            "err_msg": err_msg,
        }
    )


def _fitting(text: str, room: int) -> str:
    # Cut between characters, so that what is left is UTF-8.
    if _size(text) <= room:
        return text
    sizes = accumulate(map(_size, text))
    return text[: sum(1 for _ in takewhile(lambda size: size <= room, sizes))]


def _size(text: str) -> int:
    return len(_json(text).encode()) - len('""')


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
