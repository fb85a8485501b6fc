"""One HTTP request to WeChat Pay and one response, of no protocol in particular.

A body is bytes here; whether it is a document is for the protocol's reader to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
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
class HttpResponse:
    """A whole response of any status. ``user_ip``: our address on that connection, or ""."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    user_ip: str = ""
