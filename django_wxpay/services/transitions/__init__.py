"""The one door: the only writers of ``trade_state`` and ``refund_status``, and the outbox."""
