"""Merchants of the database for tests: their settings, and rows with keys of the tests' own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_wxpay import conf
from django_wxpay.merchants import save_account
from django_wxpay.models import MerchantAccount
from django_wxpay.protocol.secrets import Secret
from tests.protocol.v3 import keys

SOURCE = "django_wxpay.merchants.DatabaseMerchants"
# Base64 of 32 bytes each, that all begin with those of the other test keys. They differ in both
# halves, as keys of chance do: the first half vouches for what the second half hides.
SEALING_KEY = "VEVTVEtFWXRlc3RrZXkwMFRFU1RLRVl0ZXN0a2UwMDA="
NEXT_SEALING_KEY = "VEVTVEtFWXRlc3RrZXkxMVRFU1RLRVl0ZXN0a2UxMTE="
THIRD_SEALING_KEY = "VEVTVEtFWXRlc3RrZXkyMlRFU1RLRVl0ZXN0a2UyMjI="
API_KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
NEXT_API_KEY = "TESTKEYtestkeyTESTKEYtestkey1111"
V2: dict[str, Any] = {"appid": "wx1", "mch_id": "1900000109"}
V2_KEYS = {"API_KEY": API_KEY}
V3: dict[str, Any] = {
    **V2,
    "api": "v3",
    "cert_serial_no": keys.MERCHANT_SERIAL,
    "client_cert": keys.MERCHANT_CERTIFICATE,
    "wechatpay_public_key": keys.WECHATPAY_PUBLIC_KEY,
    "wechatpay_public_key_id": keys.PUBLIC_KEY_ID,
}
V3_KEYS = {**V2_KEYS, "API_V3_KEY": keys.API_V3_KEY, "PRIVATE_KEY": keys.MERCHANT_KEY}


def wxpay(*sealing_keys: str) -> dict[str, Any]:
    """Return the settings of a shop whose merchants are in the database."""
    return {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": SOURCE,
        "SEALING_KEYS": list(sealing_keys) or [SEALING_KEY],
    }


def kept(
    alias: str = "tea", keys_given: Mapping[str, str] = V2_KEYS, **columns: Any
) -> MerchantAccount:
    """Save a merchant of v2, or of whatever the columns and keys say, and return its row."""
    account = MerchantAccount(alias=alias, **{**V2, **columns})
    save_account(account, keys=secrets(keys_given), by="the boss")
    return account


def secrets(given: Mapping[str, str]) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in given.items()}


def a_second_later() -> None:
    """Let the present process ask for the version when it next needs a merchant."""
    merchants = conf.directory()
    assert merchants is not None
    merchants.ask_again()
