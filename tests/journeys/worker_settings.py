"""Settings of a worker in a process of its own: the suite's, on the database of a running test."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ["WXPAY_JOURNEY_DATABASE"]
