"""The same, with our models on the default site as well."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.admin.other_sites import own

urlpatterns = [path("admin/", admin.site.urls), *own]
