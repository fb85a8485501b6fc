"""Checks 8 and 9 of protocol-v2 section 11: a broken rule becomes the gateway's refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode
from django_wxpay.protocol.request_fields import Field
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.refusals import invalid, lacks


def check_required(rules: Mapping[str, Field], call: Call) -> None:
    """Refuse a call that lacks a required field, before any format is looked at."""
    for name, row in rules.items():
        applies = not row.institutional or call.account.mode is Mode.INSTITUTIONAL
        if row.required and applies and name not in call.fields:
            raise lacks(name)


@contextmanager
def checked() -> Iterator[None]:
    """Turn the first broken rule into a refusal."""
    try:
        yield
    except InvalidOrder as broken:
        if broken.problem == "missing":
            raise lacks(broken.field) from None
        raise invalid(broken.field, broken.problem) from None
