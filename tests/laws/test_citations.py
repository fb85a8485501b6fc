"""Every citation leads to a heading in ``docs/``, and every section is cited with its document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_wxpay.protocol.error_codes import TABLE, ErrorCode
from django_wxpay.protocol.v3.errors import V3_TABLE
from tests.laws.citations import DOCUMENTS, headings, offences, texts
from tests.laws.source import PACKAGE, ROOT

PAGES = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))


@pytest.mark.parametrize("folder", ["django_wxpay", "example_project", "tests", ".ci"])
def test_every_citation_names_a_document_and_a_heading_of_it(folder: str) -> None:
    assert _offences(ROOT / folder) == []


def test_every_citation_of_the_documents_names_a_heading_that_exists() -> None:
    found = {
        path.name: wrong
        for path in PAGES
        for paragraph in path.read_text(encoding="utf-8").split("\n\n")
        if (wrong := offences(paragraph, may_be_bare=True)) and "protocol-v" in paragraph
    }
    assert found == {}


@pytest.mark.parametrize(
    "row", [*TABLE.values(), *V3_TABLE.values()], ids=lambda row: f"{row.code} {row.source}"
)
def test_every_error_code_has_a_heading_for_a_source(row: ErrorCode) -> None:
    document = "protocol-v3" if "v3" in row.source else "protocol-v2"
    numbers = re.findall(r"\d+\.\d+", row.source)
    assert numbers != []
    assert set(numbers) <= headings(document)


def test_the_package_cites_its_sources() -> None:
    """A pattern that finds nothing would hold everything."""
    found = {
        document
        for path in PACKAGE.rglob("*.py")
        for _line, text in texts(path)
        for document in DOCUMENTS
        if f"{document} section" in text
    }
    assert found >= {"protocol-v2", "protocol-v3"}
    assert {"0", "2.2", "5.2", "13"} <= headings("protocol-v2")
    assert {"0", "2.6", "A", "A.1"} <= headings("protocol-v3")


@pytest.mark.parametrize(
    "text",
    [
        "Source: protocol-v2 section 5.2.",
        "The order object (protocol-v3 sections 3.3 and 4.3): one fact.",
        "Rules (protocol-v2 sections 3, 5.1, 6.1).",
        "Protocol-v2 sections 3.1 to 3.5; broken\n    protocol-v3\n    section 9 over lines.",
        "protocol-v2 sections 3.2, 11 and protocol-v3 section 12.",
        "Placed (protocol-v2 section 3); closed (section 6.1).",
        "The vectors of protocol-v3 section A.3.",
        "Answers as interface.md section 4 asks.",
        "RFC 8259 section 7 forbids it.",
        "A section of the page, and 5.2 seconds.",
    ],
)
def test_a_right_citation_is_none_of_the_offences(text: str) -> None:
    assert offences(text) == []


@pytest.mark.parametrize(
    ("text", "offence"),
    [
        ("protocol-v2 section 5.9", "no such heading: protocol-v2 section 5.9"),
        ("protocol-v2 sections 3.1 to 3.99", "no such heading: protocol-v2 section 3.99"),
        ("protocol-v3 sections 3.2 and 44.2", "no such heading: protocol-v3 section 44.2"),
        ("interface.md section 99", "no such heading: interface.md section 99"),
        ("Closes it (section 6.1).", "bare: section 6.1"),
        ("A digest (protocol-v3 2.4, 4.5).", 'without the word "section": protocol-v3 2.4'),
        ("Observed there (7.1).", 'without the word "section": (7.1)'),
        ("Closes it (v2 section 6.1).", "bare: section 6.1"),
        ("The interface section 4.", "bare: section 4"),
        (
            "protocol-v2 section 1, protocol-v3 section 1.1; see section 2",
            "bare: section 2",
        ),
        (
            "Placed (protocol-v2 section 3); closed (section 6.99).",
            "no such heading: protocol-v2 section 6.99",
        ),
    ],
)
def test_a_wrong_citation_is_found(text: str, offence: str) -> None:
    assert offences(text) == [offence]


def test_docstrings_and_comments_are_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        '"""See section 1."""\n\nX = "section 2"  # section 3\n\n\n'
        'class Y:\n    """Section 4."""\n\n    # protocol-v2\n    # section 5.2\n    z = 1\n'
    )
    found = [(line, wrong) for line, text in texts(file) if (wrong := offences(text))]
    assert found == [
        (1, ["bare: section 1"]),
        (7, ["bare: Section 4"]),
        (3, ["bare: section 3"]),
    ]


def _offences(folder: Path) -> list[str]:
    return [
        f"{path.relative_to(ROOT).as_posix()}:{line}: {offence}"
        for path in sorted(folder.rglob("*.py"))
        # The two that are about citations have wrong ones for examples.
        if "citations" not in path.name
        for line, text in texts(path)
        for offence in offences(text)
    ]
