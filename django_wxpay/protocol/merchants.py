"""A merchant's account at WeChat Pay: its identity, its keys and its hosts.

``conf`` builds these from the settings, the gateway and the simulator use them. Its keys are
secrets; what WeChat Pay and everybody else may see of it is text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from django_wxpay.protocol.secrets import Secret


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


# The attributes of a merchant that nobody may see.
KEYS: Final = ("api_key", "client_key", "api_v3_key", "private_key")
NO_KEY: Final = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    """One entry of ``WXPAY["MERCHANTS"]``. PEMs are text here, wherever they were read from.

    A key that is given as text becomes a ``Secret``.
    """

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
    api_key: Secret = field(default=NO_KEY, repr=False)
    sign_type: SignType = SignType.HMAC_SHA256
    client_cert: str = field(default="", repr=False)
    client_key: Secret = field(default=NO_KEY, repr=False)
    api_v3_key: Secret = field(default=NO_KEY, repr=False)
    private_key: Secret = field(default=NO_KEY, repr=False)
    cert_serial_no: str = ""
    wechatpay_public_key: str = field(default="", repr=False)
    wechatpay_public_key_id: str = ""
    platform_certificates: tuple[str, ...] = field(default=(), repr=False)
    hosts: tuple[str, ...] = DEFAULT_HOSTS[Region.MAINLAND]

    def __post_init__(self) -> None:
        for name in KEYS:
            object.__setattr__(self, name, Secret.of(getattr(self, name)))

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys that this merchant has."""
        return tuple(filter(None, (getattr(self, name) for name in KEYS)))

    def owns_appid(self, appid: str) -> bool:
        """Return whether ``appid`` is this merchant's own or one of those bound to its mch_id."""
        return appid == self.appid or appid in self.appids
