"""The XML codec of v2: one flat layer of text under one root, in UTF-8, and nothing else.

xmltodict does the parsing. The gateway's messages are a list of names and texts (protocol-v2
section 9), so whatever could be read in two ways, or could make a parser fetch, expand or nest,
is refused before any signature is checked. It is refused where it begins, inside the parser: a
document has to be read before it can be verified, so what it may cost is bounded here.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.parsers import expat

import xmltodict

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge

LARGEST_BODY: Final = 64 * 1024
# The longest answer, of refundquery, has ten refunds of a dozen fields and three for each coupon
# (protocol-v2 section 6.5). At the length of its names and texts a thousand fill the body.
MOST_ELEMENTS: Final = 1000

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_BARE: Final = re.compile(r"[0-9]+", re.ASCII)
_BLANK: Final = " \t\r\n"
# Of a field: it stands in the root, and nothing stands in it.
_DEPTH: Final = 2
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
        xmltodict.parse(
            document.whole(body),
            encoding="utf-8",
            expat=document,
            item_depth=_DEPTH,
            item_callback=document.take,
            strip_whitespace=False,
        )
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
    """What xmltodict takes as its ``expat`` module and hands the fields to, one by one.

    Its parser refuses what we refuse.
    """

    def __init__(self, root: str) -> None:
        self.fields: dict[str, str] = {}
        self._root = root
        self._open = ""
        self._parser: expat.XMLParserType

    def ParserCreate(  # noqa: N802 - the name xmltodict calls
        self, encoding: str | None, namespace_separator: str | None
    ) -> expat.XMLParserType:
        self._parser = parser = expat.ParserCreate(encoding, namespace_separator)
        parser.StartDoctypeDeclHandler = _refuser("a DOCTYPE")
        parser.ProcessingInstructionHandler = _refuser("a processing instruction")
        parser.CommentHandler = _refuser("a comment")
        parser.XmlDeclHandler = _check_declaration
        return parser

    def whole(self, body: bytes) -> Iterator[bytes]:
        """Yield ``body`` in one piece, once the parser has our handlers before xmltodict's own.

        xmltodict asks for the first piece after it has set them.
        """
        parser = self._parser
        begin: Any = parser.StartElementHandler
        self._read_text = parser.CharacterDataHandler

        def begin_root(name: str, attributes: list[str]) -> None:
            if name != self._root or attributes:
                raise MalformedMessage(f"the root element is not <{self._root}>")
            parser.StartElementHandler = begin_field
            parser.CharacterDataHandler = _check_blank
            begin(name, attributes)

        def begin_field(name: str, attributes: list[str]) -> None:
            if self._open or attributes:
                raise MalformedMessage("an element holds elements or attributes")
            self._check_name(name)
            self._open = name
            parser.CharacterDataHandler = self._read_text
            begin(name, attributes)

        parser.StartElementHandler = begin_root
        yield body

    def take(self, _path: object, text: str | None) -> bool:
        """Keep the field that has ended, and have xmltodict go on."""
        self.fields[self._open] = text or ""
        self._open = ""
        self._parser.CharacterDataHandler = _check_blank
        return True

    def _check_name(self, name: str) -> None:
        if name in self.fields:
            raise MalformedMessage(f"<{name[:32]}> occurs more than once")
        if not _NAME.fullmatch(name):
            raise MalformedMessage("a prefix or a name outside plain ASCII")
        if len(self.fields) == MOST_ELEMENTS:
            raise MalformedMessage(f"there are more than {MOST_ELEMENTS} elements")


def _check_blank(between: str) -> None:
    if between.strip(_BLANK):
        raise MalformedMessage("there is text between the elements")


def _refuser(what: str) -> Any:
    def refuse(*_: object) -> None:
        raise MalformedMessage(f"{what} has no place in a message")

    return refuse


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
    return f"<{name}>{text if _BARE.fullmatch(text) else _cdata(text)}</{name}>"


def _cdata(text: str) -> str:
    # "]]>" would end the section early; a bare CR would be read back as LF.
    safe = text.replace("]]>", "]]]]><![CDATA[>").replace("\r", "]]>&#13;<![CDATA[")
    return f"<![CDATA[{safe}]]>"
