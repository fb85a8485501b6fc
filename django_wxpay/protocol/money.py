"""Amounts of money: an ``int`` in the minor unit of its currency, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from django_wxpay.protocol.sentences import sentence as _

# Minor-unit exponents (protocol-v2 section 10). Every other currency on the list has two.
EXPONENTS: Final[dict[str, int]] = {"JPY": 0, "KRW": 0, "VND": 0, "ISK": 0, "KWD": 3, "BHD": 3}

# The gateway publishes no maximum; this one keeps a value inside every database's integer.
LARGEST: Final = 2**31 - 1

# The codes of the gateway's parameter specifications and the newer settlement list
# (protocol-v2 section 10).
CURRENCIES: Final[frozenset[str]] = frozenset(
    "CNY HKD GBP USD JPY CAD AUD EUR NZD KRW THB SGD RUB CHF SEK DKK NOK AED TRY MOP TWD CZK MYR "
    "PHP IDR MNT QAR HUF KHR ISK PLN RON VND KZT AZN KGS FJD AMD".split()
)


def minor_units(value: object) -> int:
    """Return ``value`` if it is a positive whole number of minor units.

    Raises ``ValueError`` with a sentence for a person; ``bool``, ``float`` and text are
    refused, for each of them has once been an amount by accident.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(
            _("%(type)s is not a whole number of minor units", type=type(value).__name__)
        )
    if value < 1:
        raise ValueError(_("an amount is at least 1"))
    if value > LARGEST:
        raise ValueError(_("an amount is at most %(largest)s", largest=LARGEST))
    return value


def decimals(currency: str) -> int:
    """Return how many decimals an amount of ``currency`` is written with."""
    return EXPONENTS.get(currency, 2)


def major_units(amount: int, currency: str) -> Decimal:
    """Return ``amount`` minor units of ``currency`` as its major unit, exactly."""
    return Decimal(amount).scaleb(-decimals(currency))


def format_amount(amount: int, currency: str) -> str:
    """Return ``amount`` minor units for a person's eyes: ``"12.50 CNY"``, ``"1250 JPY"``."""
    return f"{major_units(amount, currency):,f} {currency}"
