"""Who may ask: somebody logged in who holds the model permission that the route names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.module_loading import import_string
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from django_wxpay import conf


class HoldsModelPermission(BasePermission):
    """Holds the view's ``permission_to_read`` for GET, and its ``permission_to_write`` for POST.

    A method that the view does not answer is let through to its 405.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Say so before any object is looked for: a stranger learns nothing of what exists."""
        user = request.user
        if not getattr(user, "is_authenticated", False):
            return False
        if not hasattr(view, str(request.method).lower()):
            return True
        return any(user.has_perm(f"django_wxpay.{name}") for name in _sufficient(request, view))


def _sufficient(request: Request, view: APIView) -> Iterator[str]:
    read, write = view.permission_to_read, view.permission_to_write  # type: ignore[attr-defined]
    if read and request.method in SAFE_METHODS:
        yield read
    if write and request.method not in {"GET", "HEAD"}:
        yield write


def chosen_permissions() -> Sequence[Any]:
    """Return the permissions that ``API_PERMISSION_CLASSES`` names, or ours."""
    paths = conf.current().api_permission_classes
    if paths is None:
        return [HoldsModelPermission()]
    return [import_string(path)() for path in paths]
