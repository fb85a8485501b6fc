"""Sending of reports: each row once, and given up after its tries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
import requests

from django_wxpay import services
from django_wxpay.conf import answers
from django_wxpay.exceptions import InsideTransaction
from django_wxpay.models import ApiReport, Order
from django_wxpay.protocol import v2
from django_wxpay.services import ReportRun
from django_wxpay.services.reports import queue, sending
from django_wxpay.services.reports.queue import ReportQueue
from tests.factories import ApiReportFactory
from tests.services.reports.conftest import NO, PATH, YES
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, standing

pytestmark = pytest.mark.django_db


def statuses() -> list[str]:
    return list(ApiReport.objects.order_by("id").values_list("report_status", flat=True))


def test_what_waits_is_reported_and_marked(desk: ScriptedTransport) -> None:
    row = ApiReportFactory(return_msg="OK", user_ip="10.0.0.7", failure="")
    before = datetime.now(UTC)
    assert services.send_reports() == ReportRun(sent=1)

    ((path, sent),) = desk.calls
    assert path == PATH
    assert v2.verify(sent, API_KEY)
    assert (sent["execute_time_"], sent["user_ip"], sent["appid"]) == ("87", "10.0.0.7", row.appid)
    assert (sent["out_trade_no"], sent["interface_url"]) == (row.out_trade_no, row.interface_url)
    row.refresh_from_db()
    assert (row.report_status, row.report_attempts) == ("SENT", 1)
    assert row.reported_at is not None
    assert row.reported_at >= before
    assert (row.report_claim, row.report_claimed_until) == ("", None)

    assert services.send_reports() == ReportRun()
    assert len(desk.calls) == 1


def test_a_report_is_not_reported(desk: ScriptedTransport, order: Order) -> None:
    desk.answers["/pay/orderquery"] = standing("NOTPAY")
    services.query_order(order)
    assert services.send_reports().sent == 1
    assert ApiReport.objects.count() == 1
    assert desk.paths() == ["/pay/orderquery", PATH]


def test_the_payment_path_reports_nothing(gateway: ScriptedTransport, order: Order) -> None:
    services.unified_order(order)
    assert gateway.paths() == ["/pay/unifiedorder"]
    assert statuses() == ["PENDING"]


def test_an_institution_names_the_sub_merchant_of_the_call_or_of_the_settings(
    desk: ScriptedTransport,
) -> None:
    whose = {"merchant": "institution", "mch_id": "1900000100", "appid": ""}
    ApiReportFactory(**whose, sub_mch_id="1900000201", sub_appid="wx1111111111111111")
    ApiReportFactory(**whose)
    assert services.send_reports(workers=1) == ReportRun(sent=2)

    first, second = (sent for _, sent in desk.calls)
    assert (first["sub_mch_id"], first["sub_appid"]) == ("1900000201", "wx1111111111111111")
    assert (second["sub_mch_id"], second["appid"]) == ("1900000200", "wx7777777777777777")
    assert "sub_appid" not in second
    assert "sign_type" not in first


@pytest.mark.parametrize("status", ["SENT", "FAILED", "SKIPPED", "NOT_REPORTABLE"])
def test_only_what_waits_is_sent(desk: ScriptedTransport, status: str) -> None:
    ApiReportFactory(report_status=status)
    assert services.send_reports() == ReportRun()
    assert desk.calls == []
    assert statuses() == [status]


def test_with_the_level_off_what_waits_goes_on_waiting(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    ApiReportFactory()
    settings.WXPAY = wxpay | {"REPORT_LEVEL": "off"}
    assert services.send_reports() == ReportRun()
    assert (desk.calls, statuses()) == ([], ["PENDING"])


def test_what_cannot_be_reported_any_more_is_marked_so(desk: ScriptedTransport) -> None:
    ApiReportFactory(merchant="gone")
    ApiReportFactory(mch_id="1900000999")
    assert services.send_reports() == ReportRun(not_reportable=2)
    assert (desk.calls, statuses()) == ([], ["NOT_REPORTABLE", "NOT_REPORTABLE"])
    assert set(ApiReport.objects.values_list("report_attempts", flat=True)) == {0}


class Source:
    """A source of merchants that may be down for some of them."""

    is_prompt = True
    entries: ClassVar[dict[str, Any]] = {}
    down: ClassVar[set[str]] = set()
    asked: ClassVar[list[str]] = []

    def aliases(self) -> list[str]:
        return list(self.entries)

    def version(self) -> int:
        return 1

    def get(self, alias: str) -> Any:
        self.asked.append(alias)
        if alias in self.down:
            raise ConnectionError("down")
        return self.entries[alias]


@pytest.fixture
def source(
    settings: Any, wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Source]]:
    monkeypatch.setattr(Source, "entries", dict(wxpay["MERCHANTS"]))
    # What failed is asked for again at once, and not a second later.
    monkeypatch.setattr(answers, "EVERY_S", 0.0)
    settings.WXPAY = wxpay | {"MERCHANTS": f"{__name__}.Source"}
    yield Source
    Source.down.clear()
    Source.asked.clear()


def test_what_waits_for_a_merchant_whose_source_is_down_goes_on_waiting(
    desk: ScriptedTransport, source: type[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_BATCH", 2)
    source.down.add("default")
    ApiReportFactory.create_batch(5)
    assert services.send_reports() == ReportRun(untried=2)
    assert (desk.calls, statuses()) == ([], ["PENDING"] * 5)
    assert source.asked == ["default"], "asked for once in a run"
    rows = ApiReport.objects.values_list("report_claim", "report_attempts")
    assert set(rows) == {("", 0)}

    source.down.clear()
    assert services.send_reports() == ReportRun(sent=5)
    assert statuses() == ["SENT"] * 5


def test_a_source_that_is_down_for_one_merchant_holds_up_no_other(
    desk: ScriptedTransport, source: type[Source]
) -> None:
    source.entries["tea"] = source.entries["default"]
    source.down.add("tea")
    for merchant in ("tea", "default", "tea", "gone"):
        ApiReportFactory(merchant=merchant)
    assert services.send_reports() == ReportRun(sent=1, untried=2, not_reportable=1)
    assert statuses() == ["PENDING", "SENT", "PENDING", "NOT_REPORTABLE"]


def test_the_limit_is_kept_and_the_oldest_go_first(
    desk: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_BATCH", 2)
    rows = [ApiReportFactory() for _ in range(5)]
    assert services.send_reports(limit=3, workers=1) == ReportRun(sent=3)
    numbers = [sent["out_trade_no"] for _, sent in desk.calls]
    assert numbers == [row.out_trade_no for row in rows[:3]]
    assert statuses() == ["SENT", "SENT", "SENT", "PENDING", "PENDING"]
    assert services.send_reports(limit=None) == ReportRun(sent=2)


def test_a_refusal_gives_its_row_up_and_the_others_go_on(
    desk: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([NO, YES, YES])
    desk.answers[PATH] = lambda sent: next(answers)
    for _ in range(3):
        ApiReportFactory()
    with caplog.at_level(logging.WARNING):
        assert services.send_reports(workers=1) == ReportRun(sent=2, given_up=1)
    assert (len(desk.calls), statuses()) == (3, ["FAILED", "SENT", "SENT"])
    assert "was refused" in caplog.text
    row = ApiReport.objects.earliest("id")
    assert (row.report_attempts, row.reported_at, row.report_claim) == (1, None, "")


@pytest.mark.parametrize(
    "silence",
    [requests.ConnectionError(), requests.ReadTimeout(), b"<html>502</html>"],
    ids=["down", "hanging", "page"],
)
def test_in_an_outage_a_few_rows_are_tried_and_all_wait_on(
    desk: ScriptedTransport, silence: Any
) -> None:
    desk.answers[PATH] = silence
    for _ in range(10):
        ApiReportFactory()
    assert services.send_reports(workers=1) == ReportRun(unanswered=1, untried=9)
    # Each try went out twice: once, and once more.
    assert len(desk.calls) == 2
    assert statuses() == ["PENDING"] * 10
    tried = ApiReport.objects.order_by("id").values_list("report_attempts", flat=True)
    assert list(tried) == [1, *[0] * 9]
    assert not ApiReport.objects.exclude(report_claim="", report_claimed_until=None).exists()

    desk.answers[PATH] = YES
    assert services.send_reports() == ReportRun(sent=10)


@pytest.mark.parametrize(
    ("place", "batch"),
    # One row a batch is one row after the other.
    [(0, 1), (1, 1), (2, 1), (0, 200), (1, 200)],
)
def test_a_row_that_alone_is_not_answered_is_given_up_once_others_are(
    desk: ScriptedTransport, monkeypatch: pytest.MonkeyPatch, place: int, batch: int
) -> None:
    monkeypatch.setattr(sending, "_BATCH", batch)
    rows = [ApiReportFactory() for _ in range(3)]
    bad = rows[place].out_trade_no
    last = rows[2].out_trade_no
    bad_is_sent = threading.Event()

    def answer(sent: dict[str, str]) -> object:
        if sent["out_trade_no"] == bad:
            bad_is_sent.set()
            return requests.ReadTimeout()
        # Of two threads one could otherwise send all others before the bad one is sent at all.
        if sent["out_trade_no"] == last:
            assert bad_is_sent.wait(5)
        return YES

    desk.answers[PATH] = answer
    run = services.send_reports(workers=2)
    # Nothing was answered after the last one began, so it may be WeChat Pay: it waits on.
    is_sure = place < 2
    assert (run.sent, run.given_up, run.unanswered) == (2, int(is_sure), int(not is_sure))
    rows[place].refresh_from_db()
    assert rows[place].report_status == ("FAILED" if is_sure else "PENDING")
    assert (rows[place].report_attempts, rows[place].report_claim) == (1, "")


def test_a_lone_row_that_is_not_answered_is_tried_once_a_run(desk: ScriptedTransport) -> None:
    desk.answers[PATH] = requests.ReadTimeout()
    ApiReportFactory()
    for tried in (1, 2):
        assert services.send_reports(limit=None) == ReportRun(unanswered=1)
        assert len(desk.calls) == 2 * tried
    assert ApiReport.objects.get().report_attempts == 2


def test_an_outage_of_one_merchant_does_not_hold_up_another(
    desk: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_BATCH", 2)
    for _ in range(6):
        ApiReportFactory()
    ApiReportFactory(merchant="institution", mch_id="1900000100")

    def answer(sent: dict[str, str]) -> Any:
        return YES if sent["mch_id"] == "1900000100" else requests.ConnectionError()

    desk.answers[PATH] = answer
    assert services.send_reports(workers=1) == ReportRun(sent=1, unanswered=1, untried=1)
    assert statuses() == [*["PENDING"] * 6, "SENT"]


def test_an_answer_breaks_the_silence() -> None:
    counts = sending._AnswerCounts(max_silences=2)
    for answered, silent in [(False, []), (True, []), (False, []), (False, ["default"])]:
        (counts.count_answer if answered else counts.count_silence)("default")
        assert counts.silent_merchants == silent
    assert counts.answers("default") == 1


def test_rows_that_another_worker_holds_are_left_to_it_until_its_lease_ends(
    desk: ScriptedTransport,
) -> None:
    now = datetime.now(UTC)
    held = ApiReportFactory(report_claim="other", report_claimed_until=now + timedelta(minutes=1))
    ApiReportFactory(report_claim="dead", report_claimed_until=now - timedelta(seconds=1))
    assert services.send_reports() == ReportRun(sent=1)
    held.refresh_from_db()
    assert (held.report_status, held.report_claim) == ("PENDING", "other")
    assert len(desk.calls) == 1


def test_a_worker_that_lost_its_lease_marks_nothing(desk: ScriptedTransport) -> None:
    row = ApiReportFactory()

    mine = ReportQueue()
    assert [taken.pk for taken in mine.claim(1, except_merchants=[])] == [row.pk]
    ApiReport.objects.filter(pk=row.pk).update(report_claim="another")
    mine.mark_sent([row.pk])
    mine.give_up([row.pk])
    mine.mark_not_reportable([row.pk])
    mine.release([row.pk], tries=1)
    row.refresh_from_db()
    assert (row.report_status, row.report_claim, row.report_attempts) == ("PENDING", "another", 0)


def test_where_another_worker_was_quicker_the_next_rows_are_taken(
    desk: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ApiReportFactory(), ApiReportFactory()
    retry_on_lock, until = queue.retry_on_lock, datetime.now(UTC) + timedelta(minutes=1)

    def too_late(action: Callable[[], Any]) -> Any:
        free = ApiReport.objects.filter(pk=first.pk, report_claim="")
        free.update(report_claim="quicker", report_claimed_until=until)
        return retry_on_lock(action)

    monkeypatch.setattr(queue, "retry_on_lock", too_late)
    assert [row.pk for row in ReportQueue().claim(1, except_merchants=[])] == [second.pk]


def test_what_was_sent_before_the_process_was_interrupted_is_marked(
    desk: ScriptedTransport,
) -> None:
    answers = iter([YES])

    def answer(sent: dict[str, str]) -> bytes:
        try:
            return next(answers)
        except StopIteration:
            raise KeyboardInterrupt from None

    desk.answers[PATH] = answer
    for _ in range(3):
        ApiReportFactory()
    with pytest.raises(KeyboardInterrupt):
        services.send_reports(workers=1)
    assert statuses() == ["SENT", "PENDING", "PENDING"]
    # It may have been sent, so it is not sent again before the lease is over.
    assert services.send_reports() == ReportRun()


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(desk: ScriptedTransport) -> None:
    ApiReportFactory()
    with atomic(), pytest.raises(InsideTransaction):
        services.send_reports()
    assert (desk.calls, statuses()) == ([], ["PENDING"])


def test_a_run_knows_how_many_rows_are_done_with() -> None:
    run = ReportRun(sent=1, given_up=2, not_reportable=3, unanswered=4, untried=5)
    assert run.settled == 6
    assert run + run == ReportRun(sent=2, given_up=4, not_reportable=6, unanswered=8, untried=10)


def test_stopped_before_it_begins_it_claims_nothing(desk: ScriptedTransport) -> None:
    ApiReportFactory()
    assert services.send_reports(stop=lambda: True) == ReportRun()
    assert (desk.calls, statuses()) == ([], ["PENDING"])
    assert ApiReport.objects.get().report_claim == ""


def test_stopped_in_a_batch_it_frees_what_it_has_not_tried(desk: ScriptedTransport) -> None:
    ApiReport.objects.bulk_create(ApiReportFactory.build_batch(10))
    run = services.send_reports(workers=1, stop=lambda: len(desk.calls) >= 3)

    assert run == ReportRun(sent=3, untried=7)
    assert len(desk.calls) == 3
    assert statuses() == ["SENT"] * 3 + ["PENDING"] * 7
    assert not ApiReport.objects.exclude(report_claim="", report_claimed_until=None).exists()
    assert services.send_reports().sent == 7


def test_stopped_between_two_batches_it_begins_no_other(
    desk: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "_BATCH", 2)
    ApiReport.objects.bulk_create(ApiReportFactory.build_batch(5))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(desk.calls))
        return len(desk.calls) >= 2

    assert services.send_reports(workers=1, stop=stop) == ReportRun(sent=2)
    assert statuses() == ["SENT"] * 2 + ["PENDING"] * 3
