"""The global statement, asked for with every parameter that the documents know."""

from __future__ import annotations

import pytest

from django_wxpay.simulator import Options, Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import GLOBAL, INSTITUTION, NUMBER, SUB_MCHID, Caller, Receiver


@pytest.fixture
def app(receiver: Receiver) -> Simulator:
    options = Options(bills_at_once=True)
    return create_app(clock=lambda: START, deliver=receiver, options=options)


def statement(caller: Caller, query: str) -> tuple[int, str]:
    response = caller.send("GET", f"/v3/global/statements?date={START:%Y%m%d}{query}")
    return response.status_code, response.text


@pytest.mark.parametrize("query", ["", f"&mchid={GLOBAL}"])
def test_a_merchant_may_say_whose_it_is(overseas: Caller, app: Simulator, query: str) -> None:
    overseas.place()
    app.pay(GLOBAL, NUMBER)
    status, text = statement(overseas, query)
    assert (status, NUMBER in text) == (200, True)


def test_an_institution_may_ask_for_one_of_its_sub_merchants(
    institution: Caller, app: Simulator
) -> None:
    institution.place()
    app.pay(INSTITUTION, NUMBER)
    whose = f"&sp_mchid={INSTITUTION}"
    for query in ("", whose, f"{whose}&sub_mchid={SUB_MCHID}", f"&sub_mchid={SUB_MCHID}"):
        status, text = statement(institution, query)
        assert (status, NUMBER in text) == (200, True)
    status, text = statement(institution, f"{whose}&sub_mchid=1900000999")
    assert (status, "NO_STATEMENT_EXIST" in text) == (400, True)


@pytest.mark.parametrize("name", ["overseas", "institution"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("&mchid=1900000999", 400),
        ("&sp_mchid=1900000999", 400),
        ("&sub_mchid=x", 400),
        ("&colour=red", 400),
    ],
)
def test_what_is_anothers_or_not_documented_is_refused(
    request: pytest.FixtureRequest, name: str, query: str, status: int
) -> None:
    caller = request.getfixturevalue(name)
    assert statement(caller, query)[0] == status
