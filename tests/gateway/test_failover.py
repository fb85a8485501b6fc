from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import urllib3.exceptions as u3

from django_wxpay.gateway.failover import send_with_failover
from django_wxpay.gateway.http.failures import Busy, Probed
from django_wxpay.gateway.http.messages import HttpRequest, HttpResponse
from django_wxpay.gateway.http.transport import Transport
from django_wxpay.gateway.records import Attempt
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    MalformedMessage,
    OutcomeUnknown,
    Refused,
    WXPayError,
)
from tests.gateway.conftest import Authority
from tests.wechatpay.transport import (
    DOCUMENT,
    HTML,
    Behaviour,
    Host,
    ScriptedTransport,
    drips,
    says,
    sends,
    stays_silent,
)

Start = Callable[..., Host]

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
PRIMARY, STANDBY = "http://primary.test", "http://standby.test"


def document(answer: HttpResponse) -> bytes:
    if not answer.body.startswith(b"<xml>"):
        raise MalformedMessage("no document")
    return answer.body


class Caller:
    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.noted: list[Attempt[bytes]] = []

    def __call__(
        self,
        *hosts: str,
        read: Callable[[HttpResponse], bytes] = document,
    ) -> bytes:
        return send_with_failover(
            lambda: HttpRequest(host="", path="/pay/unifiedorder", body=b"signed"),
            hosts=hosts,
            transport=self.transport,
            read=read,
            note=self.noted.append,
            now=lambda: MOMENT,
        )

    @property
    def failures(self) -> list[str]:
        return [attempt.failure for attempt in self.noted]


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Caller:
    """A caller with little patience where the test is about a host that is out of time."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    is_late = params.get("failure") == "TIMEOUT"
    return Caller(request.getfixturevalue("impatient" if is_late else "transport"))


def fakes(
    caller: Caller, *scripts: Sequence[tuple[int, bytes] | Exception]
) -> list[ScriptedTransport]:
    made = [ScriptedTransport(*script) for script in scripts]
    for host, fake in zip((PRIMARY, STANDBY), made, strict=False):
        caller.transport.mount(host, fake)
    return made


ELSEWHERE: list[tuple[Behaviour, str, int | None, type[OutcomeUnknown]]] = [
    (stays_silent, "TIMEOUT", None, OutcomeUnknown),
    (drips(b"<" * 99, head=b"HTTP/1.1 200 OK\r\n\r\n"), "TIMEOUT", 200, OutcomeUnknown),
    (sends(b"", reset=True), "RESET", None, OutcomeUnknown),
    (sends(b""), "RESET", None, OutcomeUnknown),
    (says(DOCUMENT, 500), "HTTP_5XX", 500, OutcomeUnknown),
    (says(HTML, 502), "HTTP_5XX", 502, OutcomeUnknown),
    (says(b"", 503, Retry_After="0"), "HTTP_5XX", 503, OutcomeUnknown),
    (sends(b"HTTP/1.1 502 No\r\nContent-Length: 9\r\n\r\n<x"), "HTTP_5XX", 502, OutcomeUnknown),
    (says(HTML), "UNREADABLE", 200, BadAnswer),
    (says(b""), "UNREADABLE", 200, BadAnswer),
    (says(HTML, 404), "UNREADABLE", 404, BadAnswer),
    (says(DOCUMENT, 302, Location="http://a.test/"), "UNREADABLE", 302, BadAnswer),
    (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<xml>"), "UNREADABLE", 200, BadAnswer),
    (says(b"<xml>" + b"x" * 1024 * 1024), "UNREADABLE", 200, BadAnswer),
]


@pytest.mark.parametrize(("behaviour", "failure", "status", "error"), ELSEWHERE)
def test_what_brings_no_document_is_asked_of_the_next_host(
    caller: Caller,
    host: Start,
    behaviour: Behaviour,
    failure: str,
    status: int | None,
    error: type[OutcomeUnknown],
) -> None:
    primary, standby = host(behaviour), host(says(DOCUMENT))
    assert caller(primary.url, standby.url) == DOCUMENT
    assert caller.failures == [failure, ""]
    assert [attempt.http_status for attempt in caller.noted] == [status, 200]
    assert [attempt.request.host for attempt in caller.noted] == [primary.url, standby.url]
    assert [attempt.started_at for attempt in caller.noted] == [MOMENT, MOMENT]
    assert primary.bodies == standby.bodies == [b"signed"]


@pytest.mark.parametrize(("behaviour", "failure", "status", "error"), ELSEWHERE)
def test_a_single_host_is_asked_once(
    caller: Caller,
    host: Start,
    behaviour: Behaviour,
    failure: str,
    status: int | None,
    error: type[OutcomeUnknown],
) -> None:
    only = host(behaviour)
    with pytest.raises(OutcomeUnknown, match="calling again is safe") as caught:
        caller(only.url)
    assert type(caught.value) is error
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "signed" not in str(caught.value)
    assert caller.failures == [failure]
    assert only.bodies == [b"signed"]


def test_a_host_that_cannot_be_reached_is_passed_over(
    caller: Caller, host: Start, nobody: str
) -> None:
    standby = host(says(DOCUMENT))
    assert caller("http://nobody.invalid", nobody, standby.url) == DOCUMENT
    assert caller.failures == ["DNS", "CONNECT", ""]
    assert len(standby.requests) == 1


def test_every_host_is_asked_at_most_once(caller: Caller) -> None:
    primary, standby = fakes(caller, [(502, HTML)], [requests.ReadTimeout()])
    with pytest.raises(OutcomeUnknown) as caught:
        caller(PRIMARY, STANDBY, PRIMARY)
    assert type(caught.value) is OutcomeUnknown
    assert "primary.test (HTTP_5XX), standby.test (TIMEOUT)" in str(caught.value)
    assert (len(primary.requests), len(standby.requests)) == (1, 1)


@pytest.mark.parametrize(
    ("primary", "standby", "error"),
    [
        ((200, HTML), requests.ReadTimeout(), OutcomeUnknown),
        ((200, HTML), (503, HTML), OutcomeUnknown),
        (requests.ReadTimeout(), (200, HTML), BadAnswer),
        ((503, HTML), (200, b""), BadAnswer),
    ],
)
def test_the_last_host_decides_what_is_raised(
    caller: Caller,
    primary: tuple[int, bytes] | Exception,
    standby: tuple[int, bytes] | Exception,
    error: type[OutcomeUnknown],
) -> None:
    fakes(caller, [primary], [standby])
    with pytest.raises(OutcomeUnknown) as caught:
        caller(PRIMARY, STANDBY)
    assert type(caught.value) is error
    assert len(caller.noted) == 2


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 429])
def test_a_document_is_the_answer_under_any_status_below_500_but_a_redirect(
    caller: Caller, status: int
) -> None:
    _, standby = fakes(caller, [(status, DOCUMENT)], [(200, DOCUMENT)])
    assert caller(PRIMARY, STANDBY) == DOCUMENT
    assert caller.failures == [""]
    assert standby.requests == []


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Refused("NO_AUTH", kind="NOAUTH"), ""),
        (Refused("ORDERPAID"), ""),
        (BadSignature("wrong"), "BAD_SIGNATURE"),
        (BadAnswer("no prepay_id"), "BAD_ANSWER"),
        (Probed("a probe"), "PROBE"),
        (OutcomeUnknown("taken, not done"), ""),
    ],
)
def test_a_document_is_final_whatever_it_says(
    caller: Caller, error: WXPayError, failure: str
) -> None:
    def read(_: HttpResponse) -> bytes:
        raise error

    primary, standby = fakes(caller, [(200, DOCUMENT)], [(200, DOCUMENT)])
    with pytest.raises(WXPayError) as caught:
        caller(PRIMARY, STANDBY, read=read)
    assert caught.value is error
    assert caller.failures == [failure]
    assert caller.noted[0].http_status == 200
    assert (len(primary.requests), len(standby.requests)) == (1, 0)
    assert caller.transport.health.order((PRIMARY, STANDBY)) == (PRIMARY, STANDBY)


@pytest.mark.parametrize(
    ("trouble", "may_have_arrived"),
    [
        ((502, HTML), True),
        (requests.ReadTimeout("slow"), True),
        (requests.ConnectTimeout("slow"), False),
        (None, False),
    ],
)
def test_a_refusal_says_whether_another_host_may_have_done_it(
    caller: Caller, trouble: Any, may_have_arrived: bool
) -> None:
    def read(_: HttpResponse) -> bytes:
        raise Refused("NOTENOUGH")

    answer = (200, DOCUMENT)
    fakes(caller, [answer if trouble is None else trouble], [answer])
    with pytest.raises(Refused) as caught:
        caller(PRIMARY, STANDBY, read=read)
    assert caught.value.may_have_arrived is may_have_arrived


def test_a_certificate_that_cannot_be_verified_is_an_alarm_and_no_reason_to_ask_elsewhere(
    caller: Caller, host: Start, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    primary = host(says(DOCUMENT), context=authority.context())
    standby = host(says(DOCUMENT))
    with (
        caplog.at_level(logging.ERROR, "django_wxpay.gateway"),
        pytest.raises(OutcomeUnknown, match="nothing was sent, and calling again is safe"),
    ):
        caller(primary.url, standby.url)
    assert caller.failures == ["TLS"]
    assert caller.noted[0].http_status is None
    assert (primary.requests, standby.requests) == ([], [])
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "certificate" in caplog.text
    assert "signed" not in caplog.text
    assert caller.transport.health.order((primary.url, standby.url)) == (primary.url, standby.url)


def test_hosts_that_know_no_such_address_are_told_with_their_status(caller: Caller) -> None:
    fakes(caller, [(502, HTML)], [(404, b"")])
    with pytest.raises(BadAnswer) as caught:
        caller(PRIMARY, STANDBY)
    told = "primary.test (HTTP_5XX), standby.test (UNREADABLE, HTTP 404)"
    assert told in str(caught.value)


def test_a_handshake_that_fails_otherwise_is_asked_of_the_next_host(caller: Caller) -> None:
    trouble = requests.exceptions.SSLError(u3.SSLError("wrong version number"))
    fakes(caller, [trouble], [(200, DOCUMENT)])
    assert caller(PRIMARY, STANDBY) == DOCUMENT
    assert caller.failures == ["TLS", ""]


def test_an_answer_that_cannot_be_believed_is_an_alarm_without_a_secret(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    def read(_: HttpResponse) -> bytes:
        raise BadSignature("wrong")

    fakes(caller, [(200, DOCUMENT)])
    with caplog.at_level(logging.DEBUG), pytest.raises(BadSignature):
        caller(PRIMARY, read=read)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "primary.test sent an answer that cannot be trusted: BAD_SIGNATURE")
    ]


def test_a_primary_that_failed_is_passed_over_until_it_has_rested() -> None:
    now = [0.0]
    caller = Caller(Transport(recovery_s=180.0, clock=lambda: now[0]))
    primary, standby = fakes(caller, [(502, HTML), (200, DOCUMENT)], [(200, DOCUMENT)])
    for at in (0.0, 1.0, 179.0):
        now[0] = at
        assert caller(PRIMARY, STANDBY) == DOCUMENT
    assert (len(primary.requests), len(standby.requests)) == (1, 3)
    now[0] = 180.0
    assert caller(PRIMARY, STANDBY) == DOCUMENT
    assert (len(primary.requests), len(standby.requests)) == (2, 3)


@pytest.mark.parametrize(
    "error", [Refused("ORDERPAID"), OutcomeUnknown("taken, not done"), Probed("a probe")]
)
def test_a_genuine_host_heals_whatever_it_says(
    error: WXPayError, caplog: pytest.LogCaptureFixture
) -> None:
    caller = Caller(Transport(clock=lambda: 0.0))
    fakes(caller, [(200, DOCUMENT)])
    caller.transport.health.failed(PRIMARY)

    def read(_: HttpResponse) -> bytes:
        raise error

    with caplog.at_level(logging.DEBUG), pytest.raises(type(error)):
        caller(PRIMARY, read=read)
    assert caplog.records == []
    assert caller.transport.health.order((PRIMARY, STANDBY)) == (PRIMARY, STANDBY)


def test_the_time_of_an_attempt_is_that_of_the_wire() -> None:
    ticks = iter([0.0, 10.0, 10.25, 10.25])
    caller = Caller(Transport(clock=lambda: next(ticks)))
    fakes(caller, [(200, DOCUMENT)])
    caller(PRIMARY)
    assert [attempt.execute_time_ms for attempt in caller.noted] == [250]


def test_a_merchant_without_hosts_is_a_configuration_error(caller: Caller) -> None:
    with pytest.raises(ConfigurationError, match="HOSTS"):
        caller()
    assert caller.noted == []


# Busy is not no


class Clock:
    """Seconds that pass only in ``sleep`` and where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Slow(ScriptedTransport):
    """A host whose every answer takes ``took_s``; it notes the time-outs that it was given."""

    def __init__(self, clock: Clock, took_s: float, *script: tuple[int, bytes] | Exception) -> None:
        super().__init__(*script)
        self.clock, self.took_s = clock, took_s
        self.timeouts: list[tuple[float, float]] = []

    def send(self, request: requests.PreparedRequest, *_: object, **how: Any) -> requests.Response:
        self.timeouts.append(how["timeout"])
        self.clock.now += self.took_s
        return super().send(request)


def busy_or_document(response: HttpResponse) -> bytes:
    if response.body == b"<busy/>":
        raise Refused("SYSTEM_ERROR", kind="SYSTEMERROR")
    return document(response)


BUSY = (200, b"<busy/>")


def patient(clock: Clock, *, jitter: float = 0.5) -> Caller:
    return Caller(
        Transport(timeout=(2.0, 8.0), clock=clock, sleep=clock.sleep, jitter=lambda: jitter)
    )


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 0.25), (0.5, 0.5), (1.0, 0.75)])
def test_a_busy_host_is_asked_again_after_a_pause_that_jitters(jitter: float, pause: float) -> None:
    clock = Clock()
    caller = patient(clock, jitter=jitter)
    primary, standby = fakes(caller, [BUSY, (200, DOCUMENT)], [(200, DOCUMENT)])
    assert caller(PRIMARY, STANDBY, read=busy_or_document) == DOCUMENT
    assert clock.pauses == [pause]
    assert (len(primary.requests), len(standby.requests)) == (2, 0)
    assert [attempt.is_busy for attempt in caller.noted] == [True, False]
    assert caller.failures == ["", ""]


def test_a_busy_call_and_its_repetition_end_within_the_time_out_of_one() -> None:
    clock = Clock()
    caller = patient(clock)
    slow = Slow(clock, 4.5, BUSY)
    caller.transport.mount(PRIMARY, slow)
    with pytest.raises(Busy):
        caller(PRIMARY, read=busy_or_document)
    assert clock.pauses == [0.5]
    first, second = slow.timeouts
    assert first == (2.0, 8.0)
    assert second == pytest.approx((1.0, 4.0))


def test_a_busy_host_that_took_all_the_time_is_not_asked_again() -> None:
    clock = Clock()
    caller = patient(clock)
    slow = Slow(clock, 9.5, BUSY)
    caller.transport.mount(PRIMARY, slow)
    with pytest.raises(Busy, match=r"SYSTEM_ERROR.*calling again is safe") as caught:
        caller(PRIMARY, read=busy_or_document)
    assert isinstance(caught.value, OutcomeUnknown)
    assert (clock.pauses, len(slow.requests)) == ([], 1)


def test_a_repetition_that_gets_no_answer_goes_to_the_next_host_and_is_not_repeated_there() -> None:
    clock = Clock()
    caller = patient(clock)
    primary, standby = fakes(caller, [BUSY, requests.ConnectionError()], [BUSY])
    with pytest.raises(Busy):
        caller(PRIMARY, STANDBY, read=busy_or_document)
    assert (len(primary.requests), len(standby.requests)) == (2, 1)
    assert (clock.pauses, caller.failures) == ([0.5], ["", "RESET", ""])


def test_behind_a_5xx_that_says_busy_the_next_host_is_the_repetition() -> None:
    clock = Clock()
    caller = patient(clock)
    primary, standby = fakes(caller, [(500, b"<busy/>")], [BUSY])
    with pytest.raises(Busy):
        caller(PRIMARY, STANDBY, read=busy_or_document)
    assert (len(primary.requests), len(standby.requests)) == (1, 1)
    assert (clock.pauses, caller.failures) == ([], ["HTTP_5XX", ""])
