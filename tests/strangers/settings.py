"""A project that is not ours: the settings of houses that exist, all of them in one.

``pytest --ds=tests.strangers.settings`` runs the suite in it. Whatever here differs from
``tests.settings`` is legitimate, and an app that is at home in it has to work all the same.
"""

from __future__ import annotations

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, MIDDLEWARE

# Our tables have a database of their own, and every request opens a transaction on both.
DATABASES["payments"] = DATABASES["default"] | {
    "NAME": "strangers.sqlite3",
    "ATOMIC_REQUESTS": True,
    "CONN_MAX_AGE": 600,
}
DATABASES["default"] |= {"ATOMIC_REQUESTS": True, "CONN_MAX_AGE": 600}
DATABASE_ROUTERS = ["tests.strangers.routers.Payments"]

# The app is mounted below a path that the server in front of it takes away again.
FORCE_SCRIPT_NAME = "/shop"
ROOT_URLCONF = "tests.strangers.urls"
STATIC_URL = "/shop/static/"
LOGIN_URL = "admin:login"

MIDDLEWARE = [
    "tests.strangers.middleware.mounted",
    "tests.strangers.middleware.audited",
    *MIDDLEWARE,
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# Every one is listed with its reason in the summary of a run.
TESTS_LEFT_OUT = {
    "tests/admin/test_latency_in_browser.py": "Django's live server has no static files below a "
    "mount, so a browser would draw the page without its scripts",
    "tests/admin/test_refunds_in_browser.py": "the same",
    "tests/admin/test_bills_in_browser.py": "the same",
    "tests/admin/test_accessibility.py": "the same",
    "tests/admin/test_lists_in_browser.py": "the same",
    "tests/admin/test_desk_in_browser.py": "the same",
    "tests/admin/test_clerk_in_browser.py": "the same",
    "tests/admin/test_merchants_in_browser.py": "the same",
    "tests/example/test_paying_in_browser.py": "the same",
    "tests/example/test_accessibility.py": "the same",
    "tests/admin/test_other_sites.py::test_every_address_stays_on_the_site": "it mounts its "
    "sites itself, at the root and below a path",
    "tests/api/test_placing.py::test_djangos_own_limits_are_answered_in_json": "its audit log "
    "reads the body once more, and Django refuses that outside of every view",
    "tests/api/test_schema.py::test_each_mount_has_its_own_paths": "it is mounted by a middleware, "
    "wherever the server says",
    "tests/api/test_schema.py::test_it_costs_no_query_and_asks_for_no_login": "its own middleware "
    "looks at the session of every request",
    "tests/services/transitions/test_dispatch.py::test_a_receiver_that_raises_undoes_its_work": ""
    "what a receiver writes into another database is not undone with ours (docs/projects.md)",
    "tests/services/notifications/test_other_products.py::test_a_receiver_that_raises_undoes": ""
    "the same",
    "tests/services/notifications/test_other_products.py::test_a_crash_between": "the same",
    "tests/races/test_other_products.py::test_the_work_of_a_receiver_that_raised": "the same",
}

LANGUAGE_CODE = "zh-hans"
USE_THOUSAND_SEPARATOR = True
NUMBER_GROUPING = 3

SECURE_HSTS_SECONDS = 3600
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "no-referrer"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_USE_SESSIONS = False
APPEND_SLASH = False

# Logins, throttles and renderers are the site's own affair: ours are read by tests as they come.
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "DEFAULT_FILTER_BACKENDS": ["rest_framework.filters.SearchFilter"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "DEFAULT_VERSION": "1.0",
    "ALLOWED_VERSIONS": ["1.0"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "1000/day"},
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "rest_framework.negotiation.DefaultContentNegotiation",
    "EXCEPTION_HANDLER": "tests.strangers.rest.answer_in_our_own_way",
    "NON_FIELD_ERRORS_KEY": "everything",
    "DATETIME_FORMAT": "%d.%m.%Y %H:%M",
    "DATETIME_INPUT_FORMATS": ["%d.%m.%Y %H:%M"],
    "DATE_FORMAT": "%d.%m.%Y",
    "COERCE_DECIMAL_TO_STRING": False,
    "UNICODE_JSON": False,
    "COMPACT_JSON": False,
    "STRICT_JSON": False,
    "PAGE_SIZE": 2,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
