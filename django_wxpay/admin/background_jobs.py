"""Background jobs: how each is doing, over all workers."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Final

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_wxpay.admin import badges
from django_wxpay.admin.base import Ledger
from django_wxpay.models import BackgroundJob

# More than any job pauses, and than cron is likely to.
LATELY: Final = timedelta(hours=3)


@admin.register(BackgroundJob)
class BackgroundJobAdmin(Ledger):
    """A few rows, one a job; there is nothing to search for."""

    ordering: ClassVar[tuple[str, ...]] = ("name",)
    list_display = (
        "name",
        "health",
        "outcome",
        "started_at",
        "succeeded_at",
        "failures_in_a_row",
    )
    fields = (
        "name",
        "health",
        "outcome",
        "started_at",
        "finished_at",
        "succeeded_at",
        "failures_in_a_row",
        "error",
    )

    @admin.display(description=_("health"))
    def health(self, job: BackgroundJob) -> SafeString:
        """Return how its latest run ended, or that nobody seems to work at it any more."""
        if job.failures_in_a_row:
            return badges.badge(gettext("Failing"), badges.BAD)
        if job.finished_at is None:
            return badges.badge(gettext("Not finished yet"), badges.QUIET)
        if job.finished_at < timezone.now() - LATELY:
            return badges.badge(gettext("Not run lately"), badges.WAITING)
        return badges.badge(gettext("Well"), badges.GOOD)
