"""Where a v3 request goes: its path by region and mode, percent-encoded as it is sent.

The global family has one set of paths for both modes; mainland keeps institutions under
``/partner`` (protocol-v3 sections 3.1 and 4.1). Whose order it is stands in the query.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

from django_wxpay.protocol.facts import TradeType
from django_wxpay.protocol.merchants import Merchant, Mode, Region
from django_wxpay.protocol.references import OrderRef

# The older fusion-wallet family is the same under "/hk/v3" (section 1.1).
GLOBAL_PREFIX: Final = "/v3/global"

_MAINLAND: Final = {
    Mode.COMMON: "/v3/pay/transactions",
    Mode.INSTITUTIONAL: "/v3/pay/partner/transactions",
}


def transactions_path(region: Region, mode: Mode, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path below which the orders of this region and mode live."""
    return f"{prefix}/transactions" if region is Region.GLOBAL else _MAINLAND[mode]


def create_path(trade_type: str, region: Region, mode: Mode, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path an order of ``trade_type`` is sent to; MWEB is ``h5`` in mainland alone."""
    is_h5 = trade_type == TradeType.MWEB and region is Region.MAINLAND
    name = "h5" if is_h5 else trade_type.lower()
    return f"{transactions_path(region, mode, prefix=prefix)}/{name}"


def query_target(ref: OrderRef, merchant: Merchant, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return path and query for asking after an order, by transaction_id where it is known."""
    home = transactions_path(merchant.region, merchant.mode, prefix=prefix)
    by = f"id/{_part(ref.transaction_id)}" if ref.transaction_id else _by_number(ref)
    return f"{home}/{by}?{urlencode(identity(merchant, ref.sub_mch_id))}"


def close_target(ref: OrderRef, merchant: Merchant, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path that closes an order."""
    home = transactions_path(merchant.region, merchant.mode, prefix=prefix)
    return f"{home}/{_by_number(ref)}/close"


def certificates_target(region: Region, *, prefix: str = GLOBAL_PREFIX) -> str:
    """Return the path of the platform certificates (section 2.6)."""
    return f"{prefix if region is Region.GLOBAL else '/v3'}/certificates"


def identity(merchant: Merchant, sub_mch_id: str) -> dict[str, str]:
    """Return the members that say whose order it is: one group, never both (section 3.1)."""
    if merchant.mode is Mode.INSTITUTIONAL:
        return {"sp_mchid": merchant.mch_id, "sub_mchid": sub_mch_id}
    return {"mchid": merchant.mch_id}


def _by_number(ref: OrderRef) -> str:
    return f"out-trade-no/{_part(ref.out_trade_no)}"


def _part(text: str) -> str:
    return quote(text, safe="*")
