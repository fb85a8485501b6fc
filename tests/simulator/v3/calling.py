"""A v3 merchant's side of the wire for these tests: signs, sends, and checks who signed what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import requests

from django_wxpay.protocol import v3
from django_wxpay.protocol.v3.signing import (
    is_fresh,
    is_signed_by,
    read_signature_headers,
)
from django_wxpay.simulator import Simulator, SimulatorAdapter
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
)
from tests.simulator.calling import Deliveries

MAINLAND = "1900000110"
GLOBAL = "1900000111"
INSTITUTION = "1900000112"
SUB_MCHID = "1900000113"
APPID = "wx8888888888888888"
HOST = "https://api.mch.weixin.qq.com"
NOTIFY_URL = "https://shop.example/wxpay/notify/"
NUMBER = "T20260101000001"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SUB_OPENID = "oLTPCuN5a-nBD4rAL_fa8c1xS9aY"

ACKNOWLEDGED = b'{"code": "SUCCESS", "message": "OK"}'
NOT_ACKNOWLEDGED = b'{"code": "FAIL", "message": "no"}'

Answer = dict[str, Any]


def key_of(app: Simulator, serial: str) -> str | None:
    """Return the key that ``serial`` names, by its exact name, as PEM."""
    keys = app.keys()
    named = {one["serial_no"]: one["pem"] for one in keys["certificates"]}
    return {**named, keys["public_key"]["id"]: keys["public_key"]["pem"]}.get(serial)


def signed_by(app: Simulator, headers: Mapping[str, str], body: bytes, *, ago_s: int = 0) -> str:
    """Return the serial of the key that signed a message just now; "" if none of ours did."""
    expected = read_signature_headers(headers)
    if expected is None or not is_fresh(expected.timestamp, int(app.now().timestamp()) - ago_s):
        return ""
    key = key_of(app, expected.serial)
    return expected.serial if key and is_signed_by(expected, body, public_key=key) else ""


class Caller:
    """Calls the simulator over v3, and takes no 2xx that WeChat Pay has not signed."""

    def __init__(
        self,
        app: Simulator,
        *,
        mch_id: str = MAINLAND,
        home: str = "/v3/pay/transactions",
        host: str = HOST,
        **identity: str,
    ) -> None:
        self.app, self.mch_id, self.home, self.host = app, mch_id, home, host
        self.whose = identity or {"mchid": mch_id}
        self.session = requests.Session()
        self.session.mount(HOST, SimulatorAdapter(app))
        self.authorization: dict[str, Any] = {}

    @property
    def is_global(self) -> bool:
        return "/global/" in self.home

    def order(self, kind: str = "native", **members: Any) -> dict[str, Any]:
        """Return the body of an order; None removes a member that would be there."""
        appid = "appid" if "mchid" in self.whose else "sp_appid"
        body: dict[str, Any] = {
            appid: APPID,
            **self.whose,
            "description": "tea cup",
            "out_trade_no": NUMBER,
            "notify_url": NOTIFY_URL,
            "amount": {"total": 100, "currency": "USD" if self.is_global else "CNY"},
        }
        if self.is_global:
            body |= {"trade_type": kind.upper(), "merchant_category_code": "0742"}
        if kind == "jsapi":
            body["payer"] = {"openid" if appid == "appid" else "sp_openid": OPENID}
        if kind in {"h5", "mweb"}:
            body["scene_info"] = {"payer_client_ip": "203.0.113.7"}
        if kind == "h5":
            body["scene_info"] |= {"h5_info": {"type": "Wap"}}
        return {name: value for name, value in {**body, **members}.items() if value is not None}

    def send(
        self,
        method: str,
        target: str,
        body: object = b"",
        *,
        headers: Mapping[str, str | None] | None = None,
        signs: Mapping[str, Any] | None = None,
        **how: Any,
    ) -> requests.Response:
        """Send a request; ``signs`` replaces parts of what is signed."""
        octets = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        request = requests.Request(method, self.host + target, data=octets)
        prepared = self.session.prepare_request(request)
        parts = {
            "method": method,
            "url_path": prepared.path_url,
            "body": octets,
            "mchid": self.mch_id,
            "serial_no": TEST_MERCHANT_SERIAL_NO,
            "private_key": TEST_MERCHANT_PRIVATE_KEY,
            "timestamp": int(self.app.now().timestamp()),
            "nonce": "593BEC0C930BF1AFEB40B4A08C8FB242",
            **(signs or {}),
        }
        given: dict[str, str | None] = {
            "Accept": "application/json",
            "User-Agent": "tests",
            "Authorization": v3.build_authorization(**parts),
            "Content-Type": "application/json" if octets else None,
            **(headers or {}),
        }
        for name, text in given.items():
            prepared.headers.pop(name, None)
            if text is not None:
                prepared.headers[name] = text
        return self.session.send(prepared, timeout=15, **how)

    def trusted(self, response: requests.Response) -> Answer:
        """Return an answer: a 2xx must be signed, anything else must not be."""
        if response.status_code < 300:
            assert signed_by(self.app, response.headers, response.content)
        else:
            assert not [name for name in response.headers if name.lower().startswith("wechatpay")]
        return {"status": response.status_code, **(response.json() if response.content else {})}

    def call(self, method: str, target: str, body: object = b"", **how: Any) -> Answer:
        return self.trusted(self.send(method, target, body, **how))

    def place(self, kind: str = "native", **members: Any) -> Answer:
        return self.call("POST", f"{self.home}/{kind}", self.order(kind, **members))

    def query(self, number: str = NUMBER, **how: Any) -> Answer:
        return self.call("GET", f"{self.home}/out-trade-no/{number}?{self.asking()}", **how)

    def query_id(self, transaction_id: str) -> Answer:
        return self.call("GET", f"{self.home}/id/{transaction_id}?{self.asking()}")

    def close(self, number: str = NUMBER) -> Answer:
        return self.call("POST", f"{self.home}/out-trade-no/{number}/close", self.whose)

    def asking(self) -> str:
        return "&".join(f"{name}={value}" for name, value in self.whose.items())

    def certificates(self, **how: Any) -> Answer:
        path = "/v3/global/certificates" if self.is_global else "/v3/certificates"
        return self.call("GET", path, **how)

    def state(self) -> str:
        return str(self.query()["trade_state"])

    def control(self, verb: str, body: object = None, *, method: str = "POST") -> requests.Response:
        return self.session.request(method, f"{HOST}/_simulator/{verb}", json=body)


class Receiver(Deliveries):
    """Where v3's callbacks go: opens each."""

    def __init__(self) -> None:
        super().__init__(ACKNOWLEDGED)

    @property
    def envelopes(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [v3.decrypt_resource(one["resource"], TEST_API_V3_KEY) for one in self.envelopes]

    @property
    def serials(self) -> list[str]:
        return [headers["Wechatpay-Serial"] for headers in self.headers]
