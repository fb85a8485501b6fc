"""Ways from one page of the admin to another."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from django_wxpay.protocol.redaction import redact


def page_link(model: type[Model], pk: int, text: Any) -> SafeString:
    """Return a link to the page of one row, which need not be loaded for it."""
    return format_html('<a href="{}">{}</a>', reverse(_name(model, "change"), args=[pk]), text)


def list_link(model: type[Model], text: Any, **lookups: str) -> SafeString:
    """Return a link to the rows that have these values."""
    address = f"{reverse(_name(model, 'changelist'))}?{urlencode(lookups)}"
    return format_html('<a href="{}">{}</a>', address, text)


def may_see(request: HttpRequest, model: type[Model]) -> bool:
    """Say whether a way to pages of ``model`` is open to this person."""
    opts = model._meta  # noqa: SLF001 - Django's documented model API
    return request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}")


def masked(openid: str) -> str:
    """Return enough of an openid to recognise it, and too little to use it."""
    return redact({"openid": openid})["openid"]


def _name(model: type[Model], page: str) -> str:
    opts = model._meta  # noqa: SLF001 - Django's documented model API
    return f"admin:{opts.app_label}_{opts.model_name}_{page}"
