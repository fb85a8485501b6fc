"""The page "API latency": who may look, what is asked for, and whether its figures are right."""

from __future__ import annotations

import hashlib
import html
import json
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

import django_wxpay
from django_wxpay.admin.latency import formats as words
from django_wxpay.admin.latency.form import DAY, HOUR, WEEK, asked
from django_wxpay.models import ReportBacklog
from django_wxpay.services import clock
from django_wxpay.services.latency import summary
from django_wxpay.services.latency.rollup import roll_up
from django_wxpay.services.reports import queue
from tests.admin import latency_rows as rows
from tests.admin.conftest import ADMIN
from tests.docs.markdown import text_of
from tests.factories import ApiReportFactory

pytestmark = pytest.mark.usefixtures("clock_stands_still")

PAGE = f"{ADMIN}/hourlylatency/"
CALLS = f"{ADMIN}/apireport/"
VENDOR = Path(django_wxpay.__path__[0]) / "static/django_wxpay/vendor/chart.js"
NOW = datetime(2026, 11, 22, 6, 40, tzinfo=UTC)


@pytest.fixture
def at_noon(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let it be 14:40 in Shanghai."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    return NOW


def shown(client: Client, query: str = "") -> str:
    answer = client.get(f"{PAGE}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def data(page: str) -> Any:
    found = re.search(r'<script id="wxpay-latency-data"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def text(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", page)))


# --- who may look


@pytest.mark.parametrize("permission", ["view_apireport", "change_apireport"])
def test_who_may_see_the_calls_may_see_what_they_come_to(
    as_holder: Callable[..., Client],
    permission: str,
) -> None:
    viewer = as_holder(permission)
    assert "API latency" in shown(viewer)
    assert PAGE in viewer.get(reverse("admin:index")).content.decode()
    assert CALLS in shown(viewer)
    assert PAGE in viewer.get(CALLS).content.decode()


@pytest.mark.parametrize("permissions", [(), ("view_order",), ("view_hourlylatency",)])
def test_nobody_else_may_or_is_shown_the_way(
    as_holder: Callable[..., Client],
    permissions: tuple[str, ...],
) -> None:
    stranger = as_holder(*permissions)
    assert stranger.get(PAGE).status_code == 403
    assert PAGE not in stranger.get(reverse("admin:index")).content.decode()


def test_without_a_login_there_is_the_login_page(db: None) -> None:
    assert Client().get(PAGE).headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize("path", ["add/", "{pk}/", "{pk}/change/", "{pk}/delete/", "{pk}/history/"])
def test_an_hour_has_no_page_of_its_own(boss: Client, path: str) -> None:
    row = rows.hour(rows.hours_ago(1), 80)
    assert boss.get(PAGE + path.format(pk=row.pk)).status_code == 404
    assert boss.post(PAGE + path.format(pk=row.pk), {"post": "yes"}).status_code == 404


# --- what is asked for


@pytest.mark.parametrize(
    ("query", "start", "step"),
    [
        ({}, "2026-11-21 14:00", HOUR),
        ({"range": "24h"}, "2026-11-21 14:00", HOUR),
        ({"range": "7d"}, "2026-11-15 12:00", timedelta(hours=6)),
        ({"range": "30d"}, "2026-10-23 00:00", DAY),
        ({"range": "90d"}, "2026-08-24 00:00", DAY),
    ],
)
def test_a_range_reaches_to_the_present_hour(
    at_noon: datetime,
    query: dict[str, str],
    start: str,
    step: timedelta,
) -> None:
    found = asked(query)
    local = timezone.localtime(found.period.start)
    assert f"{local:%Y-%m-%d %H:%M}" == start
    assert found.period.end == datetime(2026, 11, 22, 7, tzinfo=UTC)
    assert (found.step, found.complaint) == (step, "")


@pytest.mark.parametrize(
    ("first", "last", "start", "end", "step"),
    [
        ("2026-11-20", "2026-11-20", "2026-11-19 16", "2026-11-20 16", HOUR),
        ("2026-11-18", "2026-11-20", "2026-11-17 16", "2026-11-20 16", HOUR),
        ("2026-11-10", "2026-11-20", "2026-11-09 16", "2026-11-20 16", timedelta(hours=6)),
        ("2026-10-01", "2026-11-20", "2026-09-30 16", "2026-11-20 16", DAY),
        ("2025-11-23", "2026-11-22", "2025-11-22 16", "2026-11-22 07", WEEK),
        ("2026-11-22", "", "2026-11-21 16", "2026-11-22 07", HOUR),
        ("", "2026-11-20", "2026-11-19 16", "2026-11-20 16", HOUR),
        ("2026-11-22", "2027-01-31", "2026-11-21 16", "2026-11-22 07", HOUR),
    ],
)
def test_days_are_whole_days_here(
    at_noon: datetime,
    first: str,
    last: str,
    start: str,
    end: str,
    step: timedelta,
) -> None:
    found = asked({"from": first, "to": last})
    assert f"{found.period.start:%Y-%m-%d %H}" == start
    assert f"{found.period.end:%Y-%m-%d %H}" == end
    assert (found.step, found.preset, found.complaint) == (step, "", "")
    assert (found.period.end - found.period.start) / found.step < 105


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?from=yesterday", "not a date"),
        ("?to=2026-02-30", "not a date"),
        ("?from=2026-11-20&to=2026-11-19", "ends before it begins"),
        ("?from=9999-12-31&to=9999-12-31", "still to come"),
        ("?from=2026-01-01&to=9999-12-31", "a year at most"),
        ("?from=0001-01-01&to=0001-01-02", "no calls in those days"),
        ("?from=2020-01-01", "a year at most"),
        ("?range=century", "no such range"),
        ("?merchant=%00", "no such merchant or host"),
        (f"?host={'x' * 129}", "no such merchant or host"),
    ],
)
def test_nonsense_is_told_in_a_sentence_and_the_last_day_shown(
    boss: Client,
    at_noon: datetime,
    query: str,
    words: str,
) -> None:
    rows.hour(rows.hours_ago(2), 80)
    page = shown(boss, query)
    assert words in page
    assert "These are the last 24 hours instead." in page
    assert "errornote" not in shown(boss)
    assert data(page) == data(shown(boss))


def test_a_year_in_weeks_is_still_a_chart(boss: Client) -> None:
    today = timezone.localdate(clock.now())
    first = today - timedelta(days=366)
    rows.hour(rows.hours_ago(24 * 200), 80)
    labels = data(shown(boss, f"?from={first}&to={today}"))["labels"]
    assert len(labels) == 53


def test_the_ranges_keep_what_else_was_chosen(boss: Client) -> None:
    page = shown(boss, "?range=7d&merchant=other&host=gateway.test")
    assert 'href="?range=30d&amp;merchant=other&amp;host=gateway.test"' in page
    assert '<input type="hidden" name="range" value="7d">' in page
    assert "<option selected>other</option>" in page
    assert "<option selected>gateway.test</option>" in page
    assert page.count('aria-current="true"') == 1
    dated = shown(boss, f"?from={timezone.localdate(clock.now())}")
    assert 'name="range"' not in dated
    assert f'name="from" value="{timezone.localdate(clock.now())}"' in dated


def test_where_there_is_no_choice_none_is_offered(boss: Client, settings: Any) -> None:
    account = settings.WXPAY["MERCHANTS"]["default"]
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": account}}
    page = shown(boss)
    assert 'name="merchant"' not in page
    assert 'name="host"' not in page


def test_settings_that_are_wrong_do_not_take_the_page_down(boss: Client, settings: Any) -> None:
    settings.WXPAY = {}
    rows.a_day()
    assert "are kept for" not in shown(boss)


def test_the_time_zone_is_named_and_the_hours_are_those_of_it(
    boss: Client,
    at_noon: datetime,
    settings: Any,
) -> None:
    rows.hour(datetime(2026, 11, 22, 1, tzinfo=UTC), 80)
    page = shown(boss)
    assert "(Asia/Shanghai)" in page
    assert "Nov 21, 2026, 14:00 – Nov 22, 2026, 15:00" in page
    assert "Nov 22 09:00 – 10:00" in page
    settings.TIME_ZONE = "Asia/Kolkata"
    assert "Nov 22 06:30 – 07:30" in shown(boss)


# --- the figures


def test_the_table_says_what_the_summary_says(boss: Client, at_noon: datetime) -> None:
    rows.hour(rows.hours_ago(3), *range(100, 1400), refused=7)
    rows.hour(rows.hours_ago(2), 5000, 5100, failure="TIMEOUT")
    rows.hour(rows.hours_ago(2), 30, interface="/pay/orderquery", merchant="other")
    ApiReportFactory(created_at=NOW - timedelta(minutes=5), execute_time_ms=70)
    period = summary.Period.covering(span=timedelta(hours=24))
    in_sum = summary.measure(period).summary()
    page = text(shown(boss))
    assert len(in_sum) == 2
    first, second = in_sum
    assert (first.count, first.refused, first.failures) == (1303, 7, {"TIMEOUT": 2})
    times = f"{first.p50_ms} {first.p95_ms:,} {first.p99_ms:,} {first.slowest_ms:,}"
    assert f"1,303 2 (0.2%) TIMEOUT 2 7 {times}" in page
    assert f"other, {rows.FIRST} 1 0 0 30 30 30 30" in page
    assert second.merchant == "other"


def test_the_charts_say_it_step_by_step_and_are_silent_where_nobody_called(
    boss: Client,
    at_noon: datetime,
) -> None:
    rows.hour(rows.hours_ago(3), 20, 20, 20, 20)
    rows.hour(rows.hours_ago(3), 30, interface="/pay/orderquery", failure="RESET")
    found = data(shown(boss))
    latency, query, host = found["charts"]
    assert [one["role"] for one in latency["series"]] == ["p50", "p95", "p99"]
    assert len(found["labels"]) == len(latency["series"][0]["values"]) == 25
    assert latency["series"][0]["values"] == [None] * 21 + [20] + [None] * 3
    assert query["series"][2]["values"] == [None] * 21 + [30] + [None] * 3
    answered, failed = host["series"]
    assert answered["values"] == [0] * 21 + [4] + [0] * 3
    assert failed["values"] == [0] * 21 + [1] + [0] * 3
    assert [found["labels"][mark] for mark in found["marks"]] == [
        "18:00",
        "Nov 22",
        "06:00",
        "12:00",
    ]


def test_every_chart_has_its_name_and_its_figures_in_a_table(
    boss: Client,
    at_noon: datetime,
) -> None:
    rows.a_day()
    page = shown(boss)
    assert page.count('<canvas id="wxpay-') == page.count('role="img" aria-label="') == 6
    assert page.count("<summary>As a table</summary>") == 6
    assert re.search(r">Nov 22 13:00 – 14:00</th>(<td class=\"wxpay-number\">\d+</td>){3}", page)


def test_the_busiest_interfaces_stand_in_sight_and_the_others_behind_a_click(
    boss: Client,
) -> None:
    for number in range(1, 9):
        rows.hour(rows.hours_ago(1), *[50] * number, interface=f"/pay/{number}")
    page = shown(boss)
    assert page.index("<h3>/pay/8</h3>") < page.index("<h3>/pay/3</h3>")
    assert page.index("<h3>/pay/3</h3>") < page.index("2 more") < page.index("<h3>/pay/2</h3>")


def test_figures_beyond_the_limits_are_told_apart(boss: Client, settings: Any) -> None:
    limits = {"FAILURE_RATE": 0.5, "P95_MS": 100}
    settings.WXPAY = settings.WXPAY | {"LATENCY_LIMITS": limits}
    rows.hour(rows.hours_ago(1), 90, 95)
    rows.hour(rows.hours_ago(1), 99, interface="/pay/orderquery", failure="RESET")
    assert "wxpay-figure-bad" not in shown(boss)
    rows.hour(rows.hours_ago(2), 990, 990, failure="RESET")
    assert shown(boss).count("wxpay-figure-bad") == 2


def test_failovers_are_listed_and_marked(boss: Client, at_noon: datetime) -> None:
    rows.hour(rows.hours_ago(5), *[80] * 12, host=rows.STANDBY, is_standby=True)
    rows.hour(rows.hours_ago(5), 80)
    page = shown(boss)
    assert f"Nov 22, 2026, 09:00 Nov 22, 2026, 09:11 default {rows.STANDBY} 12" in text(page)
    series = [one for chart in data(page)["charts"] for one in chart["series"]]
    (standby,) = [one for one in series if one["role"] == "standby"]
    assert standby["values"] == [None] * 19 + [12] + [None] * 5
    assert "There was none" not in page


def test_of_many_failovers_the_latest_are_listed(boss: Client) -> None:
    for number in range(23):
        rows.hour(rows.hours_ago(1 + 3 * number), 80, host=rows.STANDBY, is_standby=True)
    assert "The latest 20 of 23." in shown(boss, "?range=7d")


def test_a_host_or_a_merchant_alone_can_be_looked_at(boss: Client) -> None:
    rows.hour(rows.hours_ago(1), 80, interface="/pay/first")
    rows.hour(rows.hours_ago(1), 80, interface="/pay/second", host=rows.STANDBY)
    rows.hour(rows.hours_ago(1), 80, interface="/pay/third", merchant="other")
    assert re.findall("<h3>(/pay/.*)</h3>", shown(boss, f"?host={rows.STANDBY}")) == ["/pay/second"]
    assert re.findall("<h3>(/pay/.*)</h3>", shown(boss, "?merchant=other")) == ["/pay/third"]


def test_where_nobody_called_there_are_words_and_no_charts(boss: Client) -> None:
    page = shown(boss)
    assert "No calls in this time" in page
    assert "<canvas" not in page
    assert data(page)["charts"] == []
    assert "No call waits to be reported." in page
    assert "was not recorded" in page
    assert "?range=90d" in page
    assert "Look at all calls" not in shown(boss, "?range=90d")


# --- the backlog


def test_what_waits_now_is_said_in_words(boss: Client, at_noon: datetime) -> None:
    ApiReportFactory(created_at=NOW - timedelta(minutes=37))
    assert "1 call waits to be reported, since 14:03." in shown(boss)
    ApiReportFactory.create_batch(11, created_at=NOW)
    assert "12 calls wait to be reported, the oldest since 14:03." in shown(boss)
    assert "This counts all merchants and hosts" not in shown(boss)
    assert "This counts all merchants and hosts" in shown(boss, "?merchant=other")
    ApiReportFactory(created_at=NOW - timedelta(days=2))
    assert "13 calls wait to be reported, the oldest since Nov 20 14:40." in shown(boss)
    ApiReportFactory(created_at=NOW - timedelta(days=365))
    assert "the oldest since Nov 22, 2025, 14:40." in shown(boss)


def test_more_than_anybody_counts_is_told_as_more(
    boss: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = queue.Backlog(queue.COUNTED_UP_TO, clock.now())
    monkeypatch.setattr(queue, "backlog", lambda: counted)
    assert "100,000 calls or more wait to be reported" in shown(boss)


def test_the_backlog_is_drawn_where_somebody_looked(boss: Client, at_noon: datetime) -> None:
    ReportBacklog.objects.create(hour=rows.hours_ago(3), waiting=0)
    assert "Nothing waited in the time shown." in shown(boss)
    ReportBacklog.objects.create(hour=rows.hours_ago(1), waiting=1200)
    ReportBacklog.objects.create(hour=rows.hours_ago(100), waiting=5)
    (chart,) = data(shown(boss))["charts"]
    assert chart["series"][0]["values"] == [None] * 21 + [0, None, 1200, None]
    assert "1,200 at most" in shown(boss)


# --- ways from and to the single calls


def test_a_row_leads_to_its_single_calls(boss: Client) -> None:
    moment = clock.now() - timedelta(hours=2)
    ours = {"created_at": moment, "merchant": "gone", "host": "retired.example.com"}
    mine = ApiReportFactory(interface_url="https://retired.example.com/pay/closeorder", **ours)
    ApiReportFactory(interface_url="https://retired.example.com/pay/orderquery", **ours)
    ApiReportFactory(**{**ours, "merchant": "default"})
    ApiReportFactory(**{**ours, "host": "other.example.com"})
    ApiReportFactory(**{**ours, "created_at": moment - timedelta(days=3)})
    addresses = re.findall(rf'href="({CALLS}\?[^"]*closeorder[^"]*)"', shown(boss))
    assert len(addresses) == 1
    listed = boss.get(html.unescape(addresses[0]))
    assert listed.status_code == 200
    assert list(listed.context["cl"].queryset) == [mine]
    beside = [spec.title for spec in listed.context["cl"].filter_specs]
    assert {"merchant", "host", "interface"} <= set(map(str, beside))
    assert "interface" not in map(
        str, (s.title for s in boss.get(CALLS).context["cl"].filter_specs)
    )


def test_a_failover_leads_to_its_calls(boss: Client) -> None:
    moment = rows.hours_ago(2) + timedelta(minutes=5, microseconds=123)
    standby = {"host": rows.STANDBY, "is_standby": True}
    first = ApiReportFactory(created_at=moment, **standby)
    last = ApiReportFactory(created_at=moment + timedelta(minutes=3), **standby)
    ApiReportFactory(created_at=moment + timedelta(minutes=3), host=rows.FIRST)
    roll_up()
    addresses = re.findall(rf'href="({CALLS}\?[^"]*)">2</a>', shown(boss))
    listed = boss.get(html.unescape(addresses[0]))
    assert list(listed.context["cl"].queryset) == [last, first]


# --- what it costs, and what it lets in


def test_a_thousand_hours_cost_as_many_queries_as_one(
    boss: Client,
    django_assert_num_queries: Any,
) -> None:
    rows.hour(rows.hours_ago(1), 80)
    ApiReportFactory(created_at=rows.hours_ago(1))
    with django_assert_num_queries(7):
        shown(boss, "?range=90d")
    for ago in range(2, 60):
        for number in range(10):
            rows.hour(rows.hours_ago(ago), 80, interface=f"/pay/{number}", is_standby=True)
        ApiReportFactory(created_at=rows.hours_ago(ago))
        ReportBacklog.objects.create(hour=rows.hours_ago(ago), waiting=ago)
    with django_assert_num_queries(7):
        shown(boss, "?range=90d")


def test_markup_in_a_name_is_text(boss: Client) -> None:
    evil = "</script><script>alert(1)</script>"
    rows.hour(rows.hours_ago(1), 80, interface=f"/{evil}", merchant=evil, host=f"x{evil}")
    page = shown(boss, "?merchant=<script>")
    assert "<script>alert" not in page
    assert "<script>alert" not in shown(boss)
    assert "&lt;script&gt;alert(1)" in shown(boss)


def test_the_page_keeps_its_scripts_and_its_looks_in_files(boss: Client) -> None:
    rows.a_day()
    page = shown(boss)
    content = page[page.index('<div id="content"') :]
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", content) == []
    assert (
        re.findall(
            r"<style|<script(?! id=\"wxpay-latency-data\" type=\"application/json\")", content
        )
        == []
    )
    scripts = re.findall(r'<script src="([^"]*django_wxpay[^"]*)" defer></script>', page)
    assert [script.rpartition("/")[2] for script in scripts] == ["chart.umd.min.js", "latency.js"]
    away = rf'(?:src|href)="(?!{reverse("admin:index")})([^"]*)"'
    assert "//" not in "".join(re.findall(away, page))


def test_the_page_can_be_read_in_chinese(boss: Client, at_noon: datetime) -> None:
    rows.a_day()
    rows.hour(rows.hours_ago(1), *[80] * 1500, interface="/pay/closeorder")
    ApiReportFactory(created_at=NOW)
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    page = shown(boss)
    assert "接口耗时" in page
    assert "2026年11月21日 14:00" in page
    assert "有 1 次调用等待上报" in page
    assert "1,500" in page
    said = text(
        re.sub(r"<script.*?</script>", "", page[page.index('<div id="content"') :], flags=re.DOTALL)
    )
    allowed = {"ms", "Asia", "Shanghai", "default", "other", "gateway", "test", "TIMEOUT"}
    english = set(re.findall(r"(?<![\w/.{}-])[A-Za-z]{3,}(?![\w/.}-])", said)) - allowed
    assert english == set()


# --- words


@pytest.mark.parametrize(
    ("part", "said"),
    [(0, "0%"), (0.0004, "< 0.1%"), (0.0123, "1.2%"), (1, "100.0%")],
)
def test_a_small_share_is_not_rounded_to_nothing(part: float, said: str) -> None:
    assert words.share(part) == said


def test_a_day_whose_clocks_were_changed_is_still_that_day(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    # 22:00 UTC is midnight there in summer, and an hour before it from October 25 on.
    begins = [datetime(2026, 10, day, 22, tzinfo=UTC) for day in (23, 24, 25, 26)]
    with override("en"):
        said = [step.label for step in words.steps(begins, DAY)]
        weeks = words.steps(begins[:1], WEEK)
    assert said == ["Oct 24", "Oct 25", "Oct 26", "Oct 27"]
    assert weeks[0].title == "Oct 24 – Oct 30"


# --- the library


def test_the_library_is_the_one_its_note_names() -> None:
    banner = (VENDOR / "chart.umd.min.js").read_text(encoding="utf-8")[:200]
    version = re.search(r"Chart\.js v([\d.]+)", banner)
    assert version
    note = (VENDOR / "README.md").read_text(encoding="utf-8")
    assert f"# Chart.js {version[1]}\n" in note
    assert f"version {version[1]}" in note


def test_the_library_comes_whole_with_its_licences_and_asks_for_nothing() -> None:
    script = (VENDOR / "chart.umd.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest()[:16] == "c17f2ce49fb9c71e"
    assert b"sourceMappingURL" not in script
    for name in ("LICENSE.md", "LICENSE-color.md"):
        assert "Permission is hereby granted" in (VENDOR / name).read_text(encoding="utf-8")
    build = tomllib.loads(text_of("pyproject.toml"))
    targets = build["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"] == {"packages": ["django_wxpay"]}
    assert "django_wxpay" in targets["sdist"]["include"]
    assert "django_wxpay/static/django_wxpay/vendor/*/LICENSE*" in build["project"]["license-files"]
