"""Bodies for any endpoint: JSON and uploads of APIv3, and the fields of v2.

What cannot be written, or would be written differently by every language, is refused here by the
name of the argument, before anything is signed.
"""

from __future__ import annotations

import hashlib
import json as json_codec
import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.merchants import Merchant

LARGEST_JSON: Final = 1024 * 1024
# The largest documented upload is a video of 5 MiB (protocol-v3 section 13.1).
LARGEST_UPLOAD: Final = 10 * 1024 * 1024
LARGEST_XML: Final = 64 * 1024
# What this package adds, or signs over.
OURS: Final = ("sign", "sign_type", "nonce_str")
_MERCHANTS: Final = ("mch_id", "mchid")
_APPIDS: Final = ("appid", "mch_appid", "wxappid")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FILENAME: Final = re.compile(r"[0-9A-Za-z_(). -]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file as it is sent: ``meta`` is what is signed in the place of ``body``."""

    meta: bytes
    body: bytes = field(repr=False)
    content_type: str


def json_octets(content: object) -> bytes:
    """Return ``content`` as the octets to sign and to send; ``InvalidParameter`` naming json."""
    if not isinstance(content, Mapping):
        raise _bad_json("is not a mapping: the body of APIv3 is one JSON object")
    try:
        text = json_codec.dumps(
            dict(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        octets = text.encode()
    except (TypeError, ValueError, RecursionError):
        raise _bad_json("holds what JSON cannot: NaN, a Decimal, octets, a circle") from None
    # Written, so it has an end. A key that is no text was turned into one, perhaps into another's.
    if not all(isinstance(key, str) for key in _keys(content)):
        raise _bad_json("has a member whose name is not text")
    if len(octets) > LARGEST_JSON:
        raise _bad_json(f"is larger than {LARGEST_JSON} bytes")
    return octets


def texts_in(content: object) -> Iterator[str]:
    """Yield every text in a content that ``json_octets`` has taken."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from texts_in(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from texts_in(value)


def upload_of(filename: object, content: object) -> Upload:
    """Return the multipart body of an upload (protocol-v3 section 2.1).

    Raises ``InvalidParameter`` naming ``filename`` or ``content``.
    """
    kind = mimetypes.guess_type(filename)[0] if isinstance(filename, str) else None
    if not isinstance(filename, str) or not _FILENAME.fullmatch(filename) or kind is None:
        rule = "up to 128 letters, digits, '_', '(', ')', '.', '-' and blanks, ending as its kind"
        raise InvalidParameter("filename", "is no name of a file whose kind it tells", rule)
    if not isinstance(content, bytes) or not 0 < len(content) <= LARGEST_UPLOAD:
        raise InvalidParameter("content", "is not a file", f"1 to {LARGEST_UPLOAD} bytes")
    digest = hashlib.sha256(content).hexdigest()
    meta = json_codec.dumps({"filename": filename, "sha256": digest}, separators=(",", ":"))
    # No file holds its own digest.
    boundary = f"wxpay{digest}"
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="meta"\r\n'
        f"Content-Type: application/json\r\n\r\n{meta}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    return Upload(
        meta=meta.encode(),
        body=b"".join((parts.encode(), content, f"\r\n--{boundary}--\r\n".encode())),
        content_type=f"multipart/form-data; boundary={boundary}",
    )


def v2_fields(fields: object, merchant: Merchant) -> dict[str, str]:
    """Return ``fields`` with the merchant's ``mch_id`` and ``appid`` where they name neither.

    Some interfaces have other words for them, such as ``mchid`` and ``mch_appid``. Raises
    ``InvalidParameter`` for what is no text, is another merchant's, or is added later.
    """
    if not isinstance(fields, Mapping):
        raise InvalidParameter("fields", "are not a mapping of names to texts")
    texts = {name: _field(name, value) for name, value in fields.items()}
    if sum(len(name) + len(text.encode()) for name, text in texts.items()) > LARGEST_XML:
        raise InvalidParameter("fields", f"are larger than {LARGEST_XML} bytes")
    numbers = [texts[name] for name in _MERCHANTS if texts.get(name)]
    appids = [texts[name] for name in _APPIDS if texts.get(name)]
    if any(number != merchant.mch_id for number in numbers):
        raise InvalidParameter("mch_id", "is not this merchant's")
    if not all(map(merchant.owns_appid, appids)):
        raise InvalidParameter("appid", "is not one of this merchant's")
    ours = {} if appids else {"appid": merchant.appid}
    return ours | ({} if numbers else {"mch_id": merchant.mch_id}) | texts


def _field(name: object, value: object) -> str:
    if not isinstance(name, str) or not _FIELD.fullmatch(name):
        raise InvalidParameter("fields", "a name is not letters, digits, '_', '.' and '-'")
    if name in OURS:
        raise InvalidParameter(name, "is added by the call")
    if not isinstance(value, str):
        raise InvalidParameter(name, "is not text", "text, numbers as their digits")
    if _UNWRITABLE.search(value):
        raise InvalidParameter(name, "has a character that XML cannot hold")
    return value


def _keys(content: Any) -> Iterator[object]:
    if isinstance(content, Mapping):
        yield from content
        for value in content.values():
            yield from _keys(value)
    elif isinstance(content, list | tuple):
        for value in content:
            yield from _keys(value)


def _bad_json(problem: str) -> InvalidParameter:
    return InvalidParameter("json", problem)
