"""Where strangers keep tables: ours in a database of their own, or all behind a replica."""

from __future__ import annotations

from typing import Any, ClassVar

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


class NoDefault(Payments):
    """All the rest in ``site``, so that nothing is left for ``default``, which is empty."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return super().db_for_read(model, **hints) or "site"

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == ("payments" if app_label == OURS else "site")


class Replicated:
    """Reads from a replica, once there is one."""

    is_on: ClassVar[bool] = False

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "replica" if self.is_on else "default"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "default"

    def allow_relation(self, one: Any, other: Any, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == "default"
