"""The README, held against the package: what it names exists, and what it shows works."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission
from django.core.management import get_commands
from django.test import Client
from django.urls import resolve

import django_wxpay
from django_wxpay import conf, exceptions, services, signals
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.simulator import SimulatorAdapter, create_app
from tests.docs.markdown import blocks, code_words, links, section, text_of
from tests.laws.source import ROOT

README = text_of("README.md")
SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")


def test_the_two_command_lines_stand_there_word_for_word() -> None:
    venv = "python3 -m venv .venv && .venv/bin/pip install -e"
    assert blocks(README, "sh") == [
        f"{venv} . && .venv/bin/python manage.py demo\n",
        f"{venv} '.[test]' && .venv/bin/pytest\n",
    ]


@pytest.mark.parametrize("block", blocks(README, "python"))
def test_every_python_block_compiles(block: str) -> None:
    compile(textwrap.dedent(block), "README.md", "exec")


def test_settings_and_addresses_take_fewer_than_twenty_five_lines() -> None:
    shown = "".join(blocks(section(README, "Use it in your own project"), "python")[:2])
    assert "urlpatterns" in shown
    assert len([line for line in shown.splitlines() if line.strip()]) < 25


def test_every_setting_is_in_the_tables_and_nothing_else_is() -> None:
    part = section(README, "Settings")
    told = {word for word in code_words(part) if SETTING.fullmatch(word)} - {"WXPAY"}
    rows = {row.name for row in (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)} | {"MERCHANTS"}
    assert told == rows


def test_the_defaults_in_the_tables_are_the_defaults() -> None:
    told = dict(
        re.findall(r"^\| `([A-Z_]+)` \| `(.+?)` \|", section(README, "Settings"), re.MULTILINE)
    )
    defaults = {row.name: row.default for row in (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)}
    assert set(told) >= {"TIMEOUT", "REPORT_LEVEL", "SIGN_TYPE", "MODE", "REGION", "API"}
    for name, text in told.items():
        value = ast.literal_eval(text)
        assert (tuple(value) if isinstance(value, list) else value) == defaults[name], name


def test_every_command_exists() -> None:
    named = set(re.findall(r"manage\.py (\w+)", README))
    assert {"demo", "wxpay_simulator", "migrate", "check"} <= named
    assert named - set(get_commands()) == set()


def test_every_job_of_the_worker_is_in_the_table_with_its_pause() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) s \|", section(README, "The worker"), re.MULTILINE)
    assert told == [(job.name, str(job.every_s)) for job in JOBS]


def test_the_schedule_of_celery_has_every_job() -> None:
    (block,) = blocks(section(README, "The worker"), "python")
    namespace: dict[str, Any] = {}
    exec(block, namespace)  # noqa: S102
    entries = namespace["CELERY_BEAT_SCHEDULE"].values()
    assert [(each["args"], each["schedule"]) for each in entries] == [
        ([job.name], job.every_s) for job in JOBS
    ]


@pytest.mark.parametrize(
    ("method", "route"),
    re.findall(r"`(GET|POST) ([a-z][^`]*)`", section(README, "REST")),
)
def test_every_route_is_served(method: str, route: str, db: None) -> None:
    address = "/wxpay/api/" + route.replace("{id}", "1")
    resolve(address)
    answer = Client().generic(method, address)
    assert answer.status_code in {401, 403}


def test_every_permission_exists(db: None, django_user_model: Any) -> None:
    named = set(re.findall(r"`((?:add|view|change)_\w+)`", README))
    permissions = Permission.objects.filter(content_type__app_label="django_wxpay")
    assert named - set(permissions.values_list("codename", flat=True)) == set()
    assert "change_notification" in named


def test_every_error_service_and_signal_exists() -> None:
    errors = {word for word in code_words(README) if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", word)}
    assert errors == {
        "InvalidOrder",
        "OrderClosed",
        "OrderConflict",
        "OrderPaid",
        "OutcomeUnknown",
    }
    assert "`Refused`" in README
    assert all(hasattr(exceptions, name) for name in (*errors, "Refused"))
    verbs = set(re.findall(r"services\.(\w+)\(", README))
    assert verbs | {"create_order", "unified_order", "payment_parameters"} <= set(services.__all__)
    assert all(
        hasattr(signals, name)
        for name in re.findall(r"`(order_\w+)`", README)
        if name != "order_conflict"
    )


def test_every_route_of_the_simulator_is_served() -> None:
    session = requests.Session()
    session.mount("http://simulator", SimulatorAdapter(create_app(conf.merchants().values())))
    named = re.findall(r"`(GET|POST) (/_simulator/\w+)`", section(README, "The simulator"))
    assert len(named) == 7
    for method, path in named:
        assert session.request(method, f"http://simulator{path}", json={}).status_code not in {
            404,
            405,
        }


def test_what_it_links_to_is_there_and_its_pictures_are_small() -> None:
    found = links(README)
    pictures = [link for link in found if link.endswith(".png")]
    assert [link for link in found if not (ROOT / link).is_file()] == []
    assert pictures != []
    assert [link for link in pictures if (ROOT / link).stat().st_size > 250_000] == []


def test_every_extra_exists() -> None:
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    named = set(re.findall(r"django-wxpay\[(\w+)\]", README)) | {"test"}
    assert named <= set(extras)


def test_the_sqlite_options_are_those_of_the_example() -> None:
    block = next(text for text in blocks(README, "python") if "IMMEDIATE" in text)
    (shown,) = (node.value for node in ast.parse(block).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(shown) in _literals("example_project/settings.py")


def _literals(path: str) -> list[object]:
    """Return every dict that a file spells out, whatever its environment."""
    return [
        ast.literal_eval(node)
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Dict) and all(isinstance(v, ast.Constant) for v in node.values)
    ]


def test_the_changelog_has_this_version_on_top_with_its_date() -> None:
    titles = re.findall(r"^## (.+)", text_of("CHANGELOG.md"), re.MULTILINE)
    newest, *older = [title for title in titles if title != "Unreleased"]
    assert newest.startswith(f"{django_wxpay.__version__} (")
    assert all(re.fullmatch(r"[\d.]+ \(20\d\d-\d\d-\d\d\)", each) for each in (newest, *older))
