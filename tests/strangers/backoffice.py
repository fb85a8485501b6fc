"""Addresses of a project that shows our models on an admin site of its own, and there alone."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.urls import include, path

backoffice = AdminSite(name="backoffice")
for _model in [each for each in admin.site._registry if each._meta.app_label == "django_wxpay"]:
    backoffice.register(_model, type(admin.site._registry[_model]))
    admin.site.unregister(_model)

urlpatterns = [
    path("admin/", admin.site.urls),
    path("back/", backoffice.urls),
    path("wxpay/", include("django_wxpay.urls")),
]
