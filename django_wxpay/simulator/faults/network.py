"""What a fault does to an answer whatever it says: a page in its place, or trouble on the line."""

from __future__ import annotations

from typing import Final

from django_wxpay.simulator.faults.faults import Fault
from django_wxpay.simulator.http.messages import CLEAR, Line, Response

_PAGES: Final = {
    "http_500": (500, "Internal Server Error"),
    "http_502": (502, "Bad Gateway"),
    "html": (200, "Please log in to this network"),
}


def page_instead(fault: str) -> Response | None:
    """Return the page that comes in an answer's place, None where the answer comes itself."""
    if fault not in _PAGES:
        return None
    status, title = _PAGES[fault]
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Response(body=page.encode(), status=status, content_type="text/html")


def line_of(fault: Fault | None, length: int) -> Line:
    """Return what befalls an answer of ``length`` bytes on its way."""
    if fault is None:
        return CLEAR
    return Line(
        delay_s=fault.seconds,
        reset=fault.name in {"reset", "reset_after", "timeout"},
        cut_at=length // 2 if fault.name == "truncated" else None,
    )
