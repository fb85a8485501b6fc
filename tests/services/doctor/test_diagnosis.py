"""Checks of the doctor: findings by merchant and subject, and no exception."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.test.utils import CaptureQueriesContext

from django_wxpay import services
from django_wxpay.exceptions import InsideTransaction, UnknownMerchant
from django_wxpay.models import ApiReport, BackgroundJob, Notification
from django_wxpay.services import clock
from django_wxpay.services.attention.paid_twice import watch_references
from django_wxpay.services.doctor import background, diagnosis, findings, notifications
from django_wxpay.services.doctor.findings import Finding, Level, Subject, advice_for_failure
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.signals import notification_received
from tests.factories import (
    ApiReportFactory,
    CertificateDownloadFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PlatformCertificateFactory,
    RefundFactory,
)
from tests.protocol.v3 import keys
from tests.tables import atomic, connection
from tests.wechatpay.v2 import API_KEY
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ERROR, WARNING, OK = Level


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)


def diagnosed(subject: Subject, **options: Any) -> list[Finding]:
    """Return the findings on one subject, without a call to a host."""
    found = diagnosis.diagnose(ask=False, **options)
    return [finding for finding in found if finding.subject is subject]


def levels(found: list[Finding]) -> list[tuple[str, Level]]:
    return [(finding.merchant, finding.level) for finding in found]


def the_wrong(subject: Subject, **options: Any) -> Finding:
    (finding,) = [one for one in diagnosed(subject, **options) if one.level is not OK]
    return finding


def test_a_shop_in_which_nothing_has_happened_is_ok() -> None:
    found = diagnosis.diagnose(ask=False)
    assert {finding.level for finding in found} == {OK}
    assert {finding.advice for finding in found} == {""}
    of_one = [one.subject for one in found if one.merchant == "default"]
    of_all = [one.subject for one in found if not one.merchant]
    assert of_one == [
        "configuration",
        "latency",
        "orders",
        "notifications",
        "events",
        "bills",
    ]
    assert of_all == ["worker", "reports"]


def test_it_takes_few_queries_and_an_index_serves_those_on_notifications_and_events(
    wxpay: dict[str, Any],
) -> None:
    v3(wxpay)
    with CaptureQueriesContext(connection) as queries:
        diagnosis.diagnose(ask=False)
    asked = [query["sql"] for query in queries]
    assert len(asked) <= 34
    on_events = [sql for sql in asked if "_orderevent" in sql or "_notification" in sql]
    assert len(on_events) == 11
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            plans = [cursor.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in on_events]
        served = ("SEARCH", "MULTI-INDEX OR", "INDEX ")
        assert [step for plan in plans for *_, step in plan if not step.startswith(served)] == []


def test_asking_refuses_an_open_transaction() -> None:
    with atomic():
        with pytest.raises(InsideTransaction):
            diagnosis.diagnose()
        assert diagnosis.diagnose(ask=False) != []


def test_an_alias_that_no_setting_names_is_refused() -> None:
    with pytest.raises(UnknownMerchant, match="coffee"):
        diagnosis.diagnose(merchants=["coffee"], ask=False)


# Configuration


def test_every_problem_is_a_finding_with_its_code_and_hint_under_its_merchant(
    wxpay: dict[str, Any],
) -> None:
    wxpay["TIMEOUT"] = None
    wxpay["MERCHANTS"]["default"]["API_KEY"] = API_KEY[:-1]
    wxpay["MERCHANTS"]["default"]["KEY"] = "x"
    found = diagnosed(Subject.CONFIGURATION)
    assert levels(found) == [("", ERROR), ("default", ERROR), ("default", WARNING)]
    timeout, key, unknown = found
    assert timeout.message == 'WXPAY["TIMEOUT"] is not a pair (connect, read) of seconds (E004).'
    assert timeout.advice.startswith("Give seconds above zero")
    assert key.message.endswith(
        '["default"]["API_KEY"] does not fit: 31 chars long '
        "(allowed: exactly 32 characters: printable characters on one line) (E012)."
    )
    assert unknown.advice.startswith("Correct the spelling")
    assert not any(API_KEY[:-1] in repr(finding) for finding in found)


def test_the_problems_of_another_merchant_are_left_out_where_one_is_named(
    wxpay: dict[str, Any],
) -> None:
    wxpay["MERCHANTS"]["institution"]["API_KEY"] = "short"
    assert diagnosed(Subject.CONFIGURATION, merchants=["default"]) == []
    (other,) = diagnosed(Subject.CONFIGURATION, merchants=["institution"])
    assert (other.merchant, other.level) == ("institution", ERROR)


@pytest.mark.parametrize("broken", [None, [], {}, {"MERCHANTS": []}, {"MERCHANTS": {1: 2}}])
def test_unreadable_settings_stop_no_other_check(settings: Any, broken: Any) -> None:
    settings.WXPAY = broken
    ApiReportFactory(created_at=NOW - MINUTE, execute_time_ms=3500)
    NotificationFactory(unknown=True, merchant="default")
    found = diagnosis.diagnose()
    assert found[0].subject is Subject.CONFIGURATION
    wrong = {(one.merchant, one.subject, one.level) for one in found if one.level is not OK}
    assert ("default", Subject.LATENCY, WARNING) in wrong
    assert ("default", Subject.NOTIFICATIONS, WARNING) in wrong
    assert ("", Subject.HOSTS, WARNING) in wrong
    assert ApiReport.objects.count() == 1


# Database


def test_a_database_that_is_away_is_one_finding_without_the_statement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> Any:
        raise ProgrammingError('relation "django_wxpay_order" does not exist\nLINE 1: SELECT')

    monkeypatch.setattr(diagnosis, "_DATABASE_CHECKS", (fail,))
    monkeypatch.setattr(diagnosis, "check_hosts", fail)
    found = diagnosis.diagnose()
    assert levels(found) == [("", ERROR), ("default", OK), ("institution", OK)]
    assert found[0].subject is Subject.DATABASE
    assert found[0].message.endswith(
        'ProgrammingError: relation "django_wxpay_order" does not exist.'
    )
    assert "migrate" in found[0].advice


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_error_without_a_text_is_shown_by_its_name(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(diagnosis, "_DATABASE_CHECKS", (fail,))
    monkeypatch.setattr(diagnosis, "check_hosts", fail)
    found = [one for one in diagnosis.diagnose() if one.subject is Subject.DATABASE]
    (finding,) = found
    assert error.__name__ in finding.message


def test_what_was_read_before_the_database_went_away_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> Any:
        raise OperationalError("gone")

    NotificationFactory(unknown=True)
    monkeypatch.setattr(
        diagnosis, "_DATABASE_CHECKS", (notifications.check_notifications, fail, fail)
    )
    found = [one.subject for one in diagnosis.diagnose(ask=False) if one.level is not OK]
    assert found == [Subject.DATABASE, Subject.NOTIFICATIONS]


# Keys


def v3(wxpay: dict[str, Any], **changes: Any) -> None:
    wxpay["MERCHANTS"] = {"default": V3_MERCHANT | changes}


@pytest.mark.parametrize(
    ("today", "level", "word"),
    [
        (datetime(2033, 11, 1, tzinfo=UTC), OK, "valid until 2034-01-01"),
        (datetime(2033, 12, 3, tzinfo=UTC), WARNING, "expires on 2034-01-01"),
        (datetime(2034, 1, 1, tzinfo=UTC), ERROR, "expired on 2034-01-01"),
    ],
)
def test_the_end_of_its_own_certificate_is_a_finding(
    wxpay: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    today: datetime,
    level: Level,
    word: str,
) -> None:
    monkeypatch.setattr(clock, "now", lambda: today)
    v3(wxpay, **PUBLIC_KEY_MODE, CLIENT_CERT=keys.MERCHANT_CERTIFICATE)
    (finding,) = diagnosed(Subject.KEYS)
    assert finding.level is level
    assert word in finding.message
    assert bool(finding.advice) is (level is not OK)
    assert "Its own certificate (CLIENT_CERT)" in finding.message


def test_a_v2_merchants_unreadable_certificate_is_a_warning(wxpay: dict[str, Any]) -> None:
    pem = "-----BEGIN TEST-----\nnothing\n-----END TEST-----\n"
    wxpay["MERCHANTS"]["default"]["CLIENT_CERT"] = pem
    finding = the_wrong(Subject.KEYS)
    assert (finding.merchant, finding.level) == ("default", WARNING)
    assert finding.message.startswith("CLIENT_CERT is ")


def test_of_wechat_pays_certificates_the_one_that_lasts_longest_counts(
    wxpay: dict[str, Any],
) -> None:
    v3(wxpay)
    PlatformCertificateFactory(expire_time=NOW - DAY)
    PlatformCertificateFactory(mch_id="1900000999", expire_time=NOW + 900 * DAY)
    expired = the_wrong(Subject.KEYS)
    assert (expired.level, expired.message) == (
        ERROR,
        "WeChat Pay's certificate expired on 2026-05-31 20:30 CST.",
    )
    PlatformCertificateFactory(expire_time=NOW + 30 * DAY)
    soon = the_wrong(Subject.KEYS)
    assert (soon.level, soon.message.split(" on ")[0]) == (
        WARNING,
        "WeChat Pay's certificate expires",
    )
    assert "/v3/certificates" in soon.advice
    PlatformCertificateFactory(expire_time=NOW + 31 * DAY)
    assert levels(diagnosed(Subject.KEYS)) == [("default", OK)]


@pytest.mark.parametrize(
    ("code", "ago", "changes", "is_said"),
    [
        ("RESOURCE_NOT_EXISTS", MINUTE, {}, True),
        ("NOT_FOUND", MINUTE, {}, True),
        ("RESOURCE_NOT_EXISTS", 3 * DAY, {}, False),
        ("RESOURCE_NOT_EXISTS", MINUTE, {"merchant": "other"}, False),
        ("RESOURCE_NOT_EXISTS", MINUTE, {"interface_url": "http://v3.test/v3/other"}, False),
        ("FREQUENCY_LIMITED", MINUTE, {}, False),
        ("", MINUTE, {}, False),
        ("RESOURCE_NOT_EXISTS", MINUTE, {"failure": "BAD_SIGNATURE"}, False),
    ],
)
def test_a_certificate_without_a_successor_names_the_way_to_the_public_key(
    wxpay: dict[str, Any], code: str, ago: timedelta, changes: dict[str, str], is_said: bool
) -> None:
    v3(wxpay)
    PlatformCertificateFactory(expire_time=NOW + 300 * DAY)
    listing = {"interface_url": "http://v3.test/v3/certificates", "failure": ""} | changes
    calls(1, ago=ago, err_code=code, **listing)
    found = diagnosed(Subject.KEYS)
    (finding,) = found
    assert finding.level is (WARNING if is_said else OK)
    if is_said:
        assert "has no successor" in finding.message
        assert "WECHATPAY_PUBLIC_KEY_ID" in finding.advice
        # The newest answer counts, and an expired certificate says enough.
        calls(1, ago=MINUTE / 2, **listing)
        assert levels(diagnosed(Subject.KEYS)) == [("default", OK)]


def test_certificates_in_the_settings_count_too(wxpay: dict[str, Any]) -> None:
    v3(wxpay, PLATFORM_CERTIFICATES=[keys.PLATFORM_CERTIFICATE])
    PlatformCertificateFactory(expire_time=NOW - DAY)
    (finding,) = diagnosed(Subject.KEYS)
    assert "valid until 2034-01-01" in finding.message


def test_without_a_certificate_yet_there_is_a_warning(wxpay: dict[str, Any]) -> None:
    v3(wxpay)
    finding = the_wrong(Subject.KEYS)
    assert finding.level is WARNING
    assert finding.message.startswith("No platform certificate is known yet")


def test_under_the_public_key_certificates_do_not_matter(wxpay: dict[str, Any]) -> None:
    v3(wxpay, **PUBLIC_KEY_MODE)
    PlatformCertificateFactory(expire_time=NOW - DAY)
    assert diagnosed(Subject.KEYS) == []


# Latency


def calls(count: int, *, ago: timedelta = MINUTE, **fields: Any) -> None:
    at = NOW - ago
    rows = ApiReportFactory.build_batch(count, created_at=at, report_status="SENT", **fields)
    ApiReport.objects.bulk_create(rows)


def test_a_failure_rate_beyond_its_limit_is_an_error_with_its_figures() -> None:
    calls(94)
    calls(4, failed=True)
    calls(2, failure="DNS")
    finding = the_wrong(Subject.LATENCY)
    assert (finding.merchant, finding.level) == ("default", ERROR)
    assert finding.message == (
        "/pay/unifiedorder at api.mch.weixin.qq.com, 100 calls: "
        "6 % failed (limit 5 %): DNS 2, TIMEOUT 4."
    )
    assert finding.advice == (
        f"What these calls met, and what to do if it lasts: {advice_for_failure('TIMEOUT')}"
    )


def test_a_p95_beyond_its_limit_is_an_error_with_its_figures(wxpay: dict[str, Any]) -> None:
    wxpay["LATENCY_LIMITS"] = {"P95_MS": 30}
    calls(1, execute_time_ms=31)
    finding = the_wrong(Subject.LATENCY)
    assert finding.message == (
        "/pay/unifiedorder at api.mch.weixin.qq.com, 1 call: p95 is 31 ms (limit 30 ms)."
    )
    assert "LATENCY_LIMITS" in finding.advice


def test_a_sale_as_a_whole_may_last_as_long_as_its_customer(wxpay: dict[str, Any]) -> None:
    total = "https://api.mch.weixin.qq.com/pay/micropay/total"
    calls(1, execute_time_ms=44_000, interface_url=total)
    assert levels(diagnosed(Subject.LATENCY, merchants=["default"])) == [("default", OK)]
    calls(1, failed=True, interface_url=total)
    assert "50 % failed (limit 5 %): TIMEOUT 1." in the_wrong(Subject.LATENCY).message


def test_what_reaches_a_limit_does_not_pass_it(wxpay: dict[str, Any]) -> None:
    wxpay["LATENCY_LIMITS"] = {"FAILURE_RATE": 0.1, "P95_MS": 30}
    calls(9, execute_time_ms=30)
    calls(1, execute_time_ms=30, failed=True)
    found = diagnosed(Subject.LATENCY, merchants=["default"])
    assert levels(found) == [("default", OK)]
    assert found[0].message == "10 calls: at worst 10 % failed and p95 is 30 ms."


def test_each_interface_is_judged_by_itself_and_each_merchant() -> None:
    calls(100)
    calls(3, failed=True, interface_url="https://api.mch.weixin.qq.com/pay/orderquery")
    calls(3, failed=True, merchant="institution", host="api2.mch.weixin.qq.com")
    calls(3, failed=True, merchant="gone")
    found = diagnosed(Subject.LATENCY)
    assert levels(found) == [("default", ERROR), ("gone", ERROR), ("institution", ERROR)]
    assert found[0].message.startswith("/pay/orderquery at api.mch.weixin.qq.com, 3 calls: 100 %")
    assert levels(diagnosed(Subject.LATENCY, merchants=["institution"])) == [
        ("institution", ERROR),
    ]


def test_few_calls_are_a_warning_until_enough_have_failed_or_were_slow() -> None:
    calls(2, failed=True)
    assert the_wrong(Subject.LATENCY).level is WARNING
    calls(1, failed=True)
    assert the_wrong(Subject.LATENCY).level is ERROR
    slow = "https://api.mch.weixin.qq.com/pay/closeorder"
    ApiReport.objects.all().delete()
    calls(19, execute_time_ms=9_000, interface_url=slow)
    assert the_wrong(Subject.LATENCY).level is WARNING
    calls(1, execute_time_ms=9_000, interface_url=slow)
    assert the_wrong(Subject.LATENCY).level is ERROR


def test_what_is_rolled_up_counts_and_what_is_longer_ago_does_not() -> None:
    calls(3, failed=True, ago=2 * HOUR)
    assert levels(diagnosed(Subject.LATENCY)) == [("default", OK), ("institution", OK)]
    closing = "https://api.mch.weixin.qq.com/pay/closeorder"
    calls(3, failure="RESET", interface_url=closing, ago=HOUR)
    roll_up()
    assert "/pay/closeorder" in the_wrong(Subject.LATENCY).message
    wrong = [one for one in diagnosed(Subject.LATENCY, hours=2) if one.level is ERROR]
    assert len(wrong) == 2


def test_without_calls_the_finding_is_ok() -> None:
    (finding,) = diagnosed(Subject.LATENCY, merchants=["default"])
    assert finding.message == "No calls in this hour and the 1 before."


def test_an_unknown_failure_has_an_advice() -> None:
    assert "API reports" in advice_for_failure("SOMETHING")


# Worker and reports


def worker() -> list[Finding]:
    return diagnosed(Subject.WORKER)


def test_where_nothing_waits_no_worker_is_needed() -> None:
    (finding,) = worker()
    assert (finding.level, finding.message) == (OK, "No work waits for it.")


def untold(**fields: Any) -> None:
    OrderEventFactory(**{"dispatched_at": None, "next_dispatch_at": None, **fields})


def failed_notice(**fields: Any) -> None:
    NotificationFactory(**{"unknown": True, "retries": 0, "next_retry_at": None, **fields})


def old_certificates(claimed_at: datetime) -> None:
    PlatformCertificateFactory(mch_id=V3_MERCHANT["MCH_ID"], expire_time=NOW + 90 * DAY)
    CertificateDownloadFactory(mch_id=V3_MERCHANT["MCH_ID"], claimed_at=claimed_at)


WAITING: list[tuple[Any, str, str]] = [
    (lambda: untold(created_at=NOW - MINUTE), "events", "events to deliver"),
    (lambda: untold(created_at=NOW - HOUR, next_dispatch_at=NOW), "events", "events to deliver"),
    # A clock that was wrong wrote it, or had it in hand.
    (lambda: untold(created_at=NOW + DAY), "events", "events to deliver"),
    (
        lambda: untold(created_at=NOW - HOUR, next_dispatch_at=NOW + 365 * DAY),
        "events",
        "events to deliver",
    ),
    (
        lambda: failed_notice(created_at=NOW - 15 * MINUTE),
        "notifications",
        "notifications to process again",
    ),
    (
        lambda: failed_notice(created_at=NOW - HOUR, retries=1, next_retry_at=NOW - 15 * MINUTE),
        "notifications",
        "notifications to process again",
    ),
    (
        lambda: failed_notice(created_at=NOW - HOUR, retries=1, next_retry_at=NOW + DAY),
        "notifications",
        "notifications to process again",
    ),
    (lambda: OrderFactory(next_check_at=NOW - 15 * MINUTE), "sync", "orders or refunds to query"),
    (
        lambda: ApiReportFactory(created_at=NOW - 16 * MINUTE, is_rolled_up=True),
        "reports",
        "reports to send",
    ),
    (
        lambda: ApiReportFactory(created_at=NOW - 61 * MINUTE, report_status="SENT"),
        "latency",
        "calls to roll up",
    ),
    (
        lambda: old_certificates(NOW - 12 * HOUR - MINUTE),
        "certificates",
        "platform certificates to renew",
    ),
]


@pytest.mark.parametrize(("make", "job", "words"), WAITING)
def test_where_work_waits_the_worker_is_missed(
    make: Any, job: str, words: str, wxpay: dict[str, Any]
) -> None:
    v3(wxpay)
    make()
    (finding,) = worker()
    assert (finding.merchant, finding.level) == ("", WARNING)
    assert finding.message == f"No background job has finished yet, and there is work: {words}."
    assert finding.advice.startswith("Is wxpay_worker running?")

    row = BackgroundJob.objects.create(name=job, finished_at=NOW - 16 * MINUTE)
    BackgroundJob.objects.create(name="never")
    (finding,) = worker()
    assert "No background job has finished since 2026-06-01 20:14 CST, and" in finding.message
    # Nor does one that finished in the future show that any runs.
    row.finished_at = NOW + DAY
    row.save()
    assert worker()[0].message.startswith("No background job has finished since 2026-06-02 ")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda at: failed_notice(created_at=at), "notifications to process again"),
        (lambda at: OrderFactory(next_check_at=at), "orders or refunds to query"),
        (lambda at: RefundFactory(next_check_at=at), "orders or refunds to query"),
        (lambda at: ApiReportFactory(created_at=at, is_rolled_up=True), "reports to send"),
    ],
)
def test_a_worker_that_has_never_run_is_missed_after_minutes(make: Any, words: str) -> None:
    BackgroundJob.objects.create(name="pruning")
    make(NOW - 119 * timedelta(seconds=1))
    assert levels(worker()) == [("", OK)]
    make(NOW - 121 * timedelta(seconds=1))
    (finding,) = worker()
    assert finding.level == WARNING
    assert finding.message == f"No background job has finished yet, and there is work: {words}."
    BackgroundJob.objects.create(name="latency", finished_at=NOW)
    assert levels(worker()) == [("", OK)]


@pytest.mark.parametrize(("make", "job", "words"), WAITING)
def test_a_job_that_is_well_does_not_hide_that_another_does_not_run(
    make: Any, job: str, words: str, wxpay: dict[str, Any]
) -> None:
    v3(wxpay)
    make()
    BackgroundJob.objects.create(name="pruning", finished_at=NOW - 15 * MINUTE)
    (finding,) = worker()
    assert finding.level == WARNING
    assert finding.message.startswith(
        f'The job "{job}" has never finished, though others did, and there is work: {words}, '
    )
    BackgroundJob.objects.create(name=job, finished_at=NOW - HOUR)
    (finding,) = worker()
    assert f'"{job}" has not finished since 2026-06-01 19:30 CST, though' in finding.message


@pytest.mark.parametrize(("make", "job", "words"), WAITING[1:8] + WAITING[9:])
def test_a_job_that_finishes_happily_and_leaves_its_work_undone_is_no_healthy_one(
    make: Any, job: str, words: str, wxpay: dict[str, Any]
) -> None:
    v3(wxpay)
    make()
    BackgroundJob.objects.create(name=job, finished_at=NOW)
    (finding,) = worker()
    assert finding.level == (ERROR if job == "events" else WARNING)
    assert finding.message.startswith(f'The job "{job}" runs, and yet there is work: {words}, the ')
    assert f"wxpay_worker --once --jobs {job} " in finding.advice


def test_a_job_that_does_its_work_in_time_is_well() -> None:
    untold(created_at=NOW - 14 * MINUTE)
    BackgroundJob.objects.create(name="events", finished_at=NOW - 15 * MINUTE)
    (finding,) = worker()
    assert (finding.level, finding.message) == (OK, "A job finished at 2026-06-01 20:15 CST.")


@pytest.mark.parametrize("finished_at", [None, NOW - HOUR])
def test_a_job_that_began_and_has_not_ended_hangs_or_was_killed(
    finished_at: datetime | None,
) -> None:
    BackgroundJob.objects.create(name="pruning", started_at=NOW, finished_at=NOW)
    row = BackgroundJob.objects.create(
        name="events", started_at=NOW - 14 * MINUTE, finished_at=finished_at
    )
    assert levels(worker()) == [("", OK)]
    row.started_at = NOW - 15 * MINUTE
    row.save()
    untold(created_at=NOW - HOUR)
    (finding,) = worker()
    assert finding.level == ERROR
    assert finding.message == (
        'The job "events" runs since 2026-06-01 20:15 CST: it hangs, or its process was killed.'
    )


def test_a_receiver_that_never_ends_is_found_however_often_it_is_leased_again() -> None:
    began = {"dispatch_attempts": 3, "dispatch_error": "", "next_dispatch_at": NOW + MINUTE}
    untold(created_at=NOW - 14 * MINUTE, **began)
    assert levels(diagnosed(Subject.EVENTS, merchants=["default"])) == [("default", OK)]
    untold(created_at=NOW - 15 * MINUTE, **began)
    finding = the_wrong(Subject.EVENTS)
    assert (finding.merchant, finding.level) == ("default", ERROR)
    assert finding.message == (
        "The shop's receivers began with 1 event and never ended, the oldest of "
        "2026-06-01 20:15 CST, with up to 3 tries."
    )
    BackgroundJob.objects.create(name="events", finished_at=NOW)
    assert levels(worker()) == [("", OK)], "that is no fault of the job"


def test_events_of_other_products_are_counted_and_their_merchant_is_named() -> None:
    more = {"received": True, "dispatched_at": None, "notification__merchant": "default"}
    OrderEventFactory(**more, dispatch_attempts=0, created_at=NOW - HOUR)
    found = diagnosed(Subject.EVENTS, merchants=["default"])
    (finding,) = [each for each in found if "notification_received" in each.message]
    # Nobody has asked for them, so they are shown and alarm nobody.
    assert (finding.merchant, finding.level) == ("default", OK)
    assert finding.message.startswith("1 event of notification_received waits for a receiver")

    def receiver(**more: Any) -> None:
        raise AssertionError("nothing is delivered here")

    notification_received.connect(receiver)
    try:
        refused = {"dispatch_attempts": 2, "dispatch_error": "ValueError: no paper"}
        OrderEventFactory(**more, **refused, created_at=NOW - HOUR)
        finding = the_wrong(Subject.EVENTS)
        assert (finding.merchant, finding.level) == ("default", ERROR)
        assert finding.message.startswith("The shop's receivers refuse 1 event, the oldest of ")
    finally:
        notification_received.disconnect(receiver)


@pytest.mark.parametrize(
    "make",
    [
        lambda: untold(created_at=NOW - MINUTE / 2),
        lambda: untold(created_at=NOW - HOUR, next_dispatch_at=NOW + MINUTE),
        lambda: untold(created_at=NOW - HOUR, dispatched_at=NOW),
        lambda: failed_notice(created_at=NOW - 14 * MINUTE),
        lambda: failed_notice(created_at=NOW - DAY, retries=9),
        lambda: failed_notice(created_at=NOW - DAY, retries=1, next_retry_at=NOW + MINUTE),
        lambda: ApiReportFactory(created_at=NOW - 15 * MINUTE),
        lambda: ApiReportFactory(created_at=NOW - HOUR, report_status="SENT"),
        lambda: ApiReportFactory(created_at=NOW - DAY, report_status="SENT", is_rolled_up=True),
        lambda: old_certificates(NOW - 12 * HOUR),
    ],
)
def test_what_may_still_wait_does_not_miss_the_worker(make: Any, wxpay: dict[str, Any]) -> None:
    v3(wxpay)
    BackgroundJob.objects.create(name="pruning", finished_at=NOW)
    make()
    assert levels(worker()) == [("", OK)]


def test_a_job_that_keeps_failing_is_an_error_with_its_error() -> None:
    BackgroundJob.objects.create(name="healthy", finished_at=NOW, failures_in_a_row=2)
    BackgroundJob.objects.create(
        name="reports",
        finished_at=NOW,
        failures_in_a_row=3,
        error="OperationalError:\n\x1b[31mdatabase is locked",
    )
    (finding,) = worker()
    assert (finding.merchant, finding.level) == ("", ERROR)
    assert finding.message == (
        'The job "reports" failed 3 times in a row: OperationalError: ?[31mdatabase is locked.'
    )


def test_reports_that_wait_for_a_day_are_a_warning() -> None:
    ApiReportFactory(created_at=NOW - DAY, is_rolled_up=True)
    assert levels(diagnosed(Subject.REPORTS)) == [("", OK)]
    ApiReport.objects.update(created_at=NOW - DAY - MINUTE)
    assert the_wrong(Subject.REPORTS).message.startswith("1 latency report waits to be sent, ")
    ApiReportFactory(created_at=NOW - DAY, is_rolled_up=True)
    finding = the_wrong(Subject.REPORTS)
    assert (finding.merchant, finding.level) == ("", WARNING)
    assert finding.message == (
        "2 latency reports wait to be sent, the oldest since 2026-05-31 20:29 CST."
    )
    assert "wxpay_report --until-empty" in finding.advice


def test_beyond_its_limit_the_backlog_is_or_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "COUNTED_UP_TO", 1)
    ApiReportFactory(created_at=NOW - 2 * DAY, is_rolled_up=True)
    assert the_wrong(Subject.REPORTS).message.startswith("1 or more latency reports")


def test_with_reporting_off_reports_may_wait(wxpay: dict[str, Any]) -> None:
    wxpay["REPORT_LEVEL"] = "off"
    ApiReportFactory(created_at=NOW - 2 * DAY, is_rolled_up=True)
    assert levels(diagnosed(Subject.REPORTS)) == [("", OK)]
    assert levels(worker()) == [("", OK)]


# Notifications and events


def test_notifications_that_failed_are_counted_by_merchant_with_the_oldest() -> None:
    NotificationFactory(unknown=True, created_at=NOW - HOUR)
    NotificationFactory(unknown=True, created_at=NOW - MINUTE, reason_code="OUR_TROUBLE")
    NotificationFactory(unknown=True, merchant="gone", created_at=NOW, reason_code="")
    NotificationFactory()
    found = diagnosed(Subject.NOTIFICATIONS)
    assert levels(found) == [("default", WARNING), ("gone", WARNING), ("institution", OK)]
    assert found[0].message == (
        "2 notifications not processed, the oldest of 2026-06-01 19:30 CST: no such order."
    )
    assert "no reason given" in found[1].message
    assert "process them again" in found[0].advice
    (of_one,) = diagnosed(Subject.NOTIFICATIONS, merchants=["institution"])
    assert of_one.level is OK


def test_notifications_that_could_not_be_read_are_an_error_of_their_own() -> None:
    problem = "total_fee is not a number in plain digits"
    why: dict[str, Any] = {"reason_code": "UNREADABLE", "reason_params": {"problem": problem}}
    NotificationFactory(unknown=True, created_at=NOW - HOUR, **why)
    NotificationFactory(unknown=True, created_at=NOW - MINUTE, **why)
    NotificationFactory(unknown=True, created_at=NOW)
    found = diagnosed(Subject.NOTIFICATIONS, merchants=["default"])
    assert levels(found) == [("default", ERROR), ("default", WARNING)]
    assert found[0].message == (
        "2 notifications of WeChat Pay's could not be read, the oldest of 2026-06-01 19:30 CST: "
        f"not readable: {problem}."
    )
    assert "update django-wxpay" in found[0].advice
    assert "query their orders" in found[0].advice
    assert found[1].message.startswith("1 notification not processed")
    Notification.objects.filter(reason_code="UNKNOWN_ORDER").delete()
    assert levels(diagnosed(Subject.NOTIFICATIONS, merchants=["default"])) == [("default", ERROR)]


def test_no_check_counts_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (findings, notifications):
        monkeypatch.setattr(module, "COUNTED_UP_TO", 2)
    for _ in range(3):
        NotificationFactory(unknown=True)
    message = the_wrong(Subject.NOTIFICATIONS).message
    assert message.startswith("2 or more notifications not processed")


def test_orders_that_wechat_pay_contradicts_are_named_once_until_it_is_settled() -> None:
    order = OrderFactory()
    for _ in range(2):
        OrderEventFactory(order=order, conflict=True, created_at=NOW - HOUR)
    old = OrderEventFactory(conflict=True, created_at=NOW - 40 * DAY)
    OrderEventFactory(conflict=True, resolved_at=NOW)
    OrderEventFactory(conflict=True, order__paid=True)
    finding = the_wrong(Subject.ORDERS)
    assert (finding.merchant, finding.level) == ("default", WARNING)
    assert finding.message == (
        "WeChat Pay contradicts 2 orders in amount, currency, merchant or state: "
        f"{order.out_trade_no}, {old.order.out_trade_no}."
    )
    assert "Hand over no goods" in finding.advice
    assert "/admin/django_wxpay/order/?attention=CONFLICT" in finding.advice
    services.resolve_event(old, note="The terminal was tested.", by="mei")
    order.trade_state = "CLOSED"
    order.save()
    assert levels(diagnosed(Subject.ORDERS, merchants=["default"])) == [("default", OK)]


def test_a_project_without_an_admin_gets_the_advice_without_an_address(settings: Any) -> None:
    OrderEventFactory(conflict=True)
    settings.ROOT_URLCONF = "tests.empty_urls"
    finding = the_wrong(Subject.ORDERS)
    assert finding.advice.endswith("then resolve the conflict with a note.")


def test_an_order_paid_beside_another_and_a_stuck_refund_are_named() -> None:
    first, second = (OrderFactory(paid=True, reference="basket-7") for _ in range(2))
    OrderEventFactory(order=second, created_at=NOW)
    watch_references()
    refund = RefundFactory(refund_status="ABNORMAL", order=first)
    twice, stuck = [
        one for one in diagnosed(Subject.ORDERS, merchants=["default"]) if one.level is WARNING
    ]
    assert twice.message == (
        f"1 order is paid beside another one of the same reference: {second.out_trade_no}."
    )
    assert stuck.message == (
        f"WeChat Pay could not pay back 1 refund, of order {refund.order.out_trade_no}."
    )


def test_events_that_receivers_refuse_are_an_error_with_the_last_error() -> None:
    OrderEventFactory(untold=True, created_at=NOW - 2 * HOUR)
    OrderEventFactory(untold=True, created_at=NOW - HOUR, dispatch_error="KeyError: 'tea\nset'")
    OrderEventFactory(dispatch_error="delivered since")
    untold(created_at=NOW)
    finding = the_wrong(Subject.EVENTS)
    assert (finding.merchant, finding.level) == ("default", ERROR)
    assert finding.message == (
        "The shop's receivers refuse 2 events, the oldest of 2026-06-01 18:30 CST; "
        "the last error is KeyError: 'tea set'."
    )
    assert levels(diagnosed(Subject.EVENTS, merchants=["institution"])) == [("institution", OK)]


def test_quoted_text_is_cut_to_one_line() -> None:
    assert findings.one_line("a\r\n\tb" + "c" * 300) == "a b" + "c" * 197 + "..."


def test_the_worst_comes_first_and_causes_before_what_they_cause(wxpay: dict[str, Any]) -> None:
    wxpay["MERCHANTS"]["default"]["KEY"] = "x"
    NotificationFactory(unknown=True)
    OrderEventFactory(untold=True)
    calls(3, failed=True)
    found = [one for one in diagnosis.diagnose(ask=False) if one.level is not OK]
    assert [(one.level, one.subject) for one in found] == [
        (ERROR, Subject.LATENCY),
        (ERROR, Subject.EVENTS),
        (WARNING, Subject.CONFIGURATION),
        (WARNING, Subject.WORKER),
        (WARNING, Subject.NOTIFICATIONS),
        (WARNING, Subject.BILLS),
    ]
