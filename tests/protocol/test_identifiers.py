"""Numbers of ours: their form, their order, and that they do not meet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.orders import new_nonce, new_out_trade_no
from django_wxpay.protocol.v2.requests import UNIFIEDORDER_RULES
from tests.protocol.samples import NOW

ENTROPY = st.binary(min_size=16, max_size=16)


def test_an_order_number_is_14_beijing_digits_and_18_random_characters():
    assert new_out_trade_no(NOW, bytes(16)) == "20260101080000" + "2" * 18
    assert new_out_trade_no(NOW, bytes(15) + b"\x1c") == "20260101080000" + "23" + "2" * 16


def test_order_numbers_sort_by_the_second_they_were_made_in():
    earlier = new_out_trade_no(datetime(2026, 1, 1, 15, 59, 59, tzinfo=UTC), b"\xff" * 16)
    later = new_out_trade_no(datetime(2026, 1, 1, 16, 0, 0, tzinfo=UTC), bytes(16))

    assert earlier < later
    assert later.startswith("20260102000000")


@given(ENTROPY)
def test_every_order_number_keeps_the_rule_of_its_field(entropy):
    number = new_out_trade_no(NOW, entropy)

    assert len(number) == 32
    assert UNIFIEDORDER_RULES["out_trade_no"].rule.problem(number) == ""
    assert number.isalnum()


@given(ENTROPY)
def test_an_order_number_can_be_read_out_and_typed_again(entropy):
    random = new_out_trade_no(NOW, entropy)[14:]

    assert random == random.upper()
    assert not set(random) & set("0O1IL")
    assert not set(random) & set("AEIOU"), "it may spell a word"


@given(ENTROPY)
def test_every_nonce_keeps_the_rule_of_its_field(entropy):
    nonce = new_nonce(entropy)

    assert len(nonce) == 32
    assert UNIFIEDORDER_RULES["nonce_str"].rule.problem(nonce) == ""


@given(st.sets(st.binary(min_size=10, max_size=10), min_size=50, max_size=50))
def test_order_numbers_of_one_second_differ_whenever_their_randomness_does(tails):
    numbers = {new_out_trade_no(NOW, bytes(6) + tail) for tail in tails}

    assert len(numbers) == 50


@pytest.mark.parametrize("make", [new_nonce, lambda short: new_out_trade_no(NOW, short)])
def test_too_little_randomness_is_refused(make):
    with pytest.raises(ValueError, match="16 random bytes are needed"):
        make(bytes(15))


def test_more_randomness_than_needed_is_fine():
    assert new_nonce(bytes(24)) == "0" * 32


def test_a_time_without_a_zone_makes_no_number():
    with pytest.raises(ValueError, match="a time without a zone is a guess"):
        new_out_trade_no(datetime(2026, 1, 1), bytes(16))  # noqa: DTZ001
