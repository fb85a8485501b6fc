"""The settings on the home page: which faults are offered where, and what each setting means."""

from __future__ import annotations

import re

import pytest

from django_wxpay.simulator import Simulator
from django_wxpay.simulator.faults.catalogue import CATALOGUE
from django_wxpay.simulator.faults.script import ANY, OPERATIONS
from django_wxpay.simulator.pages.fault_texts import CHINESE
from tests.simulator.calling import HOST, MCH_ID, NUMBER, Merchant
from tests.simulator.pages.test_pages import page


def offered(merchant: Merchant, where: str) -> set[str]:
    text = page(merchant, f"/_simulator/?where={where}")
    assert f'<input type="hidden" name="operation" value="{where}">' in text
    [select] = re.findall(r'<select name="fault".*?</select>', text, re.DOTALL)
    listed = re.findall(r"<dt><code>(\w+)</code></dt>", text)
    names = re.findall(r'<option value="(\w+)"', select)
    assert listed == names
    return set(names)


@pytest.mark.parametrize(
    ("where", "there", "elsewhere"),
    [
        ("unifiedorder", "before_answer", "bill_empty"),
        ("unifiedorder", "slow", "unknown_trade_state"),
        ("orderquery", "unknown_trade_state", "lost"),
        ("downloadbill", "bill_row_missing", "refund_closed"),
        ("downloadfundflow", "bill_empty", "bill_row_missing"),
        ("refund", "refund_abnormal", "code_pays"),
        ("micropay", "code_pays", "recall"),
        ("reverse", "recall", "not_enough"),
        ("notify", "duplicate", "http_500"),
        ("certificates", "http_500", "doctype"),
        ("report", "http_500", "unsigned"),
    ],
)
def test_a_fault_is_offered_where_it_fits(
    merchant: Merchant, where: str, there: str, elsewhere: str
) -> None:
    names = offered(merchant, where)
    assert there in names
    assert elsewhere not in names


def test_anywhere_offers_all_and_is_where_a_page_begins(merchant: Merchant) -> None:
    assert offered(merchant, ANY) == set(CATALOGUE)
    assert page(merchant, "/_simulator/") == page(merchant, "/_simulator/?where=nowhere")
    assert page(merchant, "/_simulator/") == page(merchant, f"/_simulator/?where={ANY}")


@pytest.mark.parametrize("where", OPERATIONS)
def test_whatever_is_offered_is_taken(app: Simulator, merchant: Merchant, where: str) -> None:
    names = offered(merchant, where)
    assert names
    for name in names:
        form = {"operation": where, "fault": name, "times": "1"}
        answer = merchant.session.post(
            f"{HOST}/_simulator/faults", data=form, allow_redirects=False
        )
        assert answer.status_code == 303
    waiting = page(merchant, "/_simulator/").count("<li><code>")
    assert waiting == len(names)


def test_each_fault_has_its_sentence_in_both_languages(merchant: Merchant) -> None:
    assert CHINESE.keys() == CATALOGUE.keys()
    text = page(merchant, "/_simulator/", language="zh")
    assert all(sentence in text for sentence in CHINESE.values())
    assert CATALOGUE["systemerror"].description not in text
    assert CATALOGUE["systemerror"].description in page(merchant, "/_simulator/")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_setting_is_explained(merchant: Merchant, language: str) -> None:
    text = page(merchant, "/_simulator/", language=language)
    labels = re.findall(r"<label>.*?</label>", text, re.DOTALL)
    assert len(labels) == 8
    for label in labels:
        assert re.search(r"<small>[^<]{4,}</small>|<small id=\"explained\"", label), label


def test_forgetting_everything_asks_first(app: Simulator, merchant: Merchant) -> None:
    merchant.place()
    text = page(merchant, "/_simulator/")
    [asked] = re.findall(r'<details class="end">(.*?)</details>', text, re.DOTALL)
    assert "<summary>Forget everything</summary>" in asked
    assert "This cannot be taken back." in asked
    assert (
        text.count('action="/_simulator/reset"') == asked.count('action="/_simulator/reset"') == 1
    )
    assert "Yes, forget everything" in asked
    assert [trade["out_trade_no"] for trade in app.ledger()["trades"]] == [NUMBER]
    merchant.session.post(f"{HOST}/_simulator/reset", data={})
    assert app.ledger()["trades"] == []
    assert MCH_ID in page(merchant, "/_simulator/")
