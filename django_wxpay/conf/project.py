"""Settings of the project around ``WXPAY`` that keep payments from being settled.

Only what is certain from the settings alone is a problem here. What a proxy or a middleware does
on top is for a person to try (docs/projects.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import get_script_prefix

# The User-Agent of WeChat Pay's notifications (protocol-v2 section 7.1).
AGENT: Final = "Mozilla/4.0"
_COMMON: Final = "django.middleware.common.CommonMiddleware"
_SECURITY: Final = "django.middleware.security.SecurityMiddleware"
# Django allows these by itself while DEBUG is on and ALLOWED_HOSTS is empty.
_OF_DEBUG: Final = (".localhost", "127.0.0.1", "[::1]")


def problems(wxpay: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong as (code, words); ``wxpay`` is the dict ``WXPAY``, or what is there."""
    if not settings.USE_TZ:
        yield "E023", "USE_TZ is False"
    refused = any(re.search(each, AGENT) for each in settings.DISALLOWED_USER_AGENTS)
    if refused and _COMMON in settings.MIDDLEWARE:
        yield "W012", f"DISALLOWED_USER_AGENTS refuses WeChat Pay's {AGENT}"
    yield from _address_problems(_text(wxpay, "NOTIFY_BASE_URL"))


def is_developed() -> bool:
    """Return whether this is a site that is being developed, by Django's ``DEBUG``."""
    return bool(settings.DEBUG)


def with_prefix(path: str) -> str:
    """Return what ``reverse`` gave, under ``FORCE_SCRIPT_NAME`` in every thread.

    Django sets that prefix in requests and in the main thread, so that a thread of Celery's would
    send WeChat Pay an address that nobody serves.
    """
    forced = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    return f"{forced}{path}" if get_script_prefix() == "/" else path


def _text(wxpay: Any, name: str) -> str:
    value = wxpay.get(name) if isinstance(wxpay, dict) else None
    return value if isinstance(value, str) else ""


def _address_problems(base_url: str) -> Iterator[tuple[str, str]]:
    try:
        parts = urlsplit(base_url)
        (host, _) = split_domain_port(parts.netloc)
    except ValueError:
        return
    if not host:
        return
    where = f'WXPAY["NOTIFY_BASE_URL"] is {base_url}, and'
    is_common = _COMMON in settings.MIDDLEWARE
    allowed = settings.ALLOWED_HOSTS or (_OF_DEBUG if settings.DEBUG else ())
    if is_common and not validate_host(host, allowed):
        yield "W010", f"{where} ALLOWED_HOSTS does not hold {host}"
    if is_common and settings.PREPEND_WWW and not host.startswith("www."):
        yield "W011", f"{where} PREPEND_WWW redirects it to www.{host}"
    if (
        _SECURITY in settings.MIDDLEWARE
        and settings.SECURE_SSL_REDIRECT
        and not settings.SECURE_REDIRECT_EXEMPT
        and parts.scheme == "http"
    ):
        yield "W011", f"{where} SECURE_SSL_REDIRECT redirects it to https"
