"""What a stranger could overhear: every answer and every log line, searched for our keys."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import requests
from django.apps import apps
from django.core import serializers


class Ears(logging.Handler):
    """Hears every log record and every HTTP answer of a journey."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.heard: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.heard.append((f"log {record.name}", self.format(record)))

    def listen_to(self, session: requests.Session) -> requests.Session:
        """Hear every answer that comes to ``session``, redirects on the way included."""
        session.hooks["response"].append(self._hear)
        return session

    def _hear(self, response: requests.Response, *args: Any, **kwargs: Any) -> None:
        headers = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        title = f"{response.request.method} {response.url}"
        self.heard.append((title, f"{headers}\n\n{response.text}"))

    def lines(self, logger: str) -> list[str]:
        """Return what was logged under ``logger`` and below it."""
        return [
            record.getMessage()
            for record in self.records
            if record.name == logger or record.name.startswith(f"{logger}.")
        ]

    def told(self, secrets: Iterable[str]) -> list[str]:
        """Return where any of ``secrets`` was said."""
        return [title for title, text in self.heard if any(secret in text for secret in secrets)]

    def crashes(self) -> list[str]:
        """Return what broke that no answer was meant for: our 500s and the simulator's."""
        return [
            record.getMessage()
            for record in self.records
            if (record.name == "django.request" and _is_a_crash(record))
            or (record.name.startswith("django_wxpay.simulator") and record.levelno >= 40)
        ]


def _is_a_crash(record: logging.LogRecord) -> bool:
    return bool(record.exc_info) or getattr(record, "status_code", None) == 500


def stored() -> Iterator[str]:
    """Yield every row of ours as text, binary columns included."""
    for model in apps.get_app_config("django_wxpay").get_models():
        rows = model._default_manager.all()
        yield serializers.serialize("json", rows)
        for row in rows:
            yield (
                bytes(getattr(row, "body", b"") or b"").decode(errors="replace")
                if model.__name__ == "Notification"
                else ""
            )
