"""Routes of APIv3 (protocol-v3 sections 3.1 and 4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.simulator.faults.script import (
    ABNORMAL_REFUND,
    BILLFILE,
    CERTIFICATES,
    DOWNLOADBILL,
    DOWNLOADFUNDFLOW,
    MICROPAY,
    REFUND,
    REFUNDQUERY,
    REVERSE,
)

_OF_BILLS: Final = frozenset({DOWNLOADBILL, DOWNLOADFUNDFLOW, BILLFILE})
_OF_REFUNDS: Final = frozenset({REFUND, REFUNDQUERY, ABNORMAL_REFUND})


UPLOAD_OPERATION: Final = "upload"
_SHARING: Final = "/v3/profitsharing"
_TRANSFERS: Final = "/v3/fund-app/mch-transfer/transfer-bills"
_COMBINED: Final = "/v3/combine-transactions"
_COMPLAINTS: Final = "/v3/merchant-service/complaints-v2"
_KEY: Final = "(?P<key>[^/]+)"
# Other products (protocol-v3 section 13).
_OTHERS: Final = (
    ("POST", "/v3/security/echo", "echo"),
    ("POST", "/v3/merchant/media/upload", UPLOAD_OPERATION),
    ("POST", "/v3/merchant-service/images/upload", UPLOAD_OPERATION),
    ("POST", f"{_SHARING}/receivers/add", "addreceiver"),
    ("POST", f"{_SHARING}/receivers/delete", "deletereceiver"),
    ("POST", f"{_SHARING}/orders/unfreeze", "unfreeze"),
    ("POST", f"{_SHARING}/orders", "share"),
    ("GET", f"{_SHARING}/orders/{_KEY}", "sharequery"),
    ("POST", f"{_SHARING}/return-orders", "sharereturn"),
    ("GET", f"{_SHARING}/return-orders/{_KEY}", "sharereturnquery"),
    ("GET", f"{_SHARING}/transactions/{_KEY}/amounts", "unsplitamount"),
    ("POST", _TRANSFERS, "transfer"),
    ("GET", f"{_TRANSFERS}/out-bill-no/{_KEY}", "transferquery"),
    ("GET", f"{_TRANSFERS}/(?P<theirs>transfer-bill-no)/{_KEY}", "transferquery"),
    ("POST", f"{_TRANSFERS}/out-bill-no/{_KEY}/cancel", "transfercancel"),
    ("POST", f"{_COMBINED}/(?P<name>jsapi|app|native|h5)", "combine"),
    ("GET", f"{_COMBINED}/out-trade-no/{_KEY}", "combinequery"),
    ("POST", f"{_COMBINED}/out-trade-no/{_KEY}/close", "combineclose"),
    ("GET", _COMPLAINTS, "complaints"),
    ("GET", f"{_COMPLAINTS}/{_KEY}", "complaint"),
    ("POST", f"{_COMPLAINTS}/{_KEY}/response", "complaintresponse"),
    ("POST", f"{_COMPLAINTS}/{_KEY}/complete", "complaintcomplete"),
)
_OF_OTHERS: Final = frozenset(operation for _, _, operation in _OTHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The operation of a path, and its parameters; ``mode`` None is the merchant's own.

    ``key`` is the number of another product, WeChat Pay's own if ``is_their_number``.
    """

    operation: str
    region: Region
    mode: Mode | None = None
    trade_type: str = ""
    out_trade_no: str = ""
    transaction_id: str = ""
    out_refund_no: str = ""
    refund_id: str = ""
    key: str = ""
    is_their_number: bool = False

    @property
    def is_of_refund(self) -> bool:
        """Whether it is one of the operations of refunds."""
        return self.operation in _OF_REFUNDS

    @property
    def is_observed(self) -> bool:
        """Whether its refusals were observed: ``/v3/pay`` paths (protocol-v3 section 7.1)."""
        others = {CERTIFICATES, *_OF_BILLS, *_OF_OTHERS}
        is_pay = self.operation not in others and not self.is_of_refund
        return self.region is Region.MAINLAND and is_pay


@dataclass(frozen=True, slots=True)
class _Row:
    method: str
    path: re.Pattern[str]
    operation: str
    region: Region
    mode: Mode | None


class NoRoute(Exception):
    """No such path, or not with this method: ``status`` is 404 or 405."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


def find_route(method: str, path: str) -> Route:
    """Return the route of ``path``, which is percent-encoded; raises ``NoRoute``."""
    # Matched before decoding: an encoded slash belongs to a number.
    found = [(row, match) for row in _ROWS if (match := row.path.fullmatch(path))]
    for row, match in found:
        if row.method == method:
            return _route(row, {k: unquote(v) for k, v in match.groupdict().items()})
    raise NoRoute(405 if found else 404)


def _route(row: _Row, parts: dict[str, str]) -> Route:
    name = parts.get("name", "").upper()
    other = {"H5": "MWEB", "CODEPAY": "MICROPAY", "PAY": "MICROPAY"}
    return Route(
        operation=row.operation,
        region=row.region,
        mode=row.mode,
        trade_type=other.get(name, name),
        out_trade_no=parts.get("number", ""),
        transaction_id=parts.get("id", ""),
        out_refund_no=parts.get("refund", ""),
        refund_id=parts.get("refund_id", ""),
        key=parts.get("key", ""),
        is_their_number="theirs" in parts,
    )


def _rows(home: str, names: str, region: Region, mode: Mode | None) -> list[_Row]:
    paths = (
        ("POST", f"(?P<name>{names})", "unifiedorder"),
        ("GET", "id/(?P<id>[^/]+)", "orderquery"),
        ("GET", "out-trade-no/(?P<number>[^/]+)", "orderquery"),
        ("POST", "out-trade-no/(?P<number>[^/]+)/close", "closeorder"),
    )
    return [
        _Row(method, re.compile(f"{home}/transactions/{path}"), operation, region, mode)
        for method, path, operation in paths
    ]


def _code_rows(home: str, name: str, region: Region, mode: Mode | None) -> list[_Row]:
    """Return the rows of payment codes (protocol-v3 sections 3.1 and 4.1)."""
    paths = [(f"(?P<name>{name})", MICROPAY), ("out-trade-no/(?P<number>[^/]+)/reverse", REVERSE)]
    if region is Region.GLOBAL:
        paths.append(("id/(?P<id>[^/]+)/reverse", REVERSE))
    return [
        _Row("POST", re.compile(f"{home}/transactions/{path}"), operation, region, mode)
        for path, operation in paths
    ]


def _refund_rows() -> list[_Row]:
    mainland, overseas = "/v3/refund/domestic/refunds", "/v3/global/refunds"
    rows = (
        ("POST", mainland, REFUND),
        ("GET", f"{mainland}/(?P<refund>[^/]+)", REFUNDQUERY),
        ("POST", f"{mainland}/(?P<refund_id>[^/]+)/apply-abnormal-refund", ABNORMAL_REFUND),
        ("POST", overseas, REFUND),
        ("GET", overseas, REFUNDQUERY),
        ("GET", f"{overseas}/out-refund-no/(?P<refund>[^/]+)", REFUNDQUERY),
        ("GET", f"{overseas}/id/(?P<refund_id>[^/]+)", REFUNDQUERY),
    )
    return [
        _Row(
            method,
            re.compile(path),
            operation,
            Region.GLOBAL if path.startswith(overseas) else Region.MAINLAND,
            None,
        )
        for method, path, operation in rows
    ]


def _bill_rows() -> list[_Row]:
    """Return the rows of bills (protocol-v3 sections 3.1 and 4.1)."""
    rows = (
        ("/v3/bill/tradebill", DOWNLOADBILL, Region.MAINLAND, None),
        ("/v3/bill/fundflowbill", DOWNLOADFUNDFLOW, Region.MAINLAND, None),
        (
            "/v3/bill/sub-merchant-fundflowbill",
            DOWNLOADFUNDFLOW,
            Region.MAINLAND,
            Mode.INSTITUTIONAL,
        ),
        ("/v3/billdownload/file", BILLFILE, Region.MAINLAND, None),
        ("/v3/global/statements", DOWNLOADBILL, Region.GLOBAL, None),
    )
    return [
        _Row("GET", re.compile(path), operation, region, mode)
        for path, operation, region, mode in rows
    ]


_MAINLAND_NAMES: Final = "jsapi|app|native|h5"
_ROWS: Final = (
    *_rows("/v3/pay", _MAINLAND_NAMES, Region.MAINLAND, Mode.COMMON),
    *_rows("/v3/pay/partner", _MAINLAND_NAMES, Region.MAINLAND, Mode.INSTITUTIONAL),
    *_rows("/v3/global", "jsapi|app|native|mweb", Region.GLOBAL, None),
    _Row(
        "POST",
        re.compile("/v3/global/transactions/id/(?P<id>[^/]+)/close"),
        "closeorder",
        Region.GLOBAL,
        None,
    ),
    *_code_rows("/v3/pay", "codepay", Region.MAINLAND, Mode.COMMON),
    *_code_rows("/v3/pay/partner", "codepay", Region.MAINLAND, Mode.INSTITUTIONAL),
    *_code_rows("/v3/global/micropay", "pay", Region.GLOBAL, None),
    *_refund_rows(),
    *_bill_rows(),
    *(
        _Row(method, re.compile(path), operation, Region.MAINLAND, None)
        for method, path, operation in _OTHERS
    ),
    _Row("GET", re.compile("/v3/certificates"), CERTIFICATES, Region.MAINLAND, None),
    _Row("GET", re.compile("/v3/global/certificates"), CERTIFICATES, Region.GLOBAL, None),
)
