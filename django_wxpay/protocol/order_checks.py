"""The checks of an order that both protocols share: types, money and times."""

from __future__ import annotations

from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from typing import Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.money import LARGEST, minor_units
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.rules import Whole
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import within_calendar

TIMES: Final = ("time_start", "time_expire")


def check_types(terms: OrderTerms) -> None:
    """Raise ``InvalidOrder`` for a parameter that is not of its type in ``OrderTerms``."""
    for field in fields_of(terms):
        value = getattr(terms, field.name)
        if field.name in TIMES:
            _check_moment(field.name, value)
        elif field.name != "total_fee" and not isinstance(value, str):
            raise InvalidOrder(field.name, _("%(type)s is not text", type=type(value).__name__))
    try:
        minor_units(terms.total_fee)
    except ValueError as error:
        raise InvalidOrder("total_fee", str(error), Whole(min=1, max=LARGEST).text) from error


def check_expiry(terms: OrderTerms, *, now: datetime, soonest: timedelta) -> None:
    """Raise ``InvalidOrder`` unless ``time_expire`` is ``soonest`` away and after the start."""
    if terms.time_expire is None:
        return
    if terms.time_expire < now + soonest:
        minutes = soonest // timedelta(minutes=1)
        raise InvalidOrder(
            "time_expire",
            _("too soon"),
            _("at least %(minutes)s minutes from now", minutes=minutes),
        )
    if terms.time_start is not None and terms.time_expire <= terms.time_start:
        raise InvalidOrder("time_expire", _("before time_start"), _("later than time_start"))


def _check_moment(name: str, value: object) -> None:
    if value is None:
        return
    rule = _("a time with a zone")
    if not isinstance(value, datetime):
        raise InvalidOrder(name, _("%(type)s is not a time", type=type(value).__name__), rule)
    try:
        within_calendar(value)
    except ValueError as error:
        raise InvalidOrder(name, str(error), rule) from error
