"""A merchant's account at WeChat Pay: its identity, its keys and its hosts.

``conf`` builds these from the settings, the gateway and the simulator use them. Keys are
kept out of every repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Mode(StrEnum):
    """Whether the money is the merchant's own, or that of an institution's sub-merchants."""

    COMMON = "common"
    INSTITUTIONAL = "institutional"


class Region(StrEnum):
    MAINLAND = "mainland"
    GLOBAL = "global"


class Api(StrEnum):
    V2 = "v2"
    V3 = "v3"


class SignType(StrEnum):
    MD5 = "MD5"
    HMAC_SHA256 = "HMAC-SHA256"


# Primary first (protocol-v2 section 1, protocol-v3 section 1.1).
DEFAULT_HOSTS: Final[dict[Region, tuple[str, ...]]] = {
    Region.MAINLAND: ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"),
    Region.GLOBAL: ("https://apihk.mch.weixin.qq.com", "https://api.mch.weixin.qq.com"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """One entry of ``WXPAY["MERCHANTS"]``. PEMs are text here, wherever they were read from."""

    alias: str
    mch_id: str
    appid: str
    appids: tuple[str, ...] = ()
    mode: Mode = Mode.COMMON
    region: Region = Region.MAINLAND
    api: Api = Api.V2
    sub_appid: str = ""
    sub_mch_id: str = ""
    merchant_category_code: str = ""
    api_key: str = field(default="", repr=False)
    sign_type: SignType = SignType.HMAC_SHA256
    client_cert: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    api_v3_key: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    cert_serial_no: str = ""
    wechatpay_public_key: str = field(default="", repr=False)
    wechatpay_public_key_id: str = ""
    platform_certificates: tuple[str, ...] = field(default=(), repr=False)
    hosts: tuple[str, ...] = DEFAULT_HOSTS[Region.MAINLAND]

    def owns_appid(self, appid: str) -> bool:
        """Return whether ``appid`` is this merchant's own or one of those bound to its mch_id."""
        return appid == self.appid or appid in self.appids
