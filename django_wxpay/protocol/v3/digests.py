"""Verification of files that are not signed themselves, by a digest that was.

Sources: protocol-v3 sections 2.4 and 4.5.

The global statement is signed over its SHA-1; a domestic bill's SHA-1 stands in the signed
answer that tells where the bill is. Both are of the text after decompression.
"""

from __future__ import annotations

import hashlib
import hmac


def statement_body(sha1: str) -> bytes:
    """Return what stands for the body in a statement's signature: the header's digest."""
    return f'{{"sha1":"{sha1}"}}'.encode()


def matches_sha1(content: bytes, sha1: str) -> bool:
    """Say whether ``content``, decompressed, has this digest, whatever the case of its digits."""
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return hmac.compare_digest(digest.encode(), sha1.lower().encode(errors="replace"))
