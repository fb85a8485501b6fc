"""Which misbehaviour is waiting to happen, and when it strikes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.faults.catalogue import CATALOGUE, Kind, Stage

NOTIFY: Final = "notify"
REPORT: Final = "report"
CERTIFICATES: Final = "certificates"
ANY: Final = "*"
# The fault that WeChat Pay commits on purpose.
PROBE: Final = "signtest"
OPERATIONS: Final = (ANY, "unifiedorder", "orderquery", "closeorder", CERTIFICATES, REPORT, NOTIFY)
# The one protocol that these operations belong to.
_OWNERS: Final = {CERTIFICATES: Api.V3, REPORT: Api.V2}


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

    def fits(self, stage: Stage, operation: str, host: str, api: Api) -> bool:
        if stage not in self.kind.stages or self.host not in {"", host}:
            return False
        if api not in self.kind.apis:
            return False
        # What runs in the background would use up what was meant for another call.
        meant = {ANY, operation} - ({ANY} if operation in _OWNERS else set())
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

    def take(self, stage: Stage, operation: str, *, api: Api, host: str = "") -> Fault | None:
        """Return the fault that strikes now, used up by one, or None."""
        for fault in self._waiting:
            if fault.fits(stage, operation, host, api):
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
        if _OWNERS.get(operation) in {None, *kind.apis}
    ) + (("unifiedorder",) if Stage.PLACING in kind.stages else ())
