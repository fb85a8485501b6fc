"""The inter-city disaster plan: two hosts of one WeChat Pay, and the first of them dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from django_wxpay.models import ApiReport
from django_wxpay.services import gateways
from django_wxpay.simulator import Simulator, running
from tests.journeys.stage import PACE, Stage, new_number

RECOVERY_S = 180


@dataclass
class TwoHosts:
    """A primary that can be cut off and brought back at the same address, and a standby."""

    simulator: Simulator
    primary: str
    standby: str
    up: ExitStack

    def cut_off(self) -> None:
        self.up.close()

    def let_pass(self, seconds: float) -> None:
        """Let the shop's memory of failed hosts grow older."""
        health = gateways.transport().health
        earlier = health._clock
        health._clock = lambda: earlier() + seconds

    def bring_back(self) -> None:
        port = urlsplit(self.primary).port or 0
        assert self.up.enter_context(running(self.simulator, port=port)) == self.primary


@pytest.fixture
def hosts(
    stage: Stage,
    simulator: Simulator,
    configure: Callable[..., None],
) -> Iterator[TwoHosts]:
    with ExitStack() as up, running(simulator) as standby:
        primary = up.enter_context(running(simulator))
        configure(primary, standby, HOST_RECOVERY_S=RECOVERY_S)
        yield TwoHosts(simulator, primary, standby, up)


def attempts() -> list[tuple[str, str]]:
    """Return every attempt on the wire, oldest first: its host, and what went wrong."""
    rows = ApiReport.objects.order_by("id")
    return [(f"http://{row.host}", row.failure) for row in rows]


def test_a_dead_primary_costs_one_attempt_and_comes_back_when_it_has_healed(
    stage: Stage,
    hosts: TwoHosts,
) -> None:
    stage.clerk.placed()
    hosts.cut_off()
    stage.clerk.placed()
    stage.clerk.placed()
    dead = (hosts.primary, "CONNECT")
    well, spare = (hosts.primary, ""), (hosts.standby, "")
    # The pooled connection breaks before a new one is refused: either word is true.
    seen = attempts()
    assert seen[1] in {dead, (hosts.primary, "RESET"), (hosts.primary, "UNREADABLE")}
    assert [*seen[:1], *seen[2:]] == [well, spare, spare]

    hosts.bring_back()
    hosts.let_pass(RECOVERY_S)
    stage.clerk.placed()
    assert attempts()[-1] == well
    assert len(stage.wechat.ledger()["trades"]) == 4


def test_a_primary_that_is_still_dead_is_tried_once_and_rests_again(
    stage: Stage,
    hosts: TwoHosts,
) -> None:
    hosts.cut_off()
    stage.clerk.placed()
    hosts.let_pass(RECOVERY_S)
    stage.clerk.placed()
    stage.clerk.placed()

    dead, spare = (hosts.primary, "CONNECT"), (hosts.standby, "")
    assert attempts() == [dead, spare, dead, spare, spare]


def test_a_new_process_starts_with_the_primary(stage: Stage, hosts: TwoHosts) -> None:
    hosts.cut_off()
    stage.clerk.placed()
    hosts.bring_back()
    gateways.transport.cache_clear()
    stage.clerk.placed()

    assert attempts()[-1] == (hosts.primary, "")


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("http_502", "HTTP_5XX"),
        ("html", "UNREADABLE"),
        ("empty", "UNREADABLE"),
        ("truncated", "UNREADABLE"),
        ("half_xml", "UNREADABLE"),
        ("reset", "RESET"),
        ("reset_after", "RESET"),
        ("slow", "TIMEOUT"),
    ],
)
def test_what_the_primary_spoils_the_standby_answers_and_there_is_one_order(
    stage: Stage,
    hosts: TwoHosts,
    fault: str,
    word: str,
) -> None:
    primary = urlsplit(hosts.primary).netloc
    seconds = 20 * PACE if word == "TIMEOUT" else 0
    stage.wechat.inject(fault, operation="unifiedorder", host=primary, seconds=seconds)
    with stage.in_a_hurry():
        order = stage.clerk.placed()

    assert attempts() == [(hosts.primary, word), (hosts.standby, "")]
    assert len(stage.wechat.trades(order["out_trade_no"])) == 1
    stage.wechat.phone(order["prepay"]["code_url"]).press_pay()
    stage.wechat.let_arrive()
    assert stage.clerk.show(order)["trade_state"] == "SUCCESS"


@pytest.mark.parametrize("fault", ["bad_signature", "wrong_mch_id", "unsigned"])
def test_an_answer_from_the_primary_is_never_asked_of_the_standby(
    stage: Stage,
    hosts: TwoHosts,
    fault: str,
) -> None:
    stage.wechat.inject(fault, operation="unifiedorder")
    stage.clerk.place(out_trade_no=new_number())

    assert [host for host, _ in attempts()] == [hosts.primary]
    assert len(stage.wechat.calls("unifiedorder")) == 1


def test_a_busy_primary_is_asked_again_and_the_standby_is_not(
    stage: Stage,
    hosts: TwoHosts,
) -> None:
    stage.wechat.inject("systemerror", operation="unifiedorder", times=2)
    assert stage.clerk.place(out_trade_no=new_number()).status_code == 504

    assert [host for host, _ in attempts()] == [hosts.primary, hosts.primary]
    assert len(stage.wechat.calls("unifiedorder")) == 2


def test_with_both_hosts_dead_the_order_is_kept_and_placed_when_one_is_back(
    stage: Stage,
    configure: Callable[..., None],
) -> None:
    there = stage.wechat.url
    configure("http://127.0.0.1:9", "http://127.0.0.1:1")
    number = new_number()
    failed = stage.clerk.place(out_trade_no=number)
    assert (failed.status_code, failed.json()["code"]) == (504, "outcome_unknown")
    assert stage.clerk.find(number)["trade_state"] == "CREATED"
    assert [failure for _, failure in attempts()] == ["CONNECT", "CONNECT"]

    configure(there)
    again = stage.clerk.place(out_trade_no=number)
    assert (again.status_code, again.json()["id"]) == (200, failed.json()["id"])
    assert again.json()["trade_state"] == "NOTPAY"


def test_a_name_that_does_not_resolve_is_passed_over(
    stage: Stage,
    configure: Callable[..., None],
) -> None:
    configure("http://nobody.invalid", stage.wechat.url)
    stage.clerk.placed()

    assert attempts() == [("http://nobody.invalid", "DNS"), (stage.wechat.url, "")]
