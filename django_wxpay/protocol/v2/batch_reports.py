"""How a terminal's sales are told many at once, and how many at once (protocol-v2 section 8.5).

The field ``trades`` has room for 1024 bytes, so a batch is as many whole sales as fit. What
bends is ``err_msg``: XML's forbidden characters are left out of it, and one that is too long
even for a batch of its own is cut, never through a character.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, takewhile
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.times import to_t14
from django_wxpay.protocol.v2.reports import Reporter, cut, identity, report_ip, signed, writable
from django_wxpay.protocol.v2.sales import SaleState, TerminalSale

# Not a call either: the interface under which a batch is told.
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
    key: str,
    nonce: str,
) -> dict[str, str]:
    """Return the signed fields of the report on one of ``batches``.

    Raises ``InvalidOrder`` for no sales, and for more than fit.
    """
    trades = trades_text(sales)
    if not sales or len(trades.encode()) > LARGEST_BATCH:
        raise InvalidOrder("trades", f"{len(sales)} sales", f"1 to {LARGEST_BATCH} bytes of them")
    told = identity(reporter, mode) | {
        "device_info": cut(reporter.device_info, 32),
        "interface_url": cut(reporter.interface_url, 127),
        "user_ip": report_ip(reporter.user_ip),
        "trades": trades,
    }
    return signed(told, sign_type=sign_type, key=key, nonce=nonce)


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
    """Return as much of ``text`` as takes at most ``room`` bytes inside JSON."""
    if _size(text) <= room:
        return text
    sizes = accumulate(map(_size, text))
    return text[: sum(1 for _ in takewhile(lambda size: size <= room, sizes))]


def _size(text: str) -> int:
    return len(_json(text).encode()) - len('""')


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
