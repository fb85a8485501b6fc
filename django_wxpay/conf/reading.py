"""Reading of values as people and systems write them: what is meant, or why it cannot be used.

No message quotes a value that may be a key. A path is quoted, for it is what has to be corrected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, Final

from django.utils.functional import Promise

# Blanks and line ends, and the byte order mark.
_AROUND: Final = " \t\r\n\ufeff"
_BEGIN: Final = "-----BEGIN"
# DER, and PKCS#12 in it, begins with a SEQUENCE.
_DER: Final = b"\x30"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
# No path is that long without a dot, and no RSA key is shorter.
_BARE_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]{64,}")

# What stands in examples until somebody puts his own value there; none of it is in a real one.
_PLACEHOLDERS: Final = (
    (re.compile(r".*(\.{3}|\u2026).*"), "it is cut off with dots"),
    (re.compile(r"<.*>|\[.*\]"), "it stands in brackets"),
    (re.compile(r".*(\$\{|\{\{|\$\(|%\().*"), "it holds a variable that nothing has filled in"),
    (re.compile(r"(?i:your)[-_ A-Z].*|.*\b(?i:your)\b.*"), 'it says "your"'),
    (re.compile(r"(?i)(wx|pub_key_id_)?[x*?#]{3,}|.*(x{8}|\*{4}).*"), "it is x's or stars"),
    (
        re.compile(r"(?i)none|null|nil|undefined|todo.*|fixme.*|tbd|change.?me.*|placeholder"),
        "a word stands in the place of a value",
    ),
)


def as_meant(value: Any) -> Any:
    """Return settings without what the way here has added to them, paths and lazy texts as text."""
    if isinstance(value, Mapping):
        return {name: as_meant(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        held = [as_meant(each) for each in value]
        return held if isinstance(value, list) else tuple(held)
    if isinstance(value, PurePath | Promise):
        value = str(value)
    # A mounted secret ends with a newline, and a file that Windows wrote begins with a mark.
    return value.strip(_AROUND) if isinstance(value, str) else value


def not_a_text(value: object) -> str:
    """Return what a value is that should be a text, and what to do about it, in a few words."""
    if value is None:
        return "is not a text: it is missing, or an environment variable that is not set"
    if value == "":
        return "is not a text: it is empty"
    if isinstance(value, bytes | bytearray):
        return "is not a text but bytes: decode it"
    if isinstance(value, int | float):
        return "is not a text but a number: put it in quotes"
    if hasattr(value, "get_secret_value"):
        return "is not a text but a secret's wrapper: give its get_secret_value()"
    return f"is not a text but a {type(value).__name__}"


def placeholder(value: str) -> str:
    """Return by which rule a value is an example's and no real one, or ""."""
    for pattern, reason in _PLACEHOLDERS:
        if pattern.fullmatch(value):
            return reason
    return "it is one character again and again" if len(set(value)) == 1 < len(value) else ""


def read_pem(value: str) -> str:
    """Return PEM text from PEM text (real newlines or literal ``\\n``) or from a file's path.

    Raises ``ValueError``, whose text says what is wrong and quotes a path and nothing else.
    """
    if not value:
        return ""
    text = value if _BEGIN in value else _text_of_file(value)
    # What openssl writes before a PEM ("Bag Attributes") is for people, and may be in any language.
    pem = text[text.index(_BEGIN) :].replace("\\n", "\n").replace("\r\n", "\n")
    if "ENCRYPTED" in pem:
        raise ValueError(
            "is a PEM encrypted with a passphrase: decrypt it (openssl pkey -in ... -out ...)"
        )
    return pem.strip() + "\n"


def _text_of_file(path: str) -> str:
    if _BARE_BASE64.fullmatch(path):
        raise ValueError("is base64 without the BEGIN and END lines of a PEM: give the whole PEM")
    shown = f'the file "{path}"' if re.search(r"[./\\]", path) and len(path) < 256 else "a file"
    try:
        octets = Path(path).read_bytes()
    except FileNotFoundError:
        where = "" if PurePath(path).is_absolute() else ", seen from the working directory"
        raise ValueError(f"names {shown}, which is missing{where}") from None
    except IsADirectoryError:
        raise ValueError(f"names {shown}, which is a folder") from None
    except PermissionError:
        raise ValueError(f"names {shown}, which this process may not read") from None
    except (OSError, ValueError):
        raise ValueError("is neither a PEM nor the path of a readable file") from None
    return _text_of(octets, shown)


def _text_of(octets: bytes, shown: str) -> str:
    if not octets.strip():
        raise ValueError(f"names {shown}, which is empty")
    if octets.startswith(_UTF_16):
        raise ValueError(f"names {shown}, which is UTF-16: save it as UTF-8")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        is_der = octets.startswith(_DER)
        kind = "DER or PKCS#12 (.p12)" if is_der else "neither a PEM nor text"
        advice = ": turn it into a PEM with openssl" if is_der else ""
        raise ValueError(f"names {shown}, which is {kind}{advice}") from None
    if _BEGIN not in text:
        bare = _BARE_BASE64.fullmatch(text)
        kind = "base64 without the BEGIN and END lines of a PEM" if bare else "not a PEM"
        raise ValueError(f"names {shown}, which is {kind}")
    return text
