"""Any endpoint through the services: where it goes, what is kept of it, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import (
    BadAnswer,
    ConfigurationError,
    InsideTransaction,
    InvalidParameter,
    Refused,
    UnknownMerchant,
)
from django_wxpay.models import ApiReport
from django_wxpay.protocol.v3.encryption import decrypt_field, encrypt_field
from django_wxpay.simulator import Options
from django_wxpay.testing import simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.protocol.v3 import keys
from tests.selling import V3_HOST, mounted
from tests.services.conftest import new_order
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused
from tests.wechatpay.v3 import CERTIFICATES, PUBLIC_KEY_MODE, V3, V3_MERCHANT, scripted_v3

pytestmark = pytest.mark.django_db

SHARING = "/v3/profitsharing/orders"
URL = "http://v3.test/v3/billdownload/file?token=x"
FILE = gzip.compress(b"a bill")
SHA1 = hashlib.sha1(b"a bill", usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def both(wxpay: dict[str, Any], settings: Any) -> None:
    merchants = wxpay["MERCHANTS"] | {"v3": V3_MERCHANT | PUBLIC_KEY_MODE, "certified": V3_MERCHANT}
    settings.WXPAY = wxpay | {"MERCHANTS": merchants}


@pytest.fixture
def platform() -> Iterator[ScriptedTransport]:
    scripted = scripted_v3()
    scripted.answers["/v3/certificates"] = CERTIFICATES
    with mounted(scripted, V3_HOST):
        yield scripted


def test_a_call_is_answered_and_kept_as_a_report(platform: ScriptedTransport) -> None:
    platform.answers[f"{SHARING}/P1"] = (200, {"state": "FINISHED"})
    path, params = f"{SHARING}/{{out_order_no}}", {"out_order_no": "P1"}
    assert services.call("v3", "GET", path, params=params) == {"state": "FINISHED"}
    report = ApiReport.objects.get()
    assert report.interface_url == f"http://v3.test{path}"
    assert (report.merchant, report.http_status, report.out_trade_no) == ("v3", 200, "")


def test_a_call_of_v2_is_answered_and_kept_as_a_report(gateway: ScriptedTransport) -> None:
    gateway.answers["/pay/profitsharing"] = {"order_id": "30"}
    gateway.answers["/pay/none"] = refused("NOAUTH")
    fields = {"out_order_no": "P1", "out_trade_no": "T1"}
    assert services.call_v2("default", "/pay/profitsharing", fields)["order_id"] == "30"
    report = ApiReport.objects.get()
    assert report.interface_url.endswith("/pay/profitsharing")
    assert (report.out_trade_no, report.result_code) == ("T1", "SUCCESS")
    with pytest.raises(Refused, match="NOAUTH"):
        services.call_v2("default", "/pay/none", {}, idempotent=True, sign_type="MD5")


def test_files_go_up_and_come_down(platform: ScriptedTransport) -> None:
    platform.answers["/v3/merchant/media/upload"] = (200, {"media_id": "H1"})
    uploaded = services.upload(
        "v3", "/v3/merchant/media/upload", filename="a.png", content=b"\x89PNG"
    )
    assert uploaded == {"media_id": "H1"}
    platform.answers["/v3/billdownload/file"] = (200, FILE)
    assert services.download("v3", URL, hash_type="SHA1", hash_value=SHA1) == FILE


@pytest.mark.parametrize(
    ("merchant", "serial", "key"),
    [
        ("v3", keys.PUBLIC_KEY_ID, keys.PUBLIC_MODE_KEY),
        ("certified", keys.PLATFORM_SERIAL, keys.PLATFORM_KEY),
    ],
    ids=["public key", "certificate"],
)
def test_a_sealed_text_travels_with_its_key(
    platform: ScriptedTransport, merchant: str, serial: str, key: str
) -> None:
    platform.answers["/v3/profitsharing/receivers/add"] = (200, {})
    platform.dialect = dialect = V3()
    dialect.serial = serial
    sealed = services.encrypt_sensitive(merchant, "张三")
    assert decrypt_field(sealed, private_key=key) == "张三"
    services.call(merchant, "POST", "/v3/profitsharing/receivers/add", json={"name": sealed})
    assert platform.requests[-1].headers["Wechatpay-Serial"] == serial
    assert sealed.serial == serial


def test_what_was_sealed_for_us_is_opened() -> None:
    sealed = encrypt_field("张三", public_key=keys.MERCHANT_CERTIFICATE)
    assert services.decrypt_sensitive("v3", sealed) == "张三"


EVERY: list[Callable[[str], object]] = [
    lambda alias: services.call(alias, "GET", SHARING),
    lambda alias: services.call_v2(alias, "/pay/x", {}),
    lambda alias: services.upload(alias, SHARING, filename="a.png", content=b"x"),
    lambda alias: services.download(alias, URL, hash_type=None, hash_value=None),
    lambda alias: services.encrypt_sensitive(alias, "x"),
    lambda alias: services.decrypt_sensitive(alias, "x"),
]


@pytest.mark.parametrize("act", EVERY)
def test_nobody_unknown_calls(act: Callable[[str], object]) -> None:
    with pytest.raises(UnknownMerchant):
        act("nobody")


@pytest.mark.parametrize("act", EVERY[:5])
def test_nothing_calls_inside_a_transaction(act: Callable[[str], object]) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        act("v3")


def test_a_merchant_needs_the_keys_of_the_protocol() -> None:
    with pytest.raises(ConfigurationError, match="no keys for v3"):
        services.call("default", "GET", SHARING)
    with pytest.raises(ConfigurationError, match="no key for v2"):
        services.call_v2("v3", "/pay/x", {})


@pytest.mark.parametrize("flag", ["yes", 1, 0, ""])
def test_a_flag_is_true_or_false(flag: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^idempotent: "):
        services.call("v3", "POST", SHARING, idempotent=flag)
    for name in ("client_cert", "idempotent", "signed_answer"):
        with pytest.raises(InvalidParameter, match=f"^{name}: "):
            services.call_v2("default", "/pay/x", {}, **{name: flag})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("client_cert", [True, False])
def test_a_client_certificate_is_shown_where_the_gateway_asks(
    settings: Any, client_cert: bool
) -> None:
    account = ACCOUNTS["v2", "mainland"]
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": account}}
    with simulated_wxpay(Options(requires_client_certificate=True)) as simulated:
        order = new_order()
        services.unified_order(order)
        simulated.pay(order)
        fields = {"out_trade_no": order.out_trade_no, "out_refund_no": "R1"}
        fields |= {"total_fee": "100", "refund_fee": "40"}
        refund = partial(services.call_v2, "default", "/secapi/pay/refund", fields)
        if client_cert:
            assert refund(client_cert=True)["refund_fee"] == "40"
        else:
            with pytest.raises(BadAnswer):
                refund()


@pytest.mark.parametrize("which", [("v3", "mainland"), ("v3", "global")])
def test_a_new_member_of_a_line_of_goods_reaches_wechat_pay_which_judges_it(
    settings: Any, wxpay: dict[str, Any], which: tuple[str, str]
) -> None:
    account = ACCOUNTS[which]
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": account}}
    goods = {"goods_id": "G1", "quantity": 1, "price": 100, "category": "1-2", "origin": "Fujian"}
    lines = json.dumps({"goods_detail": [goods]})
    with simulated_wxpay(), pytest.raises(Refused, match="PARAM_ERROR"):
        services.unified_order(new_order(detail=lines))
    named = Options(goods_members=Options().goods_members | {"origin"})
    with simulated_wxpay(named) as simulated:
        order = new_order(detail=lines)
        services.unified_order(order)
        simulated.pay(order)
    order.refresh_from_db()
    assert order.is_paid
