"""Law 9: folders that can be read at a glance, no chains of small files, no circles."""

from __future__ import annotations

import ast

import pytest

from tests.laws import structure
from tests.laws.source import Module


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert structure.cycles() == []


def test_no_folder_holds_more_modules_than_a_reader_can_scan() -> None:
    largest = structure.LARGEST_FOLDER
    crowded = {path: count for path, count in structure.folders().items() if count > largest}
    assert crowded == {}


def test_few_files_hold_one_name() -> None:
    found = structure.exporting_one_name()
    assert structure.share(found) < structure.LARGEST_SHARE, found


def test_few_files_serve_one_importer() -> None:
    found = structure.with_one_importer()
    assert structure.share(found) < structure.LARGEST_SHARE, found


def test_module_docstrings_open_with_a_noun() -> None:
    assert structure.opened_with_a_question() == []


def test_every_measure_is_in_the_table() -> None:
    lines = structure.table().splitlines()
    assert len(lines) == 8
    assert all(any(character.isdigit() for character in line) for line in lines)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("A = 1\ndef f(): ...\nclass B: ...", ["A", "f", "B"]),
        ("X: int = 1\n_hidden = 2\nlogger = 3", ["X"]),
        ('from a import b\n__all__ = ["b"]', []),
    ],
)
def test_public_names_are_those_that_a_file_defines(source: str, names: list[str]) -> None:
    assert structure.exports(Module("example.py", ast.parse(source))) == names


def test_a_name_used_through_its_package_is_used_from_its_file() -> None:
    users = structure.importers()["django_wxpay.models.order"]
    assert "django_wxpay.services.orders.placing" in users
    assert "django_wxpay.models" not in users
