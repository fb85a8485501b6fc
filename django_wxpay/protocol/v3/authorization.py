"""The ``Authorization`` header of a request: building and reading it.

What is signed is the method, the path with its query exactly as sent, the time, a nonce and
the octets of the body (protocol-v3 sections 2.1 and 2.2). The host is not in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from django_wxpay.protocol.v3.keys import PrivateKey, load_private_key
from django_wxpay.protocol.v3.signing import SCHEME, lines, sign

_NAMES: Final = frozenset({"mchid", "nonce_str", "signature", "timestamp", "serial_no"})
_VALUE: Final = re.compile(r"[\x20\x21\x23-\x7e]{1,1024}")
_PAIR: Final = re.compile(rf'([a-z_]+)="({_VALUE.pattern})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The five values of the header, as they were sent."""

    mchid: str
    nonce_str: str
    signature: str
    timestamp: str
    serial_no: str


def build_authorization(
    *,
    method: str,
    url_path: str,
    body: str | bytes,
    mchid: str,
    serial_no: str,
    private_key: PrivateKey,
    timestamp: int | str,
    nonce: str,
) -> str:
    """Return the value of the ``Authorization`` header of one request.

    ``url_path`` is path and query, percent-encoded as sent; ``body`` the very octets sent,
    empty for GET. ``mchid`` is the caller (the institution, never the sub-merchant) and
    ``serial_no`` that of its own certificate; ``timestamp`` is in seconds since 1970. Raises
    ``ValueError`` for a value the header cannot hold (protocol-v3 section 2.2).
    """
    private_key = load_private_key(private_key)
    message = request_message(
        method=method, url_path=url_path, body=body, timestamp=timestamp, nonce=nonce
    )
    values = {
        "mchid": mchid,
        "nonce_str": nonce,
        "signature": sign(message, private_key),
        "timestamp": str(timestamp),
        "serial_no": serial_no,
    }
    for name, value in values.items():
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{name} is empty or holds what a header cannot")
    return f"{SCHEME} " + ",".join(f'{name}="{value}"' for name, value in values.items())


def request_message(
    *, method: str, url_path: str, body: str | bytes, timestamp: int | str, nonce: str
) -> bytes:
    """Return what a request signs; ``ValueError`` if ``url_path`` is not path and query alone."""
    if not url_path.startswith("/") or "#" in url_path:
        raise ValueError("url_path is the path and the query: no scheme, host or fragment")
    return lines(method.upper(), url_path, str(timestamp), nonce, body)


def read_authorization(header: str) -> Authorization | None:
    """Return the values of an ``Authorization`` header, its pairs in any order.

    None unless it has our scheme and the five values, each once, in quotes.
    """
    scheme, _, rest = header.partition(" ")
    matches = [_PAIR.fullmatch(pair) for pair in rest.split(",")]
    values = {match[1]: match[2] for match in matches if match}
    if scheme != SCHEME or len(matches) != len(_NAMES) or values.keys() != _NAMES:
        return None
    return Authorization(**values)
