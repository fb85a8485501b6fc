"""The XML codec of v2: one flat layer of text under one root, in UTF-8, and nothing else.

expat does the parsing. The gateway's messages are a list of names and texts (protocol-v2
section 9), so whatever could be read in two ways, or could make a parser fetch, expand or nest,
is refused before any signature is checked. It is refused where it begins, inside the parser: a
document has to be read before it can be verified, so what it may cost is bounded here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from typing import Any, Final
from xml.parsers import expat

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge

LARGEST_BODY: Final = 64 * 1024
# The longest answer, of refundquery, has ten refunds of a dozen fields and three for each coupon
# (protocol-v2 section 6.5). At the length of its names and texts a thousand fill the body.
MOST_ELEMENTS: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_BLANK: Final = " \t\r\n"
# What XML 1.0 has no way to write, not even as a character reference.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode_xml(body: bytes, *, root: str = "xml", limit: int = LARGEST_BODY) -> dict[str, str]:
    """Return the names and texts of a flat document; empty elements are "".

    Texts keep their blanks. Raises ``MessageTooLarge`` over ``limit`` bytes and
    ``MalformedMessage`` for everything else that is not such a document (protocol-v2
    section 9).
    """
    if len(body) > limit:
        raise MessageTooLarge(f"the document is larger than {limit} bytes")
    # expat follows the marks of UTF-16, whichever encoding it is given.
    if b"\0" in body or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise MalformedMessage("the document is not in UTF-8")
    document = _FlatDocument(root)
    try:
        document.parser().Parse(body, True)  # noqa: FBT003 - it takes no name: this is all of it
    except MalformedMessage:
        raise
    except (expat.ExpatError, ValueError) as error:
        raise MalformedMessage("not a well-formed XML document in UTF-8") from error
    return document.fields


def encode_xml(params: Mapping[str, str | int | None], *, root: str = "xml") -> bytes:
    """Return ``params`` as one flat document that ``decode_xml`` reads back unchanged.

    Empty texts and None are left out, 0 is a value. Raises ``MalformedMessage`` for a name
    or a character that XML cannot hold, ``TypeError`` for anything but text and whole
    numbers.
    """
    elements = [_element(name, plain_text(value)) for name, value in params.items()]
    return f"<{root}>{''.join(elements)}</{root}>".encode()


def plain_text(value: object) -> str:
    """Return a parameter as it stands on the wire: text as it is, whole numbers in decimal.

    None is the empty text. ``bool``, ``float`` and the rest are a ``TypeError``: each is
    written differently by every language, so no signature over them means anything.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"a parameter is text or a whole number, not {type(value).__name__}")


class _FlatDocument:
    """The fields of one document, as expat comes upon them."""

    __slots__ = ("_open", "_root", "_texts", "fields")

    def __init__(self, root: str) -> None:
        self.fields: dict[str, str] = {}
        self._root = root
        # The name of the field that is open, "" between two, None before the root.
        self._open: str | None = None
        # Of the field, or between two. expat joins the pieces of a text until its buffer is full.
        self._texts: list[str] = []

    def parser(self) -> expat.XMLParserType:
        """Return a parser that fills ``fields``, and raises for what has no place in them."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        # A method of C: most of the events are texts, and none of them calls Python.
        parser.CharacterDataHandler = self._texts.append
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.ProcessingInstructionHandler = _refuse_instruction
        parser.CommentHandler = _refuse_comment
        parser.XmlDeclHandler = _check_declaration
        return parser

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if self._open is None:
            self._begin_root(name, attributes)
            return
        if self._open or attributes:
            raise MalformedMessage("an element holds elements or attributes")
        self._check_blank()
        if name in self.fields:
            raise MalformedMessage(f"<{name[:32]}> occurs more than once")
        # What else a name may not hold, expat has refused.
        if not name.isascii() or ":" in name:
            raise MalformedMessage("a prefix or a name outside plain ASCII")
        if len(self.fields) == MOST_ELEMENTS:
            raise MalformedMessage(f"there are more than {MOST_ELEMENTS} elements")
        self._open = name

    def _begin_root(self, name: str, attributes: dict[str, str]) -> None:
        if name != self._root or attributes:
            raise MalformedMessage(f"the root element is not <{self._root}>")
        self._open = ""

    def _end(self, name: str) -> None:
        if self._open:
            self.fields[name] = "".join(self._texts)
            self._texts.clear()
            self._open = ""
        else:
            self._check_blank()

    def _check_blank(self) -> None:
        for text in self._texts:
            if text.strip(_BLANK):
                raise MalformedMessage("there is text between the elements")
        self._texts.clear()


def _refuser(what: str) -> Any:
    def refuse(*_: object) -> None:
        raise MalformedMessage(f"{what} has no place in a message")

    return refuse


_refuse_doctype: Final = _refuser("a DOCTYPE")
_refuse_instruction: Final = _refuser("a processing instruction")
_refuse_comment: Final = _refuser("a comment")


def _check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.upper() != "UTF-8":
        raise MalformedMessage("the document declares another encoding than UTF-8")


def _element(name: str, text: str) -> str:
    if not _NAME.fullmatch(name):
        raise MalformedMessage("an element's name is letters, digits, '_', '.' and '-'")
    if _UNWRITABLE.search(text):
        raise MalformedMessage(f"<{name}>: a character that XML cannot hold")
    if not text:
        return ""
    is_number = text.isascii() and text.isdigit()
    return f"<{name}>{text if is_number else _cdata(text)}</{name}>"


def _cdata(text: str) -> str:
    # "]]>" would end the section early; a bare CR would be read back as LF.
    safe = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
    return f"<![CDATA[{safe}]]>"
