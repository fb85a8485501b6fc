"""A strict WeChat Pay gateway on this machine, for development and tests.

It imports ``django_wxpay.protocol`` and nothing else of this package: its checks are a second
implementation of the documents, independent of the client's.
"""

from __future__ import annotations

from django_wxpay.simulator.app import Simulator, create_app
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.http.adapter import SimulatorAdapter
from django_wxpay.simulator.http.server import running, serve
from django_wxpay.simulator.http.tls import tls_context
from django_wxpay.simulator.notifications.delivery import Deliver, Reply
from django_wxpay.simulator.standalone.config import Config, read_config
from django_wxpay.simulator.standalone.folder import Folder
from django_wxpay.simulator.state.accounts import DEMO_MERCHANTS, Account, KeyMode
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.v3.demo_keys import TEST_KEYS, KeyMaterial

__all__ = [
    "DEMO_MERCHANTS",
    "TEST_KEYS",
    "Account",
    "Config",
    "ControlError",
    "Deliver",
    "Folder",
    "KeyMaterial",
    "KeyMode",
    "Options",
    "Reply",
    "Simulator",
    "SimulatorAdapter",
    "create_app",
    "read_config",
    "running",
    "serve",
    "tls_context",
]
