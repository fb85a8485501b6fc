"""The guides, held against the package: jobs, commands, errors, routes, settings and extras."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import Any

import pytest
import requests
from django.contrib.auth.models import Permission
from django.core.management import get_commands

from django_wxpay import conf, exceptions, services, signals
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.simulator import SimulatorAdapter, create_app
from django_wxpay.simulator.faults.catalogue import CATALOGUE
from tests.docs.markdown import blocks, code_words, links, section, text_of
from tests.laws.source import ROOT

PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
# Of which a name may be meant for somebody else: what is measured, the code behind, a peer's.
NOT_FOR_USERS = {"adding.md", "architecture.md", "performance.md", "interface.md"}
GUIDES = {name: text for name, text in PAGES.items() if name not in NOT_FOR_USERS}
ALL = "\n".join(GUIDES.values())
SETTING = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")


def test_settings_and_addresses_of_the_shop_take_fewer_than_twenty_five_lines() -> None:
    shown = "".join(blocks(section(PAGES["shop.md"], "The project"), "python"))
    part = shown[: shown.index("# shop/models.py")]
    assert "urlpatterns" in part
    assert len([line for line in part.splitlines() if line.strip()]) < 25


def test_every_job_of_the_worker_is_in_the_table_with_its_pause() -> None:
    told = re.findall(r"^\| `(\w+)` \| (\d+) s \|", PAGES["worker.md"], re.MULTILINE)
    assert told == [(job.name, str(job.every_s)) for job in JOBS]


def test_the_schedule_of_celery_has_every_job() -> None:
    (block,) = blocks(PAGES["worker.md"], "python")
    namespace: dict[str, Any] = {}
    exec(block, namespace)  # noqa: S102
    entries = namespace["CELERY_BEAT_SCHEDULE"].values()
    assert [(each["args"], each["schedule"]) for each in entries] == [
        ([job.name], job.every_s) for job in JOBS
    ]


@pytest.mark.parametrize("page", sorted(GUIDES))
def test_every_command_service_and_error_exists(page: str) -> None:
    text = GUIDES[page]
    commands = set(re.findall(r"manage\.py (\w+)", text)) - {"startapp", "drf_create_token"}
    assert commands - set(get_commands()) == set()
    verbs = set(re.findall(r"services\.(\w+)", text))
    assert verbs - set(services.__all__) == set()
    errors = {word for word in code_words(text) if hasattr(exceptions, word)}
    sent = set(re.findall(r"`((?:order|refund|bill)_(?:paid|closed|conflicted|settled))`", text))
    assert all(hasattr(signals, name) for name in sent)
    assert errors <= set(exceptions.__all__)


def test_the_errors_of_the_shop_exist() -> None:
    rows = section(PAGES["shop.md"], "What can go wrong")
    named = {word for word in code_words(rows) if re.fullmatch(r"(?:[A-Z][a-z]+)+", word)}
    assert named == {
        "InvalidOrder",
        "OrderClosed",
        "OrderConflict",
        "OrderPaid",
        "OutcomeUnknown",
        "Refused",
    }
    assert all(hasattr(exceptions, name) for name in named)


def test_every_setting_of_an_account_that_is_named_exists() -> None:
    known = {row.name for row in (*conf.SETTINGS, *conf.MERCHANT_SETTINGS)} | {"MERCHANTS"}
    pages = ("accounts.md", "key-rotation.md", "v2-to-v3.md", "worker.md", "latency.md")
    words = code_words("\n".join(PAGES[name] for name in pages))
    named = {word for word in words if SETTING.fullmatch(word)}
    assert {"API_KEY", "CLIENT_CERT", "RECEIVER_TIMEOUT_S"} <= named
    # A code of WeChat Pay's.
    assert named - known == {"NO_AUTH"}


def test_every_permission_exists(db: None) -> None:
    named = set(re.findall(r"django_wxpay\.((?:add|view|change)_\w+)", ALL))
    permissions = Permission.objects.filter(content_type__app_label="django_wxpay")
    assert named - set(permissions.values_list("codename", flat=True)) == set()
    assert "add_refund" in named


def test_every_route_of_the_simulator_is_served() -> None:
    session = requests.Session()
    session.mount("http://simulator", SimulatorAdapter(create_app(conf.merchants().values())))
    named = re.findall(r"`(GET|POST) (/_simulator/\w+)`", PAGES["simulator.md"])
    assert len(named) == 7
    for method, path in named:
        assert session.request(method, f"http://simulator{path}", json={}).status_code not in {
            404,
            405,
        }


def test_every_fault_that_a_sample_scripts_is_in_the_catalogue() -> None:
    named = set(re.findall(r'\.inject\("(\w+)"', ALL))
    assert named != set()
    assert named - set(CATALOGUE) == set()


def test_every_extra_exists() -> None:
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    named = set(re.findall(r"django-wxpay\[(\w+)\]", ALL))
    assert named >= {"celery", "mysql", "postgresql"}
    assert named <= set(extras)


def test_the_sqlite_options_are_those_of_the_example() -> None:
    block = next(text for text in blocks(PAGES["shop.md"], "python") if "IMMEDIATE" in text)
    (shown,) = (node.value for node in ast.parse(block).body if isinstance(node, ast.Assign))
    assert ast.literal_eval(shown) in _literals("example_project/settings.py")


def _literals(path: str) -> list[object]:
    """Return every dict that a file spells out, whatever its environment."""
    return [
        ast.literal_eval(node)
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.Dict) and all(isinstance(v, ast.Constant) for v in node.values)
    ]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_link_leads_to_a_file_of_the_repository(page: str) -> None:
    """On GitHub too, which has none of the pages that the site generates."""
    files = (each.partition("#")[0] for each in links(PAGES[page]))
    assert [link for link in files if not (ROOT / "docs" / link).is_file()] == []
