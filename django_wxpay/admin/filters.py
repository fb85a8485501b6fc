"""Filters of the lists. None of them reads the table for its values, which may hold millions."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.protocol.failures import Failure
from django_wxpay.services.transitions.dispatch import heard_kinds, kinds_without_receiver

# Those that are listed whatever has come (protocol-v3 section 6.2).
_EVENT_TYPES: Final = (
    *("TRANSACTION.SUCCESS", "REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"),
    *("COUPON.USE", "COMPLAINT.CREATE", "PROFITSHARING"),
)
# A page offers as many merchants to choose from; any other is named in the address.
MOST_OFFERED: Final = 100


class MerchantFilter(SimpleListFilter):
    """The merchants of the settings, where there are several, and the one in the address."""

    title = _("merchant")
    parameter_name = "merchant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        wanted = request.GET.get(self.parameter_name, "")
        aliases = {*configured_merchants(), wanted} - {""}
        return [(alias, alias) for alias in sorted(aliases)] if wanted or len(aliases) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(merchant=self.value()) if self.value() else queryset


class EventTypeFilter(SimpleListFilter):
    """WeChat Pay's usual types of events, and the one in the address; a link may name any."""

    title = _("event type")
    parameter_name = "event_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        names = {*_EVENT_TYPES, request.GET.get(self.parameter_name, "")} - {""}
        return [(name, name) for name in sorted(names)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(event_type=self.value()) if self.value() else queryset


class HostFilter(SimpleListFilter):
    """The hosts of all merchants, and the one in the address."""

    title = _("host")
    parameter_name = "host"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        names = configured_hosts()
        wanted = request.GET.get(self.parameter_name, "")
        return [(name, name) for name in sorted({*names, wanted} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(host=self.value()) if self.value() else queryset


class InterfaceFilter(SimpleListFilter):
    """The interface in the address: the latency page links here."""

    title = _("interface")
    parameter_name = "interface"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        wanted = request.GET.get(self.parameter_name, "")
        return [(wanted, wanted)] if wanted else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(interface_url=self.value()) if self.value() else queryset


class FailureFilter(SimpleListFilter):
    """Calls that gave a trustworthy answer, and those that failed, by kind of failure."""

    title = _("failure")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        kinds = [(failure.value, failure.value) for failure in Failure]
        return [("no", _("Answered")), ("yes", _("Any failure")), *kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
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


class DeliveryFilter(SimpleListFilter):
    """Events delivered to the project's receivers, and those that are not, by what they wait for.

    The last three are parts of the second.
    """

    title = _("your code")
    parameter_name = "told"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [
            ("yes", _("Delivered")),
            ("no", _("Not delivered yet")),
            ("waiting", _("Waiting for the worker")),
            ("failing", _("Failing")),
            ("receiver", _("Waiting for a receiver")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        pending = queryset.filter(dispatched_at__isnull=True)
        match self.value():
            case "yes":
                return queryset.filter(dispatched_at__isnull=False)
            case "no":
                return pending
            case "waiting":
                return pending.filter(kind__in=heard_kinds(), dispatch_error="")
            case "failing":
                return pending.filter(kind__in=heard_kinds()).exclude(dispatch_error="")
            case "receiver":
                return pending.filter(kind__in=kinds_without_receiver())
        return queryset


def configured() -> conf.Config | None:
    """Return the settings, or None where they are wrong: no page goes down for that."""
    try:
        return conf.current()
    except ConfigurationError:
        return None


def configured_merchants() -> set[str]:
    """Return the aliases of the merchants that a list offers, which are the first of very many."""
    try:
        return set(islice(conf.merchants(), MOST_OFFERED))
    except ConfigurationError:
        return set()


def is_configured(alias: str) -> bool:
    """Return whether there is such a merchant."""
    try:
        return alias in conf.merchants()
    except ConfigurationError:
        return False


def configured_hosts() -> set[str]:
    """Return the hosts of all merchants as they stand in a report: name and port."""
    config = configured()
    if config is None:
        return set()
    found = config.merchants
    # Of a source those that this process has called; it is not asked for thousands.
    accounts = found.loaded() if isinstance(found, conf.Directory) else found.values()
    hosts = {host for account in accounts for host in account.hosts}
    return {urlsplit(host).netloc for host in hosts}
