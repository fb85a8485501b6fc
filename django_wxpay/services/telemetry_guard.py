"""The guard around a project's own OpenTelemetry, whose errors are logged and never raised.

A sampler, span processor, reader or exporter is the project's, runs in the thread that is
watched, and may raise anything. By then WeChat Pay may have taken a payment, or a notification
may be committed: what is done is told to the caller, whether or not it could be watched.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

T = TypeVar("T")

logger = logging.getLogger("django_wxpay.telemetry")

# A broken exporter fails for every call: its second line says nothing that the first did not.
_logged: Final[set[type[Exception]]] = set()


@contextmanager
def guard() -> Iterator[None]:
    """Keep from the caller what the project's OpenTelemetry raises inside."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - this is an edge: what it catches is logged
        log_trouble(problem)


def log_trouble(problem: Exception) -> None:
    """Log an error of the project's OpenTelemetry, once in a process for each type."""
    kind = type(problem)
    if kind in _logged:
        return
    _logged.add(kind)
    logger.error(
        "OpenTelemetry raised %s, which is not logged again: spans and metrics are missing",
        kind.__name__,
        exc_info=problem,
    )


@contextmanager
def guarded_span(tracer: Any, name: str, attributes: Mapping[str, Any]) -> Iterator[Any]:
    """Run what is inside as the current span, or as none where it cannot be started.

    What is raised inside ends the span and is raised on; what the span raises is not.
    """
    manager = span = None
    with guard():
        manager = tracer.start_as_current_span(name, attributes=attributes)
        span = manager.__enter__()
    try:
        yield span
    except BaseException as error:
        _end(span, manager, error)
        raise
    _end(span, manager, None)


def _end(span: Any, manager: Any, error: BaseException | None) -> None:
    if span is not None:
        with guard():
            manager.__exit__(error and type(error), error, error and error.__traceback__)


def guarded_carry(context: Any, action: Callable[[], T]) -> Callable[[], T]:
    """Return ``action`` to be run in the ``context`` of here, or as it is without one."""
    here: Any = None
    with guard():
        here = context.get_current()
    return action if here is None else partial(_run_in, context, here, action)


def _run_in(context: Any, here: Any, action: Callable[[], T]) -> T:
    token: Any = None
    with guard():
        token = context.attach(here)
    try:
        return action()
    finally:
        if token is not None:
            with guard():
                context.detach(token)
