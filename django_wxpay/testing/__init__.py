"""Try your own shop against a strict WeChat Pay, inside the test process: no sockets, no keys.

With pytest::

    pytest_plugins = ["django_wxpay.testing.fixtures"]

    def test_a_paid_order_ships(wxpay_simulator):
        order = services.checkout(trade_type="NATIVE", ...).order
        wxpay_simulator.pay(order)          # the signed notification reaches your own URLs
        order.refresh_from_db()
        assert order.is_paid

Without pytest, ``with simulated_wxpay() as wxpay:`` does the same.
"""

from __future__ import annotations

from django_wxpay.testing.simulated import SimulatedWXPay, simulated_wxpay

__all__ = ["SimulatedWXPay", "simulated_wxpay"]
