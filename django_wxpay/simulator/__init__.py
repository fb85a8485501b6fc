"""WeChat Pay's side of the table: a strict gateway on this machine, for developing and testing.

It knows ``django_wxpay.protocol`` and nothing else of this package, so that what it accepts
and says is a second opinion, not an echo.
"""

from __future__ import annotations

from django_wxpay.simulator.app import Simulator, create_app
from django_wxpay.simulator.control.errors import ControlError
from django_wxpay.simulator.http.adapter import SimulatorAdapter
from django_wxpay.simulator.http.server import running, serve
from django_wxpay.simulator.notifications.notices import Deliver, Reply
from django_wxpay.simulator.state.merchants import DEMO_MERCHANTS
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.v3.material import KeyMaterial

__all__ = [
    "DEMO_MERCHANTS",
    "ControlError",
    "Deliver",
    "KeyMaterial",
    "Options",
    "Reply",
    "Simulator",
    "SimulatorAdapter",
    "create_app",
    "running",
    "serve",
]
