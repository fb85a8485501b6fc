"""The pytest fixture: name this module in ``pytest_plugins`` and ask for ``wxpay_simulator``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_wxpay.testing import SimulatedWXPay, simulated_wxpay


@pytest.fixture
def wxpay_simulator() -> Iterator[SimulatedWXPay]:
    """WeChat Pay, simulated in this process, for every merchant in ``settings.WXPAY``."""
    with simulated_wxpay() as wxpay:
        yield wxpay
