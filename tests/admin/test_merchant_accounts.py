"""Merchants of the database in the admin: added, changed, disabled, and their keys never shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_wxpay import conf
from django_wxpay.models import MerchantAccount
from django_wxpay.models.merchant import SEALED
from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.secrets import Secret
from tests.accounts import (
    API_KEY,
    NEXT_API_KEY,
    NEXT_SEALING_KEY,
    SEALING_KEY,
    V3,
    V3_KEYS,
    a_second_later,
    kept,
    wxpay,
)
from tests.admin.conftest import ADMIN, ENGLISH
from tests.factories import OrderFactory
from tests.protocol.v3 import keys

pytestmark = pytest.mark.django_db

LIST = f"{ADMIN}/merchantaccount/"
ADD = f"{LIST}add/"
CHANGE_KEYS = "change_merchant_keys"
SECRETS = (*V3_KEYS.values(), NEXT_API_KEY, SEALING_KEY, keys.MERCHANT_KEY.splitlines()[1])


@pytest.fixture(autouse=True)
def _database(wxpay: dict[str, Any], settings: Any) -> None:
    settings.WXPAY = {**_wxpay()}


def _wxpay() -> dict[str, Any]:
    return wxpay(SEALING_KEY)


def address(account: MerchantAccount, page: str = "change") -> str:
    return f"{LIST}{account.pk}/{page}/"


def posted(**changes: Any) -> dict[str, Any]:
    """Return what a form of a v2 merchant posts."""
    fields = {
        "alias": "tea",
        "is_enabled": "on",
        "mch_id": "1900000109",
        "appid": "wx1",
        "appids": "",
        "mode": "common",
        "region": "mainland",
        "api": "v2",
        "sign_type": "HMAC-SHA256",
    }
    return fields | changes


def shows_no_key(text: str) -> bool:
    return not [secret for secret in SECRETS if secret in text]


def test_a_merchant_is_added_and_takes_payments_a_second_later(boss: Client) -> None:
    assert list(conf.merchants()) == []
    answer = boss.post(ADD, posted(new_api_key=f" {API_KEY} "), follow=True)
    assert answer.status_code == 200
    account = MerchantAccount.objects.get()
    assert API_KEY not in account.sealed_api_key
    assert account.keys_changed_by
    a_second_later()
    assert conf.merchant("tea").api_key == Secret(API_KEY)
    (entry,) = LogEntry.objects.all()
    assert "Added" in entry.get_change_message()
    assert shows_no_key(answer.content.decode() + str(vars(entry)))


def test_without_a_sealing_key_the_form_says_so(boss: Client, settings: Any) -> None:
    settings.WXPAY = wxpay() | {"SEALING_KEYS": []}
    answer = boss.post(ADD, posted(new_api_key=API_KEY))
    assert answer.status_code == 200
    assert "SEALING_KEYS" in answer.content.decode()
    assert "(E032)" in answer.content.decode()
    assert shows_no_key(answer.content.decode())
    assert not MerchantAccount.objects.exists()


def test_a_merchant_whose_keys_do_not_open_is_taken_out_of_use(boss: Client, settings: Any) -> None:
    lost = kept("tea")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    answer = boss.post(address(lost), posted())
    assert "opens its API_KEY" in answer.content.decode()
    without = {name: value for name, value in posted().items() if name != "is_enabled"}
    assert boss.post(address(lost), without).status_code == 302
    lost.refresh_from_db()
    assert not lost.is_enabled


def test_v3_keys_are_pasted_as_pems_and_checked_together(boss: Client) -> None:
    columns = {name: value for name, value in V3.items() if name not in {"appid", "mch_id"}}
    pems = {"new_api_v3_key": keys.API_V3_KEY, "new_private_key": keys.MERCHANT_KEY}
    wrong = boss.post(ADD, posted(**columns | pems | {"cert_serial_no": "AB" * 20}))
    assert "CERT_SERIAL_NO is not the serial of CLIENT_CERT (E018)" in wrong.content.decode()
    assert shows_no_key(wrong.content.decode())
    assert not MerchantAccount.objects.exists()
    assert boss.post(ADD, posted(**columns | pems)).status_code == 302
    assert conf.merchant("tea").private_key.reveal() == keys.MERCHANT_KEY


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "API_KEY is missing (E012)"),
        ({"new_api_key": "short"}, "API_KEY does not fit"),
        ({"new_api_key": API_KEY, "mch_id": "1900 109"}, "MCH_ID does not fit"),
        ({"new_api_key": API_KEY, "alias": "a shop"}, "an alias is"),
        ({"new_api_key": API_KEY, "hosts": "weixin"}, "HOSTS is not an absolute address"),
        ({"new_api_key": API_KEY, "client_cert": "/etc/hostname"}, "CLIENT_CERT is no PEM"),
        ({"new_api_key": API_KEY, "new_client_key": "/etc/hostname"}, "CLIENT_KEY is no PEM"),
        ({"new_api_key": API_KEY, "mode": "nonsense"}, "nonsense"),
        ({"new_api_key": API_KEY, "appid": ""}, "required"),
        ({"new_api_key": "K" * 16_385}, "16384"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_saved(
    boss: Client, changes: dict[str, Any], words: str
) -> None:
    answer = boss.post(ADD, posted(**changes))
    assert answer.status_code == 200
    assert words in answer.content.decode().replace("&quot;", '"')
    assert API_KEY not in answer.content.decode()
    assert not MerchantAccount.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "API_KEY 缺失（E012）。请从商户平台的“API 安全”页面复制"),
        ({"new_api_key": API_KEY, "mch_id": "1900 109"}, "MCH_ID 不符合要求：含有不允许的字符"),
        ({"new_api_key": API_KEY, "alias": "a shop"}, "别名应为"),
        ({"new_api_key": API_KEY, "client_cert": "/etc/hostname"}, "CLIENT_CERT 不是 PEM（E014）"),
        ({"new_api_key": API_KEY, "appid": "wx..."}, "APPID 是占位内容：以省略号截断（E029）"),
    ],
)
def test_what_is_wrong_is_said_in_chinese_too(
    boss: Client, changes: dict[str, Any], words: str
) -> None:
    answer = boss.post(ADD, posted(**changes), headers={"accept-language": "zh-hans"})
    (said,) = answer.context["adminform"].form.errors.values()
    assert words in said[0]


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"appids": "wx2,wx3"}, "one a line, without commas"),
        ({"hosts": "http://a.example,http://b.example"}, "one a line, without commas"),
        ({"new_private_key": "/etc/hostname"}, "Paste the text of the PEM"),
        ({"client_cert": "/etc/hostname"}, "Paste the text of the PEM"),
        ({"platform_certificates": "/etc/hostname"}, "Paste the text of the PEM"),
    ],
)
def test_a_hint_is_for_a_form_and_stands_at_its_field(
    boss: Client, changes: dict[str, str], hint: str
) -> None:
    answer = boss.post(ADD, posted(new_api_key=API_KEY, **changes))
    (name,) = changes
    (sentence,) = answer.context["adminform"].form.errors[name]
    assert hint in sentence
    assert not MerchantAccount.objects.exists()


@pytest.mark.parametrize(
    "permissions",
    [(), ("view_merchantaccount",), ("view_merchantaccount", "change_merchantaccount")],
)
def test_everybody_sees_what_belongs_into_a_field(
    boss: Client, as_holder: Callable[..., Client], permissions: tuple[str, ...]
) -> None:
    account = kept("tea")
    person = as_holder(*permissions) if permissions else boss
    page = person.get(address(account), headers=ENGLISH).content.decode()
    for words in (
        "Further appids bound to MCH_ID",
        "One a line, primary first",
        "PEMs to start from",
        "notifications get 404",
    ):
        assert words in page


def test_a_key_is_changed_without_the_others_being_seen(boss: Client) -> None:
    account = kept("tea", V3_KEYS, **V3)
    before = conf.merchant("tea")
    page = boss.get(address(account)).content.decode()
    assert shows_no_key(page)
    assert "sealed" in page
    changed = posted(**{**V3, "new_api_key": NEXT_API_KEY, "removed_keys": []})
    assert boss.post(address(account), changed).status_code == 302
    a_second_later()
    after = conf.merchant("tea")
    assert (after.api_key, after.private_key) == (Secret(NEXT_API_KEY), before.private_key)
    (entry,) = LogEntry.objects.all()
    assert "API_KEY" in entry.get_change_message()
    assert shows_no_key(str(vars(entry)))


def test_a_key_is_removed_where_it_may_be(boss: Client) -> None:
    account = kept("tea", V3_KEYS, **V3)
    removed = boss.post(address(account), posted(**V3, removed_keys=["API_KEY"]))
    assert removed.status_code == 302
    refused = boss.post(address(account), posted(**V3, removed_keys=["PRIVATE_KEY"]))
    assert "PRIVATE_KEY is missing" in refused.content.decode()
    assert not conf.merchant("tea").api_key


def test_the_alias_stays(boss: Client) -> None:
    account = kept("tea")
    assert boss.post(address(account), posted(alias="coffee")).status_code == 302
    assert MerchantAccount.objects.get().alias == "tea"


def test_a_disabled_merchant_is_gone_a_second_later(boss: Client) -> None:
    account = kept("tea")
    assert "tea" in conf.merchants()
    assert boss.post(address(account), posted(is_enabled="")).status_code == 302
    a_second_later()
    assert "tea" not in conf.merchants()
    assert "out of use" in boss.get(LIST).content.decode()


def test_one_with_orders_is_not_deleted(boss: Client) -> None:
    account = kept("tea")
    order = OrderFactory(merchant="tea")
    assert boss.post(address(account, "delete"), {"post": "yes"}).status_code == 403
    order.delete()
    assert boss.get(address(account, "delete")).status_code == 200
    assert boss.post(address(account, "delete"), {"post": "yes"}).status_code == 302
    assert not MerchantAccount.objects.exists()


def test_there_is_no_deletion_of_many(boss: Client) -> None:
    account = kept("tea")
    chosen = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
    boss.post(LIST, chosen)
    assert MerchantAccount.objects.exists()


def test_who_may_look_sees_no_field_to_write_in(as_holder: Callable[..., Client]) -> None:
    account = kept("tea", V3_KEYS, **V3)
    viewer = as_holder("view_merchantaccount")
    page = viewer.get(address(account)).content.decode()
    assert shows_no_key(page)
    assert "new_api_key" not in page
    assert viewer.post(address(account), posted(appid="wx9")).status_code == 403
    assert viewer.get(ADD).status_code == 403
    assert as_holder().get(LIST).status_code == 403


def test_without_the_permission_of_keys_none_is_changed_and_nothing_that_is_trusted(
    as_holder: Callable[..., Client],
) -> None:
    account = kept("tea")
    clerk = as_holder("view_merchantaccount", "change_merchantaccount", "add_merchantaccount")
    assert "new_api_key" not in clerk.get(address(account)).content.decode()
    asked = posted(
        merchant_category_code="5411",
        mch_id="1900000888",
        appid="wx9",
        appids="wx7",
        mode="institutional",
        region="global",
        sub_appid="wx8",
        sub_mch_id="1900000999",
        new_api_key=NEXT_API_KEY,
        removed_keys=["API_KEY"],
        hosts="http://evil.example.com",
        wechatpay_public_key=keys.WECHATPAY_PUBLIC_KEY,
    )
    assert clerk.post(address(account), asked).status_code == 302
    tea = conf.merchant("tea")
    assert (tea.merchant_category_code, tea.api_key) == ("5411", Secret(API_KEY))
    assert (tea.mch_id, tea.appid, tea.appids) == ("1900000109", "wx1", ())
    assert (tea.mode, tea.region) == (Mode.COMMON, Region.MAINLAND)
    assert (tea.sub_appid, tea.sub_mch_id) == ("", "")
    assert "evil" not in str(tea.hosts)
    assert tea.wechatpay_public_key == ""
    assert clerk.get(ADD).status_code == 403


def test_with_it_a_clerk_enters_keys(as_holder: Callable[..., Client]) -> None:
    clerk = as_holder("add_merchantaccount", "change_merchantaccount", CHANGE_KEYS)
    assert clerk.post(ADD, posted(new_api_key=API_KEY)).status_code == 302
    account = MerchantAccount.objects.get()
    assert clerk.post(address(account), posted(new_api_key=NEXT_API_KEY)).status_code == 302
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)


def test_the_list_says_whose_keys_do_not_open(boss: Client, settings: Any) -> None:
    kept("old")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    kept("tea")
    page = boss.get(LIST).content.decode()
    assert "under an old sealing key" in page
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    page = boss.get(LIST).content.decode()
    assert "no sealing key opens them" in page
    MerchantAccount.objects.update(sealing_key="", **dict.fromkeys(SEALED.values(), ""))
    assert "none" in boss.get(LIST).content.decode()
    settings.WXPAY = {}
    assert boss.get(LIST).status_code == 200


def test_the_page_leads_to_the_orders_and_says_where_it_is_not_used(
    boss: Client, settings: Any, as_holder: Callable[..., Client]
) -> None:
    account = kept("tea")
    assert f"{ADMIN}/order/?merchant=tea" in boss.get(address(account)).content.decode()
    assert "these are not used" not in boss.get(address(account)).content.decode()
    viewer = as_holder("view_merchantaccount").get(address(account)).content.decode()
    assert "order/?merchant=tea" not in viewer
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {"default": {"APPID": "wx1", "MCH_ID": "1900000109", "API_KEY": API_KEY}},
        "SEALING_KEYS": [SEALING_KEY],
    }
    assert "these are not used" in boss.get(address(account)).content.decode()


def test_a_list_of_many_takes_as_many_queries_as_one_of_one(
    boss: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        kept(f"shop-{number}", mch_id=f"19000001{number:02}")
    with django_assert_max_num_queries(8):
        assert boss.get(LIST).status_code == 200
