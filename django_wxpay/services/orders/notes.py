"""Notes of a person on an order: part of its history, and sent to no receiver."""

from __future__ import annotations

from functools import partial
from typing import Final

from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.base import storable
from django_wxpay.models.choices import EventKinds
from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services.transactions import atomic, retry_on_lock
from django_wxpay.services.transitions.dispatch import first_marks
from django_wxpay.services.transitions.events import save_event

LONGEST_NOTE: Final = 500
_SOURCE: Final = "note"


def add_note(order: Order, *, note: str, by: str) -> OrderEvent:
    """Add a note to the history of ``order``, and return its event, of the kind ``NOTE``.

    ``by`` says who writes it and is kept in ``detail["by"]``. Database only; money and state stay
    as they are, and each call is one note more. Raises ``InvalidParameter`` without a note, and
    for one of more than 500 characters.
    """
    event = OrderEvent(
        order=order,
        kind=EventKinds.NOTE,
        from_state=order.trade_state,
        to_state=order.trade_state,
        source=_SOURCE,
        note=note_text(note),
        detail={"by": by},
        **first_marks(EventKinds.NOTE),
    )
    retry_on_lock(partial(_save, event))
    return event


def _save(event: OrderEvent) -> None:
    # The COMMIT may have arrived before its connection was lost.
    if event.pk and OrderEvent.objects.filter(pk=event.pk).exists():
        return
    with atomic():
        save_event(event)


def note_text(note: str) -> str:
    """Return ``note`` as it is kept; raise ``InvalidParameter`` unless it is 1 to 500 long."""
    text = storable(note.strip())
    if not text or len(text) > LONGEST_NOTE:
        raise InvalidParameter(
            "note",
            _("is missing or too long"),
            _("1 to %(longest_note)s characters", longest_note=LONGEST_NOTE),
        )
    return text
