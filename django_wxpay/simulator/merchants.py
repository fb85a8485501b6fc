"""Which merchants the simulated gateway knows, and the accounts they have there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant, Mode, Region

# Test keys: they open nothing anywhere.
DEMO_MERCHANTS: Final = (
    Merchant(
        alias="default",
        mch_id="1900000109",
        appid="wx8888888888888888",
        api_key="TESTKEYtestkeyTESTKEYtestkey0000",
    ),
    Merchant(
        alias="institution",
        mch_id="1900000100",
        appid="wx8888888888888888",
        mode=Mode.INSTITUTIONAL,
        sub_mch_id="1900000109",
        api_key="TESTKEYtestkeyTESTKEYtestkey0001",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the gateway knows of one ``mch_id``, whatever aliases the shop has for it."""

    mch_id: str
    name: str
    appids: tuple[str, ...]
    mode: Mode
    mainland: bool
    api_key: str = field(repr=False)


def open_accounts(merchants: Iterable[Merchant]) -> Mapping[str, Account]:
    """Return the accounts of ``merchants`` by mch_id.

    Entries that share a mch_id are one account with all their appids; two keys for one
    mch_id, or two modes, are a ``ConfigurationError``, for the gateway knows only one.
    """
    accounts: dict[str, Account] = {}
    for merchant in merchants:
        here = _account(merchant)
        there = accounts.get(here.mch_id)
        accounts[here.mch_id] = here if there is None else _joined(there, here)
    return accounts


def _account(merchant: Merchant) -> Account:
    return Account(
        mch_id=merchant.mch_id,
        name=merchant.alias,
        appids=(merchant.appid, *merchant.appids),
        mode=merchant.mode,
        mainland=merchant.region is Region.MAINLAND,
        api_key=merchant.api_key,
    )


def _joined(first: Account, second: Account) -> Account:
    if first.api_key and second.api_key and first.api_key != second.api_key:
        raise ConfigurationError(f"mch_id {first.mch_id} has two different API keys")
    if first.mode is not second.mode:
        raise ConfigurationError(f"mch_id {first.mch_id} cannot be direct and an institution")
    return Account(
        mch_id=first.mch_id,
        name=first.name,
        appids=tuple(dict.fromkeys(first.appids + second.appids)),
        mode=first.mode,
        mainland=first.mainland and second.mainland,
        api_key=first.api_key or second.api_key,
    )
