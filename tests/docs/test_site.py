"""The site's own pages, as they are made from the code, and what the build would let through."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.dispatch import Signal

from django_wxpay import conf, models, services, signals
from django_wxpay.protocol.error_codes import TABLE
from docs.generator.__main__ import loads_from_elsewhere
from docs.generator.navigation import FROM_THE_ROOT, NAVIGATION
from docs.generator.python import commands_page, models_page, services_page, signals_page
from docs.generator.rest import rest_page
from docs.generator.staging import GENERATED, BrokenLink, stage, with_links
from docs.generator.tables import error_codes_page, settings_page
from tests.laws.source import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pages")
    stage(made)
    return made


def text(folder: Path, name: str) -> str:
    return (folder / name).read_text(encoding="utf-8")


def test_every_page_has_its_place_and_every_place_a_page(folder: Path) -> None:
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    placed = [page for part in NAVIGATION.values() for page in part]
    assert len(placed) == len(set(placed))
    assert pages == {"index.md", *placed}


def test_the_front_page_is_the_readme(folder: Path) -> None:
    front = text(folder, "index.md")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    untouched = [line for line in readme.splitlines() if "](" not in line]
    assert [line for line in untouched if line not in front.splitlines()] == []
    assert "](tutorial.md)" in front
    assert "](contributing.md)" in front
    assert "](demo.png)" in front
    assert (folder / "demo.png").is_file()


def test_links_lead_to_the_site_or_to_the_repository() -> None:
    def led(link: str, source: str = "docs/paying.md", name: str = "paying.md") -> str:
        return with_links(f"[x]({link})", source, name)

    assert led("refunds.md#a") == "[x](refunds.md#a)"
    assert led("docs/refunds.md", "README.md", "index.md") == "[x](refunds.md)"
    assert led("../README.md") == "[x](index.md)"
    assert led("v2.md", "docs/protocol/v3.md", "protocol/v3.md") == "[x](v2.md)"
    assert led("../paying.md", "docs/protocol/v3.md", "protocol/v3.md") == "[x](../paying.md)"
    assert led("../LICENSE").endswith("/blob/main/LICENSE)")
    assert led("https://example.com/a.md") == "[x](https://example.com/a.md)"
    assert led("#here") == "[x](#here)"
    assert with_links("```python\na[b](c)\n```\n", "README.md", "index.md").count("(c)") == 1
    for link in ("nowhere.md", "reference/rest.md"):
        with pytest.raises(BrokenLink, match=link):
            led(link)


@pytest.mark.parametrize("make", GENERATED.values(), ids=GENERATED)
def test_a_generated_page_says_nothing_of_this_machine(make: Callable[[], str]) -> None:
    page = make()
    assert page.startswith("# ")
    assert str(ROOT) not in page
    assert str(Path.home()) not in page
    assert re.findall(r" at 0x|<function|<object|/tmp/", page) == []
    assert "``\n``" not in page


def test_the_page_of_settings_has_each_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", settings_page(), re.MULTILINE))
    settings = (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)
    assert set(rows) == {row.name for row in settings} | {"MERCHANTS"}
    assert rows["TIMEOUT"] == "`(5, 15)`"
    assert rows["SIGN_TYPE"] == '`"HMAC-SHA256"`'
    assert rows["HOSTS"] == ""
    required = {name for name, default in rows.items() if default == "required"}
    assert required == {"MERCHANTS", "NOTIFY_BASE_URL", "APPID", "MCH_ID"}


def test_the_page_of_services_has_each_with_its_signature() -> None:
    page = services_page()
    assert set(re.findall(r"^### (\w+)", page, re.MULTILINE)) >= set(services.__all__)
    assert "check_order(order: Order, *, every_s: float = 10.0) -> Order" in page
    assert '    out_refund_no: str | None = None,\n    refund_desc: str = "",\n) -> Refund' in page
    assert "| `total_fee` | `Required[int]` |" in page
    assert "| `CANCELLED` | `CANCLE` |" in page


def test_the_page_of_models_has_each_with_its_columns() -> None:
    page = models_page()
    assert re.findall(r"^## (\w+)", page, re.MULTILINE) == models.__all__
    assert "| `out_trade_no` | CharField(32) |" in page
    assert "`NOTPAY`" in page
    assert "| `is_paid` | Whether money has arrived" in page
    assert "The shop's own order number" in page


def test_the_page_of_signals_has_each_with_its_comment() -> None:
    page = signals_page()
    known = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == known
    assert "The first time an order is known to be paid" in page
    assert "Every receiver gets" in page


def test_the_page_of_commands_has_each_with_its_own_options() -> None:
    page = commands_page()
    assert "## wxpay_doctor" in page
    assert "| `--hours HOURS` | `1` |" in page
    assert "--settings" not in page.split("## ", 1)[1]


def test_the_page_of_rest_has_every_route_and_object() -> None:
    page = rest_page()
    assert "### POST orders/{id}/refunds/" in page
    assert "[`WXPayPlacedOrder`](#wxpayplacedorder)" in page
    assert "| `refund_fee` | integer" in page
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= {
        name.lower() for name in re.findall(r"^### (\w+)$", page, re.MULTILINE)
    }


def test_the_page_of_error_codes_has_each_with_its_advice() -> None:
    page = error_codes_page()
    assert {row.code for row in TABLE.values()} <= set(
        re.findall(r"^\| `(\w+)`", page, re.MULTILINE)
    )
    assert [row.code for row in TABLE.values() if row.advice not in page] == []
    assert "| `ORDERPAID` | v2, v3 | final |" in page
    assert "| `MCHNOTEXISTS` | `MCHID_NOT_EXIST` |" in page


def test_a_line_that_ends_within_chinese_text_leaves_no_blank() -> None:
    joined = with_links("十分钟，\n之后。\n\n- 一\n- b\nc\n", "README.zh-CN.md", "zh-CN.md")
    assert joined == "十分钟，之后。\n\n- 一\n- b\nc\n"


def test_pages_of_the_root_are_there(folder: Path) -> None:
    assert [name for name in FROM_THE_ROOT.values() if not (folder / name).is_file()] == []


@pytest.mark.parametrize(
    ("loaded", "is_found"),
    [
        ('<script src="https://cdn.example.com/a.js"></script>', True),
        ('<link rel="stylesheet" href="//fonts.example.com/a.css">', True),
        ("<img alt='x' src='http://example.com/a.png'>", True),
        ("a { background: url(https://example.com/a.png) }", True),
        ('<a href="https://example.com">', False),
        ('<script src="_static/a.js"></script>', False),
    ],
)
def test_what_is_loaded_from_another_site_is_found(
    loaded: str, is_found: bool, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(loaded, encoding="utf-8")
    assert bool(loads_from_elsewhere(tmp_path)) is is_found
