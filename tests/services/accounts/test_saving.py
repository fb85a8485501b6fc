"""Merchants in the database are checked before they are saved, and used a second later."""

from __future__ import annotations

import io
import logging
import pickle
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connections, router
from django.test.utils import CaptureQueriesContext

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError, UnknownMerchant
from django_wxpay.merchants import DatabaseMerchants, save_account
from django_wxpay.models import MerchantAccount, MerchantVersion
from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Api, Region
from django_wxpay.protocol.secrets import Secret
from django_wxpay.services import gateways
from django_wxpay.services.accounts.saving import account_problems, has_orders
from django_wxpay.services.transactions import atomic
from tests.accounts import (
    API_KEY,
    NEXT_API_KEY,
    NEXT_SEALING_KEY,
    SEALING_KEY,
    V3,
    V3_KEYS,
    a_second_later,
    kept,
    secrets,
    wxpay,
)
from tests.factories import OrderFactory
from tests.protocol.v3 import keys

pytestmark = pytest.mark.django_db


def queries() -> CaptureQueriesContext:
    return CaptureQueriesContext(connections[router.db_for_write(MerchantAccount)])


def test_a_merchant_is_what_its_row_says() -> None:
    kept(
        "coffee",
        {**V3_KEYS, "CLIENT_KEY": keys.MERCHANT_KEY},
        **{
            **V3,
            "appids": "wx2\nwx3",
            "hosts": "http://127.0.0.1:9100/",
            "wechatpay_public_key": "",
            "wechatpay_public_key_id": "",
            "platform_certificates": keys.PLATFORM_CERTIFICATE + keys.MERCHANT_CERTIFICATE,
        },
    )
    coffee = conf.merchant("coffee")
    assert (coffee.alias, coffee.api, coffee.mch_id) == ("coffee", Api.V3, "1900000109")
    assert coffee.appids == ("wx2", "wx3")
    assert coffee.hosts == ("http://127.0.0.1:9100",)
    assert len(coffee.platform_certificates) == 2
    assert coffee.api_v3_key == Secret(keys.API_V3_KEY)
    assert coffee.client_key == coffee.private_key
    kept("tea")
    a_second_later()
    assert conf.merchant("tea").hosts == DEFAULT_HOSTS[Region.MAINLAND]
    assert list(conf.merchants()) == ["coffee", "tea"]


def test_a_merchant_saved_a_second_ago_is_there_and_a_disabled_one_is_not() -> None:
    assert list(conf.merchants()) == []
    tea = kept("tea")
    with pytest.raises(UnknownMerchant, match=r'no merchant "tea".*missing or out of use'):
        conf.merchant("tea")
    a_second_later()
    assert conf.merchant("tea").alias == "tea"
    tea.is_enabled = False
    save_account(tea)
    a_second_later()
    with pytest.raises(UnknownMerchant):
        conf.merchant("tea")
    tea.is_enabled = True
    save_account(tea)
    a_second_later()
    assert conf.merchant("tea").alias == "tea"
    MerchantAccount.objects.all().delete()
    a_second_later()
    with pytest.raises(UnknownMerchant):
        conf.merchant("tea")


def test_new_keys_are_used_a_second_later_and_what_was_kept_for_the_old_ones_is_dropped() -> None:
    columns = {**V3, "wechatpay_public_key": "", "wechatpay_public_key_id": ""}
    tea = kept("tea", V3_KEYS, **columns)
    kept("coffee", V3_KEYS, **{**columns, "mch_id": "1900000110"})
    old, same = gateways.platform_keys("tea"), gateways.platform_keys("coffee")
    save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}), by="a clerk")
    a_second_later()
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
    assert conf.merchant("tea").api_v3_key == Secret(keys.API_V3_KEY)
    assert gateways.platform_keys("tea") is not old
    assert gateways.platform_keys("coffee") is same
    assert MerchantAccount.objects.get(alias="tea").keys_changed_by == "a clerk"


def test_the_keys_kept_of_wechat_pay_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateways, "MOST_KEPT", 2)
    gateways.platform_keys.cache_clear()
    made = {}
    for number in range(3):
        kept(f"shop-{number}", V3_KEYS, **{**V3, "mch_id": f"190000010{number}"})
    for number in range(3):
        made[number] = gateways.platform_keys(f"shop-{number}")
    assert gateways.platform_keys("shop-2") is made[2]
    assert gateways.platform_keys("shop-0") is not made[0]


@pytest.mark.parametrize(
    ("columns", "keys_given", "word"),
    [
        ({"appid": ""}, {"API_KEY": API_KEY}, "APPID"),
        ({"mch_id": "not a number!"}, {"API_KEY": API_KEY}, "MCH_ID"),
        ({}, {}, "API_KEY"),
        ({}, {"API_KEY": "short"}, "API_KEY"),
        ({}, {"API_KEY": API_KEY, "CLIENT_KEY": "/etc/passwd"}, r'CLIENT_KEY"\] is no PEM'),
        ({"client_cert": "/etc/passwd"}, {"API_KEY": API_KEY}, r'CLIENT_CERT"\] is no PEM'),
        ({"platform_certificates": "/etc/passwd"}, V3_KEYS, "PLATFORM_CERTIFICATES"),
        ({"hosts": "api.mch.weixin.qq.com"}, {"API_KEY": API_KEY}, "HOSTS"),
        ({**V3, "cert_serial_no": "0" * 40}, V3_KEYS, "CERT_SERIAL_NO"),
        ({**V3}, {**V3_KEYS, "API_V3_KEY": "short"}, "API_V3_KEY"),
        ({"hosts": ["https://a.example"]}, {"API_KEY": API_KEY}, r'HOSTS"\] is a list'),
        ({"appids": ("wx2",)}, {"API_KEY": API_KEY}, r'APPIDS"\] is a tuple'),
        ({"platform_certificates": None}, V3_KEYS, "one text, one value a line"),
        ({"mch_id": 1900000109}, {"API_KEY": API_KEY}, "MCH_ID.*number"),
        ({"client_cert": ["PEM"]}, {"API_KEY": API_KEY}, "CLIENT_CERT"),
        ({"wechatpay_public_key": None}, {"API_KEY": API_KEY}, "WECHATPAY_PUBLIC_KEY"),
        ({"alias": "a shop"}, {"API_KEY": API_KEY}, "alias"),
        ({}, {"API_KEY": API_KEY, "APPID": "wx"}, "APPID is no key"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_saved(
    columns: dict[str, Any], keys_given: dict[str, str], word: str
) -> None:
    account = MerchantAccount(**{"alias": "tea", "appid": "wx1", "mch_id": "1900000109"} | columns)
    with pytest.raises(ConfigurationError, match=word) as raised:
        save_account(account, keys=secrets(keys_given))
    assert API_KEY not in str(raised.value)
    assert not MerchantAccount.objects.exists()


def test_a_path_is_refused_before_a_file_is_looked_at() -> None:
    account = MerchantAccount(alias="tea", appid="wx1", mch_id="1900000109")
    account.platform_certificates = "/etc/hostname"
    (problem,) = account_problems(account, secrets({"API_KEY": API_KEY}))
    assert "file" not in problem.message


@pytest.mark.parametrize("wrong", [{"SEALING_KEYS": []}, {"SEALING_KEYS": 5}, {"MERCHANTS": {}}])
def test_without_a_sealing_key_no_key_is_taken(wrong: dict[str, Any], settings: Any) -> None:
    settings.WXPAY = wxpay() | wrong
    account = MerchantAccount(alias="tea", appid="wx1", mch_id="1900000109")
    (problem,) = account_problems(account, secrets({"API_KEY": API_KEY}))
    assert (problem.code, problem.merchant) == ("E032", "tea")
    assert next(iter(wrong)) in problem.message
    with pytest.raises(ConfigurationError):
        save_account(account, keys=secrets({"API_KEY": API_KEY}))
    # Nothing is to be sealed here, and what is missing is the key itself.
    (problem,) = account_problems(account, secrets({"API_KEY": ""}))
    assert problem.code == "E012"


def test_keys_that_are_not_given_stay_and_an_empty_one_goes() -> None:
    tea = kept("tea", V3_KEYS, **V3)
    tea.appid = "wx9"
    save_account(tea)
    assert MerchantAccount.objects.get().keys_changed_by == "the boss"
    save_account(tea, keys=secrets({"API_KEY": ""}))
    merchant = conf.merchant("tea")
    assert (merchant.appid, bool(merchant.api_key), bool(merchant.private_key)) == (
        "wx9",
        False,
        True,
    )
    gone = {"API_V3_KEY": "", "PRIVATE_KEY": ""}
    with pytest.raises(ConfigurationError):
        save_account(tea, keys=secrets(gone))


def test_two_changes_of_keys_are_both_kept() -> None:
    one = kept("tea", V3_KEYS, **V3)
    other = MerchantAccount.objects.get()
    save_account(one, keys=secrets({"API_V3_KEY": NEXT_API_KEY}), by="ada")
    save_account(other, keys=secrets({"API_KEY": NEXT_API_KEY}), by="ben")
    merchant = conf.merchant("tea")
    assert (merchant.api_key, merchant.api_v3_key) == (Secret(NEXT_API_KEY), Secret(NEXT_API_KEY))


def test_a_save_without_keys_undoes_no_change_of_keys() -> None:
    tea = kept("tea")
    loaded = MerchantAccount.objects.get()
    save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}), by="ada")
    loaded.appid = "wx9"
    with queries() as asked:
        save_account(loaded)
    assert not [one for one in asked if one["sql"].startswith("UPDATE") and "sealed" in one["sql"]]
    row = MerchantAccount.objects.get()
    assert (row.appid, row.keys_changed_by) == ("wx9", "ada")
    assert loaded.sealed_api_key == row.sealed_api_key
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)


def test_a_merchant_that_was_deleted_meanwhile_does_not_come_back() -> None:
    tea = kept("tea")
    MerchantAccount.objects.all().delete()
    with pytest.raises(ConfigurationError, match='"tea" has been deleted'):
        save_account(tea)
    assert not MerchantAccount.objects.exists()


def test_blanks_around_a_pasted_key_are_no_part_of_it() -> None:
    kept("tea", {"API_KEY": f" {API_KEY}\n"})
    assert conf.merchant("tea").api_key == Secret(API_KEY)


def test_a_lost_sealing_key_puts_those_out_of_order_that_it_sealed(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    lost = kept("lost")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("tea")
    with pytest.raises(ConfigurationError, match='merchant "lost": no key in SEALING_KEYS opens'):
        conf.merchant("lost")
    merchants = conf.directory()
    assert merchants is not None
    problem = merchants.problem("lost")
    assert problem is not None
    assert problem.code == "E032"
    assert conf.merchant("tea").alias == "tea"
    assert [each.alias for each in conf.accounts()] == ["tea"]
    # It is refused where another key stays as it is, and mended where all are entered anew.
    lost.appid = "wx2"
    with pytest.raises(ConfigurationError, match="SEALING_KEYS"):
        save_account(lost)
    save_account(lost, keys=secrets({"API_KEY": NEXT_API_KEY}))
    a_second_later()
    assert conf.merchant("lost").api_key == Secret(NEXT_API_KEY)


def test_what_is_out_of_order_can_be_taken_out_of_use_and_not_into_it(settings: Any) -> None:
    lost = kept("lost")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    lost.is_enabled = False
    save_account(lost)
    a_second_later()
    with pytest.raises(UnknownMerchant):
        conf.merchant("lost")
    lost.is_enabled = True
    with pytest.raises(ConfigurationError, match="SEALING_KEYS"):
        save_account(lost)
    lost.is_enabled = False
    with pytest.raises(ConfigurationError, match="API_KEY"):
        save_account(lost, keys=secrets({"API_KEY": "short"}))


def test_one_that_is_added_out_of_use_is_checked() -> None:
    account = MerchantAccount(alias="a shop", appid="wx1", mch_id="1900000109", is_enabled=False)
    with pytest.raises(ConfigurationError, match="alias"):
        save_account(account)


def test_a_rollback_is_no_change_that_stays() -> None:
    tea = kept("tea")
    before = conf.merchant("tea")

    class Undone(Exception):
        pass

    with pytest.raises(Undone), atomic():
        save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
        a_second_later()
        assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
        raise Undone
    a_second_later()
    assert conf.merchant("tea").api_key == before.api_key


def test_a_change_moves_nothing_before_it_is_committed() -> None:
    tea = kept("tea")
    before, merchants = conf.merchant("tea"), conf.directory()
    assert merchants is not None
    generation = merchants.generation()
    with atomic():
        save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
        a_second_later()
        assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
        assert merchants.loaded() == [before]
        assert merchants.generation() == generation
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
    assert merchants.generation() == generation + 1


def test_autocommit_that_is_off_is_a_transaction_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source = DatabaseMerchants()
    assert source.may_keep()
    ours = connections[router.db_for_write(MerchantAccount)]
    monkeypatch.setattr(ours, "in_atomic_block", False)
    monkeypatch.setattr(ours, "autocommit", False)
    assert not source.may_keep()
    monkeypatch.setattr(ours, "autocommit", True)
    assert source.may_keep()


@pytest.mark.django_db(transaction=True)
def test_this_process_uses_a_change_once_it_is_committed(settings: Any) -> None:
    tea = kept("tea")
    assert conf.merchant("tea").api_key == Secret(API_KEY)
    with atomic():
        save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
        assert conf.merchant("tea").api_key == Secret(API_KEY)
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
    # Merchants of somewhere else, or of nowhere, have nothing to be asked.
    for other in ({"coffee": {"APPID": "wx1", "MCH_ID": "1900000109", "API_KEY": API_KEY}}, {}):
        settings.WXPAY = wxpay() | {"MERCHANTS": other}
        tea.save()


def test_one_row_marks_every_change() -> None:
    assert DatabaseMerchants().version() == ""
    tea = kept("tea")
    first = DatabaseMerchants().version()
    save_account(tea)
    assert DatabaseMerchants().version() != first
    assert MerchantVersion.objects.count() == 1
    assert str(MerchantVersion.objects.get()) == DatabaseMerchants().version()
    assert str(tea) == "tea"


def test_strangers_aliases_cost_no_query_and_a_known_one_costs_three_at_first() -> None:
    kept("tea")
    with queries() as asked:
        conf.merchant("tea")
    assert len([each for each in asked if "SAVEPOINT" not in each["sql"]]) == 3
    with queries() as asked:
        conf.merchant("tea")
        for number in range(100):
            with pytest.raises(UnknownMerchant):
                conf.merchant(f"stranger-{number}")
    assert len(asked) == 0


def test_an_alias_in_another_case_is_another_merchant() -> None:
    kept("tea")
    with pytest.raises(LookupError):
        DatabaseMerchants().get("Tea")


def test_while_the_database_is_away_what_is_known_is_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept("tea")
    before = conf.merchant("tea")

    def fails(*_: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(DatabaseMerchants, "version", fails)
    a_second_later()
    with caplog.at_level(logging.ERROR):
        assert conf.merchant("tea") is before
    assert "DatabaseError" in caplog.text


def test_no_dump_log_repr_or_pickle_holds_a_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        tea = kept("tea", V3_KEYS, **V3)
        merchant = conf.merchant("tea")
    out = io.StringIO()
    call_command(
        "dumpdata", "django_wxpay", database=router.db_for_write(MerchantAccount), stdout=out
    )
    assert tea.sealed_api_key in out.getvalue()
    shown = [out.getvalue(), repr(tea), str(vars(tea)), repr(merchant), caplog.text]
    shown += [repr(conf.current()), repr(conf.merchants()), str(pickle.dumps(tea))]
    for secret in (*V3_KEYS.values(), SEALING_KEY, keys.MERCHANT_KEY.splitlines()[1]):
        assert not [text for text in shown if secret in text]


def test_has_orders_says_whether_one_names_it() -> None:
    tea = kept("tea")
    assert not has_orders(tea)
    OrderFactory(merchant="tea")
    assert has_orders(tea)
