"""5,000 merchants in the database, beside the same ones in the settings.

Notifications of many merchants go through our view in one process; only the settings change from
one round to the next. Then what a merchant costs that is read for the first time, and the doctor.

Run: python -m tests.benchmarks.bench_merchants
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any, Final

from tests.benchmarks import bench_notifications
from tests.benchmarks.bench_notifications import POSTS_A_ROUND, Message
from tests.benchmarks.databases import database, keep_connection, use_merchants
from tests.benchmarks.measuring import FULL, Aim, Result, Scale, ratios, show
from tests.benchmarks.wsgi import accepted, post

MERCHANTS: Final = 5_000
FEW: Final = 50
REACH: Final = 1.1
SOURCE: Final = "django_wxpay.merchants.DatabaseMerchants"


def main() -> None:
    """Measure and print."""
    show(list(results(FULL)))


def results(scale: Scale) -> Iterator[Result]:
    """Measure a notification, the first look at a merchant, and the doctor."""
    with database():
        handler = bench_notifications.prepare()
        keep_connection(is_kept=True)
        _keep_accounts()
        configs = {"settings": _config(_entries()), "database": _config(SOURCE)}
        yield _notifications(handler, configs, scale)
        yield _first_look(configs["database"], scale)
        yield _doctor(configs["database"])


def _config(merchants: Any) -> Any:
    from django.conf import settings
    from django.core.signals import setting_changed

    from django_wxpay import conf

    use_merchants(merchants)
    settings.WXPAY["SEALING_KEYS"] = [_sealing_key()]
    setting_changed.send(sender=None, setting="WXPAY", value=settings.WXPAY, enter=True)
    return conf.current()


def _sealing_key() -> str:
    from tests.accounts import SEALING_KEY

    return SEALING_KEY


def _alias(number: int) -> str:
    return f"shop-{number:04d}"


def _mch_id(number: int) -> str:
    return f"19{number:08d}"


def _entries() -> dict[str, Any]:
    from tests.wechatpay import v2

    return {
        _alias(number): {"APPID": v2.APPID, "MCH_ID": _mch_id(number), "API_KEY": v2.API_KEY}
        for number in range(MERCHANTS)
    }


def _keep_accounts() -> None:
    from django.utils import timezone

    from django_wxpay.merchants import save_account
    from django_wxpay.models import MerchantAccount
    from django_wxpay.protocol.secrets import Secret
    from django_wxpay.services.accounts.sealing import seal, sealing_key_ids
    from tests.wechatpay import v2

    _config(SOURCE)
    now, sealed_by = timezone.now(), sealing_key_ids()[0]
    MerchantAccount.objects.bulk_create(
        MerchantAccount(
            alias=_alias(number),
            appid=v2.APPID,
            mch_id=_mch_id(number),
            sealed_api_key=seal(Secret(v2.API_KEY), alias=_alias(number), name="API_KEY"),
            sealing_key=sealed_by,
            created_at=now,
            updated_at=now,
        )
        for number in range(MERCHANTS)
    )
    save_account(MerchantAccount.objects.get(alias=_alias(0)))


def _returning(config: Any) -> Any:
    return lambda: config


def _notifications(handler: Any, configs: dict[str, Any], scale: Scale) -> Result:
    from django_wxpay import conf

    times: dict[str, list[float]] = {name: [] for name in configs}
    of_rounds = [_messages(at, len(configs)) for at in range(scale.rounds + 1)]
    was = conf.current
    try:
        for at, batches in enumerate(of_rounds):
            for (name, config), batch in zip(configs.items(), batches, strict=True):
                conf.current = _returning(config)
                for alias, _ in batch:
                    conf.merchant(alias)
                began = time.perf_counter()
                for alias, message in batch:
                    url = f"/wxpay/notify/{alias}/payment/"
                    accepted(post(handler, url, message.body), word=b"SUCCESS")
                if at:
                    taken = (time.perf_counter() - began) / len(batch) * 1e6
                    times[name].append(taken)
    finally:
        conf.current = was
    multiples = ratios(times["database"], times["settings"])
    low, middle, high = statistics.quantiles(multiples, n=4)
    ours, theirs = (statistics.median(times[name]) for name in ("database", "settings"))
    return Result(
        path=f"a v2 notification of one of {MERCHANTS:,} merchants in the database",
        limit="the same with all of them in the settings",
        figure=middle,
        reach=REACH,
        aim=Aim.AT_MOST,
        low=low,
        high=high,
        note=f"{ours:.0f} us beside {theirs:.0f} us; of merchants that this process has seen",
    )


def _messages(at: int, ways: int) -> list[list[tuple[str, Message]]]:
    """Return for each way the notifications of a round, each of another merchant."""
    from django_wxpay.models import Order
    from tests.factories import OrderFactory
    from tests.wechatpay import v2

    batches = []
    for way in range(ways):
        batch = []
        for each in range(POSTS_A_ROUND):
            # The same merchants for each way.
            merchant = (at * POSTS_A_ROUND + each) * 7 % MERCHANTS
            number = f"M{at:05d}{way}{each:04d}"
            columns = {"merchant": _alias(merchant), "mch_id": _mch_id(merchant), "attach": ""}
            order = OrderFactory.build(
                out_trade_no=number, total_fee=100, trade_type="NATIVE", appid=v2.APPID, **columns
            )
            Order.objects.bulk_create([order])
            body = v2.payment_notice(
                number, transaction_id=f"4200{number:0>24}", mch_id=_mch_id(merchant)
            )
            batch.append((_alias(merchant), Message(body)))
        batches.append(batch)
    return batches


def _first_look(config: Any, scale: Scale) -> Result:
    from django_wxpay.conf import Directory

    count = 200 if scale.is_quick else 1000
    merchants = Directory(config.merchants.source)
    len(merchants)
    began = time.perf_counter()
    for number in range(count):
        merchants[_alias(number)]
    return Result(
        path=f"a merchant of {MERCHANTS:,} that a process sees for the first time",
        limit="no limit: a query, its keys opened, its settings checked",
        figure=(time.perf_counter() - began) / count * 1e6,
        reach=None,
        unit="us",
    )


def _doctor(config: Any) -> Result:
    from django_wxpay.services.doctor.diagnosis import diagnose

    del config
    began = time.perf_counter()
    found = diagnose(ask=False)
    return Result(
        path=f"wxpay_doctor --offline with {MERCHANTS:,} merchants in the database",
        limit=f"no limit: {FEW} of them one by one, and all of them in the tables",
        figure=time.perf_counter() - began,
        reach=None,
        unit="s",
        note=f"{len(found)} findings",
    )


if __name__ == "__main__":
    main()
