"""The doctor's word on refused notifications: a wrong key, a forger, a passer-by."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from django_wxpay.services import clock
from django_wxpay.services.doctor.diagnosis import diagnose
from django_wxpay.services.doctor.findings import Finding, Level
from django_wxpay.services.doctor.refusals import check_refusals
from django_wxpay.services.doctor.scope import scope_of
from tests.factories import NotificationFactory, RefusalCountFactory

pytestmark = pytest.mark.django_db


def found(*merchants: str, hours: int = 1) -> list[Finding]:
    return list(check_refusals(scope_of(merchants or None, hours=hours, ask=False)))


def levels(*merchants: str) -> list[tuple[str, Level]]:
    return [(one.merchant, one.level) for one in found(*merchants)]


def test_without_refusals_it_says_nothing() -> None:
    assert found() == []


@pytest.mark.parametrize("reason", ["WRONG", "UNKNOWN_KEY", "NOT_OPENED", "NO_KEYS"])
@pytest.mark.parametrize(("count", "level"), [(2, Level.WARNING), (3, Level.ERROR)])
def test_signatures_that_fail_while_none_holds_are_an_error(
    reason: str, count: int, level: Level
) -> None:
    RefusalCountFactory(reason=reason, count=count)
    (finding,) = found()
    assert (finding.merchant, finding.level) == ("default", level)
    assert f"{count} " in finding.message
    assert finding.message.endswith("and none was accepted.")
    assert "A key of the settings is wrong" in finding.advice


def test_kinds_of_wrong_signatures_are_one_finding_with_the_count_of_each() -> None:
    RefusalCountFactory(reason="WRONG", count=1)
    RefusalCountFactory(reason="UNKNOWN_KEY", count=2)
    (finding,) = found()
    assert finding.level is Level.ERROR
    assert "1 with a wrong signature, 2 signed with an unknown key" in finding.message


def test_signatures_that_fail_beside_others_that_hold_are_a_warning() -> None:
    RefusalCountFactory(count=5000)
    NotificationFactory(created_at=clock.now())
    (finding,) = found()
    assert finding.level is Level.WARNING
    assert "5000 with a wrong signature" in finding.message
    assert "forges" in finding.advice


def test_what_another_merchant_accepted_shows_nothing_about_these_keys() -> None:
    RefusalCountFactory(count=3)
    NotificationFactory(created_at=clock.now(), merchant="other")
    assert levels() == [("default", Level.ERROR)]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("STALE", "clock"),
        ("UNSIGNED", "proxy"),
        ("OUR_TROUBLE", "manage.py check"),
        ("UNKNOWN_MERCHANT", "alias"),
    ],
)
def test_what_may_be_our_own_fault_is_a_warning_once_it_comes_again(
    reason: str, words: str
) -> None:
    row = RefusalCountFactory(reason=reason, count=1)
    assert levels() == [("default", Level.OK)]
    row.count = 3
    row.save()
    (finding,) = found()
    assert finding.level is Level.WARNING
    assert finding.message.startswith("3 notifications were refused ")
    assert words in finding.advice


def test_passers_by_are_no_problem_however_many_and_can_be_seen() -> None:
    for reason in ("MALFORMED", "TOO_LARGE", "PROBE"):
        RefusalCountFactory(reason=reason, count=70)
    (finding,) = found()
    assert finding.level is Level.OK
    assert "not readable 70, too large 70, tests of WeChat Pay's 70" in finding.message


def test_a_finding_stands_for_some_hours_and_then_is_gone() -> None:
    RefusalCountFactory(hour=clock.now() - timedelta(hours=8), count=9)
    assert found() == []
    assert found(hours=9) != []
    RefusalCountFactory(count=4, hour=clock.now() - timedelta(hours=5))
    assert levels() == [("default", Level.ERROR)]


def test_hours_are_added_up() -> None:
    for hours in range(3):
        RefusalCountFactory(hour=clock.now() - timedelta(hours=hours), count=1)
    assert levels() == [("default", Level.ERROR)]


def test_only_the_merchants_that_are_asked_for_are_looked_at() -> None:
    RefusalCountFactory(merchant="", reason="UNKNOWN_MERCHANT", count=9)
    RefusalCountFactory(merchant="default", count=9)
    assert levels() == [("", Level.WARNING), ("default", Level.ERROR)]
    assert levels("default") == [("default", Level.ERROR)]


def test_the_diagnosis_and_its_json_have_it() -> None:
    RefusalCountFactory(count=3)
    wrong = [one for one in diagnose(ask=False) if one.level is Level.ERROR]
    assert any("wrong signature" in one.message for one in wrong)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("wxpay_doctor", "--offline", "--json", stdout=out)
    rows = json.loads(out.getvalue())
    (row,) = [one for one in rows if "wrong signature" in one["message"]]
    assert (row["subject"], row["level"]) == ("notifications", "ERROR")
