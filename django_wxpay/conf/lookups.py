"""Look-ups of merchants by alias, whether they stand in the settings or come from a source.

A merchant that is out of order stops no other: who goes through all of them passes it over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django_wxpay.conf.directories import Directory
from django_wxpay.conf.settings import as_written, current
from django_wxpay.protocol.errors import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.secrets import Secret


def aliases() -> tuple[str, ...] | None:
    """Return the alias of every merchant, as far as settings that are wrong name any.

    A source is asked for its aliases, and for no account. None where nobody can say: no merchant
    is unknown then.
    """
    raw = as_written()
    entries = raw.get("MERCHANTS") if isinstance(raw, Mapping) else None
    if isinstance(entries, Mapping):
        return tuple(map(str, entries))
    try:
        return tuple(current().merchants)
    except ConfigurationError:
        return None


def merchants() -> Mapping[str, Merchant]:
    """Return every merchant by its alias; one of a source is read when it is asked for."""
    return current().merchants


def directory() -> Directory | None:
    """Return the merchants of the source; None where they stand in the settings."""
    found = current().merchants
    return found if isinstance(found, Directory) else None


def accounts() -> Iterator[Merchant]:
    """Yield every merchant that is in order; a source is asked for one after the other."""
    found = current().merchants
    for alias in found:
        if (account := find_merchant(alias)) is not None:
            yield account


def find_merchant(alias: str) -> Merchant | None:
    """Return one merchant; None where there is none, or where it is out of order."""
    try:
        return merchant(alias)
    except ConfigurationError:
        return None


def known_keys() -> list[Secret]:
    """Return the keys in memory, which no text may show: of a source, those that were read."""
    try:
        config = current()
    except ConfigurationError:
        return []
    found = config.merchants
    held = found.loaded() if isinstance(found, Directory) else found.values()
    return [*config.sealing_keys, *(key for account in held for key in account.secrets)]


def merchant(alias: str) -> Merchant:
    """Return one merchant; an alias that is not in the settings is ``UnknownMerchant``.

    One of a source that is out of order is ``ConfigurationError``.
    """
    try:
        return current().merchants[alias]
    # A list or a dict in the place of an alias cannot be looked up at all.
    except (KeyError, TypeError):
        raise unknown(alias) from None


def unknown(alias: object) -> UnknownMerchant:
    """Return the error of an alias that is not in the settings."""
    text = f'no merchant "{alias}" in WXPAY["MERCHANTS"]'
    is_sealed = getattr(getattr(directory(), "source", None), "is_sealed", False)
    # No query tells the two apart: this may be said of any stranger's alias.
    return UnknownMerchant(f"{text}: its row is missing or out of use" if is_sealed else text)
