"""Settings of the test suite: the example shop's, made quick, on the database that is asked for."""

from __future__ import annotations

import os

from example_project.settings import *  # noqa: F403
from example_project.settings import ALLOWED_HOSTS, DATABASES, MIDDLEWARE, STORAGES
from tests import neighbours

# Nothing is hashed here that anybody would want to steal.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

WXPAY_TEST_DATABASE = os.environ.get("WXPAY_TEST_DATABASE", "sqlite")
if (_entry := neighbours.database(WXPAY_TEST_DATABASE)) is not None:
    DATABASES["default"] = _entry
else:
    # A test database need not survive a power failure, so SQLite never waits for the disk.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"

# Files of bills are kept in memory, but where a test is about the disk.
STORAGES = {
    **STORAGES,
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "bills": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}

# The shop whose notify_url most tests send.
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "shop.example.com"]

# The admin lives under a strict Content-Security-Policy, which a real browser holds it to.
MIDDLEWARE = ["tests.admin.policy.strict", *MIDDLEWARE]
