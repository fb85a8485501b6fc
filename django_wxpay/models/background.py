"""Rows of the background worker: its jobs, and the platform certificates it downloads.

All processes share them, so that one of them works for all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import (
    DescriptiveCharField,
    DescriptiveJSONField,
    ExactCharField,
    ExactTextField,
    Row,
)
from django_wxpay.models.counts import counts_text, parts_text
from django_wxpay.models.labels import LABELS
from django_wxpay.models.sentences import in_english

# For so long a part of a job's work counts as failing after it was last seen to fail, unless it is
# seen to succeed: what failed has a pause, and is in none of the next runs.
FAILING_STANDS: Final = timedelta(hours=1)


class BackgroundJob(Row):
    """One job by its name.

    ``counts`` holds what the last run that succeeded has counted, by ``Counts``; ``error`` is that
    of the last run, and "" if it succeeded. ``partial_failures`` holds what failed in a run that
    succeeded as a whole, by ``Parts``, such as the events that a receiver refuses: how much, and
    when that was last seen, as ``[3, "2026-01-01T08:00:00+00:00"]``. ``partial_failure_at`` is the
    latest of these moments.
    """

    name = ExactCharField(_("job"), max_length=32, unique=True)
    started_at = models.DateTimeField(_("last started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("last finished"), null=True, blank=True)
    succeeded_at = models.DateTimeField(_("last succeeded"), null=True, blank=True)
    counts = DescriptiveJSONField(_("result"), blank=True, default=dict)
    failures_in_a_row = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = DescriptiveCharField(_("error"), max_length=512, blank=True, default="")
    partial_failures = DescriptiveJSONField(_("failing in part"), default=dict, blank=True)
    partial_failure_at = models.DateTimeField(_("last failed in part"), null=True, blank=True)

    class Meta(Row.Meta):
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def failing_parts(self, now: datetime) -> str:
        """Return what of its work fails at ``now``, for the reader; "" where nothing does."""
        standing = self.standing_failures(now)
        return parts_text({part: count for part, (count, _) in standing.items()})

    def standing_failures(self, now: datetime) -> dict[str, tuple[int, datetime]]:
        """Return those of ``partial_failures`` that stand at ``now``: each by its own time."""
        seen = {
            part: (int(count), datetime.fromisoformat(at))
            for part, (count, at) in self.partial_failures.items()
        }
        return {part: each for part, each in seen.items() if each[1] > now - FAILING_STANDS}

    @property
    def outcome(self) -> str:
        """What the last run that succeeded has done, in English; "" before the first."""
        return in_english(self.result_text)

    def result_text(self) -> str:
        """Return what the last run that succeeded has done; "" before the first."""
        return counts_text(self.counts) if self.succeeded_at else ""


class PlatformCertificate(Row):
    """One certificate. An old one stays until it expires, because it may sign until then."""

    mch_id = ExactCharField(LABELS["mch_id"], max_length=32)
    serial_no = ExactCharField(LABELS["serial_no"], max_length=40)
    pem = ExactTextField("PEM", editable=False)
    effective_time = models.DateTimeField(_("used from"))
    expire_time = models.DateTimeField(_("used until"))
    created_at = models.DateTimeField(_("downloaded"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("platform certificate")
        verbose_name_plural = _("platform certificates")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["mch_id", "serial_no"],
                name="wxpay_certificate_once",
            ),
        )

    def __str__(self) -> str:
        return self.serial_no


class CertificateDownload(Row):
    """The last download of one merchant's certificates, by whichever process."""

    mch_id = ExactCharField(LABELS["mch_id"], max_length=32, unique=True)
    claimed_at = models.DateTimeField(_("last downloaded"))

    class Meta(Row.Meta):
        verbose_name = _("certificate download")
        verbose_name_plural = _("certificate downloads")
        ordering = ("mch_id",)

    def __str__(self) -> str:
        return self.mch_id
