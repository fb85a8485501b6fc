"""A project that forgot to include the app."""

from __future__ import annotations

urlpatterns: list[object] = []
