"""The rules: what each lets through, what each calls a problem, and how it words itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.rules import (
    IpAddress,
    JsonObject,
    OneOf,
    Text,
    Time14,
    Url,
    Whole,
    parse_object,
)

ANYTHING = JsonObject(max=40, described="anything", checker=lambda _content: "")
RULES = [
    Text(max=32),
    Text(max=127, unit="bytes"),
    Whole(min=1),
    OneOf(frozenset({"Y", "N"})),
    Time14(),
    IpAddress(),
    Url(max=256),
    ANYTHING,
]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Text(max=32), "1 to 32 characters: printable characters on one line"),
        (
            Text(min=6, max=127, unit="bytes", alphabet="[a]", described="only a"),
            "6 to 127 bytes of UTF-8: only a",
        ),
        (Whole(min=1, max=9), "a whole number from 1 to 9, in digits only"),
        (OneOf(frozenset({"Y", "N"})), "one of N, Y"),
        (Time14(), "14 digits yyyyMMddHHmmss, Beijing time"),
        (IpAddress(), "an IPv4 or IPv6 address"),
        (Url(max=256), "an absolute http(s) address of at most 256 characters, no query string"),
        (ANYTHING, "a JSON object of at most 40 characters: anything"),
    ],
)
def test_every_rule_says_itself_in_a_sentence(rule, text):
    assert rule.text == text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@given(value=st.text())
def test_no_text_whatever_makes_a_rule_raise(rule, value):
    assert isinstance(rule.problem(value), str)


@pytest.mark.parametrize("value", ["a", "微", "a" * 32, "微" * 32, " x ", "a\xa0b", "\U0001f600"])
def test_text_within_its_length_and_alphabet_is_fine(value):
    assert Text(max=32).problem(value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("", "0 chars long"),
        ("a" * 33, "33 chars long"),
        ("a\nb", "a character that is not allowed"),
        ("a\n", "a character that is not allowed"),
        ("\x7f", "a character that is not allowed"),
        ("\x85", "a character that is not allowed"),
        ("\ud800", "a character that is not allowed"),
        ("\ufffe", "a character that is not allowed"),
    ],
)
def test_text_that_is_too_long_or_not_of_its_alphabet_is_a_problem(value, problem):
    assert Text(max=32).problem(value) == problem


def test_length_in_bytes_counts_bytes_of_utf8():
    rule = Text(max=6, unit="bytes")

    assert rule.problem("微信") == ""
    assert rule.problem("微信a") == "7 bytes long"


@pytest.mark.parametrize("value", ["1", "100", "2147483647"])
def test_a_whole_number_in_plain_digits_is_fine(value):
    assert Whole(min=1).problem(value) == ""


@pytest.mark.parametrize(
    "value",
    ["", "0.01", "1.0", "1e2", "+1", "-1", "1,000", " 1", "1\n", "01", "1_0", "١", "９", "0x1",
     "1" * 19, "9" * 5000],
)  # fmt: skip
def test_anything_but_plain_digits_is_no_whole_number(value):
    assert Whole(min=1).problem(value) == "not a whole number in plain digits"


def test_a_whole_number_out_of_its_bounds_is_a_problem():
    assert Whole(min=1).problem("0") == "less than 1"
    assert Whole(max=5).problem("6") == "more than 5"
    assert Whole(min=1).problem("2147483648") == "more than 2147483647"


def test_one_of_a_few_words_is_case_sensitive():
    rule = OneOf(frozenset({"no_credit"}))

    assert rule.problem("no_credit") == ""
    assert rule.problem("NO_CREDIT") == "not one of the words known"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("20260101000000", ""),
        ("20240229235959", ""),
        ("20260229000000", "not a time of that form"),
        ("2026-01-01 00:00:00", "not a time of that form"),
        ("2026010100000", "not a time of that form"),
    ],
)
def test_a_time_is_14_digits_that_name_a_moment(value, problem):
    assert Time14().problem(value) == problem


@pytest.mark.parametrize("value", ["127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff00:42:8329"])
def test_both_kinds_of_ip_address_are_fine(value):
    assert IpAddress().problem(value) == ""


@pytest.mark.parametrize(
    "value", ["", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4/8", "::g"]
)
def test_what_is_no_ip_address_is_a_problem(value):
    assert IpAddress().problem(value) == "not an IP address"


def test_an_ip_address_with_a_zone_is_a_problem():
    assert IpAddress().problem("fe80::1%eth0") == "an IPv6 zone means nothing elsewhere"


@pytest.mark.parametrize(
    "value",
    [
        "https://example.com/notify",
        "http://127.0.0.1:8000/wxpay/notify/default/payment/",
        "https://[::1]:8443/x",
        "HTTPS://EXAMPLE.COM",
        "https://example.com/" + "a" * 236,
    ],
)
def test_an_absolute_address_is_fine(value):
    assert Url(max=256).problem(value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("https://example.com/" + "a" * 237, "257 characters long"),
        ("https://example.com/?a=1", "it has a query string or a fragment"),
        ("https://example.com/?", "it has a query string or a fragment"),
        ("https://example.com/#a", "it has a query string or a fragment"),
        ("", "a character that an address cannot hold"),
        ("https://example.com/ x", "a character that an address cannot hold"),
        ("https://example.com/\n", "a character that an address cannot hold"),
        ("https://例子.cn/", "a character that an address cannot hold"),
        ("/notify", "not an absolute http(s) address"),
        ("example.com/notify", "not an absolute http(s) address"),
        ("//example.com/notify", "not an absolute http(s) address"),
        ("ftp://example.com/", "not an absolute http(s) address"),
        ("javascript:alert(1)", "not an absolute http(s) address"),
        ("https:///notify", "not an absolute http(s) address"),
        ("https://[::1", "not an absolute http(s) address"),
        ("https://example.com:x/", "not an absolute http(s) address"),
        ("https://example.com:0/", "not an absolute http(s) address"),
        ("https://example.com:99999/", "not an absolute http(s) address"),
    ],
)
def test_what_is_no_absolute_address_without_a_query_is_a_problem(value, problem):
    assert Url(max=256).problem(value) == problem


@pytest.mark.parametrize(
    "value",
    ["", "x", "[]", '"a"', "1", "null", "{", "{'a':1}", '{"a":NaN}', '{"a":-Infinity}',
     '{"a":1}x', '{"a":1} {"b":2}'],
)  # fmt: skip
def test_what_is_no_json_object_is_a_problem(value):
    assert ANYTHING.problem(value) == "not a JSON object"


def test_a_json_object_is_held_against_its_checker_and_its_length():
    strict = JsonObject(max=40, described="", checker=lambda held: "" if "a" in held else "no a")

    assert strict.problem('{"a": 1}') == ""
    assert strict.problem('{"b": 1}') == "no a"
    assert strict.problem('{"a": "' + "x" * 32 + '"}') == "41 characters long"
    assert strict.problem('{"a": "\x00"}') == "a character that is not allowed"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 100_000,
        '{"a":' + "1" * 5000 + "}",
        '{"a":[' + "1," * 10_000 + "1]}",
        '{"a":"' + "x" * 64 * 1024 + '"}',
    ],
)
def test_json_made_to_break_a_parser_is_no_object(text):
    assert parse_object(text) is None
