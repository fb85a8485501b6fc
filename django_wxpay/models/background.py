"""Rows of the background worker: its jobs, and the platform certificates it downloads.

All processes share them, so that one of them works for all.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import DescriptiveCharField, ExactCharField, ExactTextField, Row


class BackgroundJob(Row):
    """One job by its name; ``error`` is that of the last run, and "" if it succeeded."""

    name = ExactCharField(_("job"), max_length=32, unique=True)
    started_at = models.DateTimeField(_("last started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("last finished"), null=True, blank=True)
    succeeded_at = models.DateTimeField(_("last succeeded"), null=True, blank=True)
    outcome = DescriptiveCharField(_("result"), max_length=256, blank=True, default="")
    failures_in_a_row = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = DescriptiveCharField(_("error"), max_length=512, blank=True, default="")

    class Meta(Row.Meta):
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class PlatformCertificate(Row):
    """One certificate. An old one stays until it expires, because it may sign until then."""

    mch_id = ExactCharField("mch_id", max_length=32)
    serial_no = ExactCharField("serial_no", max_length=40)
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

    mch_id = ExactCharField("mch_id", max_length=32, unique=True)
    claimed_at = models.DateTimeField(_("last downloaded"))

    class Meta(Row.Meta):
        verbose_name = _("certificate download")
        verbose_name_plural = _("certificate downloads")
        ordering = ("mch_id",)

    def __str__(self) -> str:
        return self.mch_id
