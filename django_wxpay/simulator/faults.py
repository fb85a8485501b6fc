"""Which misbehaviour can be scripted, and which of it is waiting to happen.

The catalogue is data: a new fault is a row here, a line where it takes effect and a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """Where a fault strikes."""

    ANSWER = "answer"  # an answer to a call
    PAYMENT = "payment"  # how the notifications of a payment are sent
    ATTEMPT = "attempt"  # what one notification says
    PLACING = "placing"  # between accepting an order and answering


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row of the catalogue.

    ``executed`` says whether a call that it befalls is carried out all the same; ``seconds``
    and ``count`` are what is used where the script names none.
    """

    name: str
    description: str
    stages: frozenset[Stage]
    executed: bool = True
    seconds: float = 0.0
    count: int = 1


def _answer(name: str, description: str, *, executed: bool = True, seconds: float = 0.0) -> Kind:
    stages = frozenset({Stage.ANSWER})
    return Kind(
        name=name, description=description, stages=stages, executed=executed, seconds=seconds
    )


def _message(name: str, description: str) -> Kind:
    stages = frozenset({Stage.ANSWER, Stage.ATTEMPT})
    return Kind(name=name, description=description, stages=stages)


def _notice(
    name: str, description: str, stage: Stage, *, seconds: float = 0.0, count: int = 1
) -> Kind:
    stages = frozenset({stage})
    return Kind(name=name, description=description, stages=stages, seconds=seconds, count=count)


CATALOGUE: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        _answer("slow", "Carried out; the answer takes `seconds`.", seconds=3),
        _answer("answered_after_timeout", "Carried out; the answer comes too late.", seconds=20),
        _answer("timeout", "Not carried out, and never answered.", executed=False, seconds=60),
        _answer("reset", "Not carried out; the connection is reset.", executed=False),
        _answer("reset_after", "Carried out; the connection is reset."),
        _answer("http_500", "Not carried out; HTTP 500.", executed=False),
        _answer("http_502", "Not carried out; HTTP 502 with a proxy's page.", executed=False),
        _answer("html", "Not carried out; an HTML page with HTTP 200.", executed=False),
        _answer("empty", "Carried out; an empty answer with HTTP 200."),
        _answer("truncated", "Carried out; the answer breaks off half-way on the line."),
        _answer("half_xml", "Carried out; half of the document, as if it were whole."),
        _answer("systemerror", "Not carried out; SYSTEMERROR.", executed=False),
        _answer("systemerror_after", "Carried out; SYSTEMERROR all the same."),
        _message("bad_signature", "Signed with another key."),
        _message("unsigned", "Without a signature."),
        _message("hmac_answer", "Signed with the other algorithm than the request's."),
        _message("wrong_mch_id", "Well signed, but about another merchant."),
        _message("wrong_appid", "Well signed, but about another appid."),
        _message("extra_field", "With a field nobody has heard of, signed as it must be."),
        _message("bom", "With a byte-order mark in front."),
        _message("doctype", "With a DOCTYPE in front."),
        _notice("wrong_amount", "A total_fee that is not the order's.", Stage.ATTEMPT),
        _notice("wrong_currency", "A fee_type that is not the order's.", Stage.ATTEMPT),
        _notice("duplicate", "Sent `count` times, one after the other.", Stage.PAYMENT, count=2),
        _notice("concurrent", "Sent `count` times at once.", Stage.PAYMENT, count=50),
        _notice("late", "Sent first after `seconds`.", Stage.PAYMENT, seconds=60),
        _notice("lost", "Paid, and no notification ever comes.", Stage.PAYMENT),
        _notice(
            "reordered",
            "Held until another payment's has been sent, at most `seconds`.",
            Stage.PAYMENT,
            seconds=60,
        ),
        _notice("before_answer", "Paid and told before unifiedorder answers.", Stage.PLACING),
    )
}

NOTIFY: Final = "notify"
REPORT: Final = "report"
ANY: Final = "*"
OPERATIONS: Final = (ANY, "unifiedorder", "orderquery", "closeorder", REPORT, NOTIFY)


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """A scripted fault: it strikes ``times`` times where ``operation`` and ``host`` fit."""

    kind: Kind
    operation: str
    times: int
    seconds: float
    count: int
    executed: bool
    host: str = ""

    @property
    def name(self) -> str:
        return self.kind.name

    def fits(self, stage: Stage, operation: str, host: str) -> bool:
        if stage not in self.kind.stages or self.host not in {"", host}:
            return False
        # Reports are sent in the background and would use up what was meant for another call.
        meant = {ANY, operation} - ({ANY} if operation == REPORT else set())
        return self.operation in meant or (stage is Stage.PLACING and self.operation == NOTIFY)


def arm(
    name: str,
    *,
    operation: str = ANY,
    times: int = 1,
    seconds: float | None = None,
    count: int | None = None,
    executed: bool | None = None,
    host: str = "",
) -> Fault:
    """Return a fault of the catalogue, ready to strike.

    ``name`` may have hyphens for underscores. Raises ``ValueError`` for names that are not
    in the catalogue and for operations that the fault cannot befall.
    """
    kind = CATALOGUE.get(name.replace("-", "_").lower())
    if kind is None:
        raise ValueError(f"no such fault; there are: {', '.join(CATALOGUE)}")
    if operation not in _operations(kind):
        raise ValueError(f"{kind.name} befalls only: {', '.join(_operations(kind))}")
    return Fault(
        kind=kind,
        operation=operation,
        times=times,
        seconds=kind.seconds if seconds is None else seconds,
        count=kind.count if count is None else count,
        executed=kind.executed if executed is None else executed,
        host=host,
    )


class Script:
    """The faults that are waiting, first come first served. The caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._waiting)

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, stage: Stage, operation: str, *, host: str = "") -> Fault | None:
        """Return the fault that strikes now, used up by one, or None."""
        for fault in self._waiting:
            if fault.fits(stage, operation, host):
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
                return fault
        return None


def _operations(kind: Kind) -> tuple[str, ...]:
    told = kind.stages - {Stage.ANSWER}
    return tuple(
        operation
        for operation in OPERATIONS
        if operation == ANY or (Stage.ANSWER in kind.stages if operation != NOTIFY else told)
    ) + (("unifiedorder",) if Stage.PLACING in kind.stages else ())
