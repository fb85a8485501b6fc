"""Calls of the run over HTTP: to the shop's REST API and to the simulator's control plane."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from http.client import HTTPException
from typing import Any, Final

from django.conf import settings

# Longer than a sale may wait for its end.
_TIMEOUT_S: Final = 40

_lock = threading.Lock()
# How often the shop has answered with each status; 0 is no answer, as of a killed process.
answers: Counter[int] = Counter()


def shop(path: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Post ``content`` to the shop; return status and answer, 0 where there was none."""
    status, answer = _call(f"{settings.SHOP}/wxpay/api/{path}", content)
    with _lock:
        answers[status] += 1
    return status, answer


def simulator(path: str, content: dict[str, Any], *, method: str = "POST") -> dict[str, Any] | None:
    """Do something at the simulator; None where it says that this cannot be done now.

    Raises ``RuntimeError`` for what it does not understand, which no run may pass over.
    """
    status, answer = _call(f"{settings.SIMULATOR}/_simulator/{path}", content, method=method)
    if status in {0, 200}:
        return answer if status else None
    if answer.get("code") == "invalid" or status != 400:
        raise RuntimeError(f"{path} {content}: {status} {answer}")
    return None


def ledger() -> dict[str, Any]:
    """Return everything that the simulator holds."""
    url = f"{settings.SIMULATOR}/_simulator/ledger"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own address
        found: dict[str, Any] = json.load(answer)
        return found


def _call(url: str, content: dict[str, Any], *, method: str = "POST") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - our own addresses
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
            found = _object(response.read())
            # A process that was killed in the middle of its answer has not answered.
            return (response.status, found) if found else (0, {})
    except urllib.error.HTTPError as error:
        return error.code, _object(error.read())
    except (OSError, ValueError, HTTPException):
        return 0, {}


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
