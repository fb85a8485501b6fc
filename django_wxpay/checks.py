"""What ``manage.py check`` finds: one row a code, with the hint that mends it.

Codes are never given twice. ``conf`` finds what is wrong in the settings; what concerns
the project around them is found here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from django_wxpay import conf

HINTS: Final[dict[str, str]] = {
    "E001": 'Set WXPAY = {"NOTIFY_BASE_URL": ..., "MERCHANTS": {"default": {...}}}.',
    "E002": "Give at least one merchant, by an alias of your own, as a dict of its settings.",
    "E003": "Set scheme and host only, for instance https://shop.example.com.",
    "E004": "Give seconds above zero; a time-out cannot be switched off.",
    "E005": 'Use "off", "errors" or "all".',
    "E006": "Give a list of dotted paths to Django REST framework permission classes.",
    "E007": 'Add path("wxpay/", include("django_wxpay.urls")) to your urlpatterns.',
    "E008": 'Add "rest_framework" to INSTALLED_APPS.',
    "E009": "The alias stands in notify_url: use letters, digits, hyphens and underscores.",
    "E010": "See the settings table in the README for what belongs here.",
    "E011": "Use one of the words named.",
    "E012": "Copy the 32-character API key (v2) from the merchant platform's API security page.",
    "E013": "Give scheme and host only, primary first; leave HOSTS out for the official ones.",
    "E014": "Give the PEM's text, or the path of a file that this process may read.",
    "E015": "APIv3 needs API_V3_KEY, PRIVATE_KEY and CERT_SERIAL_NO, all three.",
    "E016": "Copy the 32-character APIv3 key as it was set on the merchant platform.",
    "E017": "Give apiclient_key.pem of this merchant, unencrypted.",
    "E018": "CERT_SERIAL_NO, CLIENT_CERT and PRIVATE_KEY come from one certificate: take all three "
    "from the same download.",
    "E019": "Copy pub_key.pem and its PUB_KEY_ID_... from the merchant platform, both of them; or "
    "leave both out, and platform certificates are downloaded.",
    "E020": "Give the four digits of the merchant category code, with leading zeros.",
    "E021": "Give whole days, such as 30.",
    "E022": 'Give {"FAILURE_RATE": 0.05, "P95_MS": 3000}, or one of the two.',
    "W001": "Correct the spelling or remove it: nothing reads it.",
    "W002": "WeChat Pay calls public https addresses on port 443 only; fine for trying out.",
    "W003": 'Set OPTIONS["transaction_mode"] to "IMMEDIATE", or notifications that arrive '
    "together may fail with 'database is locked'.",
    "W004": "WeChat Pay counts order numbers per mch_id, this app per alias: two orders of the "
    "same number would be one order to WeChat Pay.",
}


def _message(code: str, text: str) -> CheckMessage:
    made = Error if code.startswith("E") else checks.Warning
    return made(text, hint=HINTS[code], id=f"django_wxpay.{code}")


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``settings.WXPAY`` on its own."""
    del app_configs, kwargs
    found = [_message(problem.code, problem.message) for problem in conf.problems()]
    if any(isinstance(message, Error) for message in found):
        return found
    return [*found, *_project_messages()]


def _project_messages() -> Iterator[CheckMessage]:
    config = conf.current()
    parts = urlsplit(config.notify_base_url)
    if parts.scheme != "https" or parts.port not in {None, 443}:
        said = f'WXPAY["NOTIFY_BASE_URL"] is {config.notify_base_url}, not public https'
        yield _message("W002", said)
    for path in config.api_permission_classes or ():
        try:
            import_string(path)
        except ImportError:
            yield _message("E006", f'WXPAY["API_PERMISSION_CLASSES"]: cannot import {path}')
    if not apps.is_installed("rest_framework"):
        yield _message("E008", "Django REST framework is not installed in this project")
    yield from _shared_numbers(config)


def _shared_numbers(config: conf.Config) -> Iterator[CheckMessage]:
    owners: dict[str, str] = {}
    for alias, merchant in config.merchants.items():
        first = owners.setdefault(merchant.mch_id, alias)
        if first != alias:
            said = f'merchants "{first}" and "{alias}" have the same MCH_ID {merchant.mch_id}'
            yield _message("W004", said)


@register(Tags.urls)
def check_urls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that notify_url can be made."""
    del app_configs, kwargs
    try:
        reverse("django_wxpay:notify-payment", kwargs={"merchant": "default"})
    except NoReverseMatch:
        return [_message("E007", "django_wxpay.urls is not included in the URLconf")]
    return []


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check that SQLite, where it is used, queues its writers."""
    del app_configs, kwargs
    return [
        _message("W003", f'DATABASES["{alias}"] is SQLite with deferred transactions')
        for alias in databases or ()
        if _takes_its_write_lock_late(connections[alias].settings_dict)
    ]


def _takes_its_write_lock_late(database: Mapping[str, Any]) -> bool:
    if not database["ENGINE"].endswith("sqlite3"):
        return False
    return (database.get("OPTIONS") or {}).get("transaction_mode") != "IMMEDIATE"
