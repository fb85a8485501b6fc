"""Requests of v2: the checks of an order's terms, and the signed wire fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields as fields_of
from datetime import datetime, timedelta
from typing import Any, Final

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.order_checks import check_expiry, check_types
from django_wxpay.protocol.orders import OrderRef, OrderTerms
from django_wxpay.protocol.rules import parse_object
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import to_t14
from django_wxpay.protocol.v2.fields import (
    CLOSEORDER_RULES,
    ORDERQUERY_RULES,
    UNIFIEDORDER_RULES,
    check_micropay,
    check_unifiedorder,
)
from django_wxpay.protocol.v2.signing import sign

__all__ = [
    # These tables are public under this name (interface.md section 10).
    "CLOSEORDER_RULES",
    "ORDERQUERY_RULES",
    "PER_CALL",
    "SOONEST_EXPIRY",
    "UNIFIEDORDER_RULES",
    "check_code_terms",
    "check_terms",
    "closeorder",
    "json_text",
    "micropay",
    "orderquery",
    "reverse",
    "signed",
    "unifiedorder",
]

# The gateway wants five minutes; one more for two clocks that disagree
# (protocol-v2 section 3.4).
SOONEST_EXPIRY: Final = timedelta(minutes=6)

# micropay wants one minute (protocol-v2 section 6.2); one more, as above.
SOONEST_CODE_EXPIRY: Final = timedelta(minutes=2)

PER_CALL: Final = frozenset({"nonce_str", "sign", "sign_type"})


def check_terms(terms: OrderTerms, *, mode: Mode, now: datetime) -> None:
    """Raise ``InvalidOrder``, naming the field, unless ``terms`` keep every rule.

    ``now`` is aware. Source: protocol-v2 sections 3.1 to 3.5.
    """
    check_types(terms)
    check_unifiedorder(_wire(terms), mode=mode, leaving_out=PER_CALL)
    check_expiry(terms, now=now, soonest=SOONEST_EXPIRY)


def check_code_terms(terms: OrderTerms, auth_code: Secret, *, mode: Mode, now: datetime) -> None:
    """Raise ``InvalidOrder``, naming the field, for what is no payment by code.

    ``now`` is aware. Source: protocol-v2 section 6.2.
    """
    check_types(terms)
    check_micropay(_coded(terms, auth_code), mode=mode, leaving_out=PER_CALL)
    check_expiry(terms, now=now, soonest=SOONEST_CODE_EXPIRY)


def json_text(field: str, value: Mapping[str, Any] | str) -> str:
    """Return the wire text of a JSON parameter; a text that is a JSON object stays as it is.

    A mapping is written compactly. Raises ``InvalidOrder`` naming ``field`` for what is not
    a JSON object; what the object holds is for ``check_terms``.
    """
    rule = _("a JSON object, or the text of one")
    if isinstance(value, str):
        if parse_object(value) is None:
            raise InvalidOrder(field, _("not the text of a JSON object"), rule)
        return value
    if not isinstance(value, Mapping):
        raise InvalidOrder(
            field, _("%(type)s is not a JSON object", type=type(value).__name__), rule
        )
    try:
        return json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOrder(field, _("it holds what JSON cannot"), rule) from error


def unifiedorder(
    terms: OrderTerms, *, sign_type: SignType, key: Secret, nonce: str
) -> dict[str, str]:
    """Return the signed fields of unifiedorder for terms that passed ``check_terms``."""
    return signed(_wire(terms), sign_type=sign_type, key=key, nonce=nonce)


def micropay(
    terms: OrderTerms, auth_code: Secret, *, sign_type: SignType, key: Secret, nonce: str
) -> dict[str, str]:
    """Return the signed fields of micropay for terms that passed ``check_code_terms``.

    ``auth_code`` is in them, so they are shown to nobody.
    """
    return signed(_coded(terms, auth_code), sign_type=sign_type, key=key, nonce=nonce)


def reverse(ref: OrderRef, *, sign_type: SignType, key: Secret, nonce: str) -> dict[str, str]:
    """Return the signed fields of reverse (protocol-v2 section 6.3)."""
    return signed(_named(ref, "out_trade_no"), sign_type=sign_type, key=key, nonce=nonce)


def orderquery(ref: OrderRef, *, sign_type: SignType, key: Secret, nonce: str) -> dict[str, str]:
    """Return the signed fields of orderquery (protocol-v2 section 5.1)."""
    names = ("transaction_id", "out_trade_no", "version")
    return signed(_named(ref, *names), sign_type=sign_type, key=key, nonce=nonce)


def closeorder(ref: OrderRef, *, sign_type: SignType, key: Secret, nonce: str) -> dict[str, str]:
    """Return the signed fields of closeorder (protocol-v2 section 6.1)."""
    return signed(_named(ref, "out_trade_no"), sign_type=sign_type, key=key, nonce=nonce)


def _wire(terms: OrderTerms) -> dict[str, str]:
    values = ((field.name, getattr(terms, field.name)) for field in fields_of(terms))
    return {name: _wire_text(value) for name, value in values if value not in ("", None)}


def _coded(terms: OrderTerms, auth_code: Secret) -> dict[str, str]:
    # Named by the path, and not by a field (protocol-v2 section 6.2).
    fields = {name: text for name, text in _wire(terms).items() if name != "trade_type"}
    return fields | {"auth_code": auth_code.reveal()}


def _wire_text(value: str | int | datetime) -> str:
    return to_t14(value) if isinstance(value, datetime) else str(value)


def _named(ref: OrderRef, *names: str) -> dict[str, str]:
    every = ("appid", "mch_id", "sub_appid", "sub_mch_id", *names)
    return {name: getattr(ref, name) for name in every if getattr(ref, name)}


def signed(
    fields: dict[str, str], *, sign_type: SignType, key: Secret, nonce: str
) -> dict[str, str]:
    """Return ``fields`` with the nonce, the sign type and the signature over all of them."""
    whole = fields | {"nonce_str": nonce, "sign_type": sign_type.value}
    return whole | {"sign": sign(whole, key, sign_type)}
