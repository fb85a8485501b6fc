"""Filters beside our lists. None of them asks the table which values there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.gateway import Failure
from django_wxpay.protocol.merchants import Merchant


class MerchantFilter(SimpleListFilter):
    """The merchants of the settings, where there are several, and whichever is asked for."""

    title = _("merchant")
    parameter_name = "merchant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return them by alias; settings that are wrong do not take the page down."""
        wanted = request.GET.get(self.parameter_name, "")
        aliases = {*_accounts(), wanted} - {""}
        return [(alias, alias) for alias in sorted(aliases)] if wanted or len(aliases) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the rows of the one chosen."""
        return queryset.filter(merchant=self.value()) if self.value() else queryset


class HostFilter(SimpleListFilter):
    """The hosts of all merchants, and whichever is asked for."""

    title = _("host")
    parameter_name = "host"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return them as they stand in a report: name and port."""
        names = {urlsplit(host).netloc for each in _accounts().values() for host in each.hosts}
        wanted = request.GET.get(self.parameter_name, "")
        return [(name, name) for name in sorted({*names, wanted} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the calls to the one chosen."""
        return queryset.filter(host=self.value()) if self.value() else queryset


class InterfaceFilter(SimpleListFilter):
    """The interface that is asked for: a way to its calls leads here from their figures."""

    title = _("interface")
    parameter_name = "interface"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return the one asked for; without one the filter is not there."""
        wanted = request.GET.get(self.parameter_name, "")
        return [(wanted, wanted)] if wanted else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return its calls."""
        return queryset.filter(interface_url=self.value()) if self.value() else queryset


class FailureFilter(SimpleListFilter):
    """Whether a call brought an answer to believe, and what kept it from doing so."""

    title = _("failure")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        """Return yes, no, and each kind of failure."""
        kinds = [(failure.value, failure.value) for failure in Failure]
        return [("no", _("Answered")), ("yes", _("Any failure")), *kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the calls that went so."""
        match self.value():
            case None:
                return queryset
            case "no":
                return queryset.filter(failure="")
            case "yes":
                # Not exclude(): an index serves "more than nothing", and none serves "not nothing".
                return queryset.filter(failure__gt="")
            case kind:
                return queryset.filter(failure=kind)


class ToldFilter(SimpleListFilter):
    """Whether the shop's own code has been told of an event."""

    title = _("the shop")
    parameter_name = "told"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        """Return told and not told."""
        return [("no", _("Not told yet")), ("yes", _("Told"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Return the events of that kind."""
        if self.value() is None:
            return queryset
        return queryset.filter(dispatched_at__isnull=self.value() == "no")


def _accounts() -> Mapping[str, Merchant]:
    try:
        return conf.merchants()
    except ConfigurationError:
        return {}
