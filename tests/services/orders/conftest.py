"""The till of the tests of Quick Pay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wechatpay.quick_pay import CERTIFICATE, TestClock, on_a_clock_of_its_own
from tests.wechatpay.transport import ScriptedTransport


@pytest.fixture
def till(
    wxpay: dict[str, Any],
    settings: Any,
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
    db: None,
) -> TestClock:
    merchants = wxpay["MERCHANTS"]
    settings.WXPAY = wxpay | {
        "MERCHANTS": merchants | {"default": merchants["default"] | CERTIFICATE}
    }
    return on_a_clock_of_its_own(monkeypatch)
