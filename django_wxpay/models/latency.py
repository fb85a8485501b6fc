"""Latency: every call on the wire as an API report, and the roll-ups of these by the hour."""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.latency import NOTHING_YET_MS
from django_wxpay.models.base import DescriptiveCharField, ExactCharField, Row
from django_wxpay.models.choices import ReportStatuses
from django_wxpay.models.labels import LABELS


class ApiReport(Row):
    """One attempt against one host, in the words of the report API (protocol-v2 section 8).

    ``report_claim`` names the worker that is sending the row, until ``report_claimed_until``;
    afterwards any worker may take it. A merchant without a v2 key, or an institution's
    call without a sub-merchant, is NOT_REPORTABLE: measured and shown, never sent. A row that
    ``is_rolled_up`` is counted in its ``HourlyLatency``, or is not to be counted at all; it may
    be pruned by its age.
    """

    merchant = ExactCharField(_("merchant"), max_length=64)
    mch_id = ExactCharField(LABELS["mch_id"], max_length=32)
    appid = ExactCharField(LABELS["appid"], max_length=32, blank=True, default="")
    sub_appid = ExactCharField(LABELS["sub_appid"], max_length=32, blank=True, default="")
    sub_mch_id = ExactCharField(LABELS["sub_mch_id"], max_length=32, blank=True, default="")
    api = ExactCharField("API", max_length=4)
    interface_url = DescriptiveCharField(LABELS["interface_url"], max_length=256)
    host = DescriptiveCharField(_("host"), max_length=128)
    is_standby = models.BooleanField(_("standby host"), default=False)
    out_trade_no = ExactCharField(LABELS["out_trade_no"], max_length=32, blank=True, default="")
    device_info = DescriptiveCharField(LABELS["device_info"], max_length=32, blank=True, default="")
    user_ip = DescriptiveCharField(LABELS["user_ip"], max_length=64, blank=True, default="")
    execute_time_ms = models.PositiveIntegerField(_("milliseconds"))
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    failure = DescriptiveCharField(_("failure"), max_length=32, blank=True, default="")
    return_code = DescriptiveCharField(LABELS["return_code"], max_length=16, blank=True, default="")
    return_msg = DescriptiveCharField(LABELS["return_msg"], max_length=128, blank=True, default="")
    result_code = DescriptiveCharField(LABELS["result_code"], max_length=16, blank=True, default="")
    err_code = DescriptiveCharField(LABELS["err_code"], max_length=32, blank=True, default="")
    err_code_des = DescriptiveCharField(
        LABELS["err_code_des"], max_length=128, blank=True, default=""
    )
    request_id = DescriptiveCharField("Request-ID", max_length=64, blank=True, default="")
    created_at = models.DateTimeField(_("called"), editable=False)
    report_status = models.CharField(
        _("report"),
        max_length=16,
        choices=ReportStatuses,
        default=ReportStatuses.PENDING,
    )
    report_attempts = models.PositiveSmallIntegerField(_("attempts to report"), default=0)
    reported_at = models.DateTimeField(_("reported"), null=True, blank=True)
    report_claim = ExactCharField(max_length=32, blank=True, default="", editable=False)
    report_claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    is_rolled_up = models.BooleanField(default=False, editable=False)

    class Meta(Row.Meta):
        verbose_name = _("API report")
        verbose_name_plural = _("API reports")
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=["created_at", "id"], name="wxpay_report_newest"),
            # The page of an order asks for both, newest first, and a search for the number alone.
            models.Index(
                fields=["out_trade_no", "merchant", "created_at"],
                name="wxpay_report_number",
            ),
            models.Index(fields=["merchant", "created_at"], name="wxpay_report_merchant"),
            models.Index(fields=["host", "created_at"], name="wxpay_report_host"),
            models.Index(fields=["failure", "created_at"], name="wxpay_report_failure"),
            models.Index(fields=["interface_url", "created_at"], name="wxpay_report_interface"),
            # Read from its beginning, this is the queue of what is waiting, oldest first.
            models.Index(
                fields=["report_status", "created_at", "id"],
                name="wxpay_report_queue",
            ),
            models.Index(fields=["is_rolled_up", "id"], name="wxpay_report_rollup"),
        )

    def __str__(self) -> str:
        return f"{self.interface_url} {self.execute_time_ms} ms"


# The columns of a call itself, in one place for all who list them: ``CallRecord`` and its merchant.
CALL_COLUMNS: Final = tuple(
    field.name
    for field in ApiReport._meta.local_concrete_fields  # noqa: SLF001 - Django's documented API
    if field.editable and not field.name.startswith("report") and field.name != "id"
)


class HourlyLatency(Row):
    """The roll-up of ``ApiReport``; it stays when the rows it counts are pruned.

    ``hour`` is the full hour, in UTC, in which the calls began. ``failures`` counts by
    ``Failure``, ``refused`` the calls that WeChat Pay refused, and ``histogram`` by milliseconds,
    as ``latency.Histogram`` stores itself.
    """

    merchant = ExactCharField(_("merchant"), max_length=64)
    interface_url = ExactCharField(LABELS["interface_url"], max_length=256)
    host = ExactCharField(_("host"), max_length=128)
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
    # An update names the version it read, so that two workers never count the same calls twice.
    version = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta(Row.Meta):
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


class ReportBacklog(Row):
    """The highest number of waiting reports seen in the hour that began at ``hour`` (UTC)."""

    hour = models.DateTimeField(_("hour"), unique=True)
    waiting = models.PositiveBigIntegerField(_("waiting"), default=0)

    class Meta(Row.Meta):
        verbose_name = _("report backlog")
        verbose_name_plural = _("report backlogs")
        ordering = ("-hour",)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:00} {self.waiting}"
