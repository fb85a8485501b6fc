"""A service provider of mainland China, and one of its sub-merchants' orders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_wxpay.protocol.merchants import Mode
from django_wxpay.simulator import DEMO_MERCHANTS, Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import MAINLAND, Caller, Receiver
from tests.simulator.v3.more.calling import PARTNER, SUB


@pytest.fixture
def marketplace(receiver: Receiver) -> Simulator:
    """Return a gateway that knows a service provider too."""
    demo = next(one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND)
    provider = replace(demo, alias="partner", mch_id=PARTNER, mode=Mode.INSTITUTIONAL)
    return create_app((demo, provider), clock=lambda: START, deliver=receiver)


@pytest.fixture
def partner(marketplace: Simulator) -> Caller:
    return Caller(
        marketplace,
        mch_id=PARTNER,
        home="/v3/pay/partner/transactions",
        sp_mchid=PARTNER,
        sub_mchid=SUB,
    )
