"""Sentences: text to a program, and still a form with its values to whoever translates."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.rules import Text
from django_wxpay.protocol.sentences import Sentence, sentence


def test_a_sentence_is_its_english_text() -> None:
    said = sentence("%(length)d bytes long", length=4)
    assert said == "4 bytes long"
    assert isinstance(said, str)
    assert (said.form, said.values) == ("%(length)d bytes long", {"length": 4})


def test_one_without_values_is_its_form_to_the_letter() -> None:
    assert sentence("100% of it") == "100% of it"


def test_the_text_of_an_error_is_still_a_sentence() -> None:
    rule = Text(max=3)
    error = InvalidOrder("body", rule.problem("four"), rule.text)
    said: str = str(error)
    assert isinstance(said, Sentence)
    assert said == (
        "body: 4 chars long (rule: 1 to 3 characters: printable characters on one line)"
    )
    assert isinstance(str(ValueError(said)), Sentence)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_a_copy_is_a_sentence_too(again: Callable[[Sentence], Sentence]) -> None:
    said = sentence("%(problem)s (%(rule)s)", problem=sentence("missing"), rule="text")
    other = again(said)
    assert (other, other.form, other.values) == (said, said.form, said.values)
    assert isinstance(other.values["problem"], Sentence)
