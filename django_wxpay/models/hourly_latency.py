"""One hour of one interface at one host: what thousands of calls come to, in one row."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.protocol.tallies import NOTHING_YET_MS


class HourlyLatency(models.Model):
    """The roll-up of ``ApiReport``; it stays when the rows it counts are pruned.

    ``hour`` is the full hour, in UTC, in which the calls began. ``failures`` counts by our
    word for the trouble, ``refused`` those that WeChat Pay answered with a no, and
    ``histogram`` by milliseconds, as a ``protocol.tallies.Histogram`` is stored. ``version`` is
    how two workers notice each other.
    """

    merchant = models.CharField(_("merchant"), max_length=64)
    interface_url = models.CharField("interface_url", max_length=256)
    host = models.CharField(_("host"), max_length=128)
    hour = models.DateTimeField(_("hour"))
    calls = models.PositiveBigIntegerField(_("calls"), default=0)
    refused = models.PositiveBigIntegerField(_("refused"), default=0)
    failures = models.JSONField(_("failures"), default=dict)
    histogram = models.BinaryField(default=bytes, editable=False)
    fastest_ms = models.PositiveIntegerField(_("fastest"), default=NOTHING_YET_MS)
    slowest_ms = models.PositiveIntegerField(_("slowest"), default=0)
    standby_calls = models.PositiveBigIntegerField(_("calls to a standby host"), default=0)
    first_standby_at = models.DateTimeField(null=True, blank=True)
    last_standby_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("API latency")
        verbose_name_plural = _("API latency")
        ordering = ("-hour", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=["hour", "merchant", "interface_url", "host"],
                name="wxpay_latency_once_an_hour",
            ),
        )

    def __str__(self) -> str:
        return f"{self.interface_url} {self.hour:%Y-%m-%d %H:00}"
