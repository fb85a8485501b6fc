"""The shop's receiver of ``order_paid``.

The receiver runs in the transaction that marks its event as dispatched, so what it writes
happens exactly once; if it raises, it is called again later.
"""

from __future__ import annotations

from django.dispatch import receiver
from django.utils import timezone

from django_wxpay.models import Order
from django_wxpay.signals import order_paid
from example_project.shop.models import Purchase


@receiver(order_paid, dispatch_uid="example_project.shop.pack_the_tea")
def pack_the_tea(order: Order, **_: object) -> None:
    """Mark the purchase as paid; a real shop would pack and send the tea here."""
    Purchase.objects.filter(reference=order.reference, paid_at=None).update(
        paid_at=order.success_time or timezone.now(),
    )
