"""Amounts as bills print them: decimals of the major unit, read without a float.

What is no plain decimal is refused, whatever ``Decimal`` would make of it: ``1e5``, ``NaN``,
``1,000``, digits of other scripts, blanks.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from django_wxpay.protocol.times import BEIJING, within_calendar

# Of a fee beside those of the minor unit: bills print five decimals of the major unit.
FEE_DECIMALS: Final = 5
# Fifteen digits of a major unit are more money than there is, and fit into a database's integer.
_DECIMAL: Final = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,12}))?")
_TIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NOTHING: Final = frozenset({"", "/"})


@lru_cache(maxsize=65536)
def scaled(text: str, decimals: int) -> int:
    """Return ``text`` as a whole number of its last decimal: ``("45.0", 2)`` is 4500.

    Raises ``ValueError`` with a sentence for what is no plain decimal, and for one that is finer
    than ``decimals``, zeros aside.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is no amount")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if fraction[decimals:].strip("0"):
        raise ValueError(f"{_shown(text)} is finer than {decimals} decimals")
    value = int(whole + fraction[:decimals].ljust(decimals, "0"))
    return -value if sign else value


def amount(text: str, decimals: int) -> int:
    """Return an amount in minor units; one below zero is a ``ValueError``, and ``-0.00`` is 0."""
    value = scaled(text, decimals)
    if value < 0:
        raise ValueError(f"{_shown(text)} is below zero")
    return value


def fee_e5(text: str, decimals: int) -> int:
    """Return a fee in hundred-thousandths of the minor unit; it may be below zero, or nothing."""
    return 0 if text in _NOTHING else scaled(text, decimals + FEE_DECIMALS)


def currency_code(text: str) -> str:
    """Return a currency as it is, or ``ValueError``: it says how many decimals an amount has."""
    if _CURRENCY.fullmatch(text) is None:
        raise ValueError(f"{_shown(text)} is no currency")
    return text


def count(text: str) -> int:
    """Return a number of rows, which is printed like ``20`` or ``20.0``."""
    return amount(text, 0)


def is_nothing(text: str) -> bool:
    """Return whether a column has nothing in it."""
    return text in _NOTHING


def moment(text: str) -> datetime:
    """Return the aware moment that ``yyyy-MM-dd HH:mm:ss`` names in Beijing, or ``ValueError``."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(text)} is no time")
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        return within_calendar(datetime(year, month, day, hour, minute, second, tzinfo=BEIJING))
    except ValueError:
        raise ValueError(f"{_shown(text)} is no time") from None


def _shown(text: str) -> str:
    return ascii(text[:40])
