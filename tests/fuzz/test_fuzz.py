"""The fuzz harness for some seconds, and proof that its oracle can fail.

A harness that finds nothing says something only if it finds what is there: so the second part
takes a defence away and expects the finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v2 import notices
from django_wxpay.services.notifications import receiving
from django_wxpay.services.notifications.responses import accepted
from tests.fuzz.cases import FAMILIES, make_case
from tests.fuzz.merchants import WXPAY
from tests.fuzz.running import Harness

pytestmark = pytest.mark.django_db(transaction=True)

_SEED = 2026


@pytest.fixture
def harness(settings: Any) -> Iterator[Harness]:
    settings.WXPAY = WXPAY
    settings.DEBUG = False
    with Harness(_SEED).running() as harness:
        yield harness


def test_some_hundred_inputs_of_every_family_find_nothing(harness: Harness) -> None:
    findings = [str(each) for first in (0, 100, 200) for each in harness.run_batch(first, 80)]
    assert findings == []
    assert set(harness.counts.inputs) == set(FAMILIES)
    assert harness.counts.total > 500
    assert harness.counts.outcomes["accepted"] > 100


def test_a_case_is_made_of_its_seed_and_its_index_alone() -> None:
    for index in range(20):
        assert make_case(1, index).inputs == make_case(1, index).inputs
    assert make_case(1, 7).inputs != make_case(2, 7).inputs


def _found(harness: Harness, family: str, count: int = 10) -> list[str]:
    harness.families = (family,)
    return [each.problem for each in harness.run_batch(0, count)]


def test_a_signature_that_is_not_checked_is_found(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "verify", lambda *_: True)
    found = _found(harness, "v2 forged")
    assert any("for a sender without a key" in problem for problem in found)


def test_an_answer_in_no_form_of_the_protocol_is_found(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = replace(accepted(Api.V2), body=b"<xml>OK</xml>")
    monkeypatch.setattr(receiving, "refused", lambda *_: answer)
    found = _found(harness, "random")
    assert any("no form of ours" in problem for problem in found)


def test_a_request_that_raises_is_found(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a fault of the door")

    monkeypatch.setattr(receiving, "refused", fail)
    found = _found(harness, "random")
    assert any("a fault of the door" in problem for problem in found)


def test_a_genuine_notice_that_is_lost_is_found(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiving.processing, "process", lambda *_: accepted(Api.V3))
    found = _found(harness, "v3 genuine", 2)
    assert len(found) == 2
