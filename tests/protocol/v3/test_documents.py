"""Which JSON is let in, how its members are read, and how times are written."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MalformedMessage, MessageTooLarge
from django_wxpay.protocol.json_bounds import MOST_VALUES
from django_wxpay.protocol.times import BEIJING, parse_rfc3339, to_rfc3339
from django_wxpay.protocol.v3.documents import (
    DEEPEST,
    LARGEST_BODY,
    Unreadable,
    read_object,
    read_with_marks,
    write_object,
)
from django_wxpay.protocol.v3.reading import (
    child,
    integer,
    moment,
    number,
    objects,
    optional_child,
    optional_integer,
    optional_moment,
    optional_number,
    optional_text,
    text,
)

# Half a surrogate pair and NUL are JSON, but no database keeps them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner_: st.lists(inner_, max_size=3) | st.dictionaries(TEXTS, inner_, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"<xml></xml>",
        b"{} {}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":1,"a":2}',
        b'{"b":{"a":1,"a":1}}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":["\\udfff"]}',
        b'{"a":"\xff"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        '{"a":"测试"}'.encode("gbk"),
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_what_is_not_one_plain_object_is_malformed_and_nothing_else(body):
    with pytest.raises(MalformedMessage) as caught:
        read_object(body)

    assert type(caught.value) is MalformedMessage
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"1", b"null", b"<xml></xml>"])
def test_what_is_no_object_at_all_cannot_be_marked_either(body):
    with pytest.raises(MalformedMessage) as caught:
        read_with_marks(body)

    assert type(caught.value) is MalformedMessage
    with pytest.raises(MessageTooLarge):
        read_with_marks(b"{}", limit=1)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"NaN", "is NaN, which is not JSON"),
        (b"-Infinity", "is -Infinity, which is not JSON"),
        (b"1e400", "is a number larger than any"),
        (b"9" * 5000, "is a number of too many digits"),
        (b"-" + b"9" * 20, "is a number of too many digits"),
        (b'1,"a":1', "occurs more than once"),
        (b'1,"a":2,"a":3', "occurs more than once"),
    ],
)
def test_what_cannot_be_read_is_marked_and_the_rest_holds(value, why):
    content = read_with_marks(b'{"a":' + value + b',"b":1.5,"c":-7}')

    assert content == {"a": Unreadable(why), "b": 1.5, "c": -7}
    for strict in (text, integer, child, moment, number):
        with pytest.raises(MalformedMessage, match=f"^a {why}$"):
            strict(content, "a")
    assert (optional_text(content, "a"), optional_integer(content, "a")) == ("", None)
    assert (optional_child(content, "a"), optional_moment(content, "a")) == ({}, None)
    assert (optional_number(content, "a"), objects(content, "a")) == ("", [])


def test_half_a_character_in_octets_or_in_escapes_is_for_the_strict_readers_to_refuse():
    content = read_with_marks(
        b'\xef\xbb\xbf{"a":"\xe6\xb5","b":"\\ud83c","c":"\\u0000","d":"\xe6\xb5\x8b"}'
    )

    for name in ("a", "b", "c"):
        with pytest.raises(MalformedMessage, match=f"{name} holds what no text may"):
            text(content, name)
        assert optional_text(content, name)
    assert text(content, "d") == "测"


def test_a_number_is_whole_or_none():
    assert number({"a": "x" * 32}, "a") == "x" * 32
    with pytest.raises(MalformedMessage, match="a is longer than 32 characters"):
        number({"a": "x" * 33}, "a")
    assert number({"a": "x" * 64}, "a", longest=64)
    assert optional_number({"a": "x" * 33}, "a") == ""


def test_a_number_in_decimals_stays_one():
    assert read_object(b'{"a":1.5,"b":1.0}') == {"a": 1.5, "b": 1.0}


def test_one_octet_too_many_is_too_large_and_the_last_one_allowed_is_not():
    whole_one = b'{"a":"' + b"x" * (LARGEST_BODY - 8) + b'"}'

    assert len(whole_one) == LARGEST_BODY == 1024 * 1024
    assert len(read_object(whole_one)["a"]) == LARGEST_BODY - 8
    with pytest.raises(MessageTooLarge):
        read_object(whole_one + b" ")
    with pytest.raises(MessageTooLarge):
        read_object(b"{}", limit=1)


def test_the_depth_that_is_let_in_ends_where_it_is_said_to():
    def tower(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert read_object(tower(DEEPEST - 1))
    with pytest.raises(MalformedMessage, match="deeper"):
        read_object(tower(DEEPEST))


FULL = {
    "members": b"{" + b",".join(b'"%d":1' % n for n in range(100_000)) + b"}",
    "items": b'{"a":[' + b"1," * 100_000 + b"1]}",
    "empty objects": b'{"a":[' + b"{}," * 100_000 + b"{}]}",
    "one member again and again": b"{" + b'"a":1,' * 100_000 + b'"a":1}',
    "lists in lists": b'{"a":[' + b",".join([b"[" * 900 + b"]" * 900] * 500) + b"]}",
    "objects in objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.parametrize("reader", [read_object, read_with_marks])
@pytest.mark.parametrize("body", FULL.values(), ids=FULL.keys())
def test_a_document_of_very_many_values_is_refused_before_it_is_parsed(body, reader, monkeypatch):
    monkeypatch.setattr(json.JSONDecoder, "decode", None)

    with pytest.raises(MalformedMessage, match="more than 10000 values"):
        reader(body)


@pytest.mark.parametrize("reader", [read_object, read_with_marks])
def test_as_many_values_as_are_let_in_are_read(reader):
    # One bracket and one comma fewer than values.
    numbers = list(range(MOST_VALUES - 1))

    assert reader(json.dumps({"a": numbers}).encode()) == {"a": numbers}
    with pytest.raises(MalformedMessage, match="more than 10000 values"):
        reader(json.dumps({"a": [*numbers, 1]}).encode())


ODD = [
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"1.0",
    b"1",
    b"-0",
    b"9" * 19,
    b"9" * 20,
    b"-" + b"9" * 19,
    b"-" + b"9" * 20,
    b"true",
    b"null",
    b'"a"',
    b'"\\ud800\\u0000"',
    b'"\\",\\"a\\":1"',
    b'"\xff"',
    b"01",
    b"",
]


def _object(members: list[tuple[bytes, bytes]], blank: bytes) -> bytes:
    written = [b'"' + name + b'"' + blank + b":" + value for name, value in members]
    return b"{" + (blank + b",").join(written) + b"}"


DOCUMENTS = st.recursive(
    st.sampled_from(ODD),
    lambda inner: (
        st.builds(
            _object,
            st.lists(st.tuples(st.sampled_from([b"a", b"b", b"\\u0061", b""]), inner), max_size=4),
            st.sampled_from([b"", b" ", b"\n"]),
        )
        | st.lists(inner, max_size=3).map(lambda items: b"[" + b",".join(items) + b"]")
    ),
    max_leaves=8,
)


def marked(value: Any) -> Any:
    """Return what a document says, as lists of pairs have it, with marks."""
    if isinstance(value, tuple):
        names = [name for name, _ in value]
        twice = Unreadable("occurs more than once")
        return {n: twice if names.count(n) > 1 else marked(held) for n, held in value}
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, int) and abs(value) >= 10**19 and not isinstance(value, bool):
        return Unreadable("is a number of too many digits")
    if isinstance(value, float) and math.isnan(value):
        return Unreadable("is NaN, which is not JSON")
    return value


def refused(value: Any) -> bool:
    """Return whether a document with marks holds one, or a text that no text may be."""
    if isinstance(value, dict):
        return any(refused(held) for pair in value.items() for held in pair)
    if isinstance(value, list):
        return any(refused(item) for item in value)
    if isinstance(value, str):
        return not value.isascii() or "\0" in value
    return isinstance(value, Unreadable)


@given(DOCUMENTS)
def test_every_document_is_read_as_the_plain_parser_reads_it_but_for_the_marks(document):
    body = b'{"a":' + document + b"}"
    try:
        pairs = json.loads(
            body.decode(errors="surrogateescape"),
            object_pairs_hook=tuple,
            parse_float=lambda text: (
                Unreadable("is a number larger than any")
                if math.isinf(float(text))
                else float(text)
            ),
            parse_constant=lambda name: Unreadable(f"is {name}, which is not JSON"),
        )
    except ValueError:
        for reader in (read_object, read_with_marks):
            with pytest.raises(MalformedMessage):
                reader(body)
        return
    expected = marked(pairs)

    # Their reprs tell 1 from 1.0 and from True.
    assert repr(read_with_marks(body)) == repr(expected)
    if refused(expected):
        with pytest.raises(MalformedMessage):
            read_object(body)
    else:
        assert repr(read_object(body)) == repr(expected)


def test_a_number_of_more_digits_than_64_bits_have_is_refused_whatever_python_would_read():
    assert read_object(b'{"a":-9223372036854775808}') == {"a": -(2**63)}
    with pytest.raises(MalformedMessage, match="a number of too many digits"):
        read_object(b'{"a":' + b"9" * 20 + b"}")


def test_an_error_repeats_nothing_of_the_document():
    with pytest.raises(MalformedMessage) as caught:
        read_object(b'{"openid":"oUpF8uMuAJO","openid":"x"}')

    assert "oUpF8" not in str(caught.value)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(content):
    assert read_object(write_object(content)) == content


@given(st.binary())
def test_no_octets_whatever_raise_anything_else(body):
    try:
        assert isinstance(read_object(body), dict)
    except MalformedMessage:
        return


@given(st.dictionaries(st.text(), VALUES | st.text()))
def test_no_json_whatever_raises_anything_else(content):
    body = json.dumps(content).encode()
    try:
        assert read_object(body) == content
    except MalformedMessage:
        return


def test_what_is_written_is_compact_utf_8_in_the_order_given():
    assert write_object({"b": "测", "a": [1, True]}) == '{"b":"测","a":[1,true]}'.encode()


def test_absent_null_and_empty_members_are_absence():
    holder = {"null": None, "empty": ""}

    assert [text(holder, name) for name in ("null", "empty", "none")] == ["", "", ""]
    assert [moment(holder, name) for name in ("null", "empty", "none")] == [None, None, None]
    assert [integer(holder, name) for name in ("null", "none")] == [None, None]
    assert [child(holder, name) for name in ("null", "none")] == [{}, {}]


@pytest.mark.parametrize("value", [1, True, [], {}, 1.0])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(MalformedMessage, match="a is not text"):
        text({"a": value}, "a")


@pytest.mark.parametrize("value", [True, False, 1.0, "1", "", [], {}, -1, 2**31])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(MalformedMessage, match="a is "):
        integer({"a": value}, "a")


def test_the_bounds_of_a_whole_number_are_numbers():
    assert (integer({"a": 0}, "a"), integer({"a": 2**31 - 1}, "a")) == (0, 2**31 - 1)
    assert integer({"a": 2**31}, "a", most=2**31) == 2**31


@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(MalformedMessage, match="a is not an object"):
        child({"a": value}, "a")


def test_the_first_name_that_says_something_counts():
    assert text({"id": "", "transaction_id": "4200"}, "id", "transaction_id") == "4200"
    assert optional_text({"a": 1, "b": "x"}, "a", "b") == "x"
    assert optional_text({"a": 1}, "a", "b") == ""


def test_the_lenient_readers_leave_out_what_cannot_be_read():
    assert optional_integer({"a": 1.5, "b": True, "c": None, "d": 7}, "a", "b", "c", "d") == 7
    assert optional_integer({"a": -1}, "a", "b") is None
    assert objects({"a": {}, "b": [{"x": 1}, 2, None]}, "a", "b") == [{"x": 1}]
    assert objects({"a": "x"}, "a") == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2018-06-08T10:34:56+08:00", datetime(2018, 6, 8, 10, 34, 56, tzinfo=BEIJING)),
        ("2018-06-08T02:34:56Z", datetime(2018, 6, 8, 2, 34, 56, tzinfo=UTC)),
        ("2018-06-08T02:34:56.5-01:30", datetime(2018, 6, 8, 4, 4, 56, 500000, tzinfo=UTC)),
    ],
)
def test_times_of_rfc_3339_are_moments(said, meant):
    assert parse_rfc3339(said) == meant
    assert moment({"a": said}, "a") == meant


@pytest.mark.parametrize(
    "said",
    [
        "",
        "2018-06-08",
        "20180608T103456+0800",
        "2018-06-08T10:34:56",
        "2018-06-08 10:34:56+08:00",
        "2018-13-08T10:34:56+08:00",
        "2018-06-08T24:34:56+08:00",
        "2018-06-08T10:34:56+24:00",
        "0001-01-01T00:00:00+08:00",
        "0999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-08:00",
        "2018-06-08T10:34:56+08:00\n",
        "２018-06-08T10:34:56+08:00",
    ],
)
def test_what_is_no_time_of_rfc_3339_is_refused(said):
    with pytest.raises(ValueError, match=r"RFC 3339|calendar|must be|range|offset|hour|month"):
        parse_rfc3339(said)
    if said:
        with pytest.raises(MalformedMessage, match="a is not a time"):
            moment({"a": said}, "a")


def test_times_are_written_in_beijing_to_the_second():
    there = datetime(2024, 5, 1, 4, 0, 0, 999999, tzinfo=timezone(timedelta(hours=-5)))

    assert to_rfc3339(there) == "2024-05-01T17:00:00+08:00"
    with pytest.raises(ValueError, match="zone"):
        to_rfc3339(datetime(2024, 5, 1))  # noqa: DTZ001 - that is the point


@given(st.datetimes(min_value=datetime(1001, 1, 3), max_value=datetime(9998, 12, 29)))  # noqa: DTZ001
def test_what_is_written_as_a_time_is_that_time(moment_):
    aware = moment_.replace(microsecond=0, tzinfo=UTC)

    assert parse_rfc3339(to_rfc3339(aware)) == aware
