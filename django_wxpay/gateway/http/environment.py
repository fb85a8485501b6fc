"""The proxies and the CA bundle that the environment names for a host.

``requests`` goes through the whole environment to find them, which takes a tenth of the processor
time of a call. So it is asked again for a host only when one of the variables has changed. Where
none of them names a proxy, those of the system (macOS, Windows) are found out once in a process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import requests

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_VARIABLES: Final = (
    *_PROXIES,
    *map(str.upper, _PROXIES),
    # Set under CGI, where HTTP_PROXY may be a header of a stranger's request, and is not taken.
    "REQUEST_METHOD",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What is named for one host; ``verify`` is a bundle, or True for that of ``requests``.

    The address of a proxy may hold a password, and stays out of the repr.
    """

    proxies: Mapping[str, str] = field(repr=False)
    verify: str | bool


def environment_of(address: str) -> Environment:
    """Return what the environment names for the host of ``address``, a prepared URL."""
    scheme, host, *_ = urlsplit(address)
    return _read(f"{scheme}://{host}", tuple(map(os.environ.get, _VARIABLES)))


@lru_cache(maxsize=64)
def _read(origin: str, _variables: tuple[str | None, ...]) -> Environment:
    with requests.Session() as session:
        found = session.merge_environment_settings(origin, {}, None, None, None)
    return Environment(found["proxies"], found["verify"] or True)
