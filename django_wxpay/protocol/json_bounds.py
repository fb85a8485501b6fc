"""The bound on the number of values in a JSON document, counted before the document is parsed.

What a value costs to parse and to check is a hundred times what its two octets cost to send, so
the size of a document alone does not bound the work that it makes.
"""

from __future__ import annotations

from typing import Final

# The longest that WeChat Pay documents, a payment with its promotions and their goods, has some
# hundreds.
MOST_VALUES: Final = 10_000


def has_too_many_values(document: bytes | str, most: int = MOST_VALUES) -> bool:
    """Return whether ``document`` may hold more than ``most`` values; nothing is parsed.

    Each value but the first of its list or object follows a comma. Commas and brackets inside
    texts are counted too: no text of WeChat Pay's has so many.
    """
    # Most documents are shorter than the count that would be too high.
    if len(document) <= most:
        return False
    if isinstance(document, bytes):
        return document.count(b",") + document.count(b"[") + document.count(b"{") > most
    return document.count(",") + document.count("[") + document.count("{") > most
