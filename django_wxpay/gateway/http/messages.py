"""One HTTP request to WeChat Pay and one response, of no protocol in particular.

A body is bytes here; whether it is a document is for the protocol's reader to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django_wxpay.protocol.secrets import Secret

# Takes in a body that may be a large file, piece by piece, given the status and the headers, and
# returns what is kept as the body.
BodyTaker = Callable[[int, Mapping[str, str], Iterable[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A merchant's certificate as PEM and its key, for calls that ask for both (mutual TLS)."""

    pem: str = field(repr=False)
    key: Secret = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request to one host; ``host`` is its base URL. The body stays out of every repr.

    ``client_certificate`` is presented where the host serves TLS and asks for one. ``take_body``
    takes in the answer's body in the place of memory.
    """

    host: str
    path: str
    method: str = "POST"
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_certificate: ClientCertificate | None = None
    take_body: BodyTaker | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The whole address, which is also the report's ``interface_url``."""
        return self.host.rstrip("/") + self.path

    @property
    def host_name(self) -> str:
        """The host as a person names it: without scheme, with the port if there is one."""
        return urlsplit(self.host).netloc


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A whole response of any status. ``user_ip``: our address on that connection, or ""."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_ip: str = ""
