"""The pages in Chinese: nothing that a person reads is left in English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils.translation import gettext, override

import django_wxpay
from django_wxpay.protocol.error_codes import TABLE, lookup
from django_wxpay.protocol.v3.errors import V3_TABLE, lookup_v3
from tests.admin.conftest import ADMIN, MODELS
from tests.admin.test_base import one_of_each, page

CATALOG = Path(django_wxpay.__path__[0]) / "locale/zh_Hans/LC_MESSAGES/django.po"


@pytest.mark.parametrize("code", [*TABLE, "A_CODE_OF_TOMORROW"])
def test_the_advice_for_every_code_is_translated(code: str) -> None:
    _is_chinese(lookup(code).advice)


@pytest.mark.parametrize("code", V3_TABLE)
def test_the_advice_for_every_code_of_v3_is_translated(code: str) -> None:
    _is_chinese(V3_TABLE[code].advice)


@pytest.mark.parametrize("status", [401, 404, 405, 418, 429, 500, 502, 503])
def test_the_advice_for_a_refusal_of_v3_without_a_code_is_translated(status: int) -> None:
    _is_chinese(lookup_v3(status, "").advice)


def _is_chinese(advice: str) -> None:
    with override("zh-hans"):
        assert re.search("[一-鿿]", gettext(advice)), advice


def test_the_catalog_has_no_gaps_and_no_guesses() -> None:
    text = CATALOG.read_text(encoding="utf-8")
    assert "#, fuzzy" not in text
    assert not re.search(r'msgstr(\[0\])? ""\n(?!")', text)


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS)
def test_the_pages_can_be_read_in_chinese(boss: Client, model: str) -> None:
    one_of_each(err_code="SYSTEMERROR")
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    listed = boss.get(f"{ADMIN}/{model}/").content.decode()
    shown = page(boss, model)
    assert "微信支付" in listed
    for english in ("Merchant:", "State:", "Created:", "History", "the shop", "See all", "Query"):
        assert english not in shown, english


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("refund", ["已退款", "退款时间", "退回账户", "此订单的退款通知"]),
        ("platformcertificate", ["使用中", "启用时间", "失效时间", "最近一次下载"]),
        ("certificatedownload", ["使用中", "平台证书"]),
        ("order", ["退款：已退款"]),
        ("backgroundjob", ["正常", "运行状况", "最近一次成功", "连续失败次数", "后台任务"]),
    ],
)
def test_what_came_later_can_be_read_in_chinese(boss: Client, model: str, words: list[str]) -> None:
    one_of_each()
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    shown = page(boss, model)
    assert [each for each in words if each not in shown] == []


FIELD = re.compile(r"<label>([^<]*)</label>")
HEADING = re.compile(r'<th scope="col"[^>]*>(?:\s|<[^>]*>)*([^<]*)')
NAME = re.compile("[A-Za-z]+_[a-z_]+")


@pytest.mark.django_db
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_no_label_is_a_name_on_the_wire(boss: Client, model: str, language: str) -> None:
    one_of_each(err_code="SYSTEMERROR", sub_mch_id="1900000110", limit_pay="no_credit")
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = language
    listed = boss.get(f"{ADMIN}/{model}/").content.decode()
    shown = page(boss, model)
    labels = FIELD.findall(shown)
    assert len(labels) > 1
    for label in (*labels, *HEADING.findall(listed + shown)):
        assert not NAME.search(label), label
    if language != "en":
        # What has the same name everywhere.
        left = {each.strip(":") for each in labels if not re.search("[一-鿿]", each)}
        assert left <= {"PEM", "API", "SHA-1", "Request-ID"}


@pytest.mark.django_db
def test_the_name_on_the_wire_stands_beside_the_label(boss: Client) -> None:
    one_of_each(err_code="SYSTEMERROR")
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    shown = page(boss, "order")
    for label, name in (
        ("商户订单号", "out_trade_no"),
        ("微信支付订单号", "transaction_id"),
        ("交易类型", "trade_type"),
        ("付款银行", "bank_type"),
        ("错误码", "err_code"),
        ("商户号", "mch_id"),
        ("应用ID", "appid"),
        ("终端IP", "spbill_create_ip"),
        ("通知地址", "notify_url"),
        ("金额", "total_fee"),
    ):
        assert f"<label>{label}:</label>" in shown, label
        assert f'title="在微信支付接口中的字段名">{name}</code>' in shown, name


@pytest.mark.django_db
def test_a_body_has_no_name_on_the_wire(boss: Client) -> None:
    one_of_each()
    assert ">body</code>" not in page(boss, "notification")
    assert ">body</code>" in page(boss, "order")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("CMB_CREDIT", "CMB_CREDIT（信用卡）"),
        ("ICBC_DEBIT", "ICBC_DEBIT（借记卡）"),
        ("OTHERS", "其他银行（OTHERS）"),
        ("CFT", "CFT"),
    ],
)
def test_the_bank_is_its_code_and_the_kind_of_card(boss: Client, code: str, words: str) -> None:
    one_of_each(bank_type=code)
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    shown = re.sub(r"\s+", " ", page(boss, "order"))
    # What stands between the two is Django's, and differs from release to release.
    assert re.search(f"付款银行:(?:<[^>]+>| |bank_type)+{words}</div>", shown)


@pytest.mark.django_db
def test_reasons_results_and_differences_are_read_in_chinese(boss: Client) -> None:
    order = one_of_each()
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    order.notifications.update(
        outcome="CONFLICT",
        reason_code="DIFFERENT",
        reason_params={"differences": [["total_fee", "1250", "1251"]], "fee_type": "CNY"},
    )
    listed = boss.get(f"{ADMIN}/notification/").content.decode()
    assert "金额：应为 12.50 CNY，收到 12.51 CNY" in listed
    assert "金额：应为 12.50 CNY，收到 12.51 CNY" in page(boss, "order")
    order.notifications.update(reason_code="UNPROVEN", reason_params={"doubt": "NO_APPID"})
    assert "未能证实：其中没有 appid" in page(boss, "notification")
    assert "上报 3 次调用" in boss.get(f"{ADMIN}/backgroundjob/").content.decode()
    order.events.update(dispatched_at=None, dispatch_attempts=1, dispatch_error="NO_END 30")
    assert "30 秒后仍未结束" in page(boss, "order")


@pytest.mark.django_db
def test_the_question_before_closing_is_asked_in_chinese(boss: Client) -> None:
    order = one_of_each()
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    question = boss.get(f"{ADMIN}/order/{order.pk}/close/").content.decode()
    assert "要关闭这些订单吗？" in question
    assert "确认关闭" in question
