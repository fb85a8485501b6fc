"""The certificates that WeChat Pay signs v3 messages with, shared by all processes."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class PlatformCertificate(models.Model):
    """One certificate. An old one stays until it expires, for it may sign meanwhile."""

    mch_id = models.CharField("mch_id", max_length=32)
    serial_no = models.CharField("serial_no", max_length=40)
    pem = models.TextField("PEM", editable=False)
    effective_time = models.DateTimeField(_("used from"))
    expire_time = models.DateTimeField(_("used until"))
    created_at = models.DateTimeField(_("downloaded"), editable=False)

    class Meta:
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


class CertificateDownload(models.Model):
    """When certificates of one merchant were last asked for, by whichever process."""

    mch_id = models.CharField("mch_id", max_length=32, unique=True)
    claimed_at = models.DateTimeField(_("last asked for"))

    class Meta:
        verbose_name = _("certificate download")
        verbose_name_plural = _("certificate downloads")
        ordering = ("mch_id",)

    def __str__(self) -> str:
        return self.mch_id
