"""Addresses of any endpoint: the octets that are signed and sent, and the name they are counted by.

A path is a template. ``{name}`` stands for a whole segment, which is filled from the parameters;
what is left of them is the query. So the calls of one interface are counted together, however
many orders they name: the template is what a report keeps. In a path without places a segment
that looks like a number is not kept either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlencode, urlsplit

from django_wxpay.protocol.errors import InvalidParameter
from django_wxpay.protocol.merchants import Api

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
LONGEST_TARGET: Final = 4096
PATH_RULE: Final = (
    'a path such as "/v3/profitsharing/orders/{out_order_no}": no scheme, host or query, and '
    "neither empty segments nor dots"
)
_V3: Final = re.compile("/(hk/)?v3/")
_PLACE: Final = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")
_PLAIN: Final = re.compile("[!-~]+")
_ENCODING: Final = re.compile("%(?![0-9A-Fa-f]{2})")
# What the library writes otherwise than it is given: the signature is over what is sent.
_REWRITTEN: Final = re.compile("%[0-9A-Fa-f]{2}|[^A-Za-z0-9._~!$&'()*+,;=:@/?-]")
_UNRESERVED: Final = re.compile("[A-Za-z0-9._~-]")
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f]")
_SEPARATING: Final = re.compile(rb"[\0-\x1f\x7f/\\]")
# WeChat Pay names interfaces in small letters, with few digits ("complaints-v2").
_NAME: Final = re.compile("[a-z][a-z0-9_.-]{0,47}")
_PORTS: Final = {"https": 443, "http": 80}
_MOST_DIGITS: Final = 3
_UNNAMED: Final = "{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a call goes: ``target`` is path and query as sent, ``interface`` what is counted."""

    method: str
    target: str
    interface: str


def v3_endpoint(method: object, path: object, params: object = None) -> Endpoint:
    """Return the endpoint of APIv3 that ``path`` is, filled from ``params``.

    Raises ``InvalidParameter`` naming ``method``, ``path`` or ``params``.
    """
    segments = _segments(path, Api.V3)
    values = _texts(params)
    filled = "".join(f"/{_filled(segment, values)}" for segment in segments)
    left = {name: text for name, text in values.items() if f"{{{name}}}" not in segments}
    query = urlencode(left, quote_via=quote)
    return Endpoint(
        method=_method(method),
        target=_bounded(f"{filled}?{query}" if query else filled),
        interface="".join(f"/{_named(segment)}" for segment in segments),
    )


def v2_path(path: object) -> str:
    """Return a path of v2 as it is sent; ``InvalidParameter`` naming ``path``."""
    segments = _segments(path, Api.V2)
    if any(map(_PLACE.fullmatch, segments)):
        raise _bad_path("has places to fill: v2 names everything in its fields")
    return _bounded("".join(f"/{_filled(segment, {})}" for segment in segments))


def own_file(url: object, hosts: Iterable[str]) -> tuple[str, str, str]:
    """Return which of ``hosts`` a file is on, its target, and the name it is counted by.

    Raises ``InvalidParameter`` naming ``url`` for one that is elsewhere: the request for it is
    signed, and goes to nobody else.
    """
    rule = "an address of APIv3 on one of the merchant's HOSTS, as a signed answer gave it"
    try:
        host, target = signed_address(url if isinstance(url, str) else "", hosts)
        path = target.partition("?")[0]
        segments = _segments(path, Api.V3)
        for segment in segments:
            _encoded(_decoded(segment), "url")
    except ValueError as problem:
        raise InvalidParameter("url", "is not an address that a file is fetched from", rule) from (
            problem
        )
    return host, _bounded(target), "".join(f"/{_named(segment)}" for segment in segments)


def signed_address(url: str, hosts: Iterable[str]) -> tuple[str, str]:
    """Return which of ``hosts`` an absolute ``url`` is on, and its path with query as it is sent.

    Raises ``ValueError`` with a sentence about one that is elsewhere, or that could be sent
    otherwise than it is signed.
    """
    address = urlsplit(url)
    if not _PLAIN.fullmatch(url) or _ENCODING.search(url) or address.fragment:
        raise ValueError("is no address")
    for host in hosts:
        if _place(urlsplit(host)) == _place(address) is not None:
            # Signed as it is sent: no question mark without a query.
            query = f"?{address.query}" if address.query else ""
            return host, _REWRITTEN.sub(_as_sent, f"{address.path}{query}")
    raise ValueError("is on none of the merchant's hosts")


def _as_sent(found: re.Match[str]) -> str:
    """Return a character, or one that is percent-encoded, as the library writes it."""
    text = found[0]
    if text.startswith("%"):
        plain = chr(int(text[1:], 16))
        return plain if _UNRESERVED.fullmatch(plain) else text.upper()
    return quote(text, safe="")


def _place(address: SplitResult) -> tuple[str, str, int] | None:
    try:
        port = address.port
    except ValueError:
        return None
    if address.username is not None or address.scheme not in _PORTS or not address.hostname:
        return None
    return address.scheme, address.hostname, port or _PORTS[address.scheme]


def _method(method: object) -> str:
    word = method.upper() if isinstance(method, str) else ""
    if word not in METHODS:
        raise InvalidParameter("method", "is not known", ", ".join(METHODS))
    return word


def _bad_path(problem: str) -> InvalidParameter:
    return InvalidParameter("path", problem, PATH_RULE)


def _segments(path: object, api: Api) -> list[str]:
    if not isinstance(path, str):
        raise _bad_path("is not text")
    if not path.isascii():
        raise _bad_path("is not ASCII: what else there is belongs in params, or percent-encoded")
    if "://" in path or path.startswith("//") or not path.startswith("/"):
        raise _bad_path("is not a path alone: the hosts are those of the merchant")
    if "?" in path or "#" in path:
        raise _bad_path("has a query or a fragment: a query is given as params")
    if not _PLAIN.fullmatch(path) or "\\" in path or _ENCODING.search(path):
        raise _bad_path("has a character that no path can hold")
    if bool(_V3.match(path)) is not (api is Api.V3):
        raise _bad_path("is not one of APIv3" if api is Api.V3 else "is one of APIv3")
    return path[1:].split("/")


def _filled(segment: str, values: Mapping[str, str]) -> str:
    place = _PLACE.fullmatch(segment)
    if place is None:
        if "{" in segment or "}" in segment:
            raise _bad_path("has a place that is no whole segment, or no name")
        return _encoded(_decoded(segment), "path")
    if place[1] not in values:
        raise InvalidParameter("params", f"{place[1]} is missing, and the path has a place for it")
    return _encoded(values[place[1]], "params")


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise _bad_path("is not UTF-8 where it is percent-encoded") from None


def _encoded(text: str, field: str) -> str:
    # A server may decode more often than once, so that it sees what was hidden twice.
    seen = text.encode()
    while (plainer := unquote_to_bytes(seen)) != seen:
        seen = plainer
    if seen in {b"", b".", b".."} or _SEPARATING.search(seen) or _CONTROL.search(text):
        problem = "an empty segment, dots, a slash or a control character, encoded or not"
        raise InvalidParameter(field, f"the path would have {problem}", PATH_RULE)
    # As this package's own paths are written: what is signed is what is sent.
    return quote(text, safe="*")


def _named(segment: str) -> str:
    is_name = _NAME.fullmatch(segment) and sum(map(str.isdigit, segment)) <= _MOST_DIGITS
    return segment if is_name or _PLACE.fullmatch(segment) else _UNNAMED


def _texts(params: object) -> dict[str, str]:
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise InvalidParameter("params", "are not a mapping of names to values")
    return {_name(name): _text(name, value) for name, value in params.items() if value is not None}


def _name(name: object) -> str:
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise InvalidParameter("params", "a name is not text of printable ASCII")
    return name


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidParameter("params", f"{name} is neither text nor a whole number")
    try:
        text = str(value)
        text.encode()
    except ValueError:
        raise InvalidParameter("params", f"{name} cannot be written") from None
    if _CONTROL.search(text):
        raise InvalidParameter("params", f"{name} has a control character")
    return text


def _bounded(target: str) -> str:
    if len(target) > LONGEST_TARGET:
        raise InvalidParameter("params", f"the address is longer than {LONGEST_TARGET} characters")
    return target
