"""System checks, each with its code and its hint.

``conf`` finds what is wrong with settings, ``services.doctor.project`` what is wrong around them,
and the doctor asks the same two; this file decides which command of Django's asks which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.utils.module_loading import import_string

from django_wxpay import conf
from django_wxpay.conf.hints import HINTS
from django_wxpay.services.doctor.project import (
    connection_problems,
    receiver_problems,
    table_problems,
    url_problems,
)
from django_wxpay.services.transactions import database


def _message(code: str, text: str) -> CheckMessage:
    made = Error if code.startswith("E") else checks.Warning
    return made(text, hint=HINTS[code], id=f"django_wxpay.{code}")


@register(Tags.security)
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check ``settings.WXPAY``, the settings around it, and those of its database."""
    del app_configs, kwargs
    problems = [*conf.problems(), *connection_problems()]
    found = [_message(problem.code, problem.message) for problem in problems]
    if any(isinstance(message, Error) for message in found):
        return found
    # Whether the tables are examined as well, no check is told: since Django 6.1 each is given all
    # databases.
    ends = _successors().settings_problems()
    return [*found, *_project_messages(), *(_message(each.code, each.message) for each in ends)]


def _project_messages() -> Iterator[CheckMessage]:
    config = conf.current()
    parts = urlsplit(config.notify_base_url)
    if parts.scheme != "https" or parts.port not in {None, 443}:
        text = f'WXPAY["NOTIFY_BASE_URL"] is {config.notify_base_url}, not public https'
        yield _message("W002", text)
    for path in config.api_permission_classes or ():
        try:
            import_string(path)
        except ImportError:
            yield _message("E006", f'WXPAY["API_PERMISSION_CLASSES"]: cannot import {path}')
    if not apps.is_installed("rest_framework"):
        yield _message("E008", "Django REST framework is not installed in this project")
    yield from _shared_numbers(config)


def _shared_numbers(config: conf.Config) -> Iterator[CheckMessage]:
    if isinstance(config.merchants, conf.Directory):
        # Without the database nothing is asked of it; check_database finds the same there.
        return
    owners: dict[str, str] = {}
    for alias, merchant in config.merchants.items():
        first = owners.setdefault(merchant.mch_id, alias)
        if first != alias:
            text = f'merchants "{first}" and "{alias}" have the same MCH_ID {merchant.mch_id}'
            yield _message("W004", text)


@register(Tags.urls)
def check_urls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that notify_url can be made and is one address, and that payments have a receiver."""
    del app_configs, kwargs
    problems = list(url_problems())
    if not any(problem.code == "E007" for problem in problems):
        # Receivers may stand beside the views, which have been imported with the URLs by now.
        problems += receiver_problems()
    return [_message(problem.code, problem.message) for problem in problems]


@register(Tags.database)
def check_database(
    app_configs: Sequence[AppConfig] | None,
    databases: Sequence[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Check the tables, in a few short queries, if their database is one of ``databases``."""
    del app_configs, kwargs
    # Warnings only: migrate asks this first, and an error would keep it from mending the tables.
    problems = list(table_problems(databases or ()))
    if _examines_tables(databases) and not any(each.code == "W006" for each in problems):
        problems += _successors().successor_problems()
    return [_message(each.code, each.message) for each in problems]


def _successors() -> Any:
    # It reads certificates, and their library takes long to load: when they are looked at.
    return import_module("django_wxpay.services.doctor.successors")


def _examines_tables(databases: Sequence[str] | None) -> bool:
    return database() in (databases or ())
