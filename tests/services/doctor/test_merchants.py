"""The doctor and merchants of a source: what is lost or shared, and thousands of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, InterfaceError, router

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError, UnknownMerchant
from django_wxpay.merchants import DatabaseMerchants
from django_wxpay.models import MerchantAccount, Order
from django_wxpay.services.doctor import scope as scopes
from django_wxpay.services.doctor.diagnosis import Finding, Level, diagnose
from django_wxpay.services.doctor.merchants import account_problems, orphan_problems
from tests.accounts import NEXT_SEALING_KEY, SEALING_KEY, V2_KEYS, a_second_later, kept, wxpay
from tests.factories import OrderFactory
from tests.tables import counted

pytestmark = pytest.mark.django_db


class Broken:
    """A source with one good merchant, one that is nonsense, and one that it cannot open."""

    is_prompt = True

    def get(self, alias: str) -> Mapping[str, Any]:
        if alias == "sealed":
            raise ConfigurationError("the vault is closed")
        entry = {"APPID": "wx1", "MCH_ID": "1900000109", **V2_KEYS}
        return entry if alias == "tea" else entry | {"API_KEY": "short"}

    def aliases(self) -> Iterable[str]:
        return ["tea", "coffee", "sealed"]

    def version(self) -> int:
        return 1


class Forgetful(Broken):
    """A source that names a merchant which it does not have."""

    def get(self, alias: str) -> Mapping[str, Any]:
        if alias == "coffee":
            raise LookupError(alias)
        return super().get(alias)


class Silent(Broken):
    def version(self) -> int:
        raise RuntimeError


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.WXPAY = wxpay(SEALING_KEY)


def of(findings: list[Finding], code: str) -> list[Finding]:
    return [each for each in findings if f"({code})" in each.message]


def offline(**scope: Any) -> list[Finding]:
    return diagnose(ask=False, **scope)


def test_merchants_of_the_database_are_examined_as_those_of_the_settings_are() -> None:
    kept("tea")
    complete = [each for each in offline() if "keys belong together" in each.message]
    assert [each.merchant for each in complete] == ["tea"]


def test_a_lost_sealing_key_is_an_error_of_the_doctor_and_a_warning_of_check(
    settings: Any,
) -> None:
    kept("lost")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("tea", mch_id="1900000110")
    found = offline()
    (all_of_them,) = of(found, "W015")
    assert all_of_them.level is Level.ERROR
    assert "1 merchant: lost" in all_of_them.message
    (one,) = of(found, "E032")
    assert (one.merchant, one.level) == ("lost", Level.ERROR)
    database = router.db_for_write(MerchantAccount)
    messages = run_checks(databases=[database])
    assert "django_wxpay.W015" in [each.id for each in messages]
    assert not [each for each in run_checks() if str(each.id).endswith(("W015", "W004"))]
    # One that is out of use is in nobody's way.
    MerchantAccount.objects.filter(alias="lost").update(is_enabled=False)
    assert not list(account_problems())


def test_merchants_that_share_a_number_are_named() -> None:
    kept("tea")
    kept("coffee")
    (problem,) = account_problems()
    assert problem.code == "W004"
    assert '"tea" and "coffee"' in problem.message


def test_accounts_that_are_not_the_merchants_are_nobodys_problem(settings: Any) -> None:
    kept("tea")
    kept("coffee")
    for other in ({"default": {"APPID": "wx1", "MCH_ID": "1900000109", **V2_KEYS}}, {}):
        settings.WXPAY = wxpay() | {"MERCHANTS": other}
        assert list(account_problems()) == []


def test_each_merchant_that_is_out_of_order_is_a_finding_and_the_others_go_on(
    settings: Any,
) -> None:
    settings.WXPAY = wxpay() | {"MERCHANTS": f"{__name__}.Broken"}
    found = offline()
    wrong = {each.merchant: each.message for each in found if each.level is Level.ERROR}
    assert "API_KEY" in wrong["coffee"]
    assert "vault is closed" in wrong["sealed"]
    assert "tea" not in wrong


def test_a_source_that_does_not_answer_is_a_finding(settings: Any) -> None:
    settings.WXPAY = wxpay() | {"MERCHANTS": f"{__name__}.Silent"}
    (silent,) = of(offline(), "E031")
    assert "has not answered" in silent.message


def test_before_a_source_has_answered_no_merchant_is_unknown(settings: Any) -> None:
    settings.WXPAY = wxpay() | {"MERCHANTS": f"{__name__}.Silent"}
    OrderFactory(merchant="tea")
    for scope in ({}, {"merchants": ["tea"]}):
        found = offline(**scope)
        assert of(found, "W007") == []
        (silent,) = of(found, "E031")
        assert "has not answered" in silent.message
    assert list(orphan_problems(router.db_for_write(Order))) == []
    settings.WXPAY = wxpay() | {"MERCHANTS": "nowhere.Nothing"}
    assert list(orphan_problems(router.db_for_write(Order))) == []
    settings.WXPAY = wxpay() | {"MERCHANTS": f"{__name__}.Broken"}
    OrderFactory(merchant="wine")
    (gone,) = orphan_problems(router.db_for_write(Order))
    assert (gone.code, gone.merchant) == ("W007", "wine")
    with pytest.raises(UnknownMerchant):
        offline(merchants=["wine"])


def test_a_merchant_that_is_named_and_not_there_stops_no_diagnosis(settings: Any) -> None:
    settings.WXPAY = wxpay() | {"MERCHANTS": f"{__name__}.Forgetful"}
    wrong = {each.merchant: each.message for each in offline() if each.level is Level.ERROR}
    assert "aliases() names it" in wrong["coffee"]
    assert "vault is closed" in wrong["sealed"]
    assert "tea" not in wrong


def test_of_very_many_the_busy_ones_are_looked_at_and_the_others_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scopes, "MOST_MERCHANTS", 3)
    for number in range(8):
        kept(f"shop-{number}", mch_id=f"190000010{number}")
    OrderFactory(merchant="shop-6")
    OrderFactory(merchant="gone")
    found = offline()
    looked_at = {each.merchant for each in found if "keys belong together" in each.message}
    assert looked_at == {"shop-6", "shop-0", "shop-1"}
    (passed_over,) = [each for each in found if "one by one" in each.message]
    assert "5 others" in passed_over.message
    named = offline(merchants=["shop-7"])
    assert not [each for each in named if "one by one" in each.message]
    assert "shop-7" in {each.merchant for each in named}


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_without_orders_to_read_the_first_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(scopes, "MOST_MERCHANTS", 2)

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(Order.objects, "order_by", fails)
    assert scopes._some(("a", "b", "c")) == ("a", "b")


def test_the_doctor_asks_as_much_for_many_as_for_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MOST_MERCHANTS", 2)
    asked = []
    for number in range(12):
        kept(f"shop-{number}", mch_id=f"19000001{number:02}")
        if number in {3, 11}:
            a_second_later()
            conf.aliases()
            conf.directory()._entries.clear()  # type: ignore[union-attr]
            with counted() as queries:
                offline()
            asked.append(len(queries))
    assert asked[0] == asked[1]


def test_the_source_is_the_one_of_the_settings() -> None:
    found = conf.directory()
    assert found is not None
    assert isinstance(found.source, DatabaseMerchants)
