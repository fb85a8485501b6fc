"""Creating an order: checked against every rule, saved once under its number, nothing sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of
from datetime import datetime
from functools import partial
from typing import Any, Final, Unpack

from django.db import IntegrityError
from django.db.models import QuerySet
from django.urls import reverse

from django_wxpay import conf
from django_wxpay.conf.project import with_prefix
from django_wxpay.models import Order
from django_wxpay.protocol.errors import InvalidOrder, OrderConflict
from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.money import minor_units
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.protocol.times import parse_t14, within_calendar
from django_wxpay.protocol.v2.requests import json_text
from django_wxpay.services import clock, gateways
from django_wxpay.services.notifications.receiving import apply_waiting
from django_wxpay.services.orders.fields import OrderFields
from django_wxpay.services.transactions import (
    after_commit,
    in_transaction,
    retry_on_lock,
    savepoint,
)

# What every database takes and every page can show.
_ONE_LINE: Final = Text(max=128)
_TERMS: Final = tuple(field.name for field in fields_of(OrderTerms))


@conf.same_account()
def create_order(**fields: Unpack[OrderFields]) -> Order:
    """Create an order, or return the one that was created with these same parameters.

    Database only: nothing is sent, and it may join the caller's transaction. Takes the
    arguments of ``get_or_create_order`` and raises what it raises.
    """
    return get_or_create_order(**fields)[0]


@conf.same_account()
def get_or_create_order(**fields: Unpack[OrderFields]) -> tuple[Order, bool]:
    """Return the order and whether it is new.

    The arguments are those of ``OrderFields``. Raises ``InvalidOrder`` naming the field that
    breaks its rule, ``OrderConflict`` if the number is taken by an order with other parameters,
    ``ConfigurationError`` for an unknown merchant. Source: protocol-v2 sections 3.1 to 3.5.
    """
    return find_or_create(fields)


def find_or_create(fields: OrderFields, **columns: Any) -> tuple[Order, bool]:
    """Do what ``get_or_create_order`` does; a new order is saved with ``columns``."""
    return find_or_insert(
        {**fields},
        known=OrderFields,
        check=lambda terms: gateways.gateway(merchant_of(fields)).check(terms),
        **columns,
    )


def merchant_of(fields: Mapping[str, Any]) -> str:
    """Return the alias that ``fields`` name, or the default one."""
    alias: str = fields.get("merchant", "default")
    return alias


def find_or_insert(
    fields: Mapping[str, Any],
    *,
    known: type,
    check: Callable[[OrderTerms], None],
    fixed: Mapping[str, Any] | None = None,
    **columns: Any,
) -> tuple[Order, bool]:
    """Return the order of ``fields`` and whether it is new; a new one is saved with ``columns``.

    ``known`` is the TypedDict that lists the fields there are, ``fixed`` holds those that are no
    argument, ``check`` raises for terms that the protocol refuses. Raises what
    ``get_or_create_order`` raises.
    """
    _check_names(fields, known)
    given: dict[str, Any] = {**fields, **(fixed or {})}
    merchant: str = given.pop("merchant", "default")
    reference = given.pop("reference", "")
    if isinstance(reference, int) and not isinstance(reference, bool):
        # A primary key is a common order number of a shop's own.
        reference = str(reference)
    if reference != "":
        _check_text("reference", reference)
    has_address = bool(given.get("spbill_create_ip"))
    account = conf.merchant(merchant)
    is_numbered = given.get("out_trade_no") is not None
    terms = _terms(account, given)
    if is_numbered:
        # The protocol's own rules come after the look-up, for an order that exists may be one
        # that could not be placed now (its time_expire is over).
        _check_text("out_trade_no", terms.out_trade_no)
    if is_numbered and (existing := _find(merchant, terms)):
        return _same(existing, terms, reference), False
    check(terms)
    if terms.trade_type == TradeType.MWEB and not has_address:
        # Compared with the phone's own (protocol-v2 section 4.5): a stand-in could not be paid.
        raise InvalidOrder(
            "spbill_create_ip", _("is missing"), _("MWEB needs the address of the phone")
        )
    order, is_new = _insert(merchant, terms, reference, columns)
    if is_new and is_numbered:
        # WeChat Pay may know the order before we do: its notification has been waiting. A number
        # that was made just now is known to nobody.
        after_commit(partial(apply_waiting, order))
    return order, is_new


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidOrder(
            name, _("%(type)s is not text", type=type(value).__name__), _ONE_LINE.text
        )
    if problem := _ONE_LINE.problem(value):
        raise InvalidOrder(name, problem, _ONE_LINE.text)


def _terms(account: Merchant, fields: dict[str, Any]) -> OrderTerms:
    try:
        minor_units(fields["total_fee"])
    except ValueError as exc:
        raise InvalidOrder("total_fee", str(exc), _("a positive int in the minor unit")) from None
    fields["appid"] = fields.get("appid") or account.appid
    if not account.owns_appid(fields["appid"]):
        raise InvalidOrder("appid", _("is not this merchant's"), _("APPID or one of APPIDS"))
    if fields.get("out_trade_no") is None:
        fields["out_trade_no"] = clock.out_trade_no()
    for name in ("detail", "scene_info"):
        if isinstance(fields.get(name), Mapping):
            fields[name] = json_text(name, fields[name])
    for name in ("time_start", "time_expire"):
        fields[name] = _moment(name, fields.get(name))
    is_institutional = account.mode is Mode.INSTITUTIONAL
    for name in ("sub_appid", "sub_mch_id"):
        own = getattr(account, name) if is_institutional else ""
        fields[name] = fields.get(name) or own
    fields["spbill_create_ip"] = fields.get("spbill_create_ip") or "127.0.0.1"
    fields.setdefault("notify_url", notify_url(account.alias))
    fields["mch_id"] = account.mch_id
    return OrderTerms(**fields)


def _check_names(fields: Mapping[str, Any], known: Any) -> None:
    for name in fields:
        if name not in known.__annotations__:
            raise InvalidOrder(name, _("is not a parameter of an order"))
    for name in sorted(known.__required_keys__):
        if name not in fields:
            raise InvalidOrder(name, _("is missing"))


def _moment(name: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    rule = _("an aware datetime, or 14 digits of Beijing time")
    if isinstance(value, str):
        try:
            return parse_t14(value)
        except ValueError:
            raise InvalidOrder(name, _("is not a time"), rule) from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidOrder(name, _("is not an aware time"), rule)
    try:
        # The wire carries no more than seconds.
        return within_calendar(value).replace(microsecond=0)
    except ValueError as error:
        raise InvalidOrder(name, str(error), rule) from None


def notify_url(alias: str) -> str:
    """Return the address of payments of this merchant, by the settings of now."""
    path = reverse("django_wxpay:notify-payment", kwargs={"merchant": alias})
    return conf.current().notify_base_url + with_prefix(path)


def _find(merchant: str, terms: OrderTerms) -> Order | None:
    named, same = (merchant, terms.out_trade_no), _same_number(merchant, terms)
    # Most orders are new, and to see that needs no column.
    found = same.first() if same.exists() else None
    # To the letter: a converted table may find "ABC" for "abc", and then take no second one.
    return found if found and (found.merchant, found.out_trade_no) == named else None


def _same_number(merchant: str, terms: OrderTerms) -> QuerySet[Order]:
    return Order.objects.filter(merchant=merchant, out_trade_no=terms.out_trade_no)


def _same(existing: Order, terms: OrderTerms, reference: str) -> Order:
    differing = existing.terms().differences(terms)
    if existing.reference != reference:
        differing += ("reference",)
    if differing:
        raise OrderConflict(existing.out_trade_no, differing)
    return existing


def _insert(
    merchant: str, terms: OrderTerms, reference: str, columns: Mapping[str, Any]
) -> tuple[Order, bool]:
    now = clock.now()
    order = Order(
        merchant=merchant,
        reference=reference,
        created_at=now,
        updated_at=now,
        **{name: getattr(terms, name) for name in _TERMS},
        **columns,
    )
    try:
        retry_on_lock(lambda: _save(order))
    except IntegrityError:
        if existing := _find(merchant, terms):
            return _same(existing, terms, reference), _is_own(existing, order, columns)
        # Taken under another spelling, or by an order that was created since the caller's
        # transaction began, which may see the rows of its beginning alone (REPEATABLE READ).
        if in_transaction() or _same_number(merchant, terms).exists():
            raise OrderConflict(terms.out_trade_no) from None
        raise
    return order, True


def _is_own(existing: Order, order: Order, columns: Mapping[str, Any]) -> bool:
    """Return whether ``existing`` is ``order``, whose lease is among ``columns``.

    Its COMMIT may have arrived before the connection was lost, and the INSERT was repeated.
    """
    names = ("created_at", *columns)
    return bool(columns) and all(getattr(existing, n) == getattr(order, n) for n in names)


def _save(order: Order) -> None:
    # So that a taken number does not spoil the caller's transaction.
    with savepoint():
        order.save(force_insert=True)
