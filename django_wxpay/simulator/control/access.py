"""Access to the pages and the control plane: under an own name, and from no other site.

Programs on this machine may drive the simulator; a web page that a developer visits may not. It
would try from its own origin, or under a name of its own that it lets lead to this machine (DNS
rebinding). The gateway's routes are for any client under any name.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.http.messages import Request
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.world import WECHAT_PAY

# Of the real gateway, and of its page for browsers: no web page can let them lead anywhere.
_WECHAT_PAY: Final = (*WECHAT_PAY, ".wx.tenpay.com")
_OWN_SITES: Final = frozenset({"same-origin", "none"})


def check_access(request: Request, options: Options) -> None:
    """Raise ``ControlError`` unless ``request`` comes under an own name, and from no other site."""
    host = _name(f"//{request.host}")
    own = {request.server.lower(), _name(options.h5_origin), *options.own_hosts}
    if not host or not (host in own or _is_local(host)):
        raise ControlError(
            "unknown_host",
            "this is not a name of the simulator's; wxpay_simulator --allowed-host adds one",
            status=403,
        )
    if _is_of_another_site(request) and not _is_followed_link(request):
        raise ControlError("cross_origin", "another site's page may not do this", status=403)


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost") or f".{host}".endswith(_WECHAT_PAY):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_of_another_site(request: Request) -> bool:
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return True
    if origin is None or (origin == "null" and site is not None):
        # Programs name no origin. A browser hides that of a page which wants no referrer.
        return False
    try:
        return urlsplit(origin).netloc.lower() != request.host.lower()
    except ValueError:
        # Brackets that hold no address: no browser writes that of a page like this.
        return True


def _is_followed_link(request: Request) -> bool:
    """Return whether a person came by a link: what is read then, the other site cannot see."""
    mode, destination = map(request.headers.get, ("sec-fetch-mode", "sec-fetch-dest"))
    is_reading = request.method in {"GET", "HEAD"} and "origin" not in request.headers
    return is_reading and mode == "navigate" and destination == "document"
