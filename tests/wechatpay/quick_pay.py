"""A till on a clock of its own, and the answers of WeChat Pay to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.models import Order
from django_wxpay.services import clock, gateways
from django_wxpay.services.sync import sweep
from tests.protocol.v3 import keys
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing
from tests.wechatpay.v3 import certificate

CERTIFICATE = {
    "CLIENT_CERT": certificate("AB", keys.MERCHANT_KEY),
    "CLIENT_KEY": keys.MERCHANT_KEY,
}
CODE = "134567890123456789"
MICROPAY, QUERY, REVERSE = "/pay/micropay", "/pay/orderquery", "/secapi/pay/reverse"
TIMEOUT = requests.ReadTimeout("the answer did not come in time")
NOT_THERE = refused("ORDERNOTEXIST", "此交易订单号不存在")
USERPAYING = refused("USERPAYING", "需要用户输入支付密码")
DONE, AGAIN = {"recall": "N"}, {"recall": "Y"}

BY_CODE = {**PAID, "trade_type": "MICROPAY"}
PAYS = standing("SUCCESS", **BY_CODE)
PAYING, UNPAID, REVOKED = standing("USERPAYING"), standing("NOTPAY"), standing("REVOKED")


def charged(sent: Mapping[str, str]) -> dict[str, Any]:
    """Take the money at once."""
    return {**BY_CODE, "out_trade_no": sent["out_trade_no"], "total_fee": sent["total_fee"]}


class TestClock:
    """Seconds that pass only when somebody sleeps."""

    __test__ = False

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        self.began = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.seconds)


def on_a_clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    """Let time pass only when somebody sleeps; the settings must not change any more."""
    time = TestClock()
    monkeypatch.setattr(clock, "now", time.now)
    # The database's clock would put this one right.
    monkeypatch.setattr(sweep, "shared_clock", lambda: time.now)
    transport = gateways.transport()
    monkeypatch.setattr(transport, "clock", time)
    monkeypatch.setattr(transport, "sleep", time.sleep)
    return time


def in_turn(*answers: Any) -> Callable[[Any], Any]:
    """Give ``answers`` one after the other, the last of them for good."""
    left = list(answers)

    def answer(_sent: Any) -> Any:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def pay(**fields: Any) -> Order:
    return services.pay_by_code(
        **{"auth_code": CODE, "body": "Tea", "total_fee": 100, "out_trade_no": "TILL-0001"} | fields
    )


def counts(gateway: ScriptedTransport) -> dict[str, int]:
    """Return how often each path was called."""
    paths = gateway.paths()
    return {path: paths.count(path) for path in dict.fromkeys(paths)}
