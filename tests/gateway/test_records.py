from __future__ import annotations

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.failures import NoResponse
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt, elapsed_ms
from django_wxpay.protocol.failures import Failure
from tests.wechatpay.transport import DOCUMENT, ScriptedTransport

seconds = st.floats(min_value=-1e12, max_value=1e12)


@pytest.mark.parametrize(
    ("started", "ended", "ms"),
    [(1.0, 1.0, 0), (1.0, 1.0004, 0), (1.0, 1.0006, 1), (1.0, 3.25, 2250), (9.0, 1.0, 0)],
)
def test_elapsed_time_is_whole_milliseconds(started: float, ended: float, ms: int) -> None:
    assert elapsed_ms(started, ended) == ms


@given(seconds, seconds)
def test_elapsed_time_is_never_negative(started: float, ended: float) -> None:
    ms = elapsed_ms(started, ended)
    assert isinstance(ms, int)
    assert ms >= 0


@given(st.lists(seconds, min_size=1))
def test_execute_time_is_never_negative_for_any_clock(readings: list[float]) -> None:
    clock = itertools.cycle(readings).__next__
    transport = Transport(clock=clock)
    transport.mount("http://a.test", ScriptedTransport((200, DOCUMENT)))
    noted: list[Attempt[bytes]] = []

    def read(answer: HttpResponse) -> bytes:
        return answer.body

    send_with_failover(
        lambda: HttpRequest(host="", path="/pay/unifiedorder"),
        hosts=("http://a.test",),
        transport=transport,
        read=read,
        note=noted.append,
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    assert len(noted) == 1
    assert noted[0].execute_time_ms >= 0


def test_neither_an_exchange_nor_an_answer_shows_its_body() -> None:
    sent = HttpRequest(host="http://a.test", path="/x", body=b"signed", headers={"H": "secret"})
    came = HttpResponse(status=200, body=b"signed", headers={"H": "secret"})
    assert "signed" not in repr(sent) + repr(came)
    assert "secret" not in repr(sent) + repr(came)


def test_an_exchange_knows_its_address_and_the_name_of_its_host() -> None:
    exchange = HttpRequest(host="http://127.0.0.1:9100/", path="/pay/unifiedorder")
    assert exchange.url == "http://127.0.0.1:9100/pay/unifiedorder"
    assert exchange.host_name == "127.0.0.1:9100"


def test_no_answer_says_what_happened_and_no_more() -> None:
    assert str(NoResponse(Failure.RESET, http_status=200)) == "no response (RESET)"
