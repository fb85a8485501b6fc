"""Bills for third-party clients, unchanged: wechatpy and wechatpayv3 download them."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
import requests
from wechatpayv3 import WeChatPay as ClientV3
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay as ClientV2

from django_wxpay.protocol.bills.fund_flow import FundFlowReader
from django_wxpay.protocol.bills.rows import BillRow
from django_wxpay.protocol.bills.trades import TradeBillReader
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v2 import encode_xml, sign
from django_wxpay.simulator import Options, Reply, Simulator, create_app, running
from tests.simulator.calling import ACKNOWLEDGED, APPID, KEY, MCH_ID, NOTIFY_URL, NUMBER
from tests.simulator.v3.calling import MAINLAND
from tests.simulator.v3.clients import made

NAME: Final = "茶, `green`"


@pytest.fixture
def simulator() -> Simulator:
    options = Options(bills_at_once=True)
    # It stands still, so that no day ends between a sale and its refund.
    now = datetime.now(UTC)
    return create_app(
        clock=lambda: now, deliver=lambda *_: Reply(200, ACKNOWLEDGED), options=options
    )


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with running(simulator) as url:
        yield url


@pytest.fixture
def v2(url: str) -> ClientV2:
    client = ClientV2(appid=APPID, api_key=KEY, mch_id=MCH_ID, timeout=5)
    client.API_BASE_URL = f"{url}/"
    return client


@pytest.fixture
def v3(url: str, monkeypatch: pytest.MonkeyPatch) -> ClientV3:
    return made(url, monkeypatch)


@pytest.fixture
def sold(v2: ClientV2, simulator: Simulator) -> date:
    """Sell, and pay a part back; return the day in Beijing."""
    v2.order.create(
        trade_type="NATIVE",
        body=NAME,
        total_fee=12_850,
        notify_url=NOTIFY_URL,
        client_ip="127.0.0.1",
        out_trade_no=NUMBER,
        product_id="P1001",
    )
    return paid_and_refunded(simulator, MCH_ID)


@pytest.fixture
def sold_v3(v3: ClientV3, simulator: Simulator) -> date:
    """Do the same over APIv3."""
    code, _ = v3.pay(description=NAME, out_trade_no=NUMBER, amount={"total": 12_850})
    assert code == 200
    return paid_and_refunded(simulator, MAINLAND)


def paid_and_refunded(simulator: Simulator, mch_id: str) -> date:
    simulator.pay(mch_id, NUMBER)
    simulator.refund(mch_id, NUMBER, refund_fee=850, out_refund_no="R1")
    return simulator.now().astimezone(BEIJING).date()


def read(text: bytes) -> list[BillRow]:
    return list(TradeBillReader([text], name="bill").rows())


def check(rows: list[BillRow]) -> None:
    assert [(row.out_trade_no, row.out_refund_no, row.body) for row in rows] == [
        (NUMBER, "", NAME),
        (NUMBER, "R1", NAME),
    ]
    assert (rows[0].total_fee, rows[1].refund_fee) == (12_850, 850)


def test_wechatpy_downloads_a_trade_bill(v2: ClientV2, sold: date) -> None:
    text = v2.tools.download_bill(sold)
    check(read(text.encode() if isinstance(text, str) else text))


@pytest.mark.parametrize(("kind", "rows"), [("SUCCESS", 1), ("REFUND", 1), ("RECHARGE_REFUND", 1)])
def test_wechatpy_downloads_a_part_of_it(v2: ClientV2, sold: date, kind: str, rows: int) -> None:
    text = v2.tools.download_bill(sold, bill_type=kind)
    assert len(read(text.encode() if isinstance(text, str) else text)) == rows


@pytest.mark.parametrize("days", [1, -100])
def test_wechatpy_is_refused_a_day_that_has_none(v2: ClientV2, sold: date, days: int) -> None:
    with pytest.raises(WeChatPayException) as error:
        v2.tools.download_bill(sold + timedelta(days=days))
    assert "invalid bill_date" in str(error.value)


def test_wechatpy_hears_of_an_idle_day(v2: ClientV2, sold: date) -> None:
    with pytest.raises(WeChatPayException) as error:
        v2.tools.download_bill(sold - timedelta(days=1))
    assert "No Bill Exist" in str(error.value)


def test_wechatpayv3_downloads_a_trade_bill(v3: ClientV3, sold_v3: date) -> None:
    code, message = v3.trade_bill(sold_v3.isoformat(), tar_type="GZIP")
    assert code == 200, message
    named: dict[str, Any] = json.loads(message)
    code, content = v3.download_bill(named["download_url"])
    assert code == 200
    text = gzip.decompress(content)
    assert hashlib.sha1(text, usedforsecurity=False).hexdigest() == named["hash_value"]
    check(read(text))


def test_wechatpayv3_downloads_a_fund_flow(v3: ClientV3, sold_v3: date) -> None:
    code, message = v3.fundflow_bill(sold_v3.isoformat())
    assert code == 200, message
    code, content = v3.download_bill(json.loads(message)["download_url"])
    assert code == 200
    flow = FundFlowReader([gzip.decompress(content)], name="flow")
    # 0.60 % of the payment, and its part of the refund.
    assert [row.amount for row in flow.rows()] == [12_850, -77, -850, 5]


@pytest.mark.parametrize(
    "day", ["2026-02-30", "20260101", "", "2020-01-01", "2999-01-01", "../etc"]
)
def test_wechatpayv3_is_refused_a_day_that_has_none(v3: ClientV3, day: str) -> None:
    code, message = v3.trade_bill(day)
    assert (code, json.loads(message)["code"]) == (400, "PARAM_ERROR")


def test_wechatpayv3_hears_of_an_idle_day(v3: ClientV3, sold_v3: date) -> None:
    code, message = v3.trade_bill((sold_v3 - timedelta(days=1)).isoformat())
    assert (code, json.loads(message)["code"]) == (400, "NO_STATEMENT_EXIST")


def test_a_file_lives_for_five_minutes_and_for_nobody_else(
    v3: ClientV3, sold_v3: date, simulator: Simulator
) -> None:
    _, message = v3.trade_bill(sold_v3.isoformat())
    address = json.loads(message)["download_url"]
    assert v3.download_bill(f"{address}x")[0] == 400
    assert requests.get(address, timeout=5).status_code == 401
    simulator.advance(290)
    assert v3.download_bill(address)[0] == 200
    simulator.advance(20)
    code, _ = v3.download_bill(address)
    assert code in {400, 401}


def call(url: str, path: str, **fields: str) -> str:
    whole = {
        "appid": APPID,
        "mch_id": MCH_ID,
        "nonce_str": "n",
        "sign_type": "HMAC-SHA256",
    } | fields
    signed = whole | {"sign": sign(whole, KEY, whole["sign_type"])}
    return requests.post(f"{url}{path}", encode_xml(signed), timeout=5).text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bill_date": "2026-01-01"}, "invalid bill_date"),
        ({"bill_date": "20269999"}, "invalid bill_date"),
        ({}, "missing parameter"),
        ({"bill_date": "20260101", "bill_type": "EVERY"}, "invalid bill_type"),
        ({"bill_date": "20260101", "tar_type": "ZIP"}, "invalid tar_type"),
    ],
)
def test_what_is_wrong_is_said_in_unsigned_xml(
    url: str, fields: dict[str, str], message: str
) -> None:
    answer = call(url, "/pay/downloadbill", **fields)
    assert f"<return_msg><![CDATA[{message}]]></return_msg>" in answer
    assert "<error_code>" in answer
    assert "<sign>" not in answer


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"account_type": "Basic", "sign_type": "MD5"}, "SIGN_ERROR"),
        ({"account_type": "BASIC"}, "INVALID_ACCOUNT_TYPE"),
        ({}, "MISSING_PARAMETER"),
        ({"account_type": "Fees"}, "NO_BILL_EXIST"),
    ],
)
def test_a_fund_flow_is_refused_in_another_form(
    url: str, sold: date, fields: dict[str, str], code: str
) -> None:
    answer = call(url, "/pay/downloadfundflow", bill_date=f"{sold:%Y%m%d}", **fields)
    assert f"<err_code><![CDATA[{code}]]></err_code>" in answer
