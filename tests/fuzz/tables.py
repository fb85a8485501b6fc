"""Our tables as the oracle reads them: without the models, so a second reader, and a quick one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

# Children before their parents, for their deletion.
NAMES: Final = (
    "promotion",
    "prepay",
    "orderevent",
    "refund",
    "notification",
    "apireport",
    "order",
)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """The columns of an order that the ledger speaks of."""

    pk: int
    merchant: str
    out_trade_no: str
    trade_state: str
    transaction_id: str
    total_fee: int
    fee_type: str


@dataclass(frozen=True, slots=True)
class RefundRow:
    """The columns of a refund that the ledger speaks of."""

    order_id: int
    merchant: str
    out_refund_no: str
    refund_status: str
    refund_fee: int


class Tables:
    """The rows behind one connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def orders(self, ids: Iterable[int]) -> list[OrderRow]:
        columns = "id, merchant, out_trade_no, trade_state, transaction_id, total_fee, fee_type"
        return [OrderRow(*row) for row in self._rows(columns, "order", "id", ids)]

    def refunds(self, ids: Iterable[int]) -> list[RefundRow]:
        columns = "order_id, merchant, out_refund_no, refund_status, refund_fee"
        return [RefundRow(*row) for row in self._rows(columns, "refund", "order_id", ids)]

    def conflicts(self, ids: Iterable[int]) -> set[int]:
        """Return those of the orders that have a conflict."""
        rows = self._rows("order_id, kind", "orderevent", "order_id", ids)
        return {order_id for order_id, kind in rows if kind == "CONFLICTED"}

    def notifications(self) -> Counter[tuple[str, str]]:
        """Count the notifications that are kept, by alias and number."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT merchant, out_trade_no FROM django_wxpay_notification")
            return Counter(cursor.fetchall())

    def _rows(self, columns: str, table: str, key: str, ids: Iterable[int]) -> list[Any]:
        listed = ", ".join(map(str, ids))
        if not listed:
            return []
        name = self._quoted(table)
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT {columns} FROM {name} WHERE {key} IN ({listed})")  # noqa: S608
            found: list[Any] = cursor.fetchall()
            return found

    def empty(self) -> None:
        """Delete all but certificates, and the turns to download them."""
        with self._connection.cursor() as cursor:
            for table in NAMES:
                cursor.execute(f"DELETE FROM {self._quoted(table)}")  # noqa: S608 - of the list

    def sizes(self) -> Counter[str]:
        found: Counter[str] = Counter()
        with self._connection.cursor() as cursor:
            for table in NAMES:
                cursor.execute(f"SELECT COUNT(*) FROM {self._quoted(table)}")  # noqa: S608 - as above
                found[table] = cursor.fetchone()[0]
        return found

    def _quoted(self, table: str) -> str:
        return str(self._connection.ops.quote_name(f"django_wxpay_{table}"))
