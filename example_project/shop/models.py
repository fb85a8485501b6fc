"""Purchases, the shop's own rows. The money side is django_wxpay's ``Order``."""

from __future__ import annotations

import secrets
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from example_project.shop.catalogue import yuan

# Without the letters and digits that people mix up.
_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """Return a number that cannot be guessed: without a login, the link is the customer's key."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


class Purchase(models.Model):
    """One tea, bought once. ``reference`` is also the order's ``out_trade_no``.

    ``title`` is what was sold in the words of that moment, so that the same purchase is the
    same order again even after the customer has changed the language of the page.
    """

    class Way(models.TextChoices):
        NATIVE = "NATIVE", _("QR code")
        JSAPI = "JSAPI", _("inside WeChat")
        MWEB = "MWEB", _("phone's browser")

    reference = models.CharField(
        _("reference"),
        max_length=32,
        unique=True,
        default=new_reference,
        editable=False,
    )
    tea = models.SlugField(_("tea"))
    title = models.CharField(_("title"), max_length=40)
    total_fee = models.PositiveIntegerField(_("price in fen"))
    way = models.CharField(_("way to pay"), max_length=8, choices=Way, default=Way.NATIVE)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("purchase")
        verbose_name_plural = _("purchases")
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return self.reference

    @property
    def price(self) -> str:
        return yuan(self.total_fee)
