"""What a payment notification says, when it is sent again and when it counts as heard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.v2 import decode_xml
from django_wxpay.simulator.trades import Trade

# Gaps between one attempt and the next, in seconds (protocol-v2 section 7.1).
RHYTHM_S: Final = (
    *(15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600),
    *(10800, 10800, 10800, 21600, 21600),
)
HEADERS: Final = {"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0", "Accept": "*/*"}


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's HTTP answer to a notification."""

    status: int
    body: bytes


class Deliver(Protocol):
    """Sends a notification and returns the answer; an ``OSError`` means that none came."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


@dataclass(slots=True, kw_only=True, eq=False)
class Notice:
    """The notification of one payment, on its way: ``attempts`` were made so far.

    ``state`` is ``pending``, ``accepted``, ``exhausted`` or ``lost``. ``held`` means that it
    waits for another one to be sent first.
    """

    trade: Trade
    due_at: datetime
    copies: int = 1
    at_once: bool = False
    held: bool = False
    attempts: int = 0
    state: str = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at delivering: what was answered, and whether that ends the retries."""

    notice: Notice = field(repr=False)
    number: int
    at: datetime
    fault: str
    status: int | None
    body: str
    error: str
    accepted: bool


class Outbox:
    """The notifications that are still to be sent. The caller holds the lock."""

    def __init__(self) -> None:
        self._waiting: list[Notice] = []

    def __iter__(self) -> Iterator[Notice]:
        return iter(self._waiting)

    def add(self, notice: Notice) -> None:
        self._waiting.append(notice)

    def next_due_at(self) -> datetime | None:
        """Return when the next one is due, None when nothing waits."""
        return min((notice.due_at for notice in self._waiting), default=None)

    def take(self, now: datetime) -> Notice | None:
        """Return the one that has been due longest, if any is."""
        notice = min(self._waiting, key=lambda notice: notice.due_at, default=None)
        if notice is None or notice.due_at > now:
            return None
        self._waiting.remove(notice)
        return notice

    def remove(self, notice: Notice) -> bool:
        """Take ``notice`` out; False when it is not here any more."""
        found = notice in self._waiting
        if found:
            self._waiting.remove(notice)
        return found

    def release(self, now: datetime) -> None:
        """Let go of those that waited for another one to be sent first."""
        for notice in self._waiting:
            if notice.held:
                notice.held, notice.due_at = False, now


def next_attempt_at(notice: Notice) -> datetime | None:
    """Return when ``notice`` is tried again, None when the rhythm is through.

    The gap is counted from the moment the last attempt was due, so that slow receivers do
    not stretch the rhythm.
    """
    if notice.attempts > len(RHYTHM_S):
        return None
    return notice.due_at + timedelta(seconds=RHYTHM_S[notice.attempts - 1])


def is_accepted(reply: Reply) -> bool:
    """Say whether an answer stops the retries: HTTP 200 and an XML ``return_code`` SUCCESS."""
    try:
        return reply.status == 200 and decode_xml(reply.body).get("return_code") == "SUCCESS"
    except MalformedMessage:
        return False


def notice_fields(trade: Trade, *, nonce: str) -> dict[str, str]:
    """Return the unsigned fields of the notification (section 7.2)."""
    terms = trade.terms
    kept = ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info", "version", "attach")
    fields = {name: terms[name] for name in kept if name in terms}
    if trade.sign_type:
        fields["sign_type"] = trade.sign_type
    payment = dict(trade.payment)
    if terms.get("version") != "1.0":
        payment.pop("promotion_detail", None)
    return {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "result_code": "SUCCESS",
        "nonce_str": nonce,
        "out_trade_no": trade.out_trade_no,
        **fields,
        **payment,
    }
