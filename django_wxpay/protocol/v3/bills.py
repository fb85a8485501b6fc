"""Bills over APIv3: the two steps of mainland, and the statement of the global API.

The first step is signed and states the SHA-1 of the file; the file itself is not signed. A
statement is signed over the digest that its header states (protocol-v3 sections 2.4, 3.7, 4.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django_wxpay.protocol.bills.rows import BillKind, BillRequest
from django_wxpay.protocol.endpoints.paths import signed_address
from django_wxpay.protocol.errors import BadAnswer, MalformedMessage
from django_wxpay.protocol.merchants import Merchant, Mode
from django_wxpay.protocol.v3.documents import read_with_marks
from django_wxpay.protocol.v3.reading import text
from django_wxpay.protocol.v3.requests import GLOBAL_PREFIX, V3Request

# In the header's own spelling. Names of headers tell no case.
STATEMENT_SHA1: Final = "wechatpay-statement-sha1"
_FILES: Final = "/v3/billdownload/"
# A server may take them for the address of something else.
_DOTS: Final = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_SHA1: Final = re.compile("[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BillFile:
    """Where a file can be fetched for five minutes: ``host`` is one of the merchant's own."""

    host: str
    target: str
    sha1: str


def bill_request(request: BillRequest, *, merchant: Merchant) -> V3Request:
    """Return the first step of mainland, for a file that is gzip."""
    query = {"bill_date": request.bill_date.isoformat()}
    sub_mch_id = request.sub_mch_id if merchant.mode is Mode.INSTITUTIONAL else ""
    if request.kind is BillKind.TRADE:
        path = "/v3/bill/tradebill"
        query["bill_type"] = "ALL"
    else:
        path = f"/v3/bill/{'sub-merchant-' if sub_mch_id else ''}fundflowbill"
        query["account_type"] = request.account_type.value
    query["tar_type"] = "GZIP"
    if sub_mch_id:
        query["sub_mchid"] = sub_mch_id
    return V3Request("GET", f"{path}?{urlencode(query)}")


def statement_request(request: BillRequest, *, prefix: str = GLOBAL_PREFIX) -> V3Request:
    """Return the request of the global API, whose answer is the file."""
    return V3Request("GET", f"{prefix}/statements?date={request.bill_date:%Y%m%d}")


def read_bill_file(body: bytes, *, hosts: Iterable[str]) -> BillFile:
    """Return where the file is. An address elsewhere than on ``hosts`` is a ``BadAnswer``.

    The request for it is signed, and its answer is not: neither goes to anybody else.
    """
    try:
        answer = read_with_marks(body)
        hash_type, sha1 = text(answer, "hash_type"), text(answer, "hash_value")
        url = text(answer, "download_url")
    except MalformedMessage as problem:
        raise BadAnswer(str(problem)) from problem
    if hash_type != "SHA1" or not _SHA1.fullmatch(sha1):
        raise BadAnswer("the answer states no SHA-1 of the file")
    try:
        host, target = signed_address(url, hosts)
    except ValueError as problem:
        raise BadAnswer(f"download_url {problem}") from None
    path = target.partition("?")[0]
    if not path.startswith(_FILES) or _DOTS.search(path):
        raise BadAnswer("download_url is not the address of a bill")
    return BillFile(host=host, target=target, sha1=sha1.lower())


def statement_message(sha1: str) -> bytes:
    """Return what the signature of a statement is over, in the place of the body.

    Source: protocol-v3 section 2.4. Raises ``BadAnswer`` for a header that is no SHA-1.
    """
    if not _SHA1.fullmatch(sha1):
        raise BadAnswer("the statement states no SHA-1")
    return f'{{"sha1":"{sha1}"}}'.encode()
