"""Lines of the journal, as a terminal gets them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator import Reply, Simulator, create_app
from tests.simulator.calling import ACKNOWLEDGED, MCH_ID, NOTIFY_URL, NUMBER, Merchant, Shop

START = datetime(2026, 1, 1, 12, 0, tzinfo=BEIJING)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def app(shop: Shop, lines: list[str]) -> Simulator:
    return create_app(clock=lambda: START, deliver=shop, log=lines.append)


def test_each_attempt_says_its_reason_and_the_next_time(
    app: Simulator, merchant: Merchant, shop: Shop, lines: list[str]
) -> None:
    merchant.place()
    shop.answers = [ConnectionRefusedError(), Reply(500, b""), Reply(200, b"OK")]
    app.pay(MCH_ID, NUMBER)
    app.advance(61)
    notified = f"notified {NOTIFY_URL}:"
    assert lines == [
        f"12:00:00 POST /pay/unifiedorder 200 {NUMBER}",
        f"12:00:00 {notified} connection refused; next try 12:00:15 ({NUMBER})",
        f"12:00:15 {notified} HTTP 500, not accepted; next try 12:00:30 ({NUMBER})",
        f"12:00:30 {notified} HTTP 200, not acknowledged in the body; next try 12:01:00 ({NUMBER})",
        f"12:01:00 {notified} HTTP 200, delivered ({NUMBER})",
    ]


def test_the_last_attempt_is_given_up(
    app: Simulator, merchant: Merchant, shop: Shop, lines: list[str]
) -> None:
    merchant.place()
    shop.usually = Reply(503, b"")
    app.pay(MCH_ID, NUMBER)
    app.advance(timedelta(days=2).total_seconds())
    assert len(lines) == 17
    days = [line for line in lines if "next try 01-02 " in line]
    assert len(days) == 1
    assert days[0].endswith(f"; next try 01-02 00:04:00 ({NUMBER})")
    assert lines[-1].endswith(f": HTTP 503, not accepted; given up ({NUMBER})")


def test_faults_and_what_is_lost_are_said(
    app: Simulator, merchant: Merchant, lines: list[str]
) -> None:
    app.inject("http_500")
    app.inject("lost")
    merchant.post("/pay/unifiedorder", merchant.signed({"out_trade_no": NUMBER}))
    merchant.place()
    merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    assert lines == [
        f"12:00:00 POST /pay/unifiedorder 500 {NUMBER} fault http_500",
        f"12:00:00 POST /pay/unifiedorder 200 {NUMBER}",
        f"12:00:00 notified {NOTIFY_URL}: lost, never sent ({NUMBER})",
        f"12:00:00 POST /_simulator/pay 200 {NUMBER}",
    ]


def test_paths_of_v3_are_lines_too(merchant: Merchant, lines: list[str]) -> None:
    merchant.get("/v3/no/such/path?secret=1")
    merchant.get("/v3/certificates")
    assert lines == [
        "12:00:00 GET /v3/no/such/path 404",
        "12:00:00 GET /v3/certificates 401 SIGN_ERROR",
    ]


def test_reading_a_page_is_no_line(merchant: Merchant, lines: list[str]) -> None:
    for path in ("/_simulator/", "/_simulator/ledger", "/_simulator/static/simulator.css"):
        merchant.get(path)
    assert lines == []


def test_a_payment_code_is_in_no_line(app: Simulator, merchant: Merchant, lines: list[str]) -> None:
    code = app.payment_code("person")["auth_code"]
    fields = {"body": "tea", "out_trade_no": NUMBER, "total_fee": "300001", "auth_code": code}
    merchant.call("/pay/micropay", {**fields, "spbill_create_ip": "127.0.0.1"})
    merchant.session.post(f"{merchant.host}/_simulator/phone/{code}", data={"answer": "pay"})
    assert lines[-1] == f"12:00:00 POST /_simulator/phone/code 303 {NUMBER} SUCCESS"
    assert code not in "".join(lines)


def test_what_a_client_sends_gives_a_terminal_no_orders(
    merchant: Merchant, lines: list[str]
) -> None:
    merchant.get("/v3/%1B%5B2J%0Afake/" + "x" * 400)
    [line] = lines
    assert line.startswith("12:00:00 GET /v3/?[2J?fake/xxx")
    assert len(line) < 150


def test_a_terminal_that_is_gone_ends_no_call(shop: Shop) -> None:
    def gone(_line: str) -> None:
        raise BrokenPipeError

    merchant = Merchant(create_app(clock=lambda: START, deliver=shop, log=gone))
    merchant.place()
    assert merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER}).status_code == 200
    assert len(shop.received) == 1


def test_without_a_log_nothing_is_written(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    shop.usually = Reply(200, ACKNOWLEDGED)
    merchant = Merchant(create_app(clock=lambda: START, deliver=shop))
    merchant.place()
    merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    assert capfd.readouterr() == ("", "")
