"""Configuration of the app for ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoWXPayConfig(AppConfig):
    name = "django_wxpay"
    label = "django_wxpay"
    verbose_name = _("WeChat Pay")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_wxpay import checks  # noqa: F401, PLC0415 - registers the system checks
