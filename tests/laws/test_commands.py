"""Every command that a text names is one that the command's own parser takes.

The texts are the strings of the package (advice, hints, errors, docstrings), the translations of
them, and the documentation. What stands for a value, such as ALIAS, is read as a sample.
"""

from __future__ import annotations

import ast
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import pytest
from django.core.management import CommandError, get_commands, load_command_class

from django_wxpay.services.worker.jobs import chosen_jobs
from tests.docs.catalogues import catalogues, written
from tests.laws.source import EXAMPLE, PACKAGE, ROOT, modules

# Not the words of the protocol's sheets, which are WeChat Pay's.
DOCS: Final = (*ROOT.glob("README*.md"), ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
SAMPLES: Final = {
    "--merchant": "default",
    "--date": "2026-01-01",
    "--jobs": "sync",
    "--host": "127.0.0.1",
    "--allowed-host": "simulator",
    "--sub-mch-id": "1900000200",
}
_COMMAND: Final = re.compile(r"(manage\.py\s+)?(?<![\w/.-])(wxpay_[a-z_]+)\b(?![\w/(=.-]*[\w/(=])")
# What a synopsis writes for a value, a field of a template, a variable of a shell.
_PLACEHOLDER: Final = re.compile(r"ALIAS|FILE|HOST|JOBS|N|NAME|SUB_MCH_ID|YYYY-MM-DD|.*[{%$<].*")
# A command in a sentence ends with its back-ticks, or where the sentence is Chinese again.
_END: Final = re.compile(r"[`|]|[^\x00-\x7f]")
_BLANK: Final = re.compile(r"[\s\\]+")
_ENDS: Final = frozenset("'\".,;:)")
_AROUND: Final = "[]'\".,;:)"


@cache
def parser_of(name: str) -> ArgumentParser:
    """Return the parser of one command of ours."""
    command = load_command_class(get_commands()[name], name)
    return command.create_parser("manage.py", name)


def texts_of_code() -> Iterator[tuple[str, str]]:
    """Yield each string of the package and the example, with the place that it stands at."""
    for module in modules(PACKAGE, EXAMPLE):
        within = {
            id(part)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.JoinedStr)
            for part in node.values
        }
        for node in ast.walk(module.tree):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
                yield f"{module.path}:{node.lineno}", "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and id(node) not in within:
                yield f"{module.path}:{node.lineno}", str(node.value)


def texts() -> Iterator[tuple[str, str]]:
    """Yield each text that a person may take a command from, with its place."""
    yield from texts_of_code()
    for catalogue in catalogues():
        for translation in written(catalogue).values():
            yield catalogue.relative_to(ROOT).as_posix(), translation
    for path in DOCS:
        yield path.name, path.read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Named:
    """A command as a text names it: each of its options, with its value if it has one."""

    name: str
    options: list[list[str]]
    is_synopsis: bool


def commands_in(text: str) -> Iterator[Named]:
    """Yield each command in ``text``."""
    for found in _COMMAND.finditer(text):
        prefix, name = found.groups()
        if prefix or get_commands().get(name) == "django_wxpay":
            rest = _END.split(text[found.end() : found.end() + 400], maxsplit=1)[0]
            options = _options(name, rest)
            # "`wxpay_worker --jobs`" in a sentence names an option, and is nothing to type.
            if not prefix and options and len(options[-1]) == 1:
                (option,) = options[-1]
                options[-1] += [_value(option, "N")] if _takes_value(name, option) else []
            yield Named(name, options, is_synopsis="[--" in rest)


def _options(name: str, rest: str) -> list[list[str]]:
    options: list[list[str]] = []
    takes_value = False
    # What follows the name, or a word, without a blank ends the command.
    for before, word in pairwise(_BLANK.split(rest)):
        if before[-1:] in _ENDS:
            break
        bare = word.strip(_AROUND)
        if takes_value:
            options[-1].append(_value(options[-1][0], bare))
            takes_value = False
        elif bare.startswith("--"):
            option, _, value = bare.partition("=")
            options.append([option, _value(option, value)] if value else [option])
            takes_value = not value and _takes_value(name, option)
        else:
            break
    return options


def _takes_value(name: str, option: str) -> bool:
    actions = parser_of(name)._actions if name in get_commands() else []
    return any(option in each.option_strings and each.nargs != 0 for each in actions)


def _value(option: str, word: str) -> str:
    return SAMPLES.get(option, "1") if _PLACEHOLDER.fullmatch(word) else word


def refusal_of(named: Named) -> str:
    """Return why the parser of a command refuses these options, "" if it takes them."""
    if get_commands().get(named.name) != "django_wxpay":
        return f"there is no command {named.name}"
    # A synopsis lists all options, some of which exclude one another.
    whole = [[word for option in named.options for word in option]]
    try:
        for line in named.options if named.is_synopsis else whole:
            given = parser_of(named.name).parse_args(line)
            chosen_jobs(filter(None, getattr(given, "jobs", "").split(",")))
    except (CommandError, ValueError) as refusal:
        return f"{named.name} {' '.join(line)}: {refusal}"
    return ""


def refusals_in(text: str) -> list[str]:
    """Return what the commands in ``text`` are refused for."""
    return [why for named in commands_in(text) if (why := refusal_of(named))]


def test_every_command_that_a_text_names_is_taken_by_its_parser() -> None:
    found = [f"{place}: {why}" for place, text in texts() for why in refusals_in(text)]
    assert found == []


def test_there_are_commands_in_texts_of_every_kind() -> None:
    """Else the law above holds nothing."""
    named = [(place, command) for place, text in texts() for command in commands_in(text)]
    ours = {name for name, app in get_commands().items() if app == "django_wxpay"}
    assert {command.name for _, command in named} == ours
    kinds = {re.sub(r":\d+$", "", place).rpartition(".")[2] for place, c in named if c.options}
    assert kinds == {"py", "md"}


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("run manage.py wxpay_worker --once --jobs {} and look at its log", ""),
        ("`manage.py wxpay_reconcile --days 90`, and the worker every day", ""),
        ("manage.py wxpay_doctor --merchant ALIAS.", ""),
        ("manage.py wxpay_doctor --json > /tmp/file --merchnt", ""),
        ("wxpay_sync \\\n    --limit=N", ""),
        ("`wxpay_reconcile [--date YYYY-MM-DD] [--days N]`", ""),
        ("def test(wxpay_simulator): ...", ""),
        ("wxpay_reconcile --date YYYY-MM-DD --days N", "not allowed with"),
        ("manage.py wxpay_replay 5 --limit many", ""),
        ("manage.py wxpay_replay --limit many", "invalid int value"),
        ("manage.py wxpay_replay --id N", "unrecognized arguments: --id"),
        ("`wxpay_worker --jobs`: the names", ""),
        ("`manage.py wxpay_worker --jobs`", "expected one argument"),
        ("wxpay_worker --jobs synch", "synch"),
        ("manage.py wxpay_mend", "there is no command wxpay_mend"),
        ("`wxpay_doctor [--nothing] [--hours N]`", "unrecognized arguments: --nothing"),
    ],
)
def test_the_law_sees_what_a_parser_refuses(text: str, refused: str) -> None:
    found = refusals_in(text)
    assert refused in "".join(found)
    assert bool(found) == bool(refused)
