"""The README, held against the package and the pages: what it names exists, what it shows runs."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata

import pytest
from django.core.management import get_commands

import django_wxpay
from tests.docs.markdown import blocks, links, text_of
from tests.laws.source import ROOT

README = text_of("README.md")
CHINESE = text_of("README.zh-CN.md")
TUTORIAL = text_of("docs/tutorial.md")
CHINESE_TUTORIAL = text_of("docs/tutorial.zh-CN.md")


def test_the_two_command_lines_stand_there_word_for_word() -> None:
    venv = "python3 -m venv .venv && .venv/bin/pip install -e"
    assert blocks(README, "sh") == [
        f"{venv} . && .venv/bin/python manage.py demo\n",
        f"{venv} '.[test]' && .venv/bin/pytest\n",
    ]
    assert blocks(CHINESE, "sh") == blocks(README, "sh")


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 200


@pytest.mark.parametrize(
    ("page", "tutorial", "count"), [(README, TUTORIAL, 3), (CHINESE, CHINESE_TUTORIAL, 2)]
)
def test_its_samples_are_those_of_the_tutorial_which_is_run(
    page: str, tutorial: str, count: int
) -> None:
    shown = blocks(page, "python")
    assert len(shown) == count
    assert [block for block in shown if f"\n{block}" not in tutorial] == []


def test_every_command_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", README))
    assert {"demo", "wxpay_worker", "wxpay_doctor"} <= named
    assert named - set(get_commands()) == set()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_what_it_links_to_is_there_and_its_pictures_are_small(page: str) -> None:
    found = links(text_of(page))
    pictures = [link for link in found if link.endswith(".png")]
    assert [link for link in found if not (ROOT / link).is_file()] == []
    assert pictures != []
    assert [link for link in pictures if (ROOT / link).stat().st_size > 250_000] == []


def test_an_index_that_has_no_repository_around_it_leads_there_too() -> None:
    # As it was when this package was installed, which may be an earlier text.
    readme = str(metadata("django-wxpay").get_payload())
    source = tomllib.loads(text_of("pyproject.toml"))["project"]["urls"]["Source"]
    assert re.findall(r"\]\((?!https://)[^)]*\)", readme) == []
    assert f"[The tutorial]({source}/blob/main/docs/tutorial.md)" in readme
    assert f"receipt]({source}/raw/main/docs/demo.png)" in readme
    assert "[wechatpy](https://github.com/jxtech/wechatpy)" in readme


def test_it_leads_to_every_page() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")}
    english = {page for page in pages if not page.endswith(".zh-CN.md")}
    assert english - set(links(README)) == set()
    assert pages - english - set(links(CHINESE)) == set()


def test_the_versions_of_the_peers_are_those_that_were_looked_at() -> None:
    """What stands beside the SDKs that the tests run with is about these."""
    pinned = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]["test"]
    for name, extra in (("wechatpy", r"\[\w+\]"), ("wechatpayv3", "")):
        (floor,) = [each for each in pinned if re.match(rf"{name}{extra}>=", each)]
        assert f"{name}](" in README
        assert floor.partition(">=")[2] in README, name


def test_the_changelog_has_this_version_on_top_with_its_date() -> None:
    titles = re.findall(r"^## (.+)", text_of("CHANGELOG.md"), re.MULTILINE)
    newest, *older = [title for title in titles if title != "Unreleased"]
    assert newest.startswith(f"{django_wxpay.__version__} (")
    assert all(re.fullmatch(r"[\d.]+ \(20\d\d-\d\d-\d\d\)", each) for each in (newest, *older))
