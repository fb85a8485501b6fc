"""Differences between a bill and what is here, each one row however often it is found.

One that is found again with the same values changes nothing: it is open, or a person has resolved
it. With other values, or after its cause had gone, it is open again. One that is open and not
found any more is resolved, as gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db.models import QuerySet

from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import DiscrepancyKinds, DiscrepancyStatuses, Resolutions
from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import clock
from django_wxpay.services.orders.notes import note_text
from django_wxpay.services.transactions import atomic, retry_on_lock

_BATCH: Final = 500
# What came of asking says nothing of the difference itself, and may be another answer each time.
ANSWER: Final = "answer"
_MISSING_THERE: Final = (
    DiscrepancyKinds.MISSING_THERE.value,
    DiscrepancyKinds.REFUND_MISSING_THERE.value,
)

Side = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference as it is found; the columns are those of ``Discrepancy``."""

    kind: DiscrepancyKinds
    number: str
    out_trade_no: str = ""
    transaction_id: str = ""
    out_refund_no: str = ""
    refund_id: str = ""
    ours: Side | None
    theirs: Side | None
    local_order_id: int | None = None
    local_refund_id: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.kind.value, self.number


class Differences:
    """The differences of one bill on their way to the database.

    ``opened`` counts those that are new or open again, ``gone`` those that were resolved.
    """

    def __init__(self, bill: Bill) -> None:
        self.opened = 0
        self.gone = 0
        self._bill = bill
        self._now = clock.now()
        self._waiting: dict[tuple[str, str], Difference] = {}
        self._found: set[tuple[str, str]] = set()

    def add(self, difference: Difference) -> None:
        """Note a difference. Of two of one kind and number the first counts."""
        self._waiting.setdefault(difference.key, difference)
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            waiting, self._waiting = self._waiting, {}
            self._found |= waiting.keys()
            self.opened += retry_on_lock(partial(self._write, waiting))

    def resolve_gone(self) -> None:
        """Resolve what is open and was not found, once everything was compared.

        So is what is missing in any bill of the merchant, and was found in one: a bill may have
        a payment of midnight, or a refund, on the day before or after ours.
        """
        self.flush()
        open_ = Discrepancy.objects.filter(status=DiscrepancyStatuses.OPEN)
        here = open_.filter(bill=self._bill).values_list("pk", "kind", "number")
        # By what they say, not by their keys: another process may have written the row first, and
        # a transaction that began before it has no look at it.
        gone = [
            pk for pk, *key in retry_on_lock(lambda: list(here)) if tuple(key) not in self._found
        ]
        missing = open_.filter(kind__in=_MISSING_THERE, bill__mch_id=self._bill.mch_id)
        for billed in ("local_order__billed_fee", "local_refund__billed_fee"):
            elsewhere = missing.filter(**{f"{billed}__isnull": False})
            gone += retry_on_lock(partial(list, elsewhere.values_list("pk", flat=True)))
        for some in _batches(sorted({*gone})):
            self.gone += retry_on_lock(partial(self._resolve, open_.filter(pk__in=some)))

    def _resolve(self, rows: QuerySet[Discrepancy]) -> int:
        return rows.update(
            status=DiscrepancyStatuses.RESOLVED,
            resolution=Resolutions.GONE,
            resolved_at=self._now,
        )

    def _write(self, found: Mapping[tuple[str, str], Difference]) -> int:
        with atomic():
            known = self._known(found)
            new = [self._row(found[key]) for key in found if key not in known]
            # Another process may find the same at the same moment.
            Discrepancy.objects.bulk_create(new, ignore_conflicts=True)
            changed = sum(
                self._reopen(row, found[key])
                for key, row in known.items()
                if not _stays(row, found[key])
            )
        return len(new) + changed

    def _known(self, found: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Discrepancy]:
        numbers = sorted({number for _, number in found})
        rows = Discrepancy.objects.filter(bill=self._bill, number__in=numbers)
        wanted = set(found)
        return {key: row for row in rows if (key := (row.kind, row.number)) in wanted}

    def _row(self, found: Difference) -> Discrepancy:
        return Discrepancy(
            bill=self._bill,
            kind=found.kind.value,
            number=found.number,
            created_at=self._now,
            **_columns(found),
        )

    def _reopen(self, row: Discrepancy, found: Difference) -> int:
        # Unless a person has just decided it.
        same = Discrepancy.objects.filter(pk=row.pk, status=row.status, resolution=row.resolution)
        return same.update(
            status=DiscrepancyStatuses.OPEN,
            resolution="",
            resolved_by="",
            resolved_at=None,
            **_columns(found),
        )


def _columns(found: Difference) -> dict[str, Any]:
    return {
        "out_trade_no": found.out_trade_no,
        "transaction_id": found.transaction_id,
        "out_refund_no": found.out_refund_no,
        "refund_id": found.refund_id,
        "ours": found.ours,
        "theirs": found.theirs,
        "local_order_id": found.local_order_id,
        "local_refund_id": found.local_refund_id,
    }


def _stays(row: Discrepancy, found: Difference) -> bool:
    is_same = _compared(row.ours) == _compared(found.ours) and row.theirs == found.theirs
    return is_same and row.resolution != Resolutions.GONE


def _compared(side: Any) -> Any:
    return side and {name: value for name, value in side.items() if name != ANSWER}


def _batches(pks: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(pks), _BATCH):
        yield pks[start : start + _BATCH]


def resolve_discrepancy(discrepancy: Discrepancy, *, note: str, by: str) -> Discrepancy:
    """Mark a difference as resolved by a person, and return it. Database only.

    ``note`` says what was found, ``by`` who resolves it. Reconciling again leaves it resolved
    while both sides stay as they are. Raises ``InvalidParameter`` without a note, for a longer one
    than 500 characters, and for a difference that is resolved already.
    """
    columns = {
        "status": DiscrepancyStatuses.RESOLVED,
        "resolution": Resolutions.PERSON,
        "note": note_text(note),
        "resolved_by": by,
        "resolved_at": clock.now(),
    }
    rows = Discrepancy.objects.filter(pk=discrepancy.pk, status=DiscrepancyStatuses.OPEN)
    resolved = retry_on_lock(partial(rows.update, **columns))
    discrepancy.refresh_from_db()
    if not resolved:
        raise InvalidParameter("status", _("is resolved already"), _("an open difference"))
    return discrepancy
