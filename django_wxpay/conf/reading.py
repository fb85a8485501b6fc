"""Reading of values as people and systems write them: what is meant, or why it cannot be used.

No message quotes a value that may be a key, and no variable holds one: ``read_sealed`` makes a
``Secret`` of it in the expression that takes it out of the settings. A path is quoted, for it is
what has to be corrected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path, PurePath
from typing import Any, Final

from django.utils.functional import Promise

from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import Sentence
from django_wxpay.protocol.sentences import sentence as _

# The names under which a value stands in the settings, from the outermost on.
Names = tuple[Any, ...]

# Blanks and line ends, and the byte order mark.
_AROUND: Final = " \t\r\n\ufeff"
BEGIN: Final = "-----BEGIN"
# DER, and PKCS#12 in it, begins with a SEQUENCE.
_DER: Final = b"\x30"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_IN_A_PATH: Final = re.compile(r"[./\\]")
_LONGEST_PATH: Final = 256
# No path is that long without a dot, and no RSA key is shorter.
_BARE_BASE64: Final = re.compile(r"[A-Za-z0-9+/=\s]{64,}")

# What stands in examples until somebody puts his own value there; none of it is in a real one.
_PLACEHOLDERS: Final = (
    (re.compile(r".*(\.{3}|\u2026).*"), _("it is cut off with dots")),
    (re.compile(r"<.*>|\[.*\]"), _("it stands in brackets")),
    (re.compile(r".*(\$\{|\{\{|\$\(|%\().*"), _("it holds a variable that nothing has filled in")),
    (re.compile(r"(?i:your)[-_ A-Z].*|.*(\b|_)(?i:your)(\b|_).*"), _('it says "your"')),
    (re.compile(r".*([你您]的|请填|填写|替换).*"), _("it asks for a value")),
    (re.compile(r"(?i)(wx|pub_key_id_)?[x*?#]{3,}|.*(x{8}|\*{4}).*"), _("it is x's or stars")),
    (
        re.compile(r"(?i)none|null|nil|undefined|todo.*|fixme.*|tbd|change.?me.*|placeholder"),
        _("a word stands in the place of a value"),
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


@dataclass(frozen=True, slots=True)
class Unusable:
    """What stands in the place of a value that should be a key and is no text; ``problem`` says."""

    problem: str


def read_sealed(
    settings: Callable[[], Any], *, is_shown: Callable[[Names], bool], at: Names = ()
) -> Any:
    """Return the setting under the names ``at`` as it is meant, with every key as a ``Secret``.

    ``settings`` returns the outermost dict. Whatever text stands under names that are not
    ``is_shown`` may be a key: also a misspelt setting, and one in the wrong place.
    """
    # Taken out anew in each expression, so that none of the settings is ever held.
    if at and is_shown(at):
        return as_meant(reduce(getitem, at, settings()))
    if isinstance(reduce(getitem, at, settings()), Mapping):
        return {
            name: read_sealed(settings, is_shown=is_shown, at=(*at, name))
            for name in reduce(getitem, at, settings())
        }
    if isinstance(reduce(getitem, at, settings()), list | tuple):
        length = len(reduce(getitem, at, settings()))
        return [read_sealed(settings, is_shown=is_shown, at=(*at, each)) for each in range(length)]
    if isinstance(reduce(getitem, at, settings()), Secret | None):
        return reduce(getitem, at, settings())
    if isinstance(reduce(getitem, at, settings()), str | PurePath | Promise):
        return Secret(str(reduce(getitem, at, settings())).strip(_AROUND))
    return Unusable(_of_type(type(reduce(getitem, at, settings()))))


def not_a_text(value: object) -> str:
    """Return what a value is that should be a text, and what to do about it, in a few words."""
    if isinstance(value, Unusable):
        return value.problem
    if value is None:
        return _("is not a text: it is missing, or an environment variable that is not set")
    if value == "":
        return _("is not a text: it is empty")
    return _of_type(type(value))


def _of_type(kind: type) -> str:
    if issubclass(kind, bytes | bytearray):
        return _("is not a text but bytes: decode it")
    if issubclass(kind, int | float):
        return _("is not a text but a number: put it in quotes")
    if hasattr(kind, "get_secret_value"):
        return _("is not a text but a secret's wrapper: give its get_secret_value()")
    return _("is not a text but a %(kind)s", kind=kind.__name__)


def placeholder(value: Secret) -> str:
    """Return by which rule a value is an example's and no real one, or ""."""
    for pattern, reason in _PLACEHOLDERS:
        if pattern.fullmatch(value.reveal()):
            return reason
    is_one = len(set(value.reveal())) == 1 < len(value.reveal())
    return _("it is one character again and again") if is_one else ""


def read_pem(value: Secret) -> Secret:
    """Return PEM text from PEM text (real newlines or literal ``\\n``) or from a file's path.

    Raises ``ValueError``, whose text says what is wrong and quotes a path and nothing else.
    """
    if not value:
        return value
    text = value if BEGIN in value.reveal() else _text_of_file(value)
    # What openssl writes before a PEM ("Bag Attributes") is for people, and may be in any language.
    pem = Secret(
        text.reveal()[text.reveal().index(BEGIN) :].replace("\\n", "\n").replace("\r\n", "\n")
    )
    if "ENCRYPTED" in pem.reveal():
        raise ValueError(
            _("is a PEM encrypted with a passphrase: decrypt it (openssl pkey -in ... -out ...)")
        )
    return Secret(pem.reveal().strip() + "\n")


def _text_of_file(path: Secret) -> Secret:
    if _BARE_BASE64.fullmatch(path.reveal()):
        raise ValueError(
            _("is base64 without the BEGIN and END lines of a PEM: give the whole PEM")
        )
    # A match, or its error, would hold the text: a key may stand in the place of a path.
    is_named = bool(_IN_A_PATH.search(path.reveal())) and len(path.reveal()) < _LONGEST_PATH
    shown = _('the file "%(path)s"', path=path.reveal()) if is_named else _("a file")
    try:
        octets = Secret(Path(path.reveal()).read_bytes())
    except FileNotFoundError:
        if PurePath(path.reveal()).is_absolute():
            problem = _("names %(file)s, which is missing", file=shown)
        else:
            problem = _(
                "names %(file)s, which is missing, seen from the working directory", file=shown
            )
    except IsADirectoryError:
        problem = _("names %(file)s, which is a folder", file=shown)
    except PermissionError:
        problem = _("names %(file)s, which this process may not read", file=shown)
    except (OSError, ValueError):
        problem = _("is neither a PEM nor the path of a readable file")
    else:
        return _text_of(octets, shown)
    raise ValueError(problem)


def _text_of(octets: Secret, shown: Sentence) -> Secret:
    if not octets.octets().strip():
        raise ValueError(_("names %(file)s, which is empty", file=shown))
    if octets.octets().startswith(_UTF_16):
        raise ValueError(_("names %(file)s, which is UTF-16: save it as UTF-8", file=shown))
    try:
        text = Secret(octets.octets().decode("utf-8-sig"))
    except UnicodeDecodeError:
        if octets.octets().startswith(_DER):
            problem = _(
                "names %(file)s, which is DER or PKCS#12 (.p12): turn it into a PEM with openssl",
                file=shown,
            )
        else:
            problem = _("names %(file)s, which is neither a PEM nor text", file=shown)
    else:
        if BEGIN in text.reveal():
            return text
        if _BARE_BASE64.fullmatch(text.reveal()):
            problem = _(
                "names %(file)s, which is base64 without the BEGIN and END lines of a PEM",
                file=shown,
            )
        else:
            problem = _("names %(file)s, which is not a PEM", file=shown)
    # Outside the except clause: that error holds what could not be decoded.
    raise ValueError(problem)
