"""A simulator in this process, its clock, a merchant that calls it and a notified shop."""

from __future__ import annotations

from datetime import datetime

import pytest

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator import Simulator, create_app
from tests.simulator.calling import INSTITUTION, INSTITUTION_KEY, SUB_MCH_ID, Merchant, Shop

START = datetime(2026, 1, 1, 12, 0, tzinfo=BEIJING)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def app(shop: Shop) -> Simulator:
    return create_app(clock=lambda: START, deliver=shop)


@pytest.fixture
def merchant(app: Simulator) -> Merchant:
    return Merchant(app)


@pytest.fixture
def institution(app: Simulator) -> Merchant:
    return Merchant(app, mch_id=INSTITUTION, key=INSTITUTION_KEY, sub_mch_id=SUB_MCH_ID)
