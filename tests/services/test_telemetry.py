"""Spans and metrics as a collector of OpenTelemetry receives them, and nothing without its API."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pytest
from django.db import DatabaseError
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

from django_wxpay import services
from django_wxpay.exceptions import OutcomeUnknown, UnknownMerchant
from django_wxpay.gateway import CallRecord, Failure
from django_wxpay.models import ApiReport, Order
from django_wxpay.services import patience, telemetry, telemetry_guard
from django_wxpay.services.latency.recording import record_call
from django_wxpay.services.worker.jobs import Job, JobResult
from django_wxpay.services.worker.running import run_job
from tests.factories import OPENID, OrderEventFactory, OrderFactory
from tests.laws.source import ROOT
from tests.services.conftest import new_order
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, payment_notice

pytestmark = pytest.mark.django_db


class Collector:
    """What an application with the SDK would have collected."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    @cached_property
    def _data(self) -> Any:
        # Once: to some versions a gauge that is read is no news the second time.
        return self._reader.get_metrics_data()

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """Return the attributes and the point of each series of one metric."""
        return [
            (dict(point.attributes), point)
            for resource in self._data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def values(self, name: str, *labels: str) -> dict[tuple[Any, ...], Any]:
        """Return the value of each series by the values of these attributes."""
        return {
            tuple(attributes[label] for label in labels): point.value
            for attributes, point in self.points(name)
        }


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Collector()
    instruments = telemetry.Instruments(made.tracers, made.meters)
    monkeypatch.setattr(telemetry, "_instruments", instruments)
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


def record(**changes: Any) -> CallRecord:
    columns: dict[str, Any] = {
        "api": "v2",
        "method": "POST",
        "interface_url": "https://api.mch.weixin.qq.com/pay/unifiedorder",
        "host": "api.mch.weixin.qq.com",
        "out_trade_no": "TEST000001",
        "mch_id": "1900000109",
        "appid": "wx8888888888888888",
        "sub_mch_id": "",
        "device_info": "",
        "started_at": datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        "execute_time_ms": 250,
        "http_status": 200,
        "failure": "",
        "return_code": "SUCCESS",
        "return_msg": "",
        "result_code": "SUCCESS",
        "err_code": "",
        "err_code_des": "",
    }
    return CallRecord(**columns | changes)


def test_a_call_is_a_client_span_by_the_conventions(collector: Collector) -> None:
    record_call("default", record())
    (span,) = collector.spans
    assert (span.name, span.kind) == ("POST /pay/unifiedorder", SpanKind.CLIENT)
    assert span.start_time == 1767323045123456000
    assert span.end_time == span.start_time + 250_000_000
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "server.address": "api.mch.weixin.qq.com",
        "server.port": 443,
        "url.full": "https://api.mch.weixin.qq.com/pay/unifiedorder",
        "http.response.status_code": 200,
        "wxpay.merchant": "default",
        "wxpay.api": "v2",
        "wxpay.interface": "/pay/unifiedorder",
        "wxpay.out_trade_no": "TEST000001",
        "wxpay.is_standby": False,
    }
    assert span.status.status_code is StatusCode.UNSET
    ((attributes, point),) = collector.points("wxpay.client.call.duration")
    assert (point.count, point.sum) == (1, 0.25)
    assert point.explicit_bounds[0] < 0.25 < point.explicit_bounds[-1]
    # One series for each of its values: nothing of one order is in it.
    assert attributes.keys() == {
        "http.request.method",
        "server.address",
        "http.response.status_code",
        "wxpay.merchant",
        "wxpay.api",
        "wxpay.interface",
    }
    assert ApiReport.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"failure": Failure.TIMEOUT, "http_status": None},
            {"wxpay.failure": "TIMEOUT", "error.type": "TIMEOUT"},
        ),
        (
            {"failure": Failure.HTTP_5XX, "http_status": 502},
            {"wxpay.failure": "HTTP_5XX", "error.type": "HTTP_5XX"},
        ),
        (
            {"http_status": 403, "err_code": "NO_AUTH"},
            {"error.type": "403", "wxpay.err_code": "NO_AUTH"},
        ),
    ],
)
def test_a_call_that_failed_is_an_error(
    collector: Collector, changes: dict[str, Any], expected: Mapping[str, Any]
) -> None:
    record_call("default", record(**changes))
    (span,) = collector.spans
    attributes = dict(span.attributes or {})
    assert span.status.status_code is StatusCode.ERROR
    assert attributes.items() >= expected.items()
    ((series, _),) = collector.points("wxpay.client.call.duration")
    assert series["error.type"] == expected["error.type"]


def test_a_host_of_ones_own_is_shown_without_its_password(collector: Collector) -> None:
    address = "http://user:secret-word@proxy.example.com:8080"
    record_call(
        "default",
        record(interface_url=f"{address}/pay/orderquery", host=address.removeprefix("http://")),
    )
    (span,) = collector.spans
    attributes = dict(span.attributes or {})
    assert attributes["url.full"] == "http://proxy.example.com:8080/pay/orderquery"
    assert (attributes["server.address"], attributes["server.port"]) == ("proxy.example.com", 8080)
    assert "secret-word" not in str(attributes)
    record_call("default", record(interface_url="http://wxpay.test/pay/orderquery"))
    assert dict(collector.spans[1].attributes or {})["server.port"] == 80


def test_nothing_of_a_payment_that_is_private_leaves_the_process(
    collector: Collector, gateway: ScriptedTransport
) -> None:
    order = new_order(openid=OPENID)
    services.unified_order(order)
    assert not services.receive_notification("default", "payment", {}, b"<xml/>").accepted
    services.receive_notification("default", "payment", {}, payment_notice(order.out_trade_no))
    services.run_jobs("events", "notifications", "attention")
    said = " ".join(span.to_json() for span in collector.spans)
    assert "POST /pay/unifiedorder" in said
    for secret in (API_KEY, OPENID, "<xml>", "sign"):
        assert secret not in said


def test_a_notification_is_a_span_and_counted_by_its_outcome(
    collector: Collector, order: Order
) -> None:
    body = payment_notice(order.out_trade_no)
    assert services.receive_notification("default", "payment", {}, body).accepted
    assert services.receive_notification("default", "payment", {}, body).accepted
    assert not services.receive_notification("default", "payment", {}, b"<xml>").accepted
    with pytest.raises(UnknownMerchant):
        services.receive_notification("stranger", "payment", {}, body)

    spans = [span for span in collector.spans if span.name == "wxpay.notification"]
    assert [dict(span.attributes or {}) for span in spans] == [
        {
            "wxpay.merchant": "default",
            "wxpay.kind": "payment",
            "wxpay.api": "v2",
            "wxpay.outcome": outcome,
        }
        for outcome in ("ACCEPTED", "ACCEPTED", "MALFORMED")
    ]
    counts = collector.values("wxpay.notifications", "wxpay.merchant", "wxpay.outcome")
    assert counts == {("default", "ACCEPTED"): 2, ("default", "MALFORMED"): 1}
    refused = collector.values("wxpay.notifications.refused", "wxpay.merchant", "wxpay.reason")
    assert refused == {("default", "MALFORMED"): 1, ("", "UNKNOWN_MERCHANT"): 1}


@pytest.mark.parametrize(
    ("result", "outcome", "status"),
    [
        (JobResult(counts={"cups": 3}), "succeeded", StatusCode.UNSET),
        (JobResult(failing={"cups": 1}), "failing_in_part", StatusCode.UNSET),
        (OutcomeUnknown("no answer"), "failed", StatusCode.ERROR),
    ],
)
def test_a_run_of_a_job_is_a_span_with_its_outcome(
    collector: Collector, result: JobResult | Exception, outcome: str, status: StatusCode
) -> None:
    def does(stop: object) -> JobResult:
        if isinstance(result, Exception):
            raise result
        return result

    run_job(Job(name="tea", run=does, every_s=1))
    (span,) = collector.spans
    attributes = dict(span.attributes or {})
    assert (span.name, span.status.status_code) == ("wxpay.job tea", status)
    assert (attributes["wxpay.job"], attributes["wxpay.outcome"]) == ("tea", outcome)
    assert attributes.get("wxpay.count.cups") == (3 if outcome == "succeeded" else None)
    ((series, point),) = collector.points("wxpay.job.duration")
    assert series == {"wxpay.job": "tea", "wxpay.outcome": outcome}
    assert point.count == 1


def test_calls_of_a_job_belong_to_its_span_on_whichever_thread_they_are_made(
    collector: Collector,
) -> None:
    def does(stop: object) -> JobResult:
        record_call("default", record())
        patience.start(lambda: record_call("default", record()), name="t").result()
        return JobResult()

    run_job(Job(name="tea", run=does, every_s=1))
    *calls, job = collector.spans
    assert [call.parent.span_id if call.parent else 0 for call in calls] == [
        job.context.span_id,
        job.context.span_id,
    ]


@pytest.mark.parametrize("is_apart", [False, True])
def test_a_thread_is_carried_the_span_and_gives_it_back(
    collector: Collector, is_apart: bool
) -> None:
    def make() -> None:
        collector.tracers.get_tracer("shop").start_span("mine").end()

    with collector.tracers.get_tracer("shop").start_as_current_span("outer"):
        carried = telemetry.carried(make)
    if is_apart:
        hand = patience.Hand(name="t")
        hand.start(carried).result()
        hand.end()
        hand.wait_for_end()
    else:
        carried()
    make()
    outer, inner, later = collector.spans
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert later.parent is None


def test_the_attention_job_sets_the_gauges(
    collector: Collector, gateway: ScriptedTransport
) -> None:
    OrderEventFactory(conflict=True)
    OrderEventFactory(untold=True, order=OrderFactory(paid=True))
    services.run_jobs("attention")
    assert collector.values("wxpay.events.undelivered") == {(): 1}
    needs = collector.values("wxpay.orders.attention", "wxpay.reason")
    assert needs[("CONFLICT",)] == 1
    assert needs[("NOT_DELIVERED",)] == 1
    # Zero is said as well: a series that ends would keep an alarm up.
    assert needs[("PAID_TWICE",)] == 0


def _loaded_again() -> Any:
    """Return the module as a process loads it that has what there is now."""
    spec = importlib.util.spec_from_file_location("telemetry_without", telemetry.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Broken(Exception):
    """What a part of the project's OpenTelemetry raises."""


class BrokenProcessor(SpanProcessor):
    """A processor of the project's that raises where it is told to."""

    def __init__(self, where: str) -> None:
        self._where = where

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self._where == "start":
            raise Broken

    def on_end(self, span: ReadableSpan) -> None:
        if self._where == "end":
            raise Broken


class BrokenSampler(Sampler):
    def should_sample(self, *args: Any, **named: Any) -> SamplingResult:
        raise Broken

    def get_description(self) -> str:
        return "broken"


class BrokenInstrument:
    """An instrument, or a context, that raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise Broken


@pytest.fixture(params=["start", "end", "sampler", "metrics"])
def broken(
    request: pytest.FixtureRequest, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Collector:
    """Break one part of the project's OpenTelemetry; what is whole still collects."""
    monkeypatch.setattr(telemetry_guard, "_logged", set())
    where = request.param
    if where == "sampler":
        tracers = TracerProvider(sampler=BrokenSampler())
        monkeypatch.setattr(telemetry._instruments, "tracer", tracers.get_tracer("shop"))
    elif where == "metrics":
        for name in ("call_duration", "notifications", "refusals", "job_duration", "undelivered"):
            monkeypatch.setattr(telemetry._instruments, name, BrokenInstrument())
    else:
        collector.tracers.add_span_processor(BrokenProcessor(where))
    return collector


def test_a_broken_telemetry_fails_no_payment_and_loses_no_report(
    broken: Collector, gateway: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    orders = [new_order(out_trade_no=f"BROKEN00{number}") for number in range(2)]
    for order in orders:
        assert services.unified_order(order).prepay_id
    assert ApiReport.objects.count() == 2
    # Whichever of the two is broken, the other is there.
    assert broken.spans or broken.points("wxpay.client.call.duration")
    said = [entry for entry in caplog.records if entry.name == "django_wxpay.telemetry"]
    assert len(said) == 1
    assert "Broken" in said[0].message
    assert said[0].exc_info


def test_a_broken_telemetry_fails_no_notification(broken: Collector, order: Order) -> None:
    body = payment_notice(order.out_trade_no)
    assert services.receive_notification("default", "payment", {}, body).accepted
    order.refresh_from_db()
    assert order.is_paid
    refused = services.receive_notification("default", "payment", {}, b"<xml>")
    assert refused.refusal is not None
    assert refused.refusal.name == "MALFORMED"
    with pytest.raises(UnknownMerchant):
        services.receive_notification("stranger", "payment", {}, body)


def test_a_broken_telemetry_fails_no_job(broken: Collector, gateway: ScriptedTransport) -> None:
    (run,) = services.run_jobs("attention")
    assert run.succeeded

    def raises(stop: object) -> JobResult:
        raise OutcomeUnknown("no answer")

    assert run_job(Job(name="tea", run=raises, every_s=1)).error == "OutcomeUnknown: no answer"


@pytest.mark.parametrize("error", [ValueError("spilt"), KeyboardInterrupt()])
def test_what_is_raised_inside_a_broken_span_is_raised_on(
    broken: Collector, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught, telemetry.job("tea"):
        raise error
    assert caught.value is error
    # Nothing of the span is left behind for what comes next.
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("missing", ["get_current", "attach", "detach"])
def test_an_action_for_another_thread_runs_in_a_broken_context_too(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def raises(*_: Any) -> None:
        raise Broken

    with monkeypatch.context() as patched:
        patched.setattr(telemetry.context, missing, raises)
        assert patience.start(lambda: "made", name="t").result() == "made"


def test_a_provider_that_raises_leaves_the_process_without_spans(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(*_: Any) -> None:
        raise Broken

    monkeypatch.setattr(telemetry_guard, "_logged", set())
    monkeypatch.setattr(metrics, "get_meter", raises)
    module = _loaded_again()
    assert (module.HAS_API, module.is_on()) == (True, False)
    assert "OpenTelemetry raised Broken" in caplog.text


def test_without_the_api_every_function_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
        monkeypatch.setitem(sys.modules, name, None)
    module = _loaded_again()
    assert (module.HAS_API, module.is_on()) == (False, False)
    module.call_ended("default", record())
    module.refused("default", "WRONG")
    module.standing(undelivered=1, attention={})
    for watched in (module.notification("default", "payment", "v2"), module.job("tea")):
        with watched as end:
            end("ACCEPTED", more=1)

    def action() -> None: ...

    assert module.carried(action) is action


def test_an_api_that_is_too_old_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class OldMeter:
        def create_histogram(self, name: str, unit: str, description: str) -> None: ...

    monkeypatch.setattr(metrics, "get_meter", lambda *_: OldMeter())
    module = _loaded_again()
    assert (module.HAS_API, module.is_on()) == (True, False)
    assert "older than 1.30" in caplog.text


def test_without_the_api_the_attention_job_counts_nothing_for_nobody(
    monkeypatch: pytest.MonkeyPatch, gateway: ScriptedTransport
) -> None:
    monkeypatch.setattr(telemetry, "_instruments", None)

    def count() -> None:
        raise DatabaseError("nobody should ask")

    monkeypatch.setattr("django_wxpay.services.worker.jobs.count_undelivered", count)
    (run,) = services.run_jobs("attention")
    assert run.succeeded


PROCESS = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
if sys.argv[1] == "without":
    sys.modules["opentelemetry"] = None
import django
django.setup()
from django_wxpay.services import telemetry
found = []
if sys.argv[1] == "with":
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    exporter = InMemorySpanExporter()
    # After the import of ours, as in a project that sets it up in its wsgi.py.
    trace.set_tracer_provider(TracerProvider())
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
with telemetry.job("tea") as end:
    end("succeeded")
if sys.argv[1] == "with":
    found = [span.name for span in exporter.get_finished_spans()]
print(json.dumps([telemetry.is_on(), found]))
"""


@pytest.mark.parametrize(
    ("how", "expected"), [("with", [True, ["wxpay.job tea"]]), ("without", [False, []])]
)
def test_a_process_uses_the_providers_that_it_sets_and_none_without_the_api(
    how: str, expected: list[Any]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, how], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == expected


def test_unwatched_it_is_one_call_that_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "_instruments", None)
    call, made = record(), []
    sys.setprofile(lambda frame, event, _: made.append((frame.f_code.co_name, event)))
    try:
        telemetry.call_ended("default", call)
    finally:
        sys.setprofile(None)
    # The last is that of setprofile itself.
    assert made[:-1] == [("call_ended", "call"), ("call_ended", "return")]
