"""Addresses of the strangers' project: two admin sites, and the rest as in the example."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.urls import path

from example_project.urls import urlpatterns as theirs

backoffice = AdminSite(name="backoffice")
for _model, _shown in admin.site._registry.items():
    backoffice.register(_model, type(_shown))

urlpatterns = [path("backoffice/", backoffice.urls), *theirs]
