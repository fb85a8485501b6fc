"""The tree of errors: what each says and what each is a kind of."""

from __future__ import annotations

import pickle

import pytest

from django_wxpay import exceptions
from django_wxpay.protocol import errors


def test_an_invalid_order_names_field_problem_and_rule():
    error = errors.InvalidOrder("body", "128 bytes long", "1 to 127 bytes")

    assert (error.field, error.problem, error.rule) == ("body", "128 bytes long", "1 to 127 bytes")
    assert str(error) == "body: 128 bytes long (rule: 1 to 127 bytes)"
    assert str(errors.InvalidOrder("body", "missing")) == "body: missing"


def test_a_conflict_names_the_order_and_what_differs():
    assert str(errors.OrderConflict("T1")) == "order T1 exists already"
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
    assert error.kind == "ORDERPAID"
    assert str(error) == "ORDERPAID: paid already. query it"
    assert str(errors.Refused("ORDERPAID")) == "ORDERPAID"
    assert str(errors.Refused("ORDERPAID", advice="Query it.")) == "ORDERPAID. Query it."


def test_the_kind_of_a_refusal_is_apart_from_the_gateways_spelling():
    error = errors.Refused("NO_AUTH", "不行", kind="NOAUTH")

    assert (error.err_code, error.kind) == ("NO_AUTH", "NOAUTH")


def test_a_refusal_survives_pickling():
    error = errors.OrderPaid("ORDER_PAID", "paid", "Query it.", kind="ORDERPAID")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is errors.OrderPaid
    assert (str(copy), vars(copy)) == (str(error), vars(error))


def test_every_error_is_named_by_the_module_that_users_import_it_from():
    for name in exceptions.__all__:
        error = getattr(exceptions, name)
        assert error is getattr(errors, name)
        assert f"{error.__module__}.{error.__qualname__}" == f"django_wxpay.exceptions.{name}"


def test_every_error_of_the_tree_is_public():
    found, waiting = set(), [errors.WXPayError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__ == "django_wxpay.exceptions":
            found.add(kind.__name__)

    assert found == set(exceptions.__all__)


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
        (errors.OrderPaid, errors.Refused),
        (errors.OrderClosed, errors.Refused),
    ],
)
def test_the_tree_is_as_drawn(kind, parent):
    assert issubclass(kind, parent)
    assert issubclass(kind, errors.WXPayError)
