"""Reports on the wire: a second's patience, twice at most, and no trace elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests

from django_wxpay.gateway import CallRecord, NoResponse, Transport, V2Gateway, failover
from django_wxpay.gateway.http.failures import UntrustedHost
from django_wxpay.gateway.http.messages import HttpRequest
from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import BadAnswer, ConfigurationError, Refused
from django_wxpay.protocol.merchants import Merchant
from django_wxpay.protocol.v2.batch_reports import SaleState, TerminalSale
from django_wxpay.protocol.v2.reports import MeasuredCall, Reporter
from tests.wechatpay.transport import HTML, Host, ScriptedTransport, says, stays_silent

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
PRIMARY, STANDBY = "https://primary.test", "https://standby.test"
YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
NO = b"<xml><return_code>FAIL</return_code><return_msg>no</return_msg></xml>"
MERCHANT = Merchant(
    alias="default",
    mch_id="1900000109",
    appid="wx8888888888888888",
    api_key=KEY,
    hosts=(PRIMARY, STANDBY),
)
CALL = MeasuredCall(
    appid="wx8888888888888888",
    mch_id="1900000109",
    interface_url=f"{PRIMARY}/pay/unifiedorder",
    execute_time_ms=87,
    return_code="SUCCESS",
    result_code="SUCCESS",
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SALES = [
    TerminalSale(
        out_trade_no=f"T2026010100000{number}",
        begin_at=NEW_YEAR,
        end_at=NEW_YEAR,
        state=SaleState.CANCELLED,
    )
    for number in range(3)
]
TERMINAL = Reporter(
    appid="wx8888888888888888",
    mch_id="1900000109",
    interface_url=f"{PRIMARY}/pay/batchreport/micropay/total",
    user_ip="10.0.0.7",
)


class Desk:
    """A gateway, what it recorded, and the hosts that its reports reach."""

    def __init__(self, *hosts: str, **fakes: ScriptedTransport) -> None:
        self.transport = Transport()
        for name, fake in fakes.items():
            self.transport.mount(f"https://{name}.test", fake)
        self.records: list[CallRecord] = []
        self.gateway = V2Gateway(
            replace(MERCHANT, hosts=hosts or MERCHANT.hosts),
            transport=self.transport,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            nonce=lambda: "nonce1",
            record=self.records.append,
        )


def test_a_report_is_posted_signed_and_leaves_no_record() -> None:
    primary = ScriptedTransport((200, YES))
    desk = Desk(primary=primary)
    desk.gateway.report(CALL)

    (request,) = primary.requests
    assert (request.method, request.url) == ("POST", f"{PRIMARY}/payitil/report")
    assert isinstance(request.body, bytes)
    sent = v2.decode_xml(request.body)
    assert v2.verify(sent, KEY)
    assert (sent["execute_time_"], sent["user_ip"]) == ("87", "0.0.0.0")
    assert (sent["time"], sent["nonce_str"]) == ("20260101080000", "nonce1")
    assert desk.records == []


@pytest.mark.parametrize("silence", [(502, HTML), (200, HTML), requests.ConnectionError()])
def test_without_an_answer_the_next_host_is_tried_and_payments_do_not_notice(
    silence: tuple[int, bytes] | Exception,
) -> None:
    primary, standby = ScriptedTransport(silence), ScriptedTransport((200, YES))
    desk = Desk(primary=primary, standby=standby)
    desk.gateway.report(CALL)

    assert (len(primary.requests), len(standby.requests)) == (1, 1)
    assert primary.requests[0].body == standby.requests[0].body
    assert desk.transport.health.order(MERCHANT.hosts) == MERCHANT.hosts
    assert desk.records == []


def test_a_single_host_is_asked_once_more_and_then_no_more() -> None:
    primary = ScriptedTransport((502, HTML))
    with pytest.raises(NoResponse):
        Desk(PRIMARY, primary=primary).gateway.report(CALL)
    assert len(primary.requests) == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [(NO, Refused), (b"<xml><return_code>SUCCESS</return_code></xml>", BadAnswer)],
)
def test_an_answer_is_final(body: bytes, error: type[Exception]) -> None:
    primary, standby = ScriptedTransport((200, body)), ScriptedTransport((200, YES))
    with pytest.raises(error):
        Desk(primary=primary, standby=standby).gateway.report(CALL)
    assert (len(primary.requests), standby.requests) == (1, [])


def test_nothing_is_sent_after_a_certificate_that_cannot_be_trusted() -> None:
    primary, standby = (
        ScriptedTransport(requests.exceptions.SSLError()),
        ScriptedTransport((200, YES)),
    )
    desk = Desk(primary=primary, standby=standby)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.transport, "send", _distrust)
        with pytest.raises(UntrustedHost):
            desk.gateway.report(CALL)
    assert standby.requests == []


def _distrust(exchange: HttpRequest, **_: object) -> None:
    from django_wxpay.protocol.failures import Failure

    assert exchange.host == PRIMARY
    raise UntrustedHost(Failure.TLS)


def test_a_merchant_without_hosts_is_a_mistake_in_the_settings() -> None:
    desk = Desk()
    desk.gateway._merchant = replace(MERCHANT, hosts=())
    with pytest.raises(ConfigurationError, match="no HOSTS"):
        desk.gateway.report(CALL)


def test_a_hanging_host_costs_the_patience_for_reports_and_not_that_for_payments(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert failover.REPORT_TIMEOUT == (1.0, 1.0)
    monkeypatch.setattr(failover, "REPORT_TIMEOUT", (0.3, 0.3))
    hanging = host(stays_silent)
    with pytest.raises(NoResponse) as raised:
        Desk(hanging.url).gateway.report(CALL)

    # With the patience for payments the host would have hung up before.
    assert raised.value.failure == "TIMEOUT"
    assert len(hanging.requests) == 2


def test_reports_share_a_kept_connection(host: Callable[..., Host]) -> None:
    quick = host(says(YES))
    desk = Desk(quick.url)
    for _ in range(3):
        desk.gateway.report(CALL)
    assert (len(quick.requests), quick.connections) == (3, 1)


def test_a_batch_of_sales_is_posted_signed_and_leaves_no_record() -> None:
    primary = ScriptedTransport((200, YES))
    desk = Desk(primary=primary)
    desk.gateway.report_sales(SALES, TERMINAL)

    (request,) = primary.requests
    assert (request.method, request.url) == ("POST", f"{PRIMARY}/payitil/report")
    assert isinstance(request.body, bytes)
    sent = v2.decode_xml(request.body)
    assert v2.verify(sent, KEY)
    assert (sent["sign_type"], sent["nonce_str"], sent["user_ip"]) == (
        "HMAC-SHA256",
        "nonce1",
        "10.0.0.7",
    )
    assert [(sale["out_trade_no"], sale["state"]) for sale in json.loads(sent["trades"])] == [
        (sale.out_trade_no, "CANCLE") for sale in SALES
    ]
    assert desk.records == []


@pytest.mark.parametrize("silence", [(502, HTML), (200, HTML), requests.ConnectionError()])
def test_a_batch_is_tried_twice_and_payments_do_not_notice(
    silence: tuple[int, bytes] | Exception,
) -> None:
    primary, standby = ScriptedTransport(silence), ScriptedTransport(silence)
    desk = Desk(primary=primary, standby=standby)
    with pytest.raises(NoResponse):
        desk.gateway.report_sales(SALES, TERMINAL)

    assert (len(primary.requests), len(standby.requests)) == (1, 1)
    assert primary.requests[0].body == standby.requests[0].body
    assert desk.transport.health.order(MERCHANT.hosts) == MERCHANT.hosts
    assert desk.records == []


def test_a_no_to_a_batch_is_final() -> None:
    primary, standby = ScriptedTransport((200, NO)), ScriptedTransport((200, YES))
    with pytest.raises(Refused):
        Desk(primary=primary, standby=standby).gateway.report_sales(SALES, TERMINAL)
    assert (len(primary.requests), standby.requests) == (1, [])


def test_a_batch_waits_no_longer_than_a_report(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "REPORT_TIMEOUT", (0.3, 0.3))
    hanging = host(stays_silent)
    with pytest.raises(NoResponse) as raised:
        Desk(hanging.url).gateway.report_sales(SALES, TERMINAL)
    assert raised.value.failure == "TIMEOUT"
    assert len(hanging.requests) == 2


@pytest.mark.parametrize("timeout", [(0.0, 1.0), (1.0, float("inf")), (None, None)])
def test_the_time_out_of_one_exchange_cannot_be_switched_off(timeout: tuple[float, float]) -> None:
    primary = ScriptedTransport((200, YES))
    desk = Desk(primary=primary)
    with pytest.raises(ConfigurationError, match="time-out"):
        desk.transport.send(HttpRequest(host=PRIMARY, path="/"), timeout=timeout)
    assert primary.requests == []
