"""Documents of 64 KiB that are chosen to be slow, and the honest ones they are held against."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

from django_wxpay.protocol.v2.xml import LARGEST_BODY, MOST_ELEMENTS
from tests.protocol.samples import PAID, signed


def filled(
    unit: Callable[[int], bytes], *, head: bytes = b"<xml>", tail: bytes = b"</xml>"
) -> bytes:
    """Return a document of at most 64 KiB that is full of ``unit(0)``, ``unit(1)`` and so on."""
    room = LARGEST_BODY - len(head) - len(tail)
    sizes = itertools.accumulate(len(unit(number)) for number in itertools.count())
    count = sum(1 for _ in itertools.takewhile(lambda size: size <= room, sizes))
    return b"".join([head, *map(unit, range(count)), tail])


def _in_a_field(unit: bytes) -> bytes:
    return filled(lambda _: unit, head=b"<xml><a>", tail=b"</a></xml>")


# As long as a refund's fields are, with their numbers.
HONEST: Final = filled(
    lambda n: b"<coupon_refund_fee_%d><![CDATA[a value of it]]></coupon_refund_fee_%d>" % (n, n)
)
TIRING: Final = {
    "nested": filled(lambda n: b"<a>", tail=b""),
    "nested and closed": b"<xml>" + b"<a>" * 9300 + b"</a>" * 9300 + b"</xml>",
    "nested under its own name": filled(lambda n: b"<xml>", tail=b""),
    "wide": filled(lambda n: b"<a%x/>" % n),
    "wide with texts": filled(lambda n: b"<a%x>1</a%x>" % (n, n)),
    "wide with blanks between": filled(lambda n: b"\n<a%x/>" % n),
    "as wide as is let in": filled(lambda n: b"<a%x>%s</a%x>" % (n, b"&#49;" * 10, n)),
    "the same name": filled(lambda n: b"<a/>"),
    "attributes": filled(lambda n: b"<a%x b='' c=''/>" % n),
    "attributes of one": filled(lambda n: b" a%x=''" % n, head=b"<xml><a", tail=b"/></xml>"),
    "another root": filled(lambda n: b"<a%x/>" % n, head=b"<a>", tail=b"</a>"),
    "one long text": _in_a_field(b"x"),
    "one long section": filled(lambda n: b"<", head=b"<xml><a><![CDATA[", tail=b"]]></a></xml>"),
    "one long name": filled(lambda n: b"a", head=b"<xml><", tail=b"/></xml>"),
    "character references": _in_a_field(b"&#65;"),
    "character references of controls": _in_a_field(b"&#9;"),
    "entities": _in_a_field(b"&lt;"),
    "sections": _in_a_field(b"<![CDATA[x]]>"),
    "empty sections": _in_a_field(b"<![CDATA[]]>"),
    "line ends": _in_a_field(b"\n"),
    "line ends of two": _in_a_field(b"\r\n"),
    "Chinese": _in_a_field("微".encode()),
    "brackets": _in_a_field(b"]"),
    "blanks between": filled(lambda n: b" "),
    "line ends between": filled(lambda n: b"\n"),
    "references between": filled(lambda n: b"&#32;"),
    "sections between": filled(lambda n: b"<![CDATA[ ]]>"),
    "references to nothing": _in_a_field(b"&#1;"),
    "declarations of entities": filled(
        lambda n: b"<!ENTITY a%x 'b'>" % n, head=b"<!DOCTYPE xml [", tail=b"]><xml/>"
    ),
    "comments": filled(lambda n: b"<!---->"),
    "instructions": filled(lambda n: b"<?a?>"),
    "long names": filled(lambda n: b"<%s%x/>" % (b"a" * 30, n)),
}


def _notice(**fields: str) -> bytes:
    """Return a signed notice of ``fields`` that is filled to 64 KiB."""
    bare = signed(PAID | {"device_info": "x"} | fields)
    room = LARGEST_BODY - len(bare) + 1
    return signed(PAID | {"device_info": "x" * room} | fields)


def _many(name: str, value: str, count: int = MOST_ELEMENTS - 20) -> dict[str, str]:
    return {name % number: value for number in range(count)}


_ROOM: Final = 60_000
HONEST_NOTICE: Final = _notice(**_many("new_field_%d", "a value of it", 900))
TIRING_NOTICES: Final = {
    "short fields": _notice(**_many("a%x", "1")),
    "coupons": _notice(**_many("coupon_fee_%d", "1")),
    "coupons that cannot be read": _notice(**_many("coupon_fee_%d", "x")),
    "coupons without number": _notice(**_many("coupon_%x_", "1")),
    "one long text": _notice(attach="x" * _ROOM),
    "one that could be cut everywhere": _notice(attach="&a=" * (_ROOM // 3)),
    "one that could be cut into many": _notice(
        attach="".join(f"&a{n * 7919 % 10007}=" for n in range(_ROOM // 8))
    ),
    "many that could be cut": _notice(**_many("a%x", "&a=&b=&c=&d=")),
    "one that could nearly be cut": _notice(attach="&a" * (_ROOM // 2)),
    "one that could be cut at its end": _notice(attach=f"&{'a' * _ROOM}="),
    "promotions": _notice(
        promotion_detail=f'{{"promotion_detail":[{",".join(["{}"] * 4900)}]}}'
    ),
    "goods": _notice(
        promotion_detail=f'{{"promotion_detail":[{{"goods_detail":[{",".join(["{}"] * 4900)}]}}]}}'
    ),
    "goods, as many as are read": _notice(
        promotion_detail=f'{{"promotion_detail":[{{"goods_detail":[{",".join(["{}"] * 990)}]}}]}}'
    ),
    "values of JSON": _notice(promotion_detail=f"[{'1,' * 9000}1]"),
    "brackets of JSON": _notice(promotion_detail="[" * 9000),
    "one long text of JSON": _notice(promotion_detail=f'{{"a":"{"a" * _ROOM}"}}'),
    "one long number of JSON": _notice(promotion_detail=f'{{"a":{"9" * _ROOM}}}'),
    "a long rate": _notice(rate="9" * _ROOM),
    "a long amount": _notice(cash_fee="9" * _ROOM),
    "a long time": _notice(time_end="9" * _ROOM),
}  # fmt: skip
UNPROVEN: Final = {
    "req_info that does not open": filled(
        lambda n: b"A", head=b"<xml><req_info>", tail=b"</req_info></xml>"
    ),
    "req_info of blanks": filled(
        lambda n: b"A ", head=b"<xml><req_info>", tail=b"</req_info></xml>"
    ),
}
