"""Merchants that are kept in the database, their keys sealed, and the mark of their latest change.

A key stands here as a sealed text alone; ``services.accounts`` seals and opens. It also changes
``MerchantVersion``, which every process looks at, when a row is saved or deleted.
"""

from __future__ import annotations

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_wxpay.models.base import DescriptiveCharField, ExactCharField, ExactTextField, Row
from django_wxpay.protocol.merchants import Api, Mode, Region, SignType

# The columns of sealed keys, by the names of their settings.
SEALED: Final = {
    "API_KEY": "sealed_api_key",
    "CLIENT_KEY": "sealed_client_key",
    "API_V3_KEY": "sealed_api_v3_key",
    "PRIVATE_KEY": "sealed_private_key",
}


def _choices(words: type[Mode | Region | Api | SignType]) -> list[tuple[str, str]]:
    return [(word.value, word.value) for word in words]


class MerchantAccount(Row):
    """One entry of ``MERCHANTS`` as a row. Lists stand one value a line, PEMs one after another.

    ``sealing_key`` tells which of ``SEALING_KEYS`` sealed its keys, "" where it has none.
    """

    alias = ExactCharField(_("alias"), max_length=64, unique=True)
    is_enabled = models.BooleanField(_("in use"), default=True)
    mch_id = ExactCharField("MCH_ID", max_length=32)
    appid = ExactCharField("APPID", max_length=32)
    appids = ExactTextField("APPIDS", blank=True, default="")
    mode = models.CharField(
        "MODE", max_length=16, choices=_choices(Mode), default=Mode.COMMON.value
    )
    region = models.CharField(
        "REGION", max_length=16, choices=_choices(Region), default=Region.MAINLAND.value
    )
    api = models.CharField("API", max_length=4, choices=_choices(Api), default=Api.V2.value)
    sub_appid = ExactCharField("SUB_APPID", max_length=32, blank=True, default="")
    sub_mch_id = ExactCharField("SUB_MCH_ID", max_length=32, blank=True, default="")
    merchant_category_code = ExactCharField(
        "MERCHANT_CATEGORY_CODE", max_length=4, blank=True, default=""
    )
    sign_type = models.CharField(
        "SIGN_TYPE", max_length=16, choices=_choices(SignType), default=SignType.HMAC_SHA256.value
    )
    cert_serial_no = ExactCharField("CERT_SERIAL_NO", max_length=64, blank=True, default="")
    client_cert = ExactTextField("CLIENT_CERT", blank=True, default="")
    wechatpay_public_key = ExactTextField("WECHATPAY_PUBLIC_KEY", blank=True, default="")
    wechatpay_public_key_id = ExactCharField(
        "WECHATPAY_PUBLIC_KEY_ID", max_length=64, blank=True, default=""
    )
    platform_certificates = ExactTextField("PLATFORM_CERTIFICATES", blank=True, default="")
    hosts = ExactTextField("HOSTS", blank=True, default="")
    sealed_api_key = ExactTextField("API_KEY", blank=True, default="", editable=False)
    sealed_client_key = ExactTextField("CLIENT_KEY", blank=True, default="", editable=False)
    sealed_api_v3_key = ExactTextField("API_V3_KEY", blank=True, default="", editable=False)
    sealed_private_key = ExactTextField("PRIVATE_KEY", blank=True, default="", editable=False)
    sealing_key = ExactCharField(max_length=16, blank=True, default="", editable=False)
    keys_changed_at = models.DateTimeField(_("keys changed"), null=True, editable=False)
    keys_changed_by = DescriptiveCharField(
        _("keys changed by"), max_length=150, blank=True, default="", editable=False
    )
    created_at = models.DateTimeField(_("created"), editable=False)
    updated_at = models.DateTimeField(_("changed"), editable=False)

    class Meta(Row.Meta):
        verbose_name = _("merchant account")
        verbose_name_plural = _("merchant accounts")
        ordering = ("-created_at", "-id")
        permissions = (("change_merchant_keys", _("Can change the keys of merchants")),)
        indexes = (
            models.Index(fields=["created_at", "id"], name="wxpay_account_newest"),
            models.Index(fields=["mch_id"], name="wxpay_account_mch_id"),
            # Those that are to be sealed anew, and those that no key opens any more.
            models.Index(fields=["sealing_key", "id"], name="wxpay_account_sealing"),
        )

    def __str__(self) -> str:
        return self.alias


class MerchantVersion(Row):
    """One row, whose ``token`` is another one after every change of a ``MerchantAccount``."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    token = ExactCharField(max_length=32)

    class Meta(Row.Meta):
        verbose_name = _("version of the merchant accounts")
        verbose_name_plural = _("versions of the merchant accounts")

    def __str__(self) -> str:
        return self.token
