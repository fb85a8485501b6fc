"""Signals to the project's own code.

Every receiver gets ``order`` (an ``Order``) and ``event`` (its ``OrderEvent``) as keyword
arguments, where nothing else is said. It runs inside the transaction that marks the event as
dispatched: its own database work and that mark commit together, or neither does and it runs again
later.
"""

from __future__ import annotations

from django.dispatch import Signal

# The first time an order is known to be paid, whether by a notification or by a query. Not for
# one that is refunded, wholly or in part, by the time it is known: that is order_conflicted.
order_paid = Signal()

# An order that can no longer be paid: closed, or reversed.
order_closed = Signal()

# A refund has come to an end, or needs a person: paid back, closed or stuck. Its receivers
# are given ``refund`` as well.
refund_settled = Signal()

# A person has to look before goods are handed over. An answer or a notification contradicts the
# order (other money, identity or transaction), which stays as it is; or the order is first seen
# as refunded: then ``order.trade_state`` is REFUND, and the refunds tell how much was kept.
order_conflicted = Signal()

# A notification of another product has come: profit sharing, complaints, transfers, contracts,
# combined orders, or one that this package does not know. Its receivers are given ``notification``
# (a ``Notification``), ``event_type`` (WeChat Pay's own word, such as "COMPLAINT.CREATE"; "" where
# it sends none) and ``resource`` (a dict, decrypted: what the notification says), and no order.
# Each is delivered as a payment's event is; nothing else here comes from it.
notification_received = Signal()

# A bill was compared with what is here. Its receivers are given ``bill`` (a ``Bill``) and
# ``discrepancies``, those that are open, as a query set. It is sent after the result is written,
# each time that it is compared; what a receiver raises is logged.
bill_reconciled = Signal()
