"""The door in front of the XML parser: what is let in unchanged, and what is kept out, always."""

from __future__ import annotations

import sys
from typing import Any
from xml.sax.saxutils import escape

import pytest
import xmltodict
from hypothesis import example, given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge
from django_wxpay.protocol.v2 import decode_xml, encode_xml
from django_wxpay.protocol.v2.xml import LARGEST_BODY, MOST_ELEMENTS
from tests.protocol.v2.tiring import HONEST, TIRING
from tests.protocol.v2.vectors import M21, M21_XML

XML_CHARACTERS = st.characters(
    exclude_categories=["Cs"],
    exclude_characters=[chr(n) for n in range(32) if chr(n) not in "\t\n\r"] + ["\ufffe", "\uffff"],
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
PARAMS = st.dictionaries(
    NAMES, st.one_of(st.none(), st.text(XML_CHARACTERS), st.integers()), max_size=20
)
# A text in every way to write one, with what would be refused if it were not text.
WRITTEN = st.lists(
    st.one_of(
        st.text(XML_CHARACTERS).map(escape),
        XML_CHARACTERS.map(lambda character: f"&#{ord(character)};"),
        st.text(XML_CHARACTERS)
        .filter(lambda text: "]]>" not in text)
        .map(lambda text: f"<![CDATA[{text}]]>"),
        st.sampled_from(["<!DOCTYPE xml>", "<!-- -->", "<?php x ?>", "<b/>", "&x;"]).map(
            lambda text: f"<![CDATA[{text}]]>"
        ),
        st.sampled_from(["xmlns:p='urn:x'", "]]", "&quot;"]),
    ),
    max_size=4,
).map("".join)
BLANKS = st.text(" \t\r\n", max_size=3)


def test_the_notice_of_the_sheet_is_read_field_by_field():
    expected = M21 | {"attach": "", "sign": "4B1F27459B0443CC8F2D5E987032115C"}

    assert decode_xml(M21_XML) == expected


def test_the_writer_is_compact_with_bare_numbers_and_text_in_cdata():
    assert encode_xml({"total_fee": 1, "mch_id": "10000100", "body": "test"}) == (
        b"<xml><total_fee>1</total_fee><mch_id>10000100</mch_id><body><![CDATA[test]]></body></xml>"
    )


def test_absent_values_are_not_written_and_zero_is():
    assert encode_xml({"a": "", "b": None, "c": 0, "d": "0"}) == b"<xml><c>0</c><d>0</d></xml>"


def test_another_root_is_written_and_read_on_request():
    body = encode_xml({"refund_status": "SUCCESS"}, root="root")

    assert body == b"<root><refund_status><![CDATA[SUCCESS]]></refund_status></root>"
    assert decode_xml(body, root="root") == {"refund_status": "SUCCESS"}


@pytest.mark.parametrize(
    "text",
    ["]]>", "]]>]]>", "a]]>b", "]]\r>", "]]", ">", "]]]>", "<b>1</b>", "</body><total_fee>1",
     "&lt;", "&amp;", "&#13;", "\r", "\r\n", "a\rb", "\n", "\t", "  x  ", " ", "　", "\xa0",
     "腾讯充值中心", "\U0001f600", "١٢٣"],
)  # fmt: skip
def test_no_text_breaks_out_of_its_element_or_changes_on_the_way(text):
    assert decode_xml(encode_xml({"body": text, "total_fee": 1})) == {
        "body": text,
        "total_fee": "1",
    }


@pytest.mark.parametrize("text", ["\x00", "a\x0bb", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_a_character_that_xml_cannot_hold_is_refused_naming_the_element(text):
    with pytest.raises(MalformedMessage, match="<body>: a character that XML cannot hold"):
        encode_xml({"body": text})


@pytest.mark.parametrize("name", ["", "1a", "a b", "a><b", "@a", "#text", "a:b", "名", "a\n"])
def test_a_name_that_is_no_plain_element_name_is_refused(name):
    with pytest.raises(MalformedMessage, match="an element's name"):
        encode_xml({name: "x"})


@pytest.mark.parametrize("value", [True, False, 1.0, b"x", ["x"], {"x": 1}])
def test_values_that_are_neither_text_nor_whole_numbers_are_not_written(value):
    with pytest.raises(TypeError, match="a parameter is text or a whole number"):
        encode_xml({"a": value})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"<xml/>", {}),
        (b"<xml></xml>", {}),
        (b"<xml> \r\n\t</xml>", {}),
        (b"<xml><a/></xml>", {"a": ""}),
        (b"<xml><a></a></xml>", {"a": ""}),
        (b"<xml><a><![CDATA[]]></a></xml>", {"a": ""}),
        (b"<xml><a> </a></xml>", {"a": " "}),
        (b"<xml>\n <a> x </a>\n <b>\ty\n</b>\n</xml>\n", {"a": " x ", "b": "\ty\n"}),
        (b"<xml><a>x<![CDATA[<y>]]>z</a></xml>", {"a": "x<y>z"}),
        (b"<xml><a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;</a></xml>", {"a": "<&>\"'AB"}),
        (b"\xef\xbb\xbf<xml><a>1</a></xml>", {"a": "1"}),
        (b'<?xml version="1.0" encoding="UTF-8"?><xml><a>1</a></xml>', {"a": "1"}),
        (b"\xef\xbb\xbf<?xml version='1.0' encoding='utf-8'?>\n<xml><a>1</a></xml>", {"a": "1"}),
        (b'<?xml version="1.0" standalone="yes"?><xml><a>1</a></xml>', {"a": "1"}),
        (b"<xml><a><![CDATA[<!DOCTYPE a><!-- b --><?c?>&d;]]></a></xml>",
         {"a": "<!DOCTYPE a><!-- b --><?c?>&d;"}),
        (b"<xml>&#32;<a>1</a>&#13;<![CDATA[ ]]></xml>", {"a": "1"}),
        (b"<xml><a>" + b"x" * 9000 + b"&amp;" + b"y" * 9000 + b"</a></xml>",
         {"a": "x" * 9000 + "&" + "y" * 9000}),
        (b"<xml><new_field>\xe5\xbe\xae</new_field></xml>", {"new_field": "微"}),
    ],
)  # fmt: skip
def test_honest_documents_of_every_style_are_let_in(body, expected):
    assert decode_xml(body) == expected


BOMB = (
    b'<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><a>&c;</a></xml>'
)
HOSTILE = {
    "empty": b"",
    "blank": b"  \n",
    "JSON": b'{"return_code": "SUCCESS"}',
    "HTML": b"<html><body><p>502 Bad Gateway</p></body></html>",
    "HTML with DOCTYPE": b"<!DOCTYPE html><html></html>",
    "plain words": b"success",
    "form": b"a=1&b=2",
    "truncated": M21_XML[:200],
    "truncated in CDATA": b"<xml><a><![CDATA[x",
    "two roots": b"<xml/><xml/>",
    "text after": b"<xml/>x",
    "another root": b"<root><a>1</a></root>",
    "root in capitals": b"<XML><a>1</a></XML>",
    "DOCTYPE": b"<!DOCTYPE xml><xml><a>1</a></xml>",
    "external DOCTYPE": b'<!DOCTYPE xml SYSTEM "http://example.com/x.dtd"><xml><a>1</a></xml>',
    "external entity": (
        b'<!DOCTYPE xml [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><a>&x;</a></xml>'
    ),
    "parameter entity": b'<!DOCTYPE xml [<!ENTITY % x "y"> %x;]><xml/>',
    "entity bomb": BOMB,
    "undefined entity": b"<xml><a>&nbsp;</a></xml>",
    "character reference to nothing": b"<xml><a>&#0;</a></xml>",
    "character reference to half a pair": b"<xml><a>&#xD800;</a></xml>",
    "nesting": b"<xml><a><b>1</b></a></xml>",
    "empty nesting": b"<xml><a><b/></a></xml>",
    "deep nesting": b"<xml>" + b"<a>" * 9000 + b"</a>" * 9000 + b"</xml>",
    "text and element": b"<xml><a>x<b>1</b></a></xml>",
    "text between": b"<xml>x<a>1</a></xml>",
    "text after the last": b"<xml><a>1</a>x</xml>",
    "text between, in a section": b"<xml><a>1</a><![CDATA[x]]><b>1</b></xml>",
    "text between, after 64 KiB of blanks": b"<xml>" + b" " * 65500 + b"x<a/></xml>",
    "text only": b"<xml>x</xml>",
    "no-break space between": b"<xml>\xc2\xa0<a>1</a></xml>",
    "duplicate": b"<xml><a>1</a><a>2</a></xml>",
    "duplicate of the same": b"<xml><a>1</a><a>1</a></xml>",
    "duplicate, one empty": b"<xml><a/><a>1</a></xml>",
    "duplicate, both empty": b"<xml><a/><a/></xml>",
    "attribute": b'<xml><a type="int">1</a></xml>',
    "attribute alone": b'<xml><a type="int"/></xml>',
    "attribute of the root": b'<xml version="1"><a>1</a></xml>',
    "attribute of an empty root": b'<xml version="1"/>',
    "default namespace": b'<xml xmlns="urn:x"><a>1</a></xml>',
    "namespace": b'<xml xmlns:p="urn:x"><p:a>1</p:a></xml>',
    "default namespace of an element": b'<xml><a xmlns="urn:x">1</a></xml>',
    "namespace of an element": b'<xml><a xmlns:p="urn:x">1</a></xml>',
    "namespace alone": b'<xml xmlns:p="urn:x"/>',
    "prefix that XML defines": b"<xml><xml:a>1</xml:a></xml>",
    "attribute that XML defines": b'<xml><a xml:lang="zh">1</a></xml>',
    "prefix": b"<xml><p:a>1</p:a></xml>",
    "name outside ASCII": "<xml><金额>1</金额></xml>".encode(),
    "comment": b"<xml><a>1<!-- 0 -->0</a></xml>",
    "comment before": b"<!-- x --><xml/>",
    "processing instruction": b"<?php x ?><xml/>",
    "stylesheet": b'<?xml-stylesheet href="x"?><xml/>',
    "declared GBK": b'<?xml version="1.0" encoding="GBK"?><xml><a>1</a></xml>',
    "declared Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?><xml><a>1</a></xml>',
    "declared UTF-16": b'<?xml version="1.0" encoding="UTF-16"?><xml><a>1</a></xml>',
    "declared UTF-7": b'<?xml version="1.0" encoding="UTF-7"?><xml><a>+ADw-</a></xml>',
    "declared nonsense": b'<?xml version="1.0" encoding="x-nonsense"?><xml/>',
    "GBK": "<xml><a>微信</a></xml>".encode("gbk"),
    "UTF-16": "<xml><a>1</a></xml>".encode("utf-16"),
    "UTF-16 LE": "<xml><a>1</a></xml>".encode("utf-16-le"),
    "UTF-16 BE": "<xml><a>1</a></xml>".encode("utf-16-be"),
    "UTF-16 BE with its mark": b"\xfe\xff" + "<xml/>".encode("utf-16-be"),
    "UTF-32": "<xml><a>1</a></xml>".encode("utf-32"),
    "UTF-16 behind a UTF-8 mark": b"\xef\xbb\xbf" + "<xml/>".encode("utf-16"),
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbf<xml/>",
    "overlong UTF-8": b"<xml><a>\xc0\xbc</a></xml>",
    "half a pair in UTF-8": b"<xml><a>\xed\xa0\x80</a></xml>",
    "NUL": b"<xml><a>\x00</a></xml>",
    "control character": b"<xml><a>\x0b</a></xml>",
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_malformed_and_nothing_else(body):
    with pytest.raises(MalformedMessage):
        decode_xml(body)


def test_a_body_of_exactly_the_limit_is_let_in():
    body = b"<xml><a>" + b"x" * (65536 - 18) + b"</a></xml>"

    assert len(body) == 65536
    assert decode_xml(body) == {"a": "x" * 65518}


def test_a_body_of_one_byte_more_is_too_large():
    body = b"<xml><a>" + b"x" * (65537 - 18) + b"</a></xml>"

    assert len(body) == 65537
    with pytest.raises(MessageTooLarge, match="larger than 65536 bytes"):
        decode_xml(body)


def calls(body):
    """Return how many functions are called, of Python and of C, until ``body`` is judged."""
    count = 0

    def profile(_frame, event, _arg):
        nonlocal count
        count += event.endswith("call")

    sys.setprofile(profile)
    try:
        decode_xml(body)
    except MalformedMessage:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("body", TIRING.values(), ids=TIRING.keys())
def test_no_document_is_more_work_than_an_honest_one_of_its_size(body):
    assert 60_000 <= len(body) <= LARGEST_BODY
    assert calls(body) < 1.5 * calls(HONEST)


def test_a_document_of_as_many_elements_as_are_let_in_is_read_and_of_one_more_is_not():
    fields = {f"a{number}": "1" for number in range(MOST_ELEMENTS)}

    assert decode_xml(encode_xml(fields)) == fields
    with pytest.raises(MalformedMessage, match="more than 1000 elements"):
        decode_xml(encode_xml(fields | {"b": "1"}))


def test_the_longest_answer_of_refundquery_is_let_in():
    names = (
        "out_refund_no refund_id refund_channel refund_fee settlement_refund_fee "
        "coupon_refund_fee coupon_refund_count refund_status refund_account "
        "refund_recv_accout refund_success_time"
    ).split()
    coupons = ("coupon_type", "coupon_refund_id", "coupon_refund_fee")
    fields = {f"head_{number}": "x" for number in range(25)}
    fields |= {f"{name}_{n}": "x" * 20 for n in range(10) for name in names}
    fields |= {f"{name}_{n}_{m}": "x" * 8 for n in range(10) for m in range(20) for name in coupons}

    assert decode_xml(encode_xml(fields)) == fields


def test_a_refusal_comes_before_what_follows_is_looked_at():
    for start in (b"<xml><a><b>", b"<xml><a/><a/>", b"<xml><a b='c'>", b"<xml>x<a>", b"<root>"):
        with pytest.raises(MalformedMessage) as caught:
            decode_xml(start + b"& this is no XML")
        assert "well-formed" not in str(caught.value)


def test_the_limit_is_the_callers_to_set():
    with pytest.raises(MessageTooLarge, match="larger than 5 bytes"):
        decode_xml(b"<xml/>", limit=5)


def test_the_reason_of_a_refusal_does_not_quote_the_document():
    with pytest.raises(MalformedMessage) as caught:
        decode_xml(b"<xml><a>4200000000202601010000000001<b/></a></xml>")

    assert "4200000000202601010000000001" not in str(caught.value)


@given(PARAMS)
def test_what_is_written_is_read_back_unchanged(params):
    written = {name: str(value) for name, value in params.items() if value not in (None, "")}

    assert decode_xml(encode_xml(params)) == written


@given(data=st.data(), names=st.lists(NAMES, unique=True, max_size=8))
def test_a_flat_document_of_any_style_is_read_as_xmltodict_reads_it(data, names):
    fields = "".join(
        f"{data.draw(BLANKS)}<{name}>{data.draw(WRITTEN)}</{name}{data.draw(BLANKS)}>"
        for name in names
    )
    body = f"<xml>{fields}{data.draw(BLANKS)}</xml>".encode()

    assert decode_xml(body) == _read_by_xmltodict(body)


@given(st.binary(max_size=400))
@example(b"\xff\xfe<\x00x\x00m\x00l\x00/\x00>\x00")
def test_arbitrary_bytes_are_malformed_or_a_flat_document_and_nothing_else(body):
    assert _read_or_refused(body)


@given(st.lists(st.sampled_from([
    b"<xml>", b"</xml>", b"<xml/>", b"<a>", b"</a>", b"<a/>", b"<b c='d'>", b"</b>", b"<a:b>",
    b"x", b" ", b"&amp;", b"&x;", b"&#13;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?a b?>",
    b"<!DOCTYPE xml>", b"<!DOCTYPE xml [", b"<!ENTITY a 'b'>", b"]>", b"\xef\xbb\xbf", b"\x00",
    b"<?xml version='1.0'?>", b"<?xml version='1.0' encoding='latin-1'?>", b"\xff\xfe", b"\xe5",
]), max_size=14).map(b"".join))  # fmt: skip
def test_pieces_of_xml_in_any_order_are_malformed_or_a_flat_document_and_nothing_else(body):
    assert _read_or_refused(body)


@given(st.integers(0, len(M21_XML) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_notice_is_malformed_or_a_flat_document_and_nothing_else(position, damage):
    assert _read_or_refused(M21_XML[:position] + damage + M21_XML[position + len(damage) :])


def _read_or_refused(body: bytes) -> bool:
    try:
        fields = decode_xml(body)
    except MalformedMessage:
        return True
    flat = all(isinstance(k, str) and isinstance(v, str) for k, v in fields.items())
    # Whatever was let in, we can say again, and it means the same.
    kept = {name: value for name, value in fields.items() if value}
    return flat and decode_xml(encode_xml(fields)) == kept


def _read_by_xmltodict(body: bytes) -> dict[str, str]:
    document: Any = xmltodict.parse(body, strip_whitespace=False)["xml"]
    fields = document if isinstance(document, dict) else {}
    # Under this name it keeps the blanks between the elements.
    return {name: text or "" for name, text in fields.items() if name != "#text"}
