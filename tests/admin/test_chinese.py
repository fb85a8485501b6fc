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


@pytest.mark.django_db
def test_the_question_before_closing_is_asked_in_chinese(boss: Client) -> None:
    order = one_of_each()
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    question = boss.get(f"{ADMIN}/order/{order.pk}/close/").content.decode()
    assert "要关闭这些订单吗？" in question
    assert "确认关闭" in question
