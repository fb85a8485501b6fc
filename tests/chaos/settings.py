"""Settings of every process of the chaos run: two merchants of the simulator, any REST client.

The processes share a database, ports and the seed through the environment.
"""

from __future__ import annotations

import os

from example_project.accounts import ACCOUNTS
from tests.protocol.v3 import keys
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DEBUG = False
ALLOWED_HOSTS = ["*"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
SHOP = f"http://127.0.0.1:{os.environ.get('CHAOS_SHOP_PORT', '9300')}"
SIMULATOR = f"http://127.0.0.1:{os.environ.get('CHAOS_SIMULATOR_PORT', '9301')}"
WXPAY = {
    "NOTIFY_BASE_URL": SHOP,
    "TIMEOUT": (2, 2),
    "API_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"],
    # A till waits for seconds, and what nobody pays is closed before the quiet time is over.
    "QUICK_PAY": {"POLL_S": 0.5, "WAIT_S": 4},
    "CLOSE_UNPAID_AFTER_H": 1,
    "RECEIVER_TIMEOUT_S": 10,
    "MERCHANTS": {
        "default": {
            **ACCOUNTS["v2", "mainland"],
            "HOSTS": [SIMULATOR],
            "CLIENT_CERT": keys.MERCHANT_CERTIFICATE,
            "CLIENT_KEY": keys.MERCHANT_KEY,
        },
        "v3": {**ACCOUNTS["v3", "mainland"], "HOSTS": [SIMULATOR]},
    },
}
DATABASES["default"]["NAME"] = os.environ.get("CHAOS_DATABASE", "wxpay_chaos")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"handlers": ["console"], "level": "ERROR"},
    "handlers": {"console": {"class": "logging.StreamHandler"}},
}
