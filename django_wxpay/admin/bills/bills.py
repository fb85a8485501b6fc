"""Bills: the calendar of a month above their list, the page of one, fetching and comparing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay import services
from django_wxpay.admin import display
from django_wxpay.admin.actions import run_action
from django_wxpay.admin.base import NEWEST, Button, ReadOnlyAdmin, Section
from django_wxpay.admin.bills import months, overview, words
from django_wxpay.admin.bills.filters import MonthFilter
from django_wxpay.admin.filters import MerchantFilter, is_configured
from django_wxpay.admin.lookups import day_asked
from django_wxpay.exceptions import BillNotReady, BillStorageError
from django_wxpay.models import Bill, Discrepancy
from django_wxpay.models.choices import BillKinds, BillStatuses
from django_wxpay.services.bills.storage import bill_file, file_name
from django_wxpay.services.transactions import without_atomic_requests

_UNFETCHED: Final = frozenset({BillStatuses.PENDING, BillStatuses.FAILED})
_NOT_READY: Final = _(
    "WeChat Pay has not made this bill yet. It is ready after 10:00 in Beijing the next day."
)


@admin.register(Bill)
class BillAdmin(ReadOnlyAdmin):
    change_list_template = "admin/django_wxpay/bill_list.html"
    ordering: ClassVar[tuple[str, ...]] = ("-bill_date", "-id")
    list_display = ("bill_date", "status_shown", "kind", "account_type", "merchant", "row_count")
    list_filter = ("status", "kind", MerchantFilter, MonthFilter)
    fields = (
        "status_shown",
        "bill_date",
        "kind",
        "merchant",
        "mch_id",
        "row_count",
        "file_link",
        "sha1",
        "downloaded_at",
        "reconciled_at",
        "created_at",
    )

    class Media:
        css: ClassVar = {"all": ["django_wxpay/bills.css"]}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[tuple[Any, Any]]:  # noqa: ARG002
        """Return the fields, and why it is not fetched where it is not."""
        failure = ("error", "tries", "next_try_at") if obj.status in _UNFETCHED else ()
        account = tuple(name for name in ("account_type", "sub_mch_id") if getattr(obj, name))
        first, *others = self.fields
        return [(None, {"fields": (first, *failure, *others[:4], *account, *others[4:])})]

    def buttons(self, row: Bill) -> list[Button]:
        if row.status in _UNFETCHED:
            return [Button(label=_("Fetch"), url=self.address(row, "refetch"))]
        if row.kind != BillKinds.TRADE:
            return []
        return [Button(label=_("Reconcile again"), url=self.address(row, "reconcile"))]

    def sections(self, request: HttpRequest, row: Bill) -> list[Section]:
        found = [Section(title=_("Totals"), columns=overview.COLUMNS, rows=months.totals([row]))]
        if display.may_see(self.admin_site, request, Discrepancy):
            found.append(self._differences(row))
        return found

    def _differences(self, row: Bill) -> Section:
        site = self.admin_site
        rows = [
            (
                words.status_badge(one),
                one.get_kind_display(),
                display.page_link(site, Discrepancy, one.pk, one.number),
                words.amount_of(one.ours),
                words.amount_of(one.theirs),
            )
            for one in row.discrepancies.order_by("status", "-created_at", "-id")[:NEWEST]
        ]
        return Section(
            title=_("Differences"),
            columns=(_("status"), _("kind"), _("number"), _("here"), _("in the bill")),
            rows=rows,
            more=display.more_link(site, Discrepancy, bill__id__exact=str(row.pk)),
        )

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_fetch"
        ours = [
            path("fetch/", self.admin_site.admin_view(self.fetch_view), name=name),
            self.posted("refetch", self._refetch),
            self.posted("reconcile", self._reconcile),
            self.route("download", self.download_view),
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(
        self,
        request: HttpRequest,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = overview.overview(self, request)
        return super().changelist_view(request, {**(extra_context or {}), **shown})

    def may_fetch(self, request: HttpRequest) -> bool:
        """Return whether this person may fetch the bill of a day that has none."""
        return self.holds(request, "add") and self.has_view_permission(request)

    @without_atomic_requests
    def fetch_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a confirmation, and fetch the bill of a missing day when it is posted."""
        if not self.may_fetch(request):
            raise PermissionDenied
        merchant, day = request.GET.get("merchant", ""), day_asked(request.GET.get("day", ""))
        if day is None or not is_configured(merchant):
            raise Http404
        if request.method == "POST":
            return self._fetch_day(request, merchant, day)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Fetch the bill of %(day)s?") % {"day": day},
            "opts": self.opts,
            "media": self.media,
            "here": _("Fetch"),
            "merchant": merchant,
            "back": self._month_address(day),
        }
        return TemplateResponse(request, "admin/django_wxpay/bill_fetch.html", context)

    @without_atomic_requests
    def download_view(self, request: HttpRequest, pk: int) -> HttpResponse | StreamingHttpResponse:
        """Send the original file."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        bill: Bill = self.row(request, pk)
        if not bill.file:
            raise Http404
        try:
            pieces = bill_file(bill)
        except BillStorageError:
            sentence = gettext("The storage of this site does not give back the file of this bill.")
            messages.error(request, sentence, fail_silently=True)
            return redirect(self.address(bill))
        answer = StreamingHttpResponse(pieces, content_type="application/gzip")
        answer["Content-Disposition"] = f'attachment; filename="{file_name(bill)}"'
        return answer

    def _fetch_day(self, request: HttpRequest, merchant: str, day: date) -> HttpResponse:
        def verb() -> str:
            bill = services.download_bill(merchant, bill_date=day)
            return self._fetched(bill)

        self._run(request, f"{merchant} {day}", verb)
        asked = Bill.objects.filter(merchant=merchant, bill_date=day, kind=BillKinds.TRADE)
        row = asked.first()
        return redirect(self.address(row) if row else self._month_address(day))

    def _refetch(self, request: HttpRequest, bill: Bill) -> None:
        def verb() -> str:
            account = {"account_type": bill.account_type} if bill.account_type else {}
            fetched = services.download_bill(
                bill.merchant,
                bill_date=bill.bill_date,
                kind=bill.kind,
                sub_mch_id=bill.sub_mch_id,
                **account,
            )
            return self._fetched(fetched)

        self.log_change(request, bill, self._run(request, str(bill), verb))

    def _fetched(self, bill: Bill) -> str:
        return gettext("The bill is now “%(status)s”.") % {"status": bill.get_status_display()}

    def _reconcile(self, request: HttpRequest, bill: Bill) -> None:
        def verb() -> str:
            done = services.reconcile(bill)
            values = {"compared": done.compared, "open": done.open, "gone": done.gone}
            return gettext("Rows compared: %(compared)d. Open: %(open)d. Gone: %(gone)d.") % values

        self.log_change(request, bill, self._run(request, str(bill), verb))

    def _run(self, request: HttpRequest, subject: str, verb: Callable[[], str]) -> str:
        try:
            return run_action(request, subject, verb, passing=(BillNotReady,))
        except BillNotReady:
            sentence = f"{subject}: {_NOT_READY}"
            messages.warning(request, sentence, fail_silently=True)
            return sentence

    def _month_address(self, day: date) -> str:
        return display.list_address(self.admin_site, Bill, month=f"{day:%Y-%m}")

    @admin.display(description=_("status"))
    def status_shown(self, row: Bill) -> SafeString:
        return words.bill_badge(row)

    @admin.display(description=_("original file"))
    def file_link(self, row: Bill) -> SafeString | str:
        if not row.file:
            return "-"
        address = self.address(row, "download")
        return format_html('<a href="{}">{}</a>', address, file_name(row))
