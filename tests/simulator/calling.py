"""A merchant's side of the wire for these tests: signs, posts, and checks what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from django_wxpay.protocol import v2
from django_wxpay.simulator import Reply, Simulator, SimulatorAdapter

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
INSTITUTION_KEY = "TESTKEYtestkeyTESTKEYtestkey0001"
APPID = "wx8888888888888888"
MCH_ID = "1900000109"
INSTITUTION = "1900000100"
SUB_MCH_ID = "1900000109"
HOST = "https://api.mch.weixin.qq.com"
NOTIFY_URL = "https://shop.example/wxpay/notify/"
NUMBER = "T20260101000001"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

ACKNOWLEDGED = b"<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
NOT_ACKNOWLEDGED = b"<xml><return_code><![CDATA[FAIL]]></return_code></xml>"

ORDER = {
    "body": "tea cup",
    "out_trade_no": NUMBER,
    "total_fee": "100",
    "spbill_create_ip": "127.0.0.1",
    "notify_url": NOTIFY_URL,
    "trade_type": "NATIVE",
    "product_id": "P1001",
}


class Merchant:
    """Calls the simulator with a key, and takes no answer that is not signed with it."""

    def __init__(
        self,
        app: Simulator,
        *,
        mch_id: str = MCH_ID,
        key: str = KEY,
        sign_type: str = "MD5",
        host: str = HOST,
        **identity: str,
    ) -> None:
        self.app, self.key, self.sign_type, self.host = app, key, sign_type, host
        self.identity = {"appid": APPID, "mch_id": mch_id, **identity}
        self.session = requests.Session()
        self.session.mount(HOST, SimulatorAdapter(app))
        self.session.mount("https://api2.mch.weixin.qq.com", SimulatorAdapter(app))

    def signed(self, fields: Mapping[str, str | None], *, sends_sign_type: bool = True) -> bytes:
        """Return the signed document; None removes a field that would be there."""
        whole = {**self.identity, "nonce_str": "ibuaiVcKdpRxkhJA", **fields}
        if sends_sign_type and self.sign_type != "MD5":
            whole.setdefault("sign_type", self.sign_type)
        kept = {name: value for name, value in whole.items() if value is not None}
        return v2.encode_xml({"sign": v2.sign(kept, self.key, self.sign_type), **kept})

    def post(self, path: str, body: bytes, **how: Any) -> requests.Response:
        return self.session.post(f"{self.host}{path}", data=body, **{"timeout": 15, **how})

    def call(self, path: str, fields: Mapping[str, str | None], **how: Any) -> dict[str, str]:
        """Call and verify: a SUCCESS must be signed, a FAIL must not be."""
        response = self.post(path, self.signed(fields), **how)
        assert response.status_code == 200
        answer = v2.decode_xml(response.content)
        if answer["return_code"] == "FAIL" or path == "/payitil/report":
            assert "sign" not in answer
        else:
            assert v2.verify(answer, self.key, self.sign_type)
            assert "sign_type" not in answer
        return answer

    def place(self, **fields: str | None) -> dict[str, str]:
        return self.call("/pay/unifiedorder", {**ORDER, **fields})

    def query(self, **fields: str | None) -> dict[str, str]:
        return self.call("/pay/orderquery", fields or {"out_trade_no": NUMBER})

    def close(self, **fields: str | None) -> dict[str, str]:
        return self.call("/pay/closeorder", fields or {"out_trade_no": NUMBER})

    def state(self) -> str:
        return self.query()["trade_state"]

    def control(self, path: str, body: object = None, *, method: str = "POST") -> requests.Response:
        return self.session.request(method, f"{self.host}/_simulator/{path}", json=body)

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(f"{self.host}{path}", headers=named, allow_redirects=False)


class Deliveries:
    """Where notifications go: remembers each, and answers as a test wants."""

    def __init__(self, acknowledged: bytes) -> None:
        self.bodies: list[bytes] = []
        self.urls: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.answers: list[Reply | OSError] = []
        self.usually = Reply(200, acknowledged)

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.urls.append(url)
        self.bodies.append(body)
        self.headers.append(headers)
        answer = self.answers.pop(0) if self.answers else self.usually
        if isinstance(answer, OSError):
            raise answer
        return answer


class Shop(Deliveries):
    """Where v2's notifications go."""

    def __init__(self) -> None:
        super().__init__(ACKNOWLEDGED)

    @property
    def received(self) -> list[dict[str, str]]:
        """The fields of each; none of one that is no document."""
        return [_fields(body) for body in self.bodies]


def _fields(body: bytes) -> dict[str, str]:
    try:
        return v2.decode_xml(body)
    except ValueError:
        return {}
