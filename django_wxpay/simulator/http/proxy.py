"""WeChat Pay's host names, and an HTTP proxy whose way leads to them alone.

An SDK with hard-coded hosts asks a proxy for a tunnel (``CONNECT``), or sends an address instead
of a path. Both end in the simulator; any other host is refused, so that nothing leaves by here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Of calls (protocol-v2 section 1, protocol-v3 section 1.1), and last of H5's page for browsers
# (protocol-v2 section 3.6).
HOSTS: Final = (
    "api.mch.weixin.qq.com",
    "api2.mch.weixin.qq.com",
    "apihk.mch.weixin.qq.com",
    "apius.mch.weixin.qq.com",
    "apieu.mch.weixin.qq.com",
    "fraud.mch.weixin.qq.com",
    "report.mch.weixin.qq.com",
    "api.wechatpay.cn",
    "api2.wechatpay.cn",
    "wx.tenpay.com",
)
REFUSED: Final = b"This proxy leads to WeChat Pay's host names, and nowhere else.\n"

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a proxied request was going: ``target`` is its path and query."""

    scheme: str
    target: str


def is_tunnel(authority: str) -> bool:
    """Say whether ``authority``, as CONNECT names it, is the TLS port of one of the hosts."""
    host, _, port = authority.rpartition(":")
    return port == "443" and host.lower() in HOSTS


def destination(address: str) -> Destination | None:
    """Return where a request with an ``address`` for its target goes; None if to another host."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    usual = _PORTS.get(parts.scheme)
    if usual is None or parts.hostname not in HOSTS or (port or usual) != usual:
        return None
    # Not put together anew: it is signed as it was sent.
    target = address.partition("://")[2][len(parts.netloc) :].partition("#")[0]
    return Destination(
        scheme=parts.scheme, target=target if target.startswith("/") else f"/{target}"
    )
