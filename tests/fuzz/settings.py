"""Settings of ``python -m tests.fuzz``: the suite's, with the fuzzed merchants, and no DEBUG."""

from __future__ import annotations

from tests.fuzz.merchants import WXPAY as FUZZED
from tests.settings import *  # noqa: F403
from tests.settings import ALLOWED_HOSTS, DATABASES

DEBUG = False
# The oracle sees what was written; nobody reads a log of a million refusals.
LOGGING_CONFIG = None
WXPAY = FUZZED
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "fuzz.test"]

# What a notification cannot need is left out: sessions, languages, messages, and their time.
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]

# A connection for each request would be measured, and not the notification.
DATABASES["default"]["CONN_MAX_AGE"] = None
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off"
