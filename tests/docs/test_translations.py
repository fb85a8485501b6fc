"""The catalogues: everything in them is translated, and what is compiled is what is written.

That they hold everything the source says is checked by ``.ci/translations.py``, which needs
GNU gettext.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.catalogues import HOMES, catalogues, compiled, written

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}")


@pytest.mark.parametrize("path", catalogues(), ids=HOMES)
def test_everything_is_translated_and_compiled(path: Path) -> None:
    messages = written(path)
    assert len(messages) > 30
    assert [message for message, text in messages.items() if not text] == []
    assert compiled(path) == messages


@pytest.mark.parametrize("path", catalogues(), ids=HOMES)
def test_every_placeholder_survives_translation(path: Path) -> None:
    for message, text in written(path).items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(message)), message
