"""Routes of APIv3 (protocol-v3 sections 3.1 and 4.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.simulator.faults.script import CERTIFICATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The operation of a path, and its parameters; ``mode`` None is the merchant's own."""

    operation: str
    region: Region
    mode: Mode | None = None
    trade_type: str = ""
    out_trade_no: str = ""
    transaction_id: str = ""

    @property
    def is_observed(self) -> bool:
        """Whether its refusals were observed: ``/v3/pay`` paths (protocol-v3 section 7.1)."""
        return self.region is Region.MAINLAND and self.operation != CERTIFICATES


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
    return Route(
        operation=row.operation,
        region=row.region,
        mode=row.mode,
        trade_type="MWEB" if name == "H5" else name,
        out_trade_no=parts.get("number", ""),
        transaction_id=parts.get("id", ""),
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
    _Row("GET", re.compile("/v3/certificates"), CERTIFICATES, Region.MAINLAND, None),
    _Row("GET", re.compile("/v3/global/certificates"), CERTIFICATES, Region.GLOBAL, None),
)
