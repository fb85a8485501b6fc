"""What a person does about a call that brought nothing to believe, by the kind of failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay.gateway import Failure

_ADVICE: Final[Mapping[str, str]] = {
    Failure.DNS: "The name does not resolve from here: correct HOSTS, or this machine's DNS.",
    Failure.CONNECT: "Nothing can be reached there: correct HOSTS, or open the firewall or the "
    "proxy that stands in the way.",
    Failure.TLS: "The host's certificate is not believed: look for a proxy in between, set this "
    "machine's clock, and name a private CA in REQUESTS_CA_BUNDLE.",
    Failure.TIMEOUT: "It takes the connection and does not answer in time: the host or the way "
    "there is too slow. If only this machine sees it, look at its network; else wait, and tell "
    "WeChat Pay's support if it lasts.",
    Failure.RESET: "The connection breaks: look for a firewall or a proxy that cuts it; else "
    "wait, and tell WeChat Pay's support if it lasts.",
    Failure.HTTP_5XX: "The host itself is out of order. Another host takes its place; wait, and "
    "tell WeChat Pay's support if it lasts.",
    Failure.UNREADABLE: "What answers there is not WeChat Pay: correct HOSTS, or look for a proxy "
    "or a portal that answers with a page of its own.",
    Failure.BAD_ANSWER: "It answers what WeChat Pay does not say: correct HOSTS and API, and tell "
    "the developers if both are right.",
    Failure.BAD_SIGNATURE: "Compare the keys in the settings with the merchant platform. If they "
    "are right, somebody stands between this machine and WeChat Pay: find out who.",
    Failure.PROBE: "WeChat Pay signed wrongly on purpose, to see that we notice: nothing to do.",
}
_UNHEARD_OF: Final = "Look at these calls under API reports in the admin."


def advice_on(failure: str) -> str:
    """Return what to do about a kind of failure."""
    return _ADVICE.get(failure, _UNHEARD_OF)
