"""Matching of the rows of a bill with ours as both are read, number by number.

Bills and our index are both in the order of time, more or less, so the two sides of a payment come
by close to each other and never touch the disk. What waits too long for its other side is set down
in parts, and meets it there, whatever the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from django_wxpay.services.bills.here import FEE_PK, NUMBER
from django_wxpay.services.bills.spilling import Parts, Row

_MOST_WAITING: Final = 40_000
_BY_NUMBER: Final = itemgetter(NUMBER)
# Places in a ``BillEntry``; its fields by name would take as long as all the rest.
OUT_TRADE_NO, OUT_REFUND_NO, TRADE_STATE = 1, 3, 6
_REFUND_STATUS: Final = 7
_PAID: Final = frozenset({"SUCCESS"})
# Of a refund that has succeeded here, any other word is looked at.
_PAID_BACK: Final = frozenset({"SUCCESS", "PROCESSING", ""})


class Matching:
    """The payments, or the refunds, of one bill and of ours.

    ``theirs`` are rows of ``BillEntry``, whose number stands ``at``; ``ours`` those of ``here``.
    ``fees`` are what is not written yet, ``doubtful`` rows of the bill that have no equal of ours.
    """

    def __init__(self, rows: int, *, at: int, ours: Iterator[list[Row]]) -> None:
        self._at = at
        self._more = ours
        self._ours: dict[str, Row] = {}
        self._theirs: list[Row] = []
        self._left = Parts(rows, at=at)
        self._left_here = Parts(rows, at=NUMBER)
        self._fees = Parts(1, at=0)
        is_payment = at == OUT_TRADE_NO
        self._word, self._fine = (
            (TRADE_STATE, _PAID) if is_payment else (_REFUND_STATUS, _PAID_BACK)
        )

    def close(self) -> None:
        """Give the disk back."""
        for parts in (self._left, self._left_here, self._fees):
            parts.close()

    def add(self, theirs: list[Row]) -> None:
        """Match more rows of the bill."""
        self._theirs += theirs
        if len(self._ours) < len(self._theirs):
            self._take(next(self._more, []))
        self._theirs = self._match(self._theirs, self._ours)
        if len(self._theirs) > _MOST_WAITING:
            self._left.add([*map(tuple, self._theirs)])
            self._theirs = []
        if len(self._ours) > _MOST_WAITING:
            self._left_here.add([*self._ours.values()])
            self._ours = {}

    def end(self) -> None:
        """Match the rest, once the bill has been read to its end."""
        for ours in self._more:
            self._left_here.add(ours)
        self._left.add([*map(tuple, self._theirs)])
        self._left_here.add([*self._ours.values()])

    def fees(self) -> Iterator[list[Row]]:
        """Yield (our key, fee, its currency, rate) of equal rows without a fee yet, at the end."""
        return self._fees.pieces()

    def differing(self) -> Iterator[tuple[list[Row], list[Row]]]:
        """Yield the rows of the bill, and of ours, without an equal; in parts, for the memory."""
        for theirs, ours in zip(self._left, self._left_here, strict=True):
            mine = dict(zip(map(_BY_NUMBER, ours), ours, strict=True))
            doubtful = self._match(theirs, mine)
            for row in doubtful:
                mine.pop(row[self._at], None)
            # One that another bill has is not missing.
            yield doubtful, [row for row in mine.values() if row[FEE_PK] is None]

    def _take(self, ours: list[Row]) -> None:
        self._ours.update(zip(map(_BY_NUMBER, ours), ours, strict=True))

    def _match(self, theirs: list[Row], ours: dict[str, Row]) -> list[Row]:
        """Drop from both sides what is equal, and return the rest of ``theirs``."""
        at, word, fine = self._at, self._word, self._fine
        id_at = at + 1
        rest, fees = [], []
        for row in theirs:
            mine = ours.get(row[at])
            if (
                mine is not None
                and mine[2] == row[id_at]
                and mine[3] == row[9]
                and mine[4] == row[8]
                and row[word] in fine
            ):
                del ours[row[at]]
                if mine[5] is None:
                    fees.append((mine[0], row[10], row[12], row[11]))
            else:
                rest.append(row)
        self._fees.add(fees)
        return rest
