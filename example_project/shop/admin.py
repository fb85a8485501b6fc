"""Purchases in the admin, to look at: money is never edited by hand."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from example_project.shop.models import Purchase


@admin.register(Purchase)
class PurchaseAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not subscriptable at run time
    list_display = ("reference", "title", "price", "way", "created_at", "paid_at")
    list_filter = ("way", "tea")
    search_fields = ("reference",)

    def has_add_permission(self, _request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Purchase | None = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Purchase | None = None) -> bool:
        return False
