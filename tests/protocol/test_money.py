"""Money: what is an amount, and how it is shown."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_wxpay.protocol.money import CURRENCIES, LARGEST, format_amount, major_units, minor_units


@pytest.mark.parametrize("value", [1, 100, LARGEST])
def test_a_positive_int_is_an_amount(value):
    assert minor_units(value) == value


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0, "an amount is at least 1"),
        (-1, "an amount is at least 1"),
        (LARGEST + 1, "an amount is at most 2147483647"),
        (True, "bool is not a whole number of minor units"),
        (1.0, "float is not a whole number of minor units"),
        ("1", "str is not a whole number of minor units"),
        (Decimal(1), "Decimal is not a whole number of minor units"),
        (None, "NoneType is not a whole number of minor units"),
    ],
)
def test_everything_else_is_kept_out_with_a_sentence(value, problem):
    with pytest.raises(ValueError, match=problem):
        minor_units(value)


@pytest.mark.parametrize(
    ("amount", "currency", "expected", "shown"),
    [
        (1250, "CNY", Decimal("12.50"), "12.50 CNY"),
        (1250, "JPY", Decimal(1250), "1,250 JPY"),
        (1250, "KWD", Decimal("1.250"), "1.250 KWD"),
        (123456789, "HKD", Decimal("1234567.89"), "1,234,567.89 HKD"),
        (1, "CNY", Decimal("0.01"), "0.01 CNY"),
    ],
)
def test_minor_units_become_major_units_exactly(amount, currency, expected, shown):
    assert major_units(amount, currency) == expected
    assert format_amount(amount, currency) == shown


def test_every_currency_is_three_capital_letters():
    assert "CNY" in CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
