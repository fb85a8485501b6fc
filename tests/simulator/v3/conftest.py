"""A simulator in this process, a receiver of its callbacks, and one merchant of each kind."""

from __future__ import annotations

import pytest

from django_wxpay.simulator import Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import GLOBAL, INSTITUTION, SUB_MCHID, Caller, Receiver


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def app(receiver: Receiver) -> Simulator:
    return create_app(clock=lambda: START, deliver=receiver)


@pytest.fixture
def mainland(app: Simulator) -> Caller:
    return Caller(app)


@pytest.fixture
def overseas(app: Simulator) -> Caller:
    return Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")


@pytest.fixture
def institution(app: Simulator) -> Caller:
    return Caller(
        app,
        mch_id=INSTITUTION,
        home="/v3/global/transactions",
        sp_mchid=INSTITUTION,
        sub_mchid=SUB_MCHID,
    )


@pytest.fixture(params=["mainland", "overseas", "institution"])
def anyone(request: pytest.FixtureRequest) -> Caller:
    caller: Caller = request.getfixturevalue(request.param)
    return caller
