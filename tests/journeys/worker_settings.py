"""Settings of a worker in a process of its own: the suite's, on the databases of a running test."""

from __future__ import annotations

import json
import os
from importlib import import_module

_suite = vars(import_module(os.environ["WXPAY_JOURNEY_SETTINGS"]))
globals().update({name: value for name, value in _suite.items() if name.isupper()})
for _alias, _name in json.loads(os.environ["WXPAY_JOURNEY_DATABASES"]).items():
    _suite["DATABASES"][_alias]["NAME"] = _name
