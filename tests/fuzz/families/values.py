"""Values that readers and databases do not take alike: texts, times and numbers."""

from __future__ import annotations

from typing import Any

TEXTS = (
    "\U0001f4a9" * 200,
    "x" * 5000,
    "é\N{COMBINING ACUTE ACCENT}",
    "<script>alert(1)</script>",
    "]]>",
    "'; DROP TABLE django_wxpay_order; --",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt",
    "%s%n{}{0}",
    "\x7f\x80\x9f",
    "null",
    " ",
    "\r\n",
    "\ufffd\ufffe"[:1],
)
UNSTORABLE = ("\0", "a\0b", "\ud800", "\udfff\ud800", "\0" * 300, "x\ud83d")
TIMES_V2 = (
    "00010101000000",
    "00000000000000",
    "99991231235959",
    "20260230000000",
    "20260101240000",
    "20260101000060",
    "10000101000000",
    "2026010100013",
    "-0260101000130",
    "",
    " ",
    "x" * 14,
    "２０２６0101000130",
)
TIMES_V3 = (
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "0000-00-00T00:00:00Z",
    "2026-02-30T00:00:00+08:00",
    "2026-01-01T00:00:60Z",
    "2026-01-01T00:00:00",
    "1000-01-01T00:00:00+00:00",
    "0999-12-31T23:59:59-00:01",
    "2026-01-01T00:00:00.999999999+24:00",
    20260101,
    None,
    "",
    ["x"],
)
NUMBERS: tuple[Any, ...] = (
    10**18,
    10**19,
    10**400,
    -1,
    0,
    1.5,
    float("1e300"),
    True,
    "100",
    None,
    [],
    {},
    "9" * 5000,
)
