"""The sentences of what services store: codes in the rows, words where they are read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.utils.translation import override

from django_wxpay.models import Notification
from django_wxpay.models.counts import Counts, Parts, counts_text, parts_text
from django_wxpay.models.sentences import (
    DEMANDS,
    DOUBTS,
    Reasons,
    differences_text,
    error_text,
    in_english,
    no_end,
    reason_text,
    translated,
)
from django_wxpay.protocol.notices import Doubt
from django_wxpay.protocol.sentences import sentence
from django_wxpay.protocol.states import Demand
from django_wxpay.services.retention import RETENTIONS
from django_wxpay.services.worker.jobs import _pruned
from tests.laws.source import ROOT

CHINESE = re.compile("[一-鿿]")
CODE = re.compile(r"[A-Z]+(_[A-Z]+)*")
PARAMS: dict[str, Any] = {
    "problem": "total_fee is missing",
    "doubt": "UNSIGNED",
    "product": "COUPON.USE",
    "error": "ValueError",
    "differences": [["total_fee", "1250", "1"]],
    "fee_type": "CNY",
}
# The columns that hold codes, and those that codes and what an exception said share.
COLUMNS = {"reason_code", "reason_params", "counts", "dispatch_error", "detail", "error"}
SENTENCE = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        *((code, counts_text) for code in Counts.values),
        *((code, parts_text) for code in Parts.values),
    ],
)
def test_every_count_reads_in_both_languages_and_agrees_with_its_number(
    code: str, text: Any, count: int
) -> None:
    assert CODE.fullmatch(code)
    english = in_english(lambda: text({code: count}))
    with override("zh-hans"):
        assert CHINESE.search(text({code: count})), code
    assert english.startswith(f"{count} ")
    assert not CHINESE.search(english)
    noun = re.match(
        rf"{count} (?:order )?(order|event|notification|call|prepay|hour|bill|report)(s?)\b",
        english,
    )
    assert noun is None or noun[2] == ("" if count == 1 else "s")


@pytest.mark.parametrize("code", Reasons.values)
def test_every_reason_reads_in_both_languages(code: str) -> None:
    assert CODE.fullmatch(code)
    english = in_english(lambda: reason_text(code, PARAMS))
    with override("zh-hans"):
        chinese = reason_text(code, PARAMS, for_people=True)
    assert english
    assert not CHINESE.search(english)
    assert CHINESE.search(chinese)


def test_every_doubt_and_demand_reads_in_both_languages() -> None:
    labels: dict[str, Any] = {**DOUBTS, **DEMANDS}
    assert set(DOUBTS) == set(Doubt)
    assert set(DEMANDS) == set(Demand)
    for code, label in labels.items():
        assert CODE.fullmatch(code)
        assert not CHINESE.search(in_english(label.__str__))
        with override("zh-hans"):
            assert CHINESE.search(str(label)), code


@pytest.mark.parametrize("code", Reasons.values)
def test_a_reason_without_its_parameters_is_read_all_the_same(code: str) -> None:
    reason_text(code, {})
    reason_text(code, {}, for_people=True)


def test_a_reason_of_a_later_version_is_shown_as_its_code() -> None:
    assert reason_text("OF_TOMORROW", {}) == "OF_TOMORROW"
    assert reason_text("", {}) == ""


@pytest.mark.parametrize(
    ("difference", "on_the_wire", "for_people"),
    [
        (
            ["total_fee", "1250", "1"],
            "total_fee: expected 1250, received 1",
            "amount: expected 12.50 CNY, received 0.01 CNY",
        ),
        (
            ["trade_state", "NOTPAY", "REFUND"],
            "trade_state: expected NOTPAY, received REFUND",
            "state: expected Not paid, received Paid, with refunds",
        ),
        (
            ["refund_fee", "<= 40", "60"],
            "refund_fee: expected at most 40, received 60",
            "amount: expected at most 0.40 CNY, received 0.60 CNY",
        ),
        (
            ["transaction_id", "ANY_NUMBER", ""],
            "transaction_id: expected a number, received -",
            "WeChat Pay transaction ID: expected a number, received -",
        ),
        (
            ["a_field_of_tomorrow", "1", "much"],
            "a_field_of_tomorrow: expected 1, received much",
            "a_field_of_tomorrow: expected 1, received much",
        ),
        (
            ["total_fee", "1250", "lots"],
            "total_fee: expected 1250, received lots",
            "amount: expected 12.50 CNY, received lots",
        ),
    ],
)
def test_a_difference_is_said_for_programs_and_for_people(
    difference: list[str], on_the_wire: str, for_people: str
) -> None:
    with override("en"):
        assert differences_text([difference]) == [on_the_wire]
        assert differences_text([difference], currency="CNY") == [for_people]


def test_what_a_job_counted_is_read_in_the_order_of_the_table() -> None:
    counts = {"LEFT": 1, "OF_TOMORROW": 4, "GIVEN_UP": 0, "CALLS_REPORTED": 3}
    with override("en"):
        assert counts_text(counts) == "3 calls reported, 1 left for later, 4 OF_TOMORROW"
        assert counts_text({}) == "nothing to do"
    with override("zh-hans"):
        assert CHINESE.search(counts_text(counts))
        assert CHINESE.search(counts_text({}))


def test_every_table_that_is_pruned_has_its_count() -> None:
    for each in RETENTIONS:
        assert _pruned(each.rows) in Counts


def test_a_receiver_that_has_not_ended_is_a_code_and_what_one_raised_is_its_own_words() -> None:
    assert CODE.match(no_end(30.0))
    with override("en"):
        assert error_text(no_end(30.0)).startswith("no end after 30 s")
        assert error_text("ValueError: no end") == "ValueError: no end"
        assert error_text("") == ""
    with override("zh-hans"):
        assert CHINESE.search(error_text(no_end(0.5)))


def test_a_sentence_of_the_protocol_is_made_anew_with_the_sentences_in_it() -> None:
    said = sentence("%(field)s: %(problem)s", field="body", problem=sentence("too soon"))
    with override("zh-hans"):
        assert translated(said) == "body：太早"
        assert translated("SomeError: of somebody else") == "SomeError: of somebody else"
        assert translated("") == ""
    with override("en"):
        assert translated(said) == "body: too soon"


def test_the_reason_of_a_notification_is_a_code_with_parameters() -> None:
    columns = {each.name: each for each in Notification._meta.concrete_fields}
    assert "reason" not in columns
    assert columns["reason_code"].choices == Reasons.choices
    assert isinstance(columns["reason_params"], models.JSONField)


def test_no_service_stores_a_sentence() -> None:
    paths = sorted((ROOT / "django_wxpay/services").rglob("*.py"))
    assert len(paths) > 50
    found = [f"{path.name}: {text}" for path in paths for text in stored(path.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        'row.save(dispatch_error=f"no end after {s} s")',
        'rows.update(**{"error": "it went wrong"})',
        'row.reason_params = {"why": "that is not right"}',
        'row.set_reason(Reasons.UNREADABLE, problem="it has no number")',
    ],
)
def test_the_law_sees_a_sentence(text: str) -> None:
    assert list(stored(text))


def stored(text: str) -> Iterator[str]:
    """Yield the sentences that ``text``, which is source, writes to a column of codes."""
    for node in ast.walk(ast.parse(text)):
        for value in _values(node):
            yield from (
                each.value
                for each in ast.walk(value)
                if isinstance(each, ast.Constant)
                and isinstance(each.value, str)
                and SENTENCE.search(each.value)
            )


def _values(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.keyword) and node.arg in COLUMNS:
        yield node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in COLUMNS:
                yield value
    elif isinstance(node, ast.Assign):
        if any(getattr(target, "attr", None) in COLUMNS for target in node.targets):
            yield node.value
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "set_reason":
        yield from (each.value for each in node.keywords)
