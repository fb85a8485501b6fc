"""Platform certificates: those WeChat Pay signs v3 messages with, and when they were asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.base import Ledger
from django_wxpay.admin.links import may_see, page_link
from django_wxpay.admin.sections import Section
from django_wxpay.models import CertificateDownload, PlatformCertificate

# WeChat Pay lists the next one a day before it uses it; a month leaves time to see none come.
SOON: Final = timedelta(days=30)
_DAY: Final = timedelta(days=1)


def validity(certificate: PlatformCertificate, now: datetime) -> SafeString:
    """Return whether it is used at ``now``, in the colour of how much that matters."""
    left = certificate.expire_time - now
    if left <= timedelta(0):
        return badges.badge(gettext("Expired"), badges.BAD)
    if left <= SOON:
        days = -(-left // _DAY)
        said = ngettext("Expires in %(days)d day", "Expires in %(days)d days", days)
        return badges.badge(said % {"days": days}, badges.WAITING)
    if certificate.effective_time > now:
        return badges.badge(gettext("Not used yet"), badges.QUIET)
    return badges.badge(gettext("In use"), badges.GOOD)


@admin.register(PlatformCertificate)
class PlatformCertificateAdmin(Ledger):
    """Found by its serial or by the merchant's number."""

    list_display = ("serial_no", "validity_shown", "expire_time", "effective_time", "mch_id")
    search_fields = ("serial_no__exact", "mch_id__exact")
    search_help_text = _("A whole serial_no or mch_id.")
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
        """Leave the PEMs in the database until one is looked at."""
        return super().get_queryset(request).defer("pem")

    def sections(self, request: HttpRequest, row: PlatformCertificate) -> list[Section]:
        """Return when this merchant's certificates were last asked for."""
        if not may_see(request, CertificateDownload):
            return []
        asked = CertificateDownload.objects.filter(mch_id=row.mch_id)
        rows = [(page_link(CertificateDownload, one.pk, one), one.claimed_at) for one in asked]
        columns = ("mch_id", _("last asked for"))
        return [Section(title=_("Downloads"), columns=columns, rows=rows)]

    @admin.display(description=_("validity"))
    def validity_shown(self, certificate: PlatformCertificate) -> SafeString:
        """Return it as of now."""
        return validity(certificate, timezone.now())

    @admin.display(description="PEM")
    def pem_shown(self, certificate: PlatformCertificate) -> SafeString:
        """Return the certificate itself, which is public."""
        return format_html('<pre class="wxpay-body">{}</pre>', certificate.pem)


@admin.register(CertificateDownload)
class CertificateDownloadAdmin(Ledger):
    """The leave to download, which one process takes for all of them."""

    ordering: ClassVar[tuple[str, ...]] = ("-claimed_at", "-id")
    list_display = ("mch_id", "claimed_at")
    search_fields = ("mch_id__exact",)
    search_help_text = _("A whole mch_id.")
    fields = ("mch_id", "claimed_at")

    def sections(self, request: HttpRequest, row: CertificateDownload) -> list[Section]:
        """Return the certificates that downloads have brought."""
        if not may_see(request, PlatformCertificate):
            return []
        now = timezone.now()
        kept = PlatformCertificate.objects.filter(mch_id=row.mch_id).defer("pem")
        rows = [
            (page_link(PlatformCertificate, one.pk, one), validity(one, now), one.expire_time)
            for one in kept
        ]
        columns = ("serial_no", _("validity"), _("used until"))
        return [Section(title=_("Platform certificates"), columns=columns, rows=rows)]
