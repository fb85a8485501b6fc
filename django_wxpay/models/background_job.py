"""How each job of the background worker is doing, over all workers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class BackgroundJob(models.Model):
    """One job by its name; ``error`` is that of the last run, and "" when it went well."""

    name = models.CharField(_("job"), max_length=32, unique=True)
    started_at = models.DateTimeField(_("last started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("last finished"), null=True, blank=True)
    succeeded_at = models.DateTimeField(_("last went well"), null=True, blank=True)
    outcome = models.CharField(_("came to"), max_length=256, blank=True, default="")
    failures_in_a_row = models.PositiveIntegerField(_("failures in a row"), default=0)
    error = models.CharField(_("error"), max_length=512, blank=True, default="")

    class Meta:
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
