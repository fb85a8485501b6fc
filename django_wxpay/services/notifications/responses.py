"""What is answered to a notification, in the exact form of the protocol that asked."""

from __future__ import annotations

from collections.abc import Mapping
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
    """The answer to give, byte for byte; ``accepted`` says whether WeChat Pay will stop."""

    status: int
    content_type: str
    body: bytes
    accepted: bool


class Refusal(Enum):
    """Why a notification is not accepted: a constant sentence, and the HTTP word v3 has for it."""

    NOT_AUTHENTIC = ("not authentic", 401)
    MALFORMED = ("malformed", 400)
    TOO_LARGE = ("too large", 413)
    UNKNOWN_ORDER = ("no such order", 404)
    OUR_TROUBLE = ("not settled, please send again", 503)

    @property
    def reason(self) -> str:
        """The sentence that is answered."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The HTTP status by which v3 says it."""
        return self.value[1]


def protocol_of(headers: Mapping[str, str]) -> Api:
    """Return the protocol of a notification: v3 signs in a header, v2 in the body."""
    named = {name.lower() for name in headers}
    return Api.V3 if "wechatpay-signature" in named else Api.V2


def accepted(api: Api) -> Acknowledgement:
    """Return the answer after which WeChat Pay stops sending."""
    if api is Api.V3:
        return Acknowledgement(200, _JSON, SUCCESS_REPLY, accepted=True)
    return Acknowledgement(200, _XML, ACKNOWLEDGED, accepted=True)


def refused(api: Api, why: Refusal) -> Acknowledgement:
    """Return the answer after which WeChat Pay sends again; v2 says everything but 413 with 200."""
    if api is Api.V3:
        return Acknowledgement(why.status, _JSON, failure_reply(why.reason), accepted=False)
    status = why.status if why is Refusal.TOO_LARGE else 200
    return Acknowledgement(status, _XML, refusal(why.reason), accepted=False)
