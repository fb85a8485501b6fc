"""Operation of the site: API reports, background jobs, platform certificates."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.admin import DateFieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import display
from django_wxpay.admin.base import ReadOnlyAdmin, Section
from django_wxpay.admin.filters import FailureFilter, HostFilter, InterfaceFilter, MerchantFilter
from django_wxpay.models import (
    ApiReport,
    BackgroundJob,
    CertificateDownload,
    Order,
    PlatformCertificate,
)
from django_wxpay.models.labels import LABELS
from django_wxpay.models.latency import CALL_COLUMNS
from django_wxpay.protocol.v3.key_names import key_name

# More than any job pauses, and than cron is likely to.
LATELY: Final = timedelta(hours=3)
# WeChat Pay lists the next one a day before it uses it; a month leaves time to see none come.
SOON: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)
# The number leads to its order, and the time stands at the top with its unit.
_SHOWN: Final = tuple(
    "order_link" if name == "out_trade_no" else name
    for name in CALL_COLUMNS
    if name != "execute_time_ms"
)


@admin.register(ApiReport)
class ApiReportAdmin(ReadOnlyAdmin):
    list_display = (
        "created_at",
        "interface",
        "answer",
        "took",
        "order_shown",
        "host",
        "report",
    )
    list_filter = (
        FailureFilter,
        HostFilter,
        MerchantFilter,
        InterfaceFilter,
        "report_status",
        ("created_at", DateFieldListFilter),
    )
    wire_names: ClassVar = {"order_link": "out_trade_no"}
    search_fields = ("out_trade_no__exact",)
    search_help_text = _("A whole merchant order number (out_trade_no).")
    fields = (
        "created_at",
        "answer",
        "took",
        *_SHOWN,
        "report",
        "report_attempts",
        "reported_at",
    )

    def sections(self, request: HttpRequest, row: ApiReport) -> list[Section]:
        """Return the order that the call was about."""
        if not display.may_see(self.admin_site, request, Order):
            return []
        orders = Order.objects.filter(merchant=row.merchant, out_trade_no=row.out_trade_no)
        rows = [
            (
                display.page_link(self.admin_site, Order, order.pk, order),
                display.state_badge(order),
                order.amount,
            )
            for order in orders
        ]
        columns = (LABELS["out_trade_no"], _("state"), _("amount"))
        return [Section(title=_("The order"), columns=columns, rows=rows)]

    @admin.display(description=_("interface"))
    def interface(self, report: ApiReport) -> str:
        """Return the path that was called; the host stands beside it."""
        return urlsplit(report.interface_url).path

    @admin.display(description=_("took"))
    def took(self, report: ApiReport) -> str:
        return f"{report.execute_time_ms} ms"

    @admin.display(description=_("answer"))
    def answer(self, report: ApiReport) -> SafeString:
        return display.answer_badge(report)

    @admin.display(description=_("report"))
    def report(self, report: ApiReport) -> SafeString:
        return display.report_badge(report.report_status)

    @admin.display(description=LABELS["out_trade_no"])
    def order_shown(self, report: ApiReport) -> SafeString | str:
        """Return a link to its order, and the merchant if it is another than "default"."""
        return display.with_merchant(self.order_link(report), report.merchant)

    @admin.display(description=LABELS["out_trade_no"])
    def order_link(self, report: ApiReport) -> SafeString | str:
        """Return a link to the order of that number, without looking it up."""
        if not report.out_trade_no:
            return "-"
        return display.list_link(
            self.admin_site, Order, report.out_trade_no, out_trade_no=report.out_trade_no
        )


@admin.register(BackgroundJob)
class BackgroundJobAdmin(ReadOnlyAdmin):
    ordering: ClassVar[tuple[str, ...]] = ("name",)
    list_display = (
        "name",
        "health",
        "result",
        "started_at",
        "succeeded_at",
        "failures_in_a_row",
    )
    fields = (
        "name",
        "health",
        "result",
        "parts",
        "partial_failure_at",
        "started_at",
        "finished_at",
        "succeeded_at",
        "failures_in_a_row",
        "error",
    )

    @admin.display(description=_("result"))
    def result(self, job: BackgroundJob) -> str:
        return job.result_text() or "-"

    @admin.display(description=_("failing in part"))
    def parts(self, job: BackgroundJob) -> str:
        """Return what of its work fails although it runs."""
        return job.failing_parts(timezone.now()) or "-"

    @admin.display(description=_("health"))
    def health(self, job: BackgroundJob) -> SafeString:
        """Return the result of the latest run, or that no worker seems to run any more."""
        if job.failures_in_a_row:
            return display.badge(gettext("Failing"), display.BAD)
        if job.finished_at is None:
            return display.badge(gettext("Not finished yet"), display.QUIET)
        if job.finished_at < timezone.now() - LATELY:
            return display.badge(gettext("Not run lately"), display.WAITING)
        if job.failing_parts(timezone.now()):
            return display.badge(gettext("Fails in part"), display.WAITING)
        return display.badge(gettext("OK"), display.GOOD)


def validity(certificate: PlatformCertificate, now: datetime) -> SafeString:
    """Return whether ``certificate`` is in use at ``now``."""
    left = certificate.expire_time - now
    if left <= timedelta(0):
        return display.badge(gettext("Expired"), display.BAD)
    if left <= SOON:
        days = -(-left // _DAY)
        sentence = ngettext("Expires in %(days)d day", "Expires in %(days)d days", days)
        return display.badge(sentence % {"days": days}, display.WAITING)
    if certificate.effective_time > now:
        return display.badge(gettext("Not used yet"), display.QUIET)
    return display.badge(gettext("In use"), display.GOOD)


@admin.register(PlatformCertificate)
class PlatformCertificateAdmin(ReadOnlyAdmin):
    list_display = ("serial_no", "validity_shown", "expire_time", "effective_time", "mch_id")
    search_fields = ("serial_no__exact", "mch_id__exact")
    search_help_text = _("A whole serial number (serial_no) or merchant number (mch_id).")
    fields = (
        "serial_no",
        "validity_shown",
        "mch_id",
        "effective_time",
        "expire_time",
        "created_at",
        "pem_shown",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The PEMs stay in the database until one is looked at.
        return super().get_queryset(request).defer("pem")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        # A serial is a number, however it is written.
        by_number = queryset.filter(serial_no=key_name(search_term.strip()))
        return found | by_number, may_repeat

    def sections(self, request: HttpRequest, row: PlatformCertificate) -> list[Section]:
        if not display.may_see(self.admin_site, request, CertificateDownload):
            return []
        downloads = CertificateDownload.objects.filter(mch_id=row.mch_id)
        rows = [
            (display.page_link(self.admin_site, CertificateDownload, one.pk, one), one.claimed_at)
            for one in downloads
        ]
        columns = (LABELS["mch_id"], _("last downloaded"))
        return [Section(title=_("Downloads"), columns=columns, rows=rows)]

    @admin.display(description=_("validity"))
    def validity_shown(self, certificate: PlatformCertificate) -> SafeString:
        return validity(certificate, timezone.now())

    @admin.display(description="PEM")
    def pem_shown(self, certificate: PlatformCertificate) -> SafeString:
        """Return the certificate, which is public."""
        return format_html('<pre class="wxpay-body">{}</pre>', certificate.pem)


@admin.register(CertificateDownload)
class CertificateDownloadAdmin(ReadOnlyAdmin):
    """The claim to download, which one process takes for all of them."""

    ordering: ClassVar[tuple[str, ...]] = ("-claimed_at", "-id")
    list_display = ("mch_id", "claimed_at")
    search_fields = ("mch_id__exact",)
    search_help_text = _("A whole merchant number (mch_id).")
    fields = ("mch_id", "claimed_at")

    def sections(self, request: HttpRequest, row: CertificateDownload) -> list[Section]:
        if not display.may_see(self.admin_site, request, PlatformCertificate):
            return []
        now = timezone.now()
        kept = PlatformCertificate.objects.filter(mch_id=row.mch_id).defer("pem")
        rows = [
            (
                display.page_link(self.admin_site, PlatformCertificate, one.pk, one),
                validity(one, now),
                one.expire_time,
            )
            for one in kept
        ]
        columns = (LABELS["serial_no"], _("validity"), _("used until"))
        return [Section(title=_("Platform certificates"), columns=columns, rows=rows)]
