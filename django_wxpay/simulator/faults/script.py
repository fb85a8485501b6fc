"""Scripted faults that wait for a call or a notification, and their effect on an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.simulator.faults.catalogue import CATALOGUE, FaultKind, Stage
from django_wxpay.simulator.http.messages import NO_NETWORK_FAULT, NetworkFault, Response

NOTIFY: Final = "notify"
REPORT: Final = "report"
CERTIFICATES: Final = "certificates"
ANY: Final = "*"
# The wrong signature that WeChat Pay sends on purpose (protocol-v3 section 2.3).
PROBE: Final = "signtest"
REFUND: Final = "refund"
REFUNDQUERY: Final = "refundquery"
ABNORMAL_REFUND: Final = "abnormalrefund"
MICROPAY: Final = "micropay"
REVERSE: Final = "reverse"
AUTHCODETOOPENID: Final = "authcodetoopenid"
DOWNLOADBILL: Final = "downloadbill"
DOWNLOADFUNDFLOW: Final = "downloadfundflow"
BILLFILE: Final = "billfile"
OPERATIONS: Final = (
    *(ANY, "unifiedorder", "orderquery", "closeorder"),
    *(REFUND, REFUNDQUERY, ABNORMAL_REFUND),
    *(MICROPAY, REVERSE, AUTHCODETOOPENID),
    *(DOWNLOADBILL, DOWNLOADFUNDFLOW, BILLFILE),
    *(CERTIFICATES, REPORT, NOTIFY),
)
# The one protocol that these operations belong to.
_OWNERS: Final = {
    CERTIFICATES: Api.V3,
    REPORT: Api.V2,
    ABNORMAL_REFUND: Api.V3,
    AUTHCODETOOPENID: Api.V2,
    BILLFILE: Api.V3,
}
# Calls that a program makes by itself, not for a person who waits.
_BACKGROUND: Final = frozenset({CERTIFICATES, REPORT})


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """A scripted fault: it affects ``times`` calls that match ``operation`` and ``host``."""

    kind: FaultKind
    operation: str
    times: int
    seconds: float
    count: int
    executed: bool
    host: str = ""

    @property
    def name(self) -> str:
        return self.kind.name

    def matches(self, stage: Stage, operation: str, host: str, api: Api) -> bool:
        if stage not in self.kind.stages or self.host not in {"", host}:
            return False
        if api not in self.kind.apis:
            return False
        if self.kind.operations and operation not in self.kind.operations:
            return False
        # Background calls are affected by name only: they would use up a fault meant for another.
        matching = {ANY, operation} - ({ANY} if operation in _BACKGROUND else set())
        return self.operation in matching or (stage is Stage.PLACING and self.operation == NOTIFY)


def new_fault(
    name: str,
    *,
    operation: str = ANY,
    times: int = 1,
    seconds: float | None = None,
    count: int | None = None,
    executed: bool | None = None,
    host: str = "",
) -> Fault:
    """Return a fault of the catalogue for a script.

    ``name`` may have hyphens for underscores. Raises ``ValueError`` for names that are not
    in the catalogue and for operations that the fault cannot affect.
    """
    kind = CATALOGUE.get(name.replace("-", "_").lower())
    if kind is None:
        raise ValueError(f"no such fault; there are: {', '.join(CATALOGUE)}")
    if operation not in _operations(kind):
        raise ValueError(f"{kind.name} affects only: {', '.join(_operations(kind))}")
    return Fault(
        kind=kind,
        operation=operation,
        times=times,
        seconds=kind.seconds if seconds is None else seconds,
        count=kind.count if count is None else count,
        executed=kind.executed if executed is None else executed,
        host=host,
    )


class FaultScript:
    """The waiting faults, in their order. The caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._waiting)

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, stage: Stage, operation: str, *, api: Api, host: str = "") -> Fault | None:
        """Return the fault that takes effect now, used up by one, or None."""
        for fault in self._waiting:
            if fault.matches(stage, operation, host, api):
                fault.times -= 1
                if fault.times == 0:
                    self._waiting.remove(fault)
                return fault
        return None


def _operations(kind: FaultKind) -> tuple[str, ...]:
    if kind.operations:
        return (ANY, *sorted(kind.operations))
    if Stage.REFUND in kind.stages:
        return ANY, REFUND
    notified = kind.stages - {Stage.ANSWER}
    return tuple(
        operation
        for operation in OPERATIONS
        if operation == ANY or (Stage.ANSWER in kind.stages if operation != NOTIFY else notified)
        if _OWNERS.get(operation) in {None, *kind.apis}
    ) + (("unifiedorder",) if Stage.PLACING in kind.stages else ())


# Documents without a signature, and files: what changes signed fields changes nothing there.
_OF_SIGNED_FIELDS: Final = frozenset(
    {
        *("bad_signature", "unsigned", "hmac_answer", "wrong_mch_id", "wrong_appid"),
        *("extra_field", "extra_member", "shuffled_members"),
    }
)
_WITHOUT_STATE: Final = frozenset(
    {"unifiedorder", "closeorder", CERTIFICATES, DOWNLOADBILL, DOWNLOADFUNDFLOW, BILLFILE}
)


def fits(kind: FaultKind, operation: str) -> bool:
    """Say whether a fault makes a difference at ``operation``, and is worth offering there.

    ``new_fault`` takes a few more, which change nothing or are no answer of that call.
    """
    if operation not in _operations(kind):
        return False
    match kind.name:
        case "http_202":
            return operation in {ANY, MICROPAY}
        case "unknown_trade_state":
            return operation not in _WITHOUT_STATE
        case name if name in _OF_SIGNED_FIELDS:
            return operation not in {REPORT, BILLFILE}
        case _:
            return True


_PAGES: Final = {
    "http_500": (500, "Internal Server Error"),
    "http_502": (502, "Bad Gateway"),
    "html": (200, "Please log in to this network"),
}


def page_instead(fault: str) -> Response | None:
    """Return the page that replaces an answer, None if the answer is sent."""
    if fault not in _PAGES:
        return None
    status, title = _PAGES[fault]
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(body=page.encode(), status=status, content_type="text/html")


def network_fault_of(fault: Fault | None, length: int) -> NetworkFault:
    """Return the network fault of an answer of ``length`` bytes."""
    if fault is None:
        return NO_NETWORK_FAULT
    return NetworkFault(
        delay_s=fault.seconds,
        reset=fault.name in {"reset", "reset_after", "timeout"},
        cut_at=length // 2 if fault.name == "truncated" else None,
    )
