"""Answers to notifications, byte for byte in the form of the protocol that asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v2.notices import ACKNOWLEDGED, refusal
from django_wxpay.protocol.v3.notices import SUCCESS_REPLY, failure_reply

_XML: Final = "text/xml; charset=utf-8"
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An answer; ``accepted`` says whether WeChat Pay stops sending, ``refusal`` why not."""

    status: int
    content_type: str
    body: bytes
    refusal: Refusal | None = None

    @property
    def accepted(self) -> bool:
        return self.refusal is None


class Refusal(Enum):
    """A reason not to accept a notification: a constant sentence, and the HTTP status of v3."""

    NOT_AUTHENTIC = ("not authentic", 401)
    MALFORMED = ("malformed", 400)
    TOO_LARGE = ("too large", 413)
    UNKNOWN_ORDER = ("no such order", 404)
    # 5xx, for what it lacks is on this side: a key, or a version that can read it.
    UNREADABLE = ("authentic, but not readable here", 503)
    UNPROVEN = ("not proven yet, please send again", 503)
    OUR_TROUBLE = ("not settled, please send again", 503)

    @property
    def reason(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]


def accepted(api: Api) -> Acknowledgement:
    """Return the answer after which WeChat Pay stops sending."""
    if api is Api.V3:
        return Acknowledgement(200, _JSON, SUCCESS_REPLY)
    return Acknowledgement(200, _XML, ACKNOWLEDGED)


def refused(api: Api, why: Refusal) -> Acknowledgement:
    """Return the answer after which WeChat Pay sends again."""
    if api is Api.V3:
        return Acknowledgement(why.status, _JSON, failure_reply(why.reason), why)
    # v2 reads the body alone (protocol-v2 section 7.1); 413 is for proxies and logs.
    status = why.status if why is Refusal.TOO_LARGE else 200
    return Acknowledgement(status, _XML, refusal(why.reason), why)
