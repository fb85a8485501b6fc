"""Tags of the admin's pages."""

from __future__ import annotations

from typing import Any

from django import template

from django_wxpay.admin.overview import Card, cards

register = template.Library()


@register.simple_tag(takes_context=True)
def wxpay_overview(context: template.Context) -> list[Card]:
    """Return the cards that this person may see; none outside of an admin site."""
    request: Any = context.get("request")
    return cards(request) if request is not None else []
