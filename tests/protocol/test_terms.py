"""Terms: when an order is the same order again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.protocol.samples import EVERY_OPTION, NOW, TERMS


def test_the_same_terms_do_not_differ():
    again = replace(TERMS)

    assert TERMS.differences(again) == ()


@pytest.mark.parametrize("name", ["spbill_create_ip", "time_start", "notify_url"])
def test_what_only_surrounds_a_request_makes_no_other_order(name):
    again = replace(TERMS, **{name: NOW if name == "time_start" else "changed"})

    assert TERMS.differences(again) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [("total_fee", 101), ("body", "other"), ("openid", "o2"), ("time_expire", NOW),
     ("attach", "x"), ("sub_mch_id", "1"), ("user_truename", "x")],
)  # fmt: skip
def test_any_other_parameter_makes_another_order(name, value):
    other = replace(TERMS, **{name: value})

    assert TERMS.differences(other) == (name,)


def test_terms_with_every_option_differ_in_the_moment_alone():
    whole = replace(TERMS, **EVERY_OPTION)
    later = replace(whole, time_expire=whole.time_expire + timedelta(seconds=1))

    assert whole.differences(replace(whole)) == ()
    assert whole.differences(later) == ("time_expire",)


def test_the_payers_name_and_id_are_not_in_the_repr():
    shown = repr(replace(TERMS, user_truename="张三", user_creid="110101199001011234"))

    assert "张三" not in shown
    assert "110101199001011234" not in shown
