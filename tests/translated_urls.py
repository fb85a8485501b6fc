"""The addresses of a project that translates all of them, ours included."""

from __future__ import annotations

from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.urls import include, path

urlpatterns = i18n_patterns(
    path("admin/", admin.site.urls),
    path("wxpay/", include("django_wxpay.urls")),
)
