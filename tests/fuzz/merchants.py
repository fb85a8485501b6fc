"""The merchants that are fuzzed, with every key that WeChat Pay and they hold: TEST ONLY.

There is one of each kind that notifications tell apart: protocol, mode, region, and where the
key that verifies comes from.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.v3.keys import load_private_key
from tests.protocol.v3 import keys
from tests.wechatpay.v2 import APPID

HOST: Final = "http://wechatpay.fuzz.test"
PLATFORM_KEY: Final = load_private_key(keys.PLATFORM_KEY)
PUBLIC_MODE_KEY: Final = load_private_key(keys.PUBLIC_MODE_KEY)
# It signs the merchants' own requests, so WeChat Pay's signature it is never.
MERCHANT_KEY: Final = load_private_key(keys.MERCHANT_KEY)


def _platform_certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST ONLY")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=PLATFORM_KEY.public_key(),
        serial_number=int(keys.PLATFORM_SERIAL, 16),
        not_valid_before=datetime(2025, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2099, 1, 1, tzinfo=UTC),
    )
    return builder.sign(PLATFORM_KEY, SHA256()).public_bytes(Encoding.PEM).decode()


CERTIFICATE: Final = _platform_certificate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One alias of the shop's. ``serial`` names WeChat Pay's key, "" where v3 is not used."""

    alias: str
    mch_id: str
    api_key: str = ""
    api_v3_key: str = ""
    sub_mch_id: str = ""
    serial: str = ""
    is_global: bool = False
    has_certificates: bool = False
    sign_type: str = "HMAC-SHA256"
    appid: str = APPID

    @property
    def is_institution(self) -> bool:
        return bool(self.sub_mch_id)

    @property
    def platform_key(self) -> Any:
        return PLATFORM_KEY if self.serial == keys.PLATFORM_SERIAL else PUBLIC_MODE_KEY

    def setting(self) -> dict[str, Any]:
        """Return the entry of ``WXPAY["MERCHANTS"]``."""
        entry: dict[str, Any] = {"APPID": self.appid, "MCH_ID": self.mch_id, "HOSTS": [HOST]}
        if self.is_institution:
            entry |= {"MODE": "institutional", "SUB_MCH_ID": self.sub_mch_id}
        if self.api_key:
            entry |= {"API_KEY": self.api_key, "SIGN_TYPE": self.sign_type}
        if self.serial:
            entry |= self._v3()
        return entry

    def _v3(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "API": "v2" if self.api_key else "v3",
            "API_V3_KEY": self.api_v3_key,
            "PRIVATE_KEY": keys.MERCHANT_KEY,
            "CERT_SERIAL_NO": keys.MERCHANT_SERIAL,
        }
        if self.is_global:
            entry |= {"REGION": "global", "MERCHANT_CATEGORY_CODE": "0742"}
        if self.serial == keys.PUBLIC_KEY_ID:
            entry["WECHATPAY_PUBLIC_KEY"] = keys.WECHATPAY_PUBLIC_KEY
            entry["WECHATPAY_PUBLIC_KEY_ID"] = keys.PUBLIC_KEY_ID
        if self.has_certificates:
            entry["PLATFORM_CERTIFICATES"] = [CERTIFICATE]
        return entry


_V2: Final = "TESTKEYtestkeyTESTKEYtestkey00"
_V3: Final = "TESTONLYapiv3keyTESTONLYapiv3k"
ACCOUNTS: Final = {
    account.alias: account
    for account in (
        Account(alias="md5", mch_id="1900000201", api_key=f"{_V2}01", sign_type="MD5"),
        Account(alias="hmac", mch_id="1900000202", api_key=f"{_V2}02"),
        # A second shop of the first merchant's: what is paid there is not paid here.
        Account(alias="twin", mch_id="1900000201", api_key=f"{_V2}01"),
        Account(
            alias="institution", mch_id="1900000203", sub_mch_id="1900000293", api_key=f"{_V2}03"
        ),
        Account(
            alias="both",
            mch_id="1900000204",
            api_key=f"{_V2}04",
            api_v3_key=f"{_V3}04",
            serial=keys.PUBLIC_KEY_ID,
        ),
        Account(
            alias="public-key",
            mch_id="1900000205",
            api_v3_key=f"{_V3}05",
            serial=keys.PUBLIC_KEY_ID,
        ),
        # Has no certificate yet: the first notice makes it download one.
        Account(
            alias="certificates",
            mch_id="1900000206",
            api_v3_key=f"{_V3}06",
            serial=keys.PLATFORM_SERIAL,
        ),
        Account(
            alias="institution-v3",
            mch_id="1900000207",
            sub_mch_id="1900000297",
            api_v3_key=f"{_V3}07",
            serial=keys.PLATFORM_SERIAL,
            has_certificates=True,
        ),
        Account(
            alias="global",
            mch_id="1900000208",
            api_v3_key=f"{_V3}08",
            serial=keys.PLATFORM_SERIAL,
            is_global=True,
        ),
    )
}
SPEAK_V2: Final = tuple(one for one in ACCOUNTS.values() if one.api_key)
SPEAK_V3: Final = tuple(one for one in ACCOUNTS.values() if one.serial)

WXPAY: Final = {
    "NOTIFY_BASE_URL": "https://shop.example.com",
    "MERCHANTS": {alias: account.setting() for alias, account in ACCOUNTS.items()},
}
