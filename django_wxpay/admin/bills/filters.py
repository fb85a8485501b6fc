"""Filters of bills and differences: a month in Beijing, and the merchant of the bill."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin.bills import months
from django_wxpay.admin.filters import MerchantFilter


class MonthFilter(SimpleListFilter):
    """The month in the address: the calendar leads from one to the next."""

    title = _("month")
    parameter_name = "month"
    column: ClassVar[str] = "bill_date"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        wanted = request.GET.get(self.parameter_name, "")
        first = months.first_of(wanted)
        return [(wanted, date_format(first, "YEAR_MONTH_FORMAT"))] if first else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        first = months.first_of(self.value() or "")
        if first is None:
            return queryset
        return queryset.filter(**{f"{self.column}__range": (first, months.last_of(first))})


class MonthOfBillFilter(MonthFilter):
    column = "bill__bill_date"


class MerchantOfBillFilter(MerchantFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(bill__merchant=self.value()) if self.value() else queryset
