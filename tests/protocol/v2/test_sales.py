"""What a terminal knows of one sale: whatever can be made can be reported."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.v2.batch_reports import SaleState, TerminalSale

NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SALE = TerminalSale(out_trade_no="T20260101000001", begin_at=NOON, end_at=NOON, state=SaleState.OK)


def test_a_cancelled_sale_is_misspelt_on_the_wire_alone() -> None:
    assert SaleState.CANCELLED.value == "CANCLE"
    assert [state.name for state in SaleState] == ["OK", "FAIL", "CANCELLED"]


def test_a_sale_does_not_change_and_says_nothing_of_an_error_unless_told() -> None:
    assert SALE.err_msg == ""
    with pytest.raises(FrozenInstanceError):
        SALE.err_msg = "x"  # type: ignore[misc]


def test_the_word_of_the_wire_is_as_good_as_its_member() -> None:
    word: Any = "CANCLE"
    assert replace(SALE, state=word) == replace(SALE, state=SaleState.CANCELLED)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("out_trade_no", ""),
        ("out_trade_no", "T2026"),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", "with blank"),
        ("out_trade_no", "订单20260101"),
        ("out_trade_no", 20260101000001),
        ("begin_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - naive is what is refused
        ("end_at", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("begin_at", "20260101120000"),
        ("end_at", None),
        ("begin_at", datetime(999, 1, 1, tzinfo=UTC)),
        ("end_at", datetime.max.replace(tzinfo=UTC)),
        ("state", "CANCELLED"),
        ("state", "ok"),
        ("state", None),
        ("state", ["OK"]),
        ("err_msg", None),
        ("err_msg", b"no"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidOrder) as caught:
        replace(SALE, **{field: value})
    assert caught.value.field == field
