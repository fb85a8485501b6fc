"""Where the strangers' project keeps our tables: in a database of their own."""

from __future__ import annotations

from typing import Any

OURS = "django_wxpay"


class Payments:
    """The router of Django's own manual, for one app."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "payments" if model._meta.app_label == OURS else None

    db_for_write = db_for_read

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool | None:
        return (one._meta.app_label == OURS) == (other._meta.app_label == OURS)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "payments") == (app_label == OURS)
