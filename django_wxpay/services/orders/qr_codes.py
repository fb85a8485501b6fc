"""QR codes of payments, as SVG for a page: dark on light, whatever the page around them is."""

from __future__ import annotations

from typing import Final

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

# Medium correction survives a scratched screen; four light modules around it are the standard.
_CORRECTION: Final = "m"
_BORDER: Final = 4


def qr_svg(text: str) -> SafeString:
    """Return ``text`` as an inline ``<svg>`` that is as wide as its place; "" for no text.

    It needs neither a style nor a script, so it passes a strict Content-Security-Policy. Give it
    a width by the class ``wxpay-qr``.
    """
    if not text:
        return mark_safe("")
    drawing = segno.make_qr(text, error=_CORRECTION).svg_inline(
        border=_BORDER, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None
    )
    return format_html(
        '<span class="wxpay-qr" role="img" aria-label="{}">{}</span>',
        _("QR code: scan it with WeChat to pay."),
        # segno draws modules: nobody's text is in it.
        mark_safe(drawing),  # noqa: S308
    )
