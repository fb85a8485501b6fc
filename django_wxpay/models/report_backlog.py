"""How many measured calls waited to be reported, hour by hour."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class ReportBacklog(models.Model):
    """The most that were seen waiting in the hour that began at ``hour`` (UTC)."""

    hour = models.DateTimeField(_("hour"), unique=True)
    waiting = models.PositiveBigIntegerField(_("waiting"), default=0)

    class Meta:
        verbose_name = _("report backlog")
        verbose_name_plural = _("report backlogs")
        ordering = ("-hour",)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.waiting}"
