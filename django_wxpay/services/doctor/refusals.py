"""Check of refused notifications: a key of ours that is wrong, a forger, or a passer-by.

Anyone can post to a notify_url, so a refusal alone is no error. Signatures that fail while none
holds are one: then it is WeChat Pay that is refused, and no payment is heard of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, Sum

from django_wxpay.models import Notification, RefusalCount
from django_wxpay.models.choices import RefusalReasons
from django_wxpay.services.doctor.findings import Finding, Level, Subject, local_time
from django_wxpay.services.doctor.scope import Scope
from django_wxpay.services.latency.rollup import start_of_hour

# WeChat Pay repeats one notification so often within two minutes (protocol-v2 section 7.1), and
# after some hours hourly at most.
_CERTAIN: Final = 3
_LEAST_HOURS: Final = 6

# What a wrong key of ours and a forgery look like.
_SIGNATURES: Final[Mapping[str, str]] = {
    RefusalReasons.WRONG: "with a wrong signature",
    RefusalReasons.UNKNOWN_KEY: "signed with an unknown key",
    RefusalReasons.NOT_OPENED: "that our key does not open",
    RefusalReasons.NO_KEYS: "of a protocol without a key here",
    RefusalReasons.OTHER_MERCHANT: "for another mch_id",
}
_UNSIGNED: Final = (
    "If WeChat Pay's are among them, a proxy drops the Wechatpay-* headers: let it pass them on. "
    "Otherwise somebody tries the address, and nothing is to be done."
)
_UNKNOWN_MERCHANT: Final = (
    "If an alias was renamed, orders placed before name the old one: keep it in MERCHANTS until "
    "they are over. Otherwise somebody tries addresses."
)
# Our own faults, each with what it is and what to do.
_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    RefusalReasons.STALE: (
        "that were not signed within five minutes of our clock",
        "Set this machine's clock (NTP). If it is right, somebody sends old notifications again.",
    ),
    RefusalReasons.UNSIGNED: (
        "without a signature",
        _UNSIGNED,
    ),
    RefusalReasons.UNKNOWN_MERCHANT: (
        "for a merchant that the settings do not have",
        _UNKNOWN_MERCHANT,
    ),
    RefusalReasons.OUR_TROUBLE: (
        "because of our own settings or keys",
        "Run manage.py check, and look at the log of django_wxpay.notifications.",
    ),
}
_HARMLESS: Final[Mapping[str, str]] = {
    RefusalReasons.MALFORMED: "not readable",
    RefusalReasons.TOO_LARGE: "too large",
    RefusalReasons.PROBE: "tests of WeChat Pay's",
}


def check_refusals(scope: Scope) -> Iterator[Finding]:
    """Yield what was refused in the hours of the scope, six at least; nothing where none was."""
    since = start_of_hour(scope.now - timedelta(hours=max(scope.hours, _LEAST_HOURS)))
    rows = RefusalCount.objects.filter(hour__gte=since, **scope.lookups("merchant")).order_by()
    sums = rows.values_list("merchant", "reason").annotate(Sum("count"), Max("last_seen_at"))
    by_merchant: defaultdict[str, dict[str, tuple[int, datetime]]] = defaultdict(dict)
    for merchant, reason, count, last_seen_at in sums:
        by_merchant[merchant][reason] = count, last_seen_at
    for merchant, counts in sorted(by_merchant.items()):
        signatures = {reason: counts[reason] for reason in _SIGNATURES if reason in counts}
        if signatures:
            yield _signatures(merchant, signatures, since)
        for reason in _FAULTS:
            if reason in counts:
                yield _fault(merchant, reason, *counts[reason])
        harmless = [f"{words} {counts[r][0]}" for r, words in _HARMLESS.items() if r in counts]
        if harmless:
            text = f"Requests that were not WeChat Pay's were refused: {', '.join(harmless)}."
            yield _finding(merchant, Level.OK, text)


def _signatures(
    merchant: str, counts: Mapping[str, tuple[int, datetime]], since: datetime
) -> Finding:
    total = sum(count for count, _ in counts.values())
    last_seen_at = max(at for _, at in counts.values())
    kinds = ", ".join(f"{count} {_SIGNATURES[reason]}" for reason, (count, _) in counts.items())
    message = f"Notifications were refused: {kinds}; the last at {local_time(last_seen_at)}"
    # Those that hold show that the keys are right.
    if Notification.objects.filter(merchant=merchant, created_at__gte=since).exists():
        return _finding(
            merchant,
            Level.WARNING,
            f"{message}, while others were accepted.",
            "The keys are right for those: somebody forges notifications, which cannot pay an "
            "order, or one key of several is wrong. Compare API_KEY, API_V3_KEY and WeChat Pay's "
            "public key with the merchant platform; limit the rate of the address at the proxy.",
        )
    return _finding(
        merchant,
        Level.ERROR if total >= _CERTAIN else Level.WARNING,
        f"{message}, and none was accepted.",
        "A key of the settings is wrong, or somebody forges notifications. Compare API_KEY, "
        "API_V3_KEY and WeChat Pay's public key with the merchant platform. Orders are found paid "
        "by the worker's queries meanwhile, and WeChat Pay repeats what was refused for a day.",
    )


def _fault(merchant: str, reason: str, count: int, last_seen_at: datetime) -> Finding:
    words, advice = _FAULTS[reason]
    level = Level.WARNING if count >= _CERTAIN else Level.OK
    many = "1 notification was" if count == 1 else f"{count} notifications were"
    text = f"{many} refused {words}; the last at {local_time(last_seen_at)}."
    return _finding(merchant, level, text, advice)


def _finding(merchant: str, level: Level, message: str, advice: str = "") -> Finding:
    return Finding(
        merchant=merchant,
        subject=Subject.NOTIFICATIONS,
        level=level,
        message=message,
        advice=advice,
    )
