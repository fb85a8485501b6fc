"""Addresses of a project that has the admin and us, and nothing else."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("pay/wechat/", include("django_wxpay.urls")),
]
