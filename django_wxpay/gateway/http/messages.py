"""What goes over the wire in one attempt, what comes back, and what to raise when nothing does.

Nothing here knows a protocol: a body is bytes, and whether it is a document is for its
reader to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django_wxpay.gateway.records import Failure
from django_wxpay.protocol.errors import BadSignature, OutcomeUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to one host; ``host`` is its base URL. The body stays out of every repr."""

    host: str
    path: str
    method: str = "POST"
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """The whole address, which is also the report's ``interface_url``."""
        return self.host.rstrip("/") + self.path

    @property
    def host_name(self) -> str:
        """The host as a person names it: without scheme, with the port if there is one."""
        return urlsplit(self.host).netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole HTTP answer of any status. ``user_ip``: our address on that connection, or ""."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_ip: str = ""


class NoAnswer(OutcomeUnknown):
    """One attempt brought no whole answer; ``failure`` says what happened to it.

    ``http_status`` is set where at least the head of an answer arrived.
    """

    def __init__(self, failure: Failure, *, http_status: int | None = None) -> None:
        self.failure = failure
        self.http_status = http_status
        super().__init__(f"no answer ({failure})")


class UntrustedHost(NoAnswer):
    """The host's certificate is not to be trusted: nothing was sent, nobody else is asked."""


class Probed(BadSignature):
    """WeChat Pay tried out whether we verify; asked again, it answers genuinely."""
