"""The samples of the guides, run as they are printed: one fresh project that holds them all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from django.core.management.commands import runserver

from django_wxpay.management.commands import wxpay_simulator
from django_wxpay.services.worker.jobs import JOBS
from example_project.accounts import ACCOUNTS
from tests.docs.markdown import blocks, fenced, section, text_of
from tests.docs.samples import bash, codes, named, write
from tests.laws.source import ROOT

# In the order in which a reader's files grow.
GUIDES: Final = (
    "shop accounts refunds paying spa closing-the-day worker latency v2-to-v3 from-stripe "
    "from-wechatpy simulator"
)
PAGES: Final = {name: text_of(f"docs/{name}.md") for name in GUIDES.split()}
SHOP: Final = PAGES["shop"]
SETTINGS: Final = "mysite/settings.py"
INSTALLATION: Final = ("pip install ", "python3 -m venv ")
# Of accounts there are several; the shop's own is v2.
ALTERNATIVES: Final = ("v3, mainland", "v3, global", "v2 beside v3, mainland")
CHECK: Final = "python manage.py check"
ALL_IS_WELL: Final = "System check identified no issues (0 silenced)."

# Samples that the pages' own tests do not call. The simulator's clock is not moved: a bill of
# yesterday is an idle day's.
TESTS: Final = (Path(__file__).parent / "project_tests.py").read_text(encoding="utf-8")


def samples(language: str) -> list[tuple[str, str, str]]:
    """Return the file, the words behind it and the text of each sample of a language."""
    return [
        (*named(block), block)
        for page in PAGES.values()
        for block in blocks(page, language)
        # systemd's, which is no file of the project.
        if not block.startswith("# /etc/")
    ]


def alternative(words: str) -> str:
    """Return for which account a sample is, "" for one that every project has."""
    found = re.match(r"as SHOP: (.*?)(?:, (?:as|with) .*)?$", words)
    return found[1] if found else ""


def in_place_of_shop(settings: str, account: str) -> str:
    """Return settings with another account in the place of the first one, as a person puts it."""
    (shop,) = re.findall(r"^SHOP = \{$.*?^\}$", settings, re.MULTILINE | re.DOTALL)
    return settings.replace(shop, account)


def commands(page: str, heading: str) -> list[str]:
    """Return the command lines below a heading, those that install left out."""
    lines = "".join(blocks(section(page, heading), "bash")).splitlines()
    return [line for line in lines if not line.startswith(INSTALLATION)]


def accounts(chosen: str) -> dict[str, str]:
    """Return an account of the simulator under the names of variables that the samples read."""
    region = "global" if "global" in chosen else "mainland"
    account = ACCOUNTS["v3", region]
    if chosen.startswith("v2"):
        account = {**account, "API_KEY": ACCOUNTS["v2", region]["API_KEY"]}
    names = {
        "WECHATPAY_PUBLIC_KEY": "WXPAY_PUBLIC_KEY",
        "WECHATPAY_PUBLIC_KEY_ID": "WXPAY_PUBLIC_KEY_ID",
    }
    given = {names.get(name, f"WXPAY_{name}"): value for name, value in account.items()}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def written(folder: Path, chosen: str) -> list[str]:
    """Write every sample where it says, and return the lines that set the account."""
    bash(folder, *commands(SHOP, "The project"))
    account = ""
    for path, words, text in [*samples("python"), *samples("html"), *samples("ini")]:
        if not alternative(words):
            write(folder, text)
        elif alternative(words) == chosen:
            account = text
        assert path == SETTINGS or not alternative(words)
    if account:
        settings = folder / SETTINGS
        before = settings.read_text(encoding="utf-8")
        settings.write_text(in_place_of_shop(before, account), encoding="utf-8")
    return [line for line in commands(SHOP, "Start it") if line.startswith("export ")]


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_sample_of_python_compiles(page: str) -> None:
    for language, block in fenced(text_of(f"docs/{page}")):
        if language == "python":
            compile(block, page, "exec")


def test_every_sample_names_its_file_and_only_some_come_in_pieces() -> None:
    whole = [path for path, words, _ in samples("python") if not in_pieces(path, words)]
    assert len(whole) == len(set(whole))
    assert {"shop/apps.py", "shop/receivers.py", "shop/views.py", "test_shop.py"} <= set(whole)
    chosen = [alternative(words) for _, words, _ in samples("python")]
    assert [each for each in chosen if each] == list(ALTERNATIVES)


def in_pieces(path: str, words: str) -> bool:
    return path == SETTINGS or words.startswith("at the end")


@pytest.mark.long
@pytest.mark.parametrize("chosen", ["", *ALTERNATIVES])
def test_a_fresh_project_with_the_samples_sells_tea(chosen: str, tmp_path: Path) -> None:
    export = written(tmp_path, chosen)
    # Each is for an account of its own.
    account = accounts(chosen) if chosen else {}
    export = [] if chosen else export
    steps = [line for line in commands(SHOP, "Start it") if "manage.py m" in line]
    (check,) = [line for line in commands(SHOP, "Start it") if " check" in line]
    assert len(steps) == 2
    bash(tmp_path, *export, *steps, account=account)

    assert bash(tmp_path, *export, check, account=account).strip() == ALL_IS_WELL
    (tmp_path / "test_pages.py").write_text(
        TESTS.replace("@CHOSEN@", chosen).replace("@JOBS@", str(len(JOBS))), encoding="utf-8"
    )
    (run,) = commands(SHOP, "Test it")
    printed = bash(tmp_path, *export, run, account=account)
    assert "test_shop.py ." in printed
    assert "test_lost_notification.py ." in printed
    assert " skipped" not in printed
    assert re.search(r"(\d+) passed", printed)[1] == str(TESTS.count("\ndef test_") + 2)  # type: ignore[index]
    if not chosen:
        under_simulator(tmp_path, export, run)


def under_simulator(folder: Path, export: list[str], run: str) -> None:
    """Hold the settings for the simulator to its default port and to that of ``runserver``."""
    switch, start = commands(PAGES["simulator"], "Sell through it")
    assert start == "python manage.py wxpay_simulator & python manage.py runserver"
    port = wxpay_simulator.Command().create_parser("manage.py", "wxpay_simulator")
    shown = "[WXPAY['NOTIFY_BASE_URL'], WXPAY['MERCHANTS']['default']['HOSTS'], ALLOWED_HOSTS]"
    asked = f'python -c "from mysite.settings import *; print({shown})"'
    assert bash(folder, *export, switch, asked).strip() == str(
        [
            f"http://127.0.0.1:{runserver.Command.default_port}",
            [f"http://127.0.0.1:{port.parse_args([]).port}"],
            ["127.0.0.1", "localhost"],
        ]
    )
    assert codes(bash(folder, *export, switch, CHECK)) == ["W002"]
    same_switch, *looks, same_start = commands(SHOP, "Look at it")
    assert (same_switch, same_start) == (switch, start)
    query = "from shop.models import Basket; print([*Basket.objects.values()])"
    asked = f'python manage.py shell -c "{query}"'
    assert "'number': 'A-17'" in bash(folder, *export, switch, *looks, asked)
    doctor = bash(folder, *export, switch, "python manage.py wxpay_doctor --offline")
    assert "Bills are kept" not in doctor
    assert "1 passed" in bash(folder, *export, switch, f"{run} test_shop.py")


@pytest.mark.long
def test_check_says_what_the_shop_says_of_it(tmp_path: Path) -> None:
    export = written(tmp_path, "")
    settings = tmp_path / SETTINGS
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('"transaction_mode": "IMMEDIATE",', ""), encoding="utf-8")

    # The tables are not there yet, which only a question to the database can show.
    assert codes(bash(tmp_path, *export, CHECK)) == ["W003"]
    assert codes(bash(tmp_path, *export, f"{CHECK} --database default")) == ["W003", "W006"]
    copied = f"WXPAY_APPID='wx...' WXPAY_API_KEY='<your key>' {CHECK} && exit 1 || true"
    found = codes(bash(tmp_path, *export, copied))
    # The other merchants of the samples have the same keys.
    assert set(found) == {"E029", "W003"}
