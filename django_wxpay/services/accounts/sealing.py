"""Sealing of merchants' keys with Fernet, under the keys of ``WXPAY["SEALING_KEYS"]``.

A sealed key names its merchant and its setting, so that it opens in no other row and no other
column than its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import import_module
from typing import Any, Final

from django_wxpay import conf
from django_wxpay.models import MerchantAccount
from django_wxpay.models.merchant import SEALED
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services.transactions import atomic

_ID_DIGITS: Final = 16
_BATCH: Final = 100


class CannotOpen(ConfigurationError):
    """A key of a merchant that none of ``SEALING_KEYS`` opens, or that was sealed for another."""


def sealing_key_ids() -> list[str]:
    """Return what tells each of ``SEALING_KEYS``, in their order, without giving it away."""
    return [sha256(key.octets()).hexdigest()[:_ID_DIGITS] for key in conf.sealing_keys()]


def require_sealing_key() -> None:
    """Raise ``ConfigurationError`` where there is no key to seal under."""
    _boxes(_keys())


def seal(value: Secret, *, alias: str, name: str) -> str:
    """Return the key ``name`` of a merchant sealed under the first of ``SEALING_KEYS``."""
    label = _label(alias, name)
    return str(_boxes(_keys())[0].encrypt(label + value.octets()), "ascii")


def unseal(token: str, *, alias: str, name: str) -> Secret:
    """Return a key that ``seal`` has sealed. Raises ``CannotOpen``."""
    label, is_for_another = _label(alias, name), False
    for box in _boxes(_keys()):
        try:
            opened = Secret(box.decrypt(token.encode()))
        except _library().InvalidToken:
            continue
        if opened.octets().startswith(label):
            return Secret(opened.octets()[len(label) :])
        # No proof that this key sealed it: Fernet's first 16 octets alone vouch for a text, and two
        # keys that share them open each other's, by chance of the padding, once in 256 times.
        is_for_another = True
    if is_for_another:
        raise CannotOpen(
            _(
                'merchant "%(alias)s": its %(name)s was sealed for something else',
                alias=alias,
                name=name,
            )
        )
    raise CannotOpen(
        _(
            'merchant "%(alias)s": no key in SEALING_KEYS opens its %(name)s',
            alias=alias,
            name=name,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResealRun:
    """How many merchants were sealed anew, and the aliases of those that no key opens."""

    sealed: int
    lost: list[str]


def reseal() -> ResealRun:
    """Seal every merchant's keys under the first of ``SEALING_KEYS``, as far as they open.

    Safe beside itself and beside changes in the admin; run again, it seals nothing twice. Raises
    ``ConfigurationError`` without a key to seal under.
    """
    require_sealing_key()
    newest = sealing_key_ids()[0]
    lost: list[str] = []
    sealed = after = 0
    while True:
        rows = MerchantAccount.objects.exclude(sealing_key__in=["", newest]).filter(pk__gt=after)
        pks = list(rows.order_by("pk").values_list("pk", flat=True)[:_BATCH])
        if not pks:
            return ResealRun(sealed=sealed, lost=lost)
        for pk in pks:
            alias = _reseal_one(pk, newest)
            sealed += alias == ""
            lost += [alias] if alias else []
        after = pks[-1]


def _reseal_one(pk: int, newest: str) -> str | None:
    """Seal the keys of one row anew and return ""; its alias if they do not open."""
    with atomic():
        account = MerchantAccount.objects.select_for_update().filter(pk=pk).first()
        if account is None or account.sealing_key in {"", newest}:
            return None
        sealed = dict.fromkeys(SEALED.values(), "")
        for name, column in SEALED.items():
            token = getattr(account, column)
            if not token:
                continue
            try:
                opened = unseal(token, alias=account.alias, name=name)
            except CannotOpen:
                return account.alias
            sealed[column] = seal(opened, alias=account.alias, name=name)
        # SQLite has no row locks, but then its transactions are one after the other.
        MerchantAccount.objects.filter(pk=pk).update(**sealed, sealing_key=newest)
        return ""


def _label(alias: str, name: str) -> bytes:
    return f"{alias}\0{name}\0".encode()


def _keys() -> tuple[Secret, ...]:
    return conf.sealing_keys()


@lru_cache(maxsize=4)
def _boxes(keys: tuple[Secret, ...]) -> tuple[Any, ...]:
    if not keys:
        raise CannotOpen(_('WXPAY["SEALING_KEYS"] holds no key'))
    return tuple(_library().Fernet(key.octets()) for key in keys)


def _library() -> Any:
    # It takes longer to load than Django's settings: not when Django starts.
    return import_module("cryptography.fernet")
