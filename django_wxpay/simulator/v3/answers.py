"""What an answer of the v3 gateway looks like: its octets, its headers and who signed it.

A 2xx is signed, an empty one too; everything else carries no signature (protocol-v3 sections
2.3, 7.1 and 12).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.state.identifiers import Numbers
from django_wxpay.simulator.v3.keychain import Signer
from django_wxpay.simulator.v3.refusals import V3Refusal
from django_wxpay.simulator.v3.tampering import changed, signature_headers, written

JSON: Final = "application/json; charset=utf-8"

_HEADERS: Final = (
    ("Server", "nginx"),
    ("Cache-Control", "no-cache, must-revalidate"),
    ("X-Content-Type-Options", "nosniff"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the gateway answers: a status and the body's content, None for an empty body."""

    status: int
    content: dict[str, Any] | None = field(default=None, repr=False)
    code: str = ""
    number: int = 0
    has_request_id: bool = True


def refused(refusal: V3Refusal, request: Request) -> Said:
    """Return the answer that ``refusal`` is, in the caller's language."""
    return Said(
        status=refusal.status,
        content=refusal.content(is_english=wants_english(request)),
        code=refusal.code,
        number=refusal.number,
        has_request_id=refusal.has_request_id,
    )


def wants_english(request: Request) -> bool:
    """Say whether the caller asks for English; it is Chinese otherwise.

    Source: protocol-v3 section 1.3.
    """
    return request.language.lower().startswith("en")


def respond(
    said: Said,
    request: Request,
    *,
    signer: Signer | None,
    now: datetime,
    numbers: Numbers,
    fault: str,
) -> Response:
    """Return the answer, signed by ``signer`` and spoiled in the way ``fault`` names.

    Half a document still carries the signature of the whole.
    """
    content = None if said.content is None else changed(said.content, fault)
    body = written(content, fault)
    headers = [*_HEADERS, ("Content-Language", "en" if wants_english(request) else "zh-CN")]
    if said.has_request_id:
        headers.append(("Request-ID", numbers.request_id(said.number)))
    if signer is not None:
        signed = signature_headers(body, signer=signer, now=now, numbers=numbers, fault=fault)
        headers.extend(signed.items())
    return Response(
        body=body[: len(body) // 2] if fault == "half_xml" else body,
        status=said.status,
        content_type=JSON,
        headers=tuple(headers),
    )


def nothing(status: int) -> Response:
    """Return the empty answer of an address or a method that does not exist."""
    return Response(body=b"", status=status, content_type=JSON, headers=_HEADERS)
