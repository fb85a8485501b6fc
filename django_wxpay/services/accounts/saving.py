"""Saving of merchants in the database: checked as settings are, keys sealed before the row.

A key that is not given stays as it is, so that nobody has to see it for another one to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay import conf
from django_wxpay.conf import Problem
from django_wxpay.models import MerchantAccount, Order
from django_wxpay.models.merchant import SEALED
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.services import clock
from django_wxpay.services.accounts.database import NO_PEM, UnusableColumn, settings_of
from django_wxpay.services.accounts.sealing import (
    require_sealing_key,
    seal,
    sealing_key_ids,
    unseal,
)
from django_wxpay.services.transactions import atomic, retry_on_lock

_KEY_COLUMNS: Final = frozenset(
    {*SEALED.values(), "sealing_key", "keys_changed_at", "keys_changed_by"}
)
_COLUMNS: Final = frozenset(
    field.name
    for field in MerchantAccount._meta.concrete_fields  # noqa: SLF001
    if not field.primary_key
)


def account_problems(account: MerchantAccount, keys: Mapping[str, Secret]) -> list[Problem]:
    """Return the errors in a row as it would be saved with the new ``keys``, by their settings.

    An empty key takes the present one away. The sentences name settings and show no key. A row that
    is out of use, or goes out of use, has none unless its keys change.
    """
    is_saved = not account._state.adding  # noqa: SLF001
    if is_saved and not account.is_enabled and not keys:
        # Whatever is wrong with it, a lost sealing key too, is the reason to take it out of use.
        return []
    try:
        if any(keys.values()):
            require_sealing_key()
        entry = settings_of(account, _all_keys(account, keys))
    except UnusableColumn as error:
        code = "E014" if error.words == NO_PEM else "E010"
        where = f'"{account.alias}"'
        return [conf.problem_of(account.alias, where, error.name, code, error.words)]
    except ConfigurationError as error:
        return [Problem("E032", str(error), account.alias, words=str(error))]
    return [
        problem
        for problem in conf.entry_problems(account.alias, entry, f'"{account.alias}"')
        if problem.code.startswith("E")
    ]


def save_account(
    account: MerchantAccount, *, keys: Mapping[str, Secret] | None = None, by: str = ""
) -> None:
    """Save a merchant, with new ``keys`` if any, and let every process know.

    ``keys`` are by their settings, such as ``API_KEY``; an empty one takes the present one away,
    and one that is not given stays. ``by`` is who changed them. Raises ``ConfigurationError`` with
    the first thing wrong, and then has saved nothing. Safe beside ``reseal`` and another save: the
    keys that are not given are those of the row, and not of an ``account`` loaded before.
    """
    given = {name: Secret(key.octets().strip()) for name, key in (keys or {}).items()}
    if strange := given.keys() - SEALED.keys():
        raise ConfigurationError(f"{min(strange)} is no key of a merchant")
    is_new = account._state.adding  # noqa: SLF001
    retry_on_lock(lambda: _save(account, given, is_new=is_new, by=by))


def _save(account: MerchantAccount, given: Mapping[str, Secret], *, is_new: bool, by: str) -> None:
    with atomic():
        if not is_new:
            _take_stored_keys(account)
        if problems := account_problems(account, given):
            raise ConfigurationError(problems[0].message)
        account.updated_at = now = clock.now()
        if given:
            _seal_keys(account, given)
            account.keys_changed_at, account.keys_changed_by = now, by
        if is_new:
            account.created_at = now
            account.save()
        else:
            # Nothing of the keys is written by whoever has changed none.
            kept = frozenset() if given else _KEY_COLUMNS
            account.save(update_fields=_COLUMNS - kept)


def _take_stored_keys(account: MerchantAccount) -> None:
    """Lock the row, and put its keys in the place of those that were loaded before.

    They may have been sealed anew since, or changed by somebody else.
    """
    row = MerchantAccount.objects.select_for_update().filter(pk=account.pk).first()
    if row is None:
        raise ConfigurationError(f'merchant "{account.alias}" has been deleted meanwhile')
    for column in _KEY_COLUMNS:
        setattr(account, column, getattr(row, column))


def _seal_keys(account: MerchantAccount, given: Mapping[str, Secret]) -> None:
    # All of them under the first key, so that one look tells which keys a row needs.
    every = _all_keys(account, given)
    for name, column in SEALED.items():
        value = every.get(name)
        sealed = seal(value, alias=account.alias, name=name) if value else ""
        setattr(account, column, sealed)
    account.sealing_key = sealing_key_ids()[0] if every else ""


def has_orders(account: MerchantAccount) -> bool:
    """Return whether an order names this merchant, which then may not be deleted."""
    return Order.objects.filter(merchant=account.alias).exists()


def _all_keys(account: MerchantAccount, given: Mapping[str, Secret]) -> dict[str, Secret]:
    every = dict(given)
    for name, column in SEALED.items():
        token = getattr(account, column)
        if name in given or not token:
            continue
        every[name] = unseal(token, alias=account.alias, name=name)
    return {name: key for name, key in every.items() if key}
