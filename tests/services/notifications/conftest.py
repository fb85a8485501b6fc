"""A merchant of both protocols, for notifications that may be of either."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wechatpay.v2 import API_KEY
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT


@pytest.fixture
def both(wxpay: dict[str, Any], settings: Any) -> dict[str, Any]:
    account = V3_MERCHANT | PUBLIC_KEY_MODE | {"API_KEY": API_KEY}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": account}}
    return account
