"""Hours of calls, as the roll-up would have written them."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from django_wxpay.latency import Tally
from django_wxpay.models import HourlyLatency, ReportBacklog
from django_wxpay.services import clock
from django_wxpay.services.latency.rollup import columns_of, start_of_hour

FIRST = "api.mch.weixin.qq.com"
STANDBY = "api2.mch.weixin.qq.com"


def hours_ago(hours: int) -> datetime:
    return start_of_hour(clock.now()) - timedelta(hours=hours)


def hour(
    begin: datetime,
    *times: int,
    interface: str = "/pay/unifiedorder",
    host: str = FIRST,
    merchant: str = "default",
    failure: str = "",
    refused: int = 0,
    is_standby: bool = False,
) -> HourlyLatency:
    """Write an hour of calls that took so long, a minute between them; all of them failed alike."""
    tally = Tally()
    for number, took_ms in enumerate(times):
        at = begin + timedelta(minutes=number % 60)
        is_refused = number < refused
        tally.count(took_ms, at=at, failure=failure, is_refused=is_refused, is_standby=is_standby)
    row: HourlyLatency = HourlyLatency.objects.create(
        merchant=merchant,
        interface_url=f"https://{host}{interface}",
        host=host,
        hour=begin,
        **columns_of(tally),
    )
    return row


def a_day() -> None:
    """Write a day and more with all that the page can show: a night, an outage, a backlog."""
    paths = ["/pay/unifiedorder", "/pay/orderquery", "/v3/pay/transactions/out-trade-no/{x}/close"]
    # Counted from one moment, for an hour may end while its rows are written.
    now = hours_ago(0)
    for ago, (slowness, path) in itertools.product(range(40), enumerate(paths, 1)):
        begin = now - timedelta(hours=ago)
        if ago == 6:
            hour(begin, 5000, 5010, 5100, interface=path, failure="TIMEOUT")
            hour(begin, 140, 170, 150, 200, interface=path, host=STANDBY, is_standby=True)
        elif begin.hour not in {17, 18, 19}:
            usual = [60 * slowness + n * slowness for n in range(30 + ago % 5)]
            hour(begin, *usual, interface=path, refused=1)
    for ago in range(24):
        ReportBacklog.objects.create(hour=now - timedelta(hours=ago), waiting=abs(12 - ago) * 9)
