"""The tree of errors: what each says and what each is a kind of."""

from __future__ import annotations

import pytest

from django_wxpay.protocol import errors


def test_an_invalid_order_names_field_problem_and_rule():
    error = errors.InvalidOrder("body", "128 bytes long", "1 to 127 bytes")

    assert (error.field, error.problem, error.rule) == ("body", "128 bytes long", "1 to 127 bytes")
    assert str(error) == "body: 128 bytes long (rule: 1 to 127 bytes)"
    assert str(errors.InvalidOrder("body", "missing")) == "body: missing"


def test_a_conflict_names_the_order_and_what_differs():
    assert str(errors.OrderConflict("T1")) == "order T1 exists with other parameters"
    error = errors.OrderConflict("T1", ("body", "total_fee"))

    assert error.fields == ("body", "total_fee")
    assert error.out_trade_no == "T1"
    assert str(error) == "order T1 exists with other parameters: body, total_fee differ"


def test_a_refusal_carries_code_description_and_advice():
    error = errors.Refused("ORDERPAID", "paid already", "query it")

    assert (error.err_code, error.err_code_des, error.advice) == (
        "ORDERPAID",
        "paid already",
        "query it",
    )
    assert str(error) == "WeChat Pay refused: ORDERPAID: paid already"
    assert str(errors.Refused("ORDERPAID")) == "WeChat Pay refused: ORDERPAID"


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (errors.BadSignature, errors.BadAnswer),
        (errors.BadAnswer, errors.OutcomeUnknown),
        (errors.MessageTooLarge, errors.MalformedMessage),
        (errors.MalformedMessage, ValueError),
        (errors.InvalidOrder, ValueError),
        (errors.InsideTransaction, RuntimeError),
        (errors.NotAuthentic, errors.WXPayError),
        (errors.ConfigurationError, errors.WXPayError),
        (errors.OutcomeUnknown, errors.WXPayError),
        (errors.Refused, errors.WXPayError),
    ],
)
def test_the_tree_is_as_drawn(kind, parent):
    assert issubclass(kind, parent)
    assert issubclass(kind, errors.WXPayError)
