"""The whole stage: a shop on a socket, WeChat Pay on another, and people who use both.

Nobody here calls a service of ours: a clerk speaks REST, a customer holds a phone, a
keeper reads the admin, and notifications come in over HTTP.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import requests
from django.urls import reverse

from django_wxpay.protocol.merchants import Merchant, Mode, SignType
from tests.wechatpay import v2

DIRECT: Final = Merchant(
    alias="default",
    mch_id="1900000109",
    appid="wx8888888888888888",
    appids=("wx6666666666666666",),
    api_key="TESTKEYtestkeyTESTKEYtestkey0000",
)
PLAIN: Final = Merchant(
    alias="md5",
    mch_id="1900000108",
    appid="wx5555555555555555",
    api_key="TESTKEYtestkeyTESTKEYtestkey0005",
    sign_type=SignType.MD5,
)
INSTITUTION: Final = Merchant(
    alias="institution",
    mode=Mode.INSTITUTIONAL,
    mch_id="1900000100",
    appid="wx7777777777777777",
    sub_mch_id="1900000200",
    api_key="TESTKEYtestkeyTESTKEYtestkey0001",
)
MERCHANTS: Final = (DIRECT, PLAIN, INSTITUTION)
KEYS: Final = tuple(merchant.api_key.reveal() for merchant in MERCHANTS)

# How long the shop waits for an answer: long enough for any machine, and for a fault that is
# meant to outlast it, so short that nobody here has to wait. What a fault of the catalogue
# takes is scaled with it.
PATIENT_S, IMPATIENT_S = 10.0, 0.6
PACE: Final = IMPATIENT_S / 15

NATIVE: Final = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 1250, "product_id": "TEA-1"}

_numbers = itertools.count(1)


def new_number() -> str:
    """Return an order number that no other story uses."""
    return f"JOURNEY{next(_numbers):06d}"


@dataclass(frozen=True)
class WeChatPay:
    """The simulator as its controls and its pages show it."""

    url: str
    http: requests.Session

    def control(self, verb: str, method: str = "POST", **given: Any) -> dict[str, Any]:
        answer = self.http.request(method, f"{self.url}/_simulator/{verb}", json=given)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def pay(self, order: Mapping[str, Any], **how: Any) -> None:
        """Let the customer pay, and wait until the notification has been there and back."""
        self.control("pay", mch_id=order["mch_id"], out_trade_no=order["out_trade_no"], **how)
        self.let_arrive()

    def let_arrive(self) -> None:
        """Wait until every notification that is on its way has been there and back."""
        self.advance(0.001)

    def advance(self, seconds: float) -> int:
        """Let time pass, and whatever is due on the way arrive; return how many were sent."""
        sent: int = self.control("clock", advance_s=seconds)["sent"]
        return sent

    def inject(self, fault: str, **where: Any) -> None:
        self.control("faults", fault=fault, **where)

    def ledger(self) -> dict[str, Any]:
        return self.control("ledger", method="GET")

    def trades(self, out_trade_no: str) -> list[dict[str, Any]]:
        return [t for t in self.ledger()["trades"] if t["out_trade_no"] == out_trade_no]

    def trade(self, out_trade_no: str) -> dict[str, Any]:
        (trade,) = self.trades(out_trade_no)
        return trade

    def calls(self, operation: str) -> list[dict[str, Any]]:
        return [r for r in self.ledger()["requests"] if r["operation"] == operation]

    def deliveries(self) -> list[dict[str, Any]]:
        """Return every attempt at a notification, and what the shop answered."""
        notifications: list[dict[str, Any]] = self.ledger()["notifications"]
        return notifications

    def phone(self, code_url: str) -> Phone:
        """Return the phone that scans a QR code."""
        code = parse_qs(urlsplit(code_url).query)["pr"][0]
        return Phone(f"{self.url}/_simulator/phone/{code}", self.http)


@dataclass(frozen=True)
class Phone:
    """The customer's phone, showing one page of WeChat Pay."""

    page: str
    http: requests.Session

    def shows(self) -> str:
        # From a page of the shop, as WeChat Pay wants it of H5.
        answer = self.http.get(self.page, headers={"Referer": "https://shop.example.com/"})
        assert answer.status_code == 200, answer.text
        return answer.text

    def press_pay(self) -> str:
        """Send the page's form, as the thumb would, and return what is shown then."""
        form = re.search(r'<form[^>]*action="([^"]+)"', self.shows())
        assert form, "the page has no button"
        address = requests.compat.urljoin(self.page, form[1].replace("&amp;", "&"))
        answer = self.http.post(address, data={})
        assert answer.status_code == 200, answer.text
        return answer.text


@dataclass(frozen=True)
class Clerk:
    """Somebody with a login for the REST API."""

    url: str
    http: requests.Session

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.http.post(f"{self.url}/wxpay/api/{path}", json=body)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.http.get(f"{self.url}/wxpay/api/{path}", params=params)

    def place(self, **changes: Any) -> requests.Response:
        """Ask for a NATIVE order unless ``changes`` say otherwise; None leaves a field out."""
        wanted = {**NATIVE, **changes}
        return self.post("orders/", {k: v for k, v in wanted.items() if v is not None})

    def placed(self, **changes: Any) -> dict[str, Any]:
        """Place an order that is accepted at once, and return it."""
        answer = self.place(**{"out_trade_no": new_number(), **changes})
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order

    def find(self, out_trade_no: str) -> dict[str, Any]:
        """Return the one order of this number."""
        (order,) = self.get("orders/", out_trade_no=out_trade_no).json()["results"]
        found: dict[str, Any] = order
        return found

    def show(self, order: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.get(f"orders/{order['id']}/")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def query(self, order: Mapping[str, Any]) -> requests.Response:
        return self.post(f"orders/{order['id']}/query/")

    def close(self, order: Mapping[str, Any]) -> requests.Response:
        return self.post(f"orders/{order['id']}/close/")

    def notifications(self, order: Mapping[str, Any]) -> list[dict[str, Any]]:
        answer = self.get("notifications/", out_trade_no=order["out_trade_no"])
        rows: list[dict[str, Any]] = answer.json()["results"]
        return rows


@dataclass(frozen=True)
class Keeper:
    """Somebody who looks after the shop in the admin."""

    url: str
    http: requests.Session

    def log_in(self, username: str, password: str) -> None:
        page = self.sends(
            f"login/?next={reverse('admin:index')}", username=username, password=password
        )
        assert "logout" in page

    def sends(self, path: str, *, shown_on: str = "", **form: Any) -> str:
        """Post a form of the page ``shown_on`` to ``path``; return the page it ends on."""
        shown = self.reads(shown_on or path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown)
        assert token, "the page has no form"
        answer = self.http.post(
            f"{self.url}/admin/{path}", data={"csrfmiddlewaretoken": token[1], **form}
        )
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text

    def presses(self, button: str, page: str) -> str:
        """Press a button of a row's own page; return the page that is shown then."""
        path, shown_on = f"django_wxpay/{page}/{button}/", f"django_wxpay/{page}/change/"
        assert f'action="{reverse("admin:index")}{path}"' in self.reads(shown_on)
        return self.sends(path, shown_on=shown_on)

    def reads(self, path: str) -> str:
        """Return an admin page as text."""
        answer = self.http.get(f"{self.url}/admin/{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.text


@dataclass(frozen=True)
class Stage:
    """Everybody who takes part."""

    shop: str
    wechat: WeChatPay
    clerk: Clerk
    keeper: Keeper
    http: requests.Session
    settings: Any

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Make the shop wait only briefly for WeChat Pay."""
        usual = self.settings.WXPAY
        self.settings.WXPAY = usual | {"TIMEOUT": (PATIENT_S, IMPATIENT_S)}
        yield
        self.settings.WXPAY = usual

    def notify(self, body: bytes, merchant: str = "default", **headers: str) -> requests.Response:
        """Post to notify_url as anybody on the internet can."""
        return self.http.post(
            f"{self.shop}/wxpay/notify/{merchant}/payment/",
            data=body,
            headers={"Content-Type": "text/xml", **headers},
        )


def payment_notice(
    out_trade_no: str, *, merchant: Merchant = DIRECT, key: str | None = None, **changes: str | None
) -> bytes:
    """Return a well-signed notification of 1250 fen; ``changes`` of None drop a field."""
    usual = {
        "appid": merchant.appid,
        "mch_id": merchant.mch_id,
        "total_fee": "1250",
        "cash_fee": "1250",
    }
    return v2.payment_notice(out_trade_no, key=key or merchant.api_key.reveal(), **usual | changes)
