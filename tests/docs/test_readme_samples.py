"""The README's samples, run as they are printed: a fresh project that holds them sells tea."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from django.core.management.commands import runserver

from django_wxpay.management.commands import wxpay_simulator
from django_wxpay.services.worker.jobs import JOBS
from example_project.accounts import ACCOUNTS
from tests.docs.markdown import blocks, section, text_of
from tests.laws.source import ROOT

README: Final = text_of("README.md")
# The first line of a sample: its file, and words for the reader.
NAMED: Final = re.compile(r"(?:#|<!--) ([\w/]+\.(?:py|html|ini))(?:[,:] (.*?))?(?: -->)?")
USE: Final = "Use it in your own project"
SETTINGS: Final = "mysite/settings.py"
INSTALLATION: Final = ("pip install ", "python3 -m venv ")
# Of v3 there are two; the first snippet is v2.
ALTERNATIVES: Final = ("v3, mainland", "v3, global")
CHECK: Final = "python manage.py check"
ALL_IS_WELL: Final = "System check identified no issues (0 silenced)."
_OURS: Final = ("PYTEST_", "COV_", "COVERAGE_", "WXPAY_", "DJANGO_SETTINGS_MODULE")

# What the README shows and its own test does not call. The simulator's clock is not moved: a bill
# of yesterday is an idle day's.
PAGES: Final = """
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from django_wxpay.models import Order
from shop.models import Basket

ONE = "/baskets/B-1/checkout/"


@pytest.fixture(autouse=True)
def basket(transactional_db):
    return Basket.objects.create(number="B-1", total_fee=1800)


def test_the_pages_of_one_basket(client, wxpay_simulator):
    first = client.get(ONE)
    sent = len(wxpay_simulator.requests())
    again = client.get(ONE)
    assert len(wxpay_simulator.requests()) == sent
    assert first.content == again.content
    assert b"<svg" in first.content
    assert b'data-wxpay-status-url="/orders/B-1/status/"' in first.content
    assert client.get("/orders/B-1/status/").json()["status"] == "waiting"
    assert b"not paid" in client.get("/orders/B-1/").content
    wxpay_simulator.pay(Order.objects.get())
    assert client.get("/orders/B-1/status/").json()["status"] == "paid"
    assert client.get(ONE).headers["Location"] == "/orders/B-1/"
    assert client.get("/orders/B-1/").content == b"Thank you."
    assert Order.objects.count() == 1


def test_a_bill_and_the_schedule(wxpay_simulator, tmp_path, settings):
    from shop.closing import close

    settings.MEDIA_ROOT = tmp_path
    assert close(timezone.now().date() - timedelta(days=2)) == 0
    assert len(settings.CELERY_BEAT_SCHEDULE) == JOBS


def test_sales_of_a_terminal(wxpay_simulator):
    from django_wxpay.models import ApiReport
    from shop.terminals import note_sale, send_failed_sale

    now = timezone.now()
    note_sale("41", now, 7400)
    assert ApiReport.objects.filter(interface_url__endswith="/pay/micropay/total").count() == 1
    if "API_KEY" in settings.WXPAY["MERCHANTS"]["default"]:
        assert send_failed_sale("42", now, now + timedelta(seconds=5)) == ()


def test_a_till_and_a_refund(client, wxpay_simulator):
    if "API_KEY" in settings.WXPAY["MERCHANTS"]["default"]:
        pytest.skip("v2 needs the client certificate")
    from shop.refunds import refund
    from shop.till import charge

    code = wxpay_simulator.simulator.payment_code()["auth_code"]
    assert charge("7", code, 900) is True
    assert charge("7", code, 900) is True
    assert Order.objects.get(out_trade_no="till-7").total_fee == 900
    client.get(ONE)
    order = Order.objects.get(out_trade_no="basket-B-1")
    wxpay_simulator.pay(order)
    assert refund(order, "3").pk == refund(order, "3").pk
    order.refresh_from_db()
    assert order.refundable == 1350
"""


def samples(language: str) -> list[tuple[str, str, str]]:
    """Return the file, the words behind it and the text of each sample of a language."""
    found = []
    for block in blocks(README, language):
        # systemd's, which is no file of the project.
        if block.startswith("# /etc/"):
            continue
        named = NAMED.fullmatch(block.splitlines()[0])
        assert named, f"this sample does not say where it goes:\n{block}"
        found.append((named[1], named[2] or "", block))
    return found


def alternative(words: str) -> str:
    """Return for which account a sample is, "" for one that every project has."""
    return next((each for each in ALTERNATIVES if words.startswith(f"as SHOP: {each},")), "")


def in_place_of_shop(settings: str, account: str) -> str:
    """Return settings with another account in the place of the first one, as a person puts it."""
    (shop,) = re.findall(r"^SHOP = \{$.*?^\}$", settings, re.MULTILINE | re.DOTALL)
    return settings.replace(shop, account)


def commands(heading: str) -> list[str]:
    """Return the command lines below a heading, those that install left out."""
    lines = "".join(blocks(section(README, heading), "bash")).splitlines()
    return [line for line in lines if not line.startswith(INSTALLATION)]


def bash(folder: Path, *lines: str, account: dict[str, str] | None = None) -> str:
    """Run command lines in a folder, as one script, and return what they print."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    run = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines)],
        cwd=folder,
        env=kept | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONOPTIMIZE": ""} | (account or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-6000:]
    return run.stdout + run.stderr


def accounts(api: str, region: str) -> dict[str, str]:
    """Return an account of the simulator under the names of variables that the samples read."""
    account = ACCOUNTS[api, region]
    names = {
        "WECHATPAY_PUBLIC_KEY": "WXPAY_PUBLIC_KEY",
        "WECHATPAY_PUBLIC_KEY_ID": "WXPAY_PUBLIC_KEY_ID",
    }
    given = {names.get(name, f"WXPAY_{name}"): value for name, value in account.items()}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def written(folder: Path, chosen: str) -> list[str]:
    """Write every sample where it says, and return the lines that set the account."""
    lines = commands(USE)
    bash(folder, *[line for line in lines if " start" in line])
    texts = {SETTINGS: (folder / SETTINGS).read_text(encoding="utf-8")}
    account = ""
    for path, words, text in [*samples("python"), *samples("html"), *samples("ini")]:
        if not alternative(words):
            texts[path] = f"{texts[path]}\n{text}" if path in texts else text
        elif alternative(words) == chosen:
            account = text
    if account:
        texts[SETTINGS] = in_place_of_shop(texts[SETTINGS], account)
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return [line for line in lines if line.startswith("export ")]


def test_every_sample_names_its_file_and_settings_alone_come_in_pieces() -> None:
    paths = [path for path, _, _ in samples("python")]
    others = [path for path in paths if path != SETTINGS]
    assert len(paths) == len(blocks(README, "python"))
    assert len(others) == len(set(others))
    assert {"shop/apps.py", "shop/receivers.py", "shop/views.py", "test_shop.py"} <= set(others)
    chosen = [alternative(words) for _, words, _ in samples("python")]
    assert [each for each in chosen if each] == list(ALTERNATIVES)


@pytest.mark.parametrize("chosen", ["", *ALTERNATIVES])
def test_a_fresh_project_with_the_samples_sells_tea(chosen: str, tmp_path: Path) -> None:
    export = written(tmp_path, chosen)
    account: dict[str, str] = {}
    if chosen:
        # Each is for an account of its own.
        api, region = chosen.split(", ")
        export, account = [], accounts(api, region)
    steps = [line for line in commands(USE) if "manage.py m" in line]
    (check,) = [line for line in commands(USE) if " check" in line]
    assert len(steps) == 2
    bash(tmp_path, *export, *steps, account=account)

    assert bash(tmp_path, *export, check, account=account).strip() == ALL_IS_WELL
    pages = PAGES.replace("== JOBS", f"== {len(JOBS)}")
    (tmp_path / "test_pages.py").write_text(pages, encoding="utf-8")
    (run,) = commands("Test your own shop with it")
    printed = bash(tmp_path, *export, run, account=account)
    assert "test_shop.py ." in printed
    assert f"{4 + bool(chosen)} passed" in printed
    if not chosen:
        under_simulator(tmp_path, export, run)


def under_simulator(folder: Path, export: list[str], run: str) -> None:
    """Hold the settings for the simulator to its default port and to that of ``runserver``."""
    switch, start = commands("The simulator")
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
    assert "1 passed" in bash(folder, *export, switch, f"{run} test_shop.py")


def test_check_says_what_the_readme_says_of_it(tmp_path: Path) -> None:
    export = written(tmp_path, "")
    settings = tmp_path / SETTINGS
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('"transaction_mode": "IMMEDIATE",', ""), encoding="utf-8")

    # The tables are not there yet, which only a question to the database can show.
    assert codes(bash(tmp_path, *export, CHECK)) == ["W003"]
    assert codes(bash(tmp_path, *export, f"{CHECK} --database default")) == ["W003", "W006"]
    copied = f"WXPAY_APPID='wx...' WXPAY_API_KEY='<your key>' {CHECK} && exit 1 || true"
    assert codes(bash(tmp_path, *export, copied)) == ["E029", "E029", "W003"]


def codes(printed: str) -> list[str]:
    """Return the codes of what ``check`` has found, in its order."""
    return re.findall(r"\(\w+\.([EW]\d+)\)", printed)
