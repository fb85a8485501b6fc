"""Making an order: checked against every rule, written once under its number, nothing sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.urls import reverse

from django_wxpay import conf
from django_wxpay.models import Order
from django_wxpay.protocol.errors import InvalidOrder, OrderConflict
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.money import minor_units
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.times import parse_t14
from django_wxpay.protocol.v2.requests import json_text
from django_wxpay.services import clock, gateways
from django_wxpay.services.notifications.receiving import settle_waiting
from django_wxpay.services.transactions import after_commit, retry_on_lock

_REFERENCE_LENGTH = 128


def create_order(**fields: Any) -> Order:
    """Create an order, or return the one that was created with these same parameters.

    Database only: nothing is sent, and it may join the caller's transaction. Takes the
    arguments of ``get_or_create_order`` and raises what it raises.
    """
    return get_or_create_order(**fields)[0]


def get_or_create_order(
    *,
    merchant: str = "default",
    reference: str = "",
    appid: str | None = None,
    sub_appid: str | None = None,
    sub_mch_id: str | None = None,
    out_trade_no: str | None = None,
    total_fee: int,
    **optional: Any,
) -> tuple[Order, bool]:
    """Return the order and whether it is new.

    ``total_fee`` is an ``int`` in the minor unit of ``fee_type`` (default CNY). The further
    arguments are unifiedorder's optional fields under their own names: ``detail`` and
    ``scene_info`` as dict or JSON text, ``time_start`` and ``time_expire`` as aware datetimes
    or 14 Beijing digits. ``spbill_create_ip`` should be the payer's address (MWEB insists);
    it is 127.0.0.1 if absent. ``reference`` is the shop's own order number.

    Raises ``InvalidOrder`` naming the field that breaks its rule, ``OrderConflict`` if the
    number is taken by an order with other parameters, ``ConfigurationError`` for an unknown
    merchant. Source: protocol-v2 sections 3.1 to 3.5.
    """
    account = conf.merchant(merchant)
    terms = _terms(
        account,
        {
            **optional,
            "appid": appid or account.appid,
            "sub_appid": sub_appid or "",
            "sub_mch_id": sub_mch_id or "",
            "out_trade_no": clock.out_trade_no() if out_trade_no is None else out_trade_no,
            "total_fee": total_fee,
        },
    )
    if len(reference) > _REFERENCE_LENGTH:
        raise InvalidOrder("reference", "is too long", f"at most {_REFERENCE_LENGTH} characters")
    if out_trade_no is not None and (existing := _find(merchant, terms)):
        return _same(existing, terms, reference), False
    gateways.gateway(merchant).check(terms)
    return _insert(merchant, terms, reference)


def _terms(account: Merchant, fields: dict[str, Any]) -> OrderTerms:
    _refuse_unknown(fields)
    try:
        minor_units(fields["total_fee"])
    except ValueError as exc:
        raise InvalidOrder("total_fee", str(exc), "a positive int in the minor unit") from None
    if not account.owns_appid(fields["appid"]):
        raise InvalidOrder("appid", "is not this merchant's", "APPID or one of APPIDS")
    for name in ("detail", "scene_info"):
        if isinstance(fields.get(name), Mapping):
            fields[name] = json_text(name, fields[name])
    for name in ("time_start", "time_expire"):
        fields[name] = _moment(name, fields.get(name))
    if account.mode is Mode.INSTITUTIONAL:
        fields["sub_appid"] = fields["sub_appid"] or account.sub_appid
        fields["sub_mch_id"] = fields["sub_mch_id"] or account.sub_mch_id
    fields["spbill_create_ip"] = fields.get("spbill_create_ip") or "127.0.0.1"
    fields["notify_url"] = _notify_url(account.alias)
    fields["mch_id"] = account.mch_id
    return OrderTerms(**fields)


_OURS = frozenset({"mch_id", "notify_url"})
_NAMES = frozenset(OrderTerms.__dataclass_fields__) - _OURS
_REQUIRED = ("trade_type", "body")


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    for name in fields.keys() - _NAMES:
        raise InvalidOrder(name, "is not a parameter of an order")
    for name in _REQUIRED:
        if name not in fields:
            raise InvalidOrder(name, "is missing")


def _moment(name: str, value: object) -> datetime | None:
    """Return an aware time to the second, which is all that the wire carries."""
    if value is None or value == "":
        return None
    rule = "an aware datetime, or 14 digits of Beijing time"
    if isinstance(value, str):
        try:
            return parse_t14(value)
        except ValueError:
            raise InvalidOrder(name, "is not a time", rule) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidOrder(name, "is not an aware time", rule)
    return value.replace(microsecond=0)


def _notify_url(alias: str) -> str:
    path = reverse("django_wxpay:notify-payment", kwargs={"merchant": alias})
    return conf.current().notify_base_url + path


def _find(merchant: str, terms: OrderTerms) -> Order | None:
    return Order.objects.filter(merchant=merchant, out_trade_no=terms.out_trade_no).first()


def _same(existing: Order, terms: OrderTerms, reference: str) -> Order:
    differing = existing.terms().differences(terms)
    if existing.reference != reference:
        differing += ("reference",)
    if differing:
        raise OrderConflict(existing.out_trade_no, differing)
    return existing


def _insert(merchant: str, terms: OrderTerms, reference: str) -> tuple[Order, bool]:
    now = clock.now()
    order = Order(
        merchant=merchant,
        reference=reference,
        created_at=now,
        updated_at=now,
        **asdict(terms),
    )
    try:
        retry_on_lock(lambda: _save(order))
    except IntegrityError:
        if existing := _find(merchant, terms):
            return _same(existing, terms, reference), False
        raise
    # WeChat Pay may know the order before we do: its notification has been waiting.
    after_commit(partial(settle_waiting, order))
    return order, True


def _save(order: Order) -> None:
    # A savepoint, so that a taken number does not spoil the caller's transaction.
    with transaction.atomic():
        order.save(force_insert=True)
