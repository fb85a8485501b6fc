"""URLs of a project that shows our models on admin sites of its own.

``/back/`` has all of them, ``/part/`` orders and latency alone, and ``/open/`` lets in whoever is
logged in, with classes of the project's own. ``/admin/`` is the default name, with none of ours.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.urls import include, path

from django_wxpay import models
from django_wxpay.admin import HourlyLatencyAdmin, OrderAdmin

OURS = [model for model in admin.site._registry if model._meta.app_label == "django_wxpay"]


class OpenSite(admin.AdminSite):
    def has_permission(self, request: Any) -> bool:
        return bool(request.user.is_active)


class OpenOrderAdmin(OrderAdmin):
    """A class of the project's own: everybody looks, nobody operates, some rows are hidden."""

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        return True

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).exclude(reference="hidden")


back = admin.AdminSite(name="backoffice")
for each in OURS:
    back.register(each, type(admin.site.get_model_admin(each)))
part = admin.AdminSite(name="part")
part.register(models.Order, OrderAdmin)
part.register(models.HourlyLatency, HourlyLatencyAdmin)
free = OpenSite(name="open")
free.register(models.Order, OpenOrderAdmin)
bare = admin.AdminSite()
bare.register(Group)

own = [
    path("back/", back.urls),
    path("part/", part.urls),
    path("open/", free.urls),
    path("wxpay/", include("django_wxpay.urls")),
]
urlpatterns = [path("admin/", bare.urls), *own]
