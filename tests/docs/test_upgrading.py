"""The page on upgrading: what it prints brings the tables of an older version up to date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.markdown import blocks, section, text_of
from tests.docs.samples import bash, write

PAGE: Final = section(text_of("docs/upgrading.md"), "Before the first release")
TILL: Final = text_of("docs/till.md")
SELL: Final = """
from django_wxpay import services
from django_wxpay.testing import simulated_wxpay

with simulated_wxpay() as wechat:
    order = services.checkout(
        trade_type="NATIVE", body="Tea", total_fee=1, product_id="t", out_trade_no="@NUMBER@"
    ).order
    wechat.pay(order)
    services.query_order(order)
"""
TABLES: Final = ("apireport", "order", "refund")
COLUMN: Final = re.compile(r"^ +\('err_code_des', .*\),\n", re.MULTILINE)
LOOK: Final = "from django_wxpay.models import Order; print(*Order.objects.values_list('{}'))"


def sell(folder: Path, number: str) -> None:
    (folder / "sell.py").write_text(SELL.replace("@NUMBER@", number), encoding="utf-8")
    bash(folder, "python manage.py shell < sell.py")


@pytest.mark.long
def test_a_project_with_orders_follows_by_migrations_of_its_own(tmp_path: Path) -> None:
    bash(tmp_path, "django-admin startproject mysite .")
    settings, urls, *_ = blocks(TILL, "python")
    write(tmp_path, settings)
    write(tmp_path, urls)
    copy, follow = blocks(PAGE, "bash")
    (setting,) = blocks(PAGE, "python")
    bash(tmp_path, "python manage.py migrate")
    sell(tmp_path, "before")
    bash(tmp_path, *copy.splitlines())
    write(tmp_path, setting)

    # An older version: a column fewer, in the migration and in the three tables that have it.
    initial = tmp_path / "wxpay_migrations/0001_initial.py"
    older, count = COLUMN.subn("", initial.read_text(encoding="utf-8"))
    assert count == len(TABLES)
    initial.write_text(older, encoding="utf-8")
    drop = "; ".join(
        f"ALTER TABLE django_wxpay_{table} DROP COLUMN err_code_des" for table in TABLES
    )
    (tmp_path / "older.py").write_text(
        f"import sqlite3\nsqlite3.connect('db.sqlite3').executescript({drop!r})\n", encoding="utf-8"
    )
    bash(tmp_path, "python older.py")

    bash(tmp_path, *follow.splitlines())
    assert len(list((tmp_path / "wxpay_migrations").glob("0*.py"))) == 2
    bash(tmp_path, "python manage.py makemigrations --check django_wxpay")
    sell(tmp_path, "behind")
    states = bash(tmp_path, f'python manage.py shell -c "{LOOK.format("trade_state")}"')
    assert states.count("SUCCESS") == 2

    # With the first release: the package's own migration is taken for the one that has run.
    site = tmp_path / "mysite/settings.py"
    site.write_text(site.read_text(encoding="utf-8").replace(setting, ""), encoding="utf-8")
    assert "No migrations to apply" in bash(tmp_path, "python manage.py migrate")
    bash(tmp_path, "python manage.py makemigrations --check django_wxpay")
