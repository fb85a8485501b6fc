"""The rows that a fact about a refund is decided on, read in one query with their order.

They are the refund of its number, the sum that the order's other refunds have paid back, and
whether another refund has its refund_id. A payment of the same shape may cost no query more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Max, OuterRef, QuerySet, Subquery, Sum

from django_wxpay.models import Order, Refund
from django_wxpay.protocol.facts import RefundFact, RefundStatus
from django_wxpay.services.statements import Select, Slot

# The columns of a refund that its next status is decided by.
_SEEN: Final = (
    "id",
    "order_id",
    "out_refund_no",
    "refund_id",
    "refund_fee",
    "refund_status",
    "position",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRefunds:
    """What a fact about a refund is decided on.

    ``refund`` is the row of its number, or None. ``refunded_fee`` is what the order's other
    refunds have paid back, ``last_position`` the last place of all.
    """

    refund: Refund | None
    refunded_fee: int
    last_position: int
    id_taken: bool


def with_refunds(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Return ``orders`` with the columns that ``seen_refunds`` reads, for one query altogether.

    It is a query to compile; ``asked_refund`` gives it the refund.
    """
    out_refund_no, refund_id = Slot(Refund, "out_refund_no"), Slot(Refund, "refund_id")
    of_merchant = Refund.objects.filter(merchant=OuterRef("merchant")).order_by()
    same = of_merchant.filter(out_refund_no=out_refund_no)
    namesakes = of_merchant.filter(refund_id=refund_id)
    placed = Refund.objects.filter(order=OuterRef("pk"), position__isnull=False).order_by()
    # Only what has been paid back contradicts another refund. What we have asked for may be
    # refused, as WeChat Pay has made this one first, and what is on its way may yet be closed.
    paid_back = placed.filter(refund_status=RefundStatus.SUCCESS).exclude(
        out_refund_no=out_refund_no
    )
    return orders.annotate(
        **{f"seen_{name}": Subquery(same.values(name)[:1]) for name in _SEEN},
        seen_refunded_fee=Subquery(_aggregate(paid_back, Sum("refund_fee"))),
        seen_last_position=Subquery(_aggregate(placed, Max("position"))),
        seen_namesake=Subquery(
            namesakes.exclude(out_refund_no=out_refund_no).values("refund_id")[:1]
        ),
    )


def asked_refund(fact: RefundFact) -> dict[str, str]:
    """Return the refund of ``fact`` as the values of a query of ``with_refunds``."""
    return {"out_refund_no": fact.out_refund_no, "refund_id": fact.refund_id}


def seen_refunds(order: Order, fact: RefundFact) -> SeenRefunds:
    """Return what the query of ``with_refunds`` found for ``order``."""
    columns = order.__dict__
    return SeenRefunds(
        refund=_seen_refund(order, fact),
        refunded_fee=columns["seen_refunded_fee"] or 0,
        last_position=columns["seen_last_position"] or 0,
        # To the letter, as numbers of orders are.
        id_taken=bool(fact.refund_id) and columns["seen_namesake"] == fact.refund_id,
    )


def look_again(order: Order, fact: RefundFact) -> SeenRefunds:
    """Return what is there now, after another writer was first."""
    return seen_refunds(_OF_ORDER.get(id=order.pk, **asked_refund(fact)), fact)


def _aggregate(refunds: QuerySet[Refund], total: Any) -> QuerySet[Any]:
    return refunds.values("order").annotate(total=total).values("total")


def _seen_refund(order: Order, fact: RefundFact) -> Refund | None:
    known = {name: order.__dict__[f"seen_{name}"] for name in _SEEN}
    if known["id"] is None or known["out_refund_no"] != fact.out_refund_no:
        return None
    known["merchant"] = order.merchant
    fields = Refund._meta.concrete_fields  # noqa: SLF001 - Django's documented model API
    columns = [field.attname for field in fields if field.attname in known]
    # As if loaded with all other columns deferred. An instance of our making would hand receivers
    # empty columns; a query of its own would be one too many.
    database = order._state.db  # noqa: SLF001 - Django's documented model API
    refund = Refund.from_db(database, columns, [known[name] for name in columns])
    if refund.order_id == order.pk:
        refund.order = order
    return refund


_OF_ORDER: Final = Select(with_refunds(Order.objects.filter(pk=Slot(Order, "id"))))
