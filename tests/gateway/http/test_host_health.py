from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.gateway.http.transport import HostHealth

PRIMARY, STANDBY, THIRD = "https://a.test", "https://b.test", "https://c.test"
HOSTS = (PRIMARY, STANDBY, THIRD)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_new_process_starts_with_the_primary() -> None:
    assert HostHealth().order(HOSTS) == HOSTS


def test_a_failed_primary_rests_and_is_still_the_last_resort() -> None:
    health = HostHealth(180.0, clock=Clock())
    health.failed(PRIMARY)
    assert health.order(HOSTS) == (STANDBY, THIRD, PRIMARY)


@pytest.mark.parametrize(
    ("after_s", "order"),
    [(179.9, (STANDBY, PRIMARY)), (180.0, (PRIMARY, STANDBY)), (5000.0, (PRIMARY, STANDBY))],
)
def test_a_failed_primary_is_asked_first_again_after_its_rest(
    after_s: float, order: tuple[str, ...]
) -> None:
    clock = Clock()
    health = HostHealth(180.0, clock=clock)
    health.failed(PRIMARY)
    clock.now += after_s
    assert health.order((PRIMARY, STANDBY)) == order


def test_a_host_that_fails_again_rests_anew() -> None:
    clock = Clock()
    health = HostHealth(180.0, clock=clock)
    health.failed(PRIMARY)
    clock.now += 170
    health.failed(PRIMARY)
    clock.now += 170
    assert health.order((PRIMARY, STANDBY)) == (STANDBY, PRIMARY)


def test_a_success_heals_at_once() -> None:
    health = HostHealth(180.0, clock=Clock())
    health.failed(PRIMARY)
    health.healed(PRIMARY)
    health.healed(STANDBY)
    assert health.order((PRIMARY, STANDBY)) == (PRIMARY, STANDBY)


def test_with_all_hosts_failed_the_configured_order_holds() -> None:
    clock = Clock()
    health = HostHealth(180.0, clock=clock)
    for host in (THIRD, PRIMARY, STANDBY):
        health.failed(host)
        clock.now += 1
    assert health.order(HOSTS) == HOSTS


def test_a_host_named_twice_is_asked_once() -> None:
    assert HostHealth().order((PRIMARY, STANDBY, PRIMARY)) == (PRIMARY, STANDBY)


def test_a_clock_that_went_back_does_not_prolong_the_rest() -> None:
    clock = Clock()
    health = HostHealth(180.0, clock=clock)
    health.failed(PRIMARY)
    clock.now -= 500
    assert health.order((PRIMARY, STANDBY)) == (PRIMARY, STANDBY)


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.booleans(), st.floats(0, 200))))
def test_every_host_is_in_every_order_exactly_once(steps: list[tuple[str, bool, float]]) -> None:
    clock = Clock()
    health = HostHealth(180.0, clock=clock)
    for host, is_well, pause_s in steps:
        (health.healed if is_well else health.failed)(host)
        clock.now += pause_s
        assert sorted(health.order(HOSTS)) == sorted(HOSTS)


def test_many_threads_may_fail_heal_and_ask_at_once() -> None:
    health = HostHealth(180.0)
    orders: list[tuple[str, ...]] = []
    together = threading.Barrier(8)

    def work(host: str) -> None:
        together.wait(5)
        for _ in range(300):
            health.failed(host)
            orders.append(health.order(HOSTS))
            health.healed(host)

    threads = [threading.Thread(target=work, args=(HOSTS[n % 3],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(orders) == 8 * 300
    assert {tuple(sorted(order)) for order in orders} == {HOSTS}
    assert health.order(HOSTS) == HOSTS
