"""CONTRIBUTING and what a contributor runs, held against the tools and files that there are."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.docs.markdown import blocks, code_words, links, rows, text_of
from tests.laws.source import ROOT

GUIDE = text_of("CONTRIBUTING.md")
PROJECT: dict[str, Any] = tomllib.loads(text_of("pyproject.toml"))["project"]


def test_every_session_exists_and_is_in_the_guide() -> None:
    named = re.findall(r"nox -s ([\w-]+)", GUIDE)
    others = ["openapi", "floors", "clients", "chaos", "benchmarks"]
    assert list(dict.fromkeys(named)) == [*_tasks(), *others]
    assert set(named) == _sessions() - {"all"}
    assert re.findall(r"nox -s (\w+)", text_of(".ci/run")) != []
    assert set(re.findall(r"nox -s (\w+)", text_of(".ci/run"))) <= _sessions()


def test_every_path_that_a_command_names_exists() -> None:
    commands = [*blocks(GUIDE, "sh"), *code_words(GUIDE)]
    paths = {path for line in commands for path in re.findall(r"(?<![\w/])tests/[\w/.]+", line)}
    assert len(paths) >= 2
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_path_in_the_guide_to_adding_exists() -> None:
    paths = re.findall(r"`((?:django_wxpay|docs|tests)/[\w./]+)`", text_of("docs/adding.md"))
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_extra_exists() -> None:
    named = {
        extra
        for text in (GUIDE, text_of(".ci/run"))
        for group in re.findall(r"'\.\[([\w,]+)\]'", text)
        for extra in group.split(",")
    }
    assert named == {"test", "check", "docs", "openapi"}
    assert named <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_every_link_leads_to_a_file(page: str) -> None:
    found = links(text_of(page))
    assert found != []
    assert [link for link in found if not (ROOT / link).is_file()] == []


def test_every_hook_before_a_commit_runs_a_tool_of_the_sessions() -> None:
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    tools = {hook["entry"].split(" ")[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    assert tools == {"ruff", "mypy", "lint-imports"}
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert [tool for tool in tools if f"{{BIN}}/{tool}" not in text_of("noxfile.py")] == []


def test_the_vectors_of_v3_are_those_of_the_tests() -> None:
    (path,) = ROOT.glob("tests/**/vectors.json")
    shown = {
        name: vector
        for block in blocks(text_of("docs/protocol/v3.md"), "json")
        for name, vector in json.loads(block).items()
    }
    assert shown == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "sign_type"), [("P1", "MD5"), ("P2", "HMAC-SHA256")])
def test_the_reference_code_of_v2_signs_its_vectors(name: str, sign_type: str) -> None:
    page = text_of("docs/protocol/v2.md")
    (code,) = blocks(page, "python")
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102
    (key,) = re.findall(r"K1 = `(\w+)`", page)
    vectors = {cells[0]: cells for cells in rows(page)}
    fields = vectors["P1"][2].split(";")[0].split(", ")
    params = dict(field.split("=", 1) for field in fields)
    assert namespace["v2_sign"](params, key, sign_type) == vectors[name][4]


def _tree() -> ast.Module:
    return ast.parse(text_of("noxfile.py"))


def _sessions() -> set[str]:
    """Return the sessions of noxfile.py, which tests read without having nox."""
    return {
        _name_of(node)
        for node in _tree().body
        if isinstance(node, ast.FunctionDef)
        if any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def _name_of(function: ast.FunctionDef) -> str:
    (decorator,) = function.decorator_list
    if isinstance(decorator, ast.Call):
        return str(ast.literal_eval(decorator.keywords[0].value))
    return function.name


def _tasks() -> tuple[str, ...]:
    (value,) = (
        node.value
        for node in _tree().body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TASKS"
    )
    tasks: tuple[str, ...] = ast.literal_eval(value)
    return tasks


def test_continuous_integration_runs_the_long_tests() -> None:
    text = text_of(".ci/run")
    assert len(re.findall(r"--long\b", text)) == 2
    assert "`--long`" in GUIDE
