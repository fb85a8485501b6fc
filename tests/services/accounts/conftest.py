"""A shop whose merchants are in the database, under one sealing key."""

from __future__ import annotations

from typing import Any

import pytest

from tests.accounts import SEALING_KEY, wxpay


@pytest.fixture(autouse=True)
def _sealing_keys(settings: Any) -> None:
    settings.WXPAY = wxpay(SEALING_KEY)
