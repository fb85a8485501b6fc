"""Problems of merchants that only tables show: orders of those that are gone, lost keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db.models import Count, Min

from django_wxpay import conf
from django_wxpay.conf import Problem
from django_wxpay.models import Order
from django_wxpay.protocol.states import OPEN
from django_wxpay.services.accounts.database import accounts_in_use
from django_wxpay.services.accounts.sealing import sealing_key_ids
from django_wxpay.services.doctor.findings import COUNTED_UP_TO, counted, local_time

_NAMED: Final = 3


def listed(names: list[str]) -> str:
    """Return the first few of these names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(sorted(names)[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def orphan_problems(alias: str) -> Iterator[Problem]:
    """Yield which merchants with open orders are no longer there; none where nobody can say."""
    aliases = conf.aliases()
    if aliases is None:
        return
    known = frozenset(aliases)
    for merchant in _merchants(alias):
        if merchant in known:
            continue
        rows = Order.objects.using(alias).filter(merchant=merchant, trade_state__in=OPEN)
        opened = rows.order_by("created_at").values_list("created_at", flat=True)[:COUNTED_UP_TO]
        times = list(opened)
        if times:
            text = f"{counted(len(times), 'open order')}, the oldest of {local_time(times[0])}"
            yield Problem(
                "W007", f'WXPAY["MERCHANTS"] lacks "{merchant}", which has {text}', merchant
            )


def account_problems() -> Iterator[Problem]:
    """Yield which merchants of the database cannot be used, or share a number, up to a limit."""
    enabled = accounts_in_use()
    if enabled is None:
        return
    lost = enabled.exclude(sealing_key__in=["", *sealing_key_ids()])
    names = list(lost.order_by("sealing_key", "id").values_list("alias", flat=True)[:COUNTED_UP_TO])
    if names:
        text = f"no key in SEALING_KEYS opens the keys of {counted(len(names), 'merchant')}"
        yield Problem("W015", f"{text}: {listed(names)}")
    shared = enabled.values("mch_id").annotate(many=Count("id")).filter(many__gt=1)
    for mch_id in shared.order_by("mch_id").values_list("mch_id", flat=True)[:_NAMED]:
        same = enabled.filter(mch_id=mch_id).order_by("id").values_list("alias", flat=True)
        first, second = same[:2]
        text = f'merchants "{first}" and "{second}" have the same MCH_ID {mch_id}'
        yield Problem("W004", text)


def _merchants(alias: str) -> Iterator[str]:
    """Yield every alias that orders have, by one look into the index for each."""
    rows = Order.objects.using(alias).order_by()
    least = rows.aggregate(least=Min("merchant"))["least"]
    while least is not None:
        yield least
        least = rows.filter(merchant__gt=least).aggregate(least=Min("merchant"))["least"]
