"""Delivery of one notification over HTTP: one POST, no redirects, one deadline for all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import requests

_LARGEST_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """The receiver's HTTP answer to a notification."""

    status: int
    body: bytes


class Deliver(Protocol):
    """Sends a notification and returns the answer; an ``OSError`` means that none came."""

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


class HttpDeliver:
    """Posts notifications with ``requests`` and gives each ``timeout_s`` seconds in all."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one notification; every kind of failure is an ``OSError``."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with requests.post(
                url,
                data=body,
                headers=dict(headers),
                timeout=self._timeout_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                return Reply(response.status_code, _read(response, deadline))
        except ValueError as error:
            # ``requests`` raises a ValueError for an address that it cannot parse.
            raise OSError(f"{url} cannot be called") from error


def _read(response: requests.Response, deadline: float) -> bytes:
    answer = b""
    # One byte at a time: a larger read would wait for a sender that dribbles.
    for piece in response.iter_content(1):
        answer += piece
        if len(answer) > _LARGEST_ANSWER:
            raise OSError("the answer does not end")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer took too long")
    return answer
