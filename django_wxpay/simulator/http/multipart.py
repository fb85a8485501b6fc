"""Bodies of uploads: ``multipart/form-data`` taken apart, strictly."""

from __future__ import annotations

from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from typing import Final

from django_wxpay.simulator.http.messages import Request

UPLOAD: Final = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its file name, "" for none, and its octets."""

    filename: str
    content: bytes = field(repr=False)


def parts_of(request: Request) -> dict[str, Part]:
    """Return the parts of an upload by their names; {} for what is no such body."""
    if request.content_type != UPLOAD:
        return {}
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode("latin-1", "replace")
    message = BytesParser(policy=policy.HTTP).parsebytes(head + request.body)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = Part(part.get_filename() or "", content)
    return found
