"""Spans and metrics for OpenTelemetry, where a project has installed its API.

Without the API (the extra ``otel``) every function here returns at once. The SDK, and where it all
goes, is the project's own, and no error of it comes out of here. Nothing that is passed on holds a
key, an openid or a document; numbers of orders are on spans only, for a metric has one series for
each of its values.

Names are those of OpenTelemetry's conventions where they have one, and begin with ``wxpay``
elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from django_wxpay import __version__
from django_wxpay.models.choices import Attentions
from django_wxpay.services.telemetry_guard import guard, guarded_carry, guarded_span, log_trouble

# A process starts without the client of WeChat Pay, and threads of any kind come through here.
if TYPE_CHECKING:
    from django_wxpay.gateway import CallRecord

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.trace import SpanKind, StatusCode
except ImportError:
    HAS_API = False
else:
    HAS_API = True

logger = logging.getLogger("django_wxpay.telemetry")

T = TypeVar("T")

_NAME: Final = "django_wxpay"
# Seconds. The SDK's own are made for milliseconds.
_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# Outcomes of a job's run.
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
FAILING_IN_PART: Final = "failing_in_part"

# What ended, in one word, and for a span what else is known of it.
End = Callable[..., None]


def _nothing(_outcome: str, **_attributes: Any) -> None:
    """End what nobody watches."""


# Entered any number of times, by any number of threads.
_UNWATCHED: Final[AbstractContextManager[End]] = nullcontext(_nothing)


class Instruments:
    """The tracer and the instruments of the providers given, or else of the process's own."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self.tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self.call_duration = meter.create_histogram(
            "wxpay.client.call.duration",
            unit="s",
            description="Duration of one attempt of a call to one host of WeChat Pay.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.notifications = meter.create_counter(
            "wxpay.notifications",
            unit="{notification}",
            description="Notifications processed, by outcome.",
        )
        self.refusals = meter.create_counter(
            "wxpay.notifications.refused",
            unit="{notification}",
            description="Notifications refused, by reason.",
        )
        self.job_duration = meter.create_histogram(
            "wxpay.job.duration",
            unit="s",
            description="Duration of one run of a background job, by outcome.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self.undelivered = meter.create_gauge(
            "wxpay.events.undelivered",
            unit="{event}",
            description="Events that receivers are still to take, up to 1000.",
        )
        self.attention = meter.create_gauge(
            "wxpay.orders.attention",
            unit="{order}",
            description="Orders that need a person, by reason, up to 200 of each.",
        )


def _made() -> Instruments | None:
    if not HAS_API:
        return None
    try:
        return Instruments()
    except (AttributeError, TypeError):
        # Older than the floor of the extra, and here for something else.
        logger.warning("opentelemetry-api is older than 1.30: there are no spans and no metrics")
    except Exception as problem:  # noqa: BLE001 - a provider is the project's; see the guard
        log_trouble(problem)
    return None


_instruments = _made()


def is_on() -> bool:
    """Return whether anything may be watching."""
    return _instruments is not None


def call_ended(merchant: str, record: CallRecord) -> None:
    """Make a span, and a value of the histogram, of one attempt that is over."""
    if _instruments is None:
        return
    address = urlsplit(record.interface_url)
    common = _call_attributes(merchant, record, address.hostname or "", address.path)
    ended: Mapping[str, Any] = common | {
        "server.port": address.port or (443 if address.scheme == "https" else 80),
        # HOSTS may name no user and no password; a span would show them to everybody.
        "url.full": f"{address.scheme}://{record.host.rpartition('@')[2]}{address.path}",
        "wxpay.out_trade_no": record.out_trade_no,
        "wxpay.err_code": record.err_code,
        "wxpay.request_id": record.request_id,
        "wxpay.is_standby": record.is_standby,
    }
    began_ns = _nanoseconds(record.started_at)
    with guard():
        span = _instruments.tracer.start_span(
            f"{record.method} {address.path}",
            kind=SpanKind.CLIENT,
            attributes={name: value for name, value in ended.items() if value != ""},
            start_time=began_ns,
        )
        if "error.type" in common:
            span.set_status(StatusCode.ERROR)
        span.end(began_ns + record.execute_time_ms * 1_000_000)
    with guard():
        _instruments.call_duration.record(record.execute_time_ms / 1000, common)


def _call_attributes(merchant: str, record: CallRecord, host: str, path: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "http.request.method": record.method,
        "server.address": host,
        "wxpay.merchant": merchant,
        "wxpay.api": record.api,
        "wxpay.interface": path,
    }
    status = record.http_status
    if status is not None:
        attributes["http.response.status_code"] = status
    if record.failure:
        attributes["wxpay.failure"] = str(record.failure)
    if record.failure or (status or 0) >= 400:
        # By convention the status where one came, and else the kind of failure.
        attributes["error.type"] = str(record.failure or status)
    return attributes


def notification(merchant: str, kind: str, api: str) -> AbstractContextManager[End]:
    """Watch one notification; the function that is entered is called with its outcome."""
    if _instruments is None:
        return _UNWATCHED
    attributes = {"wxpay.merchant": merchant, "wxpay.kind": kind, "wxpay.api": api}
    return _notification(_instruments, attributes)


@contextmanager
def _notification(instruments: Instruments, attributes: dict[str, Any]) -> Iterator[End]:
    with guarded_span(instruments.tracer, "wxpay.notification", attributes) as span:

        def end(outcome: str, **_: Any) -> None:
            if span is not None:
                with guard():
                    span.set_attribute("wxpay.outcome", outcome)
            with guard():
                instruments.notifications.add(1, attributes | {"wxpay.outcome": outcome})

        yield end


def refused(merchant: str, reason: str) -> None:
    """Count a notification that was refused."""
    if _instruments is not None:
        with guard():
            _instruments.refusals.add(1, {"wxpay.merchant": merchant, "wxpay.reason": reason})


def job(name: str) -> AbstractContextManager[End]:
    """Watch one run of a job; the function that is entered is called with its outcome."""
    return _UNWATCHED if _instruments is None else _job(_instruments, name)


@contextmanager
def _job(instruments: Instruments, name: str) -> Iterator[End]:
    began = time.monotonic()
    with guarded_span(instruments.tracer, f"wxpay.job {name}", {"wxpay.job": name}) as span:

        def end(outcome: str, **attributes: Any) -> None:
            if span is not None:
                with guard():
                    span.set_attributes({"wxpay.outcome": outcome, **attributes})
                    if outcome == FAILED:
                        span.set_status(StatusCode.ERROR)
            of_run = {"wxpay.job": name, "wxpay.outcome": outcome}
            with guard():
                instruments.job_duration.record(time.monotonic() - began, of_run)

        yield end


def standing(*, undelivered: int, attention: Mapping[Attentions, int]) -> None:
    """Set the gauges of what waits and of what needs a person."""
    if _instruments is None:
        return
    with guard():
        _instruments.undelivered.set(undelivered)
        for reason, count in attention.items():
            _instruments.attention.set(count, {"wxpay.reason": reason.value})


def carried(action: Callable[[], T]) -> Callable[[], T]:
    """Return ``action`` for another thread, where what it makes belongs to the span of here."""
    return action if _instruments is None else guarded_carry(context, action)


def _nanoseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000
