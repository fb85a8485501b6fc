"""No key in any frame: neither where an error happens, nor where one could."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from django_wxpay import conf, services, testing
from django_wxpay.conf import settings as conf_settings
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.models import Order
from django_wxpay.protocol import v2
from django_wxpay.protocol.v3 import encryption as v3_encryption
from django_wxpay.protocol.v3 import keys as v3_keys
from django_wxpay.services import gateways
from django_wxpay.services.worker.jobs import Job, JobResult, Stop
from django_wxpay.services.worker.running import run_job
from django_wxpay.simulator import Reply
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_PLATFORM_PRIVATE_KEY,
)
from django_wxpay.testing import SimulatedWXPay, simulated_wxpay
from example_project.accounts import ACCOUNTS
from tests.frames import of_error, watched

pytestmark = pytest.mark.django_db

HMAC_KEY: Final = "TESTKEYtestkeyTESTKEYtestkey0000"
MD5_KEY: Final = "TESTKEYtestkeyTESTKEYtestkey0005"
MISPLACED: Final = "TESTKEYtestkeyTESTKEYtestkey0404"
# A line of a PEM, however its line ends are shown.
LINES: Final = tuple(
    pem.splitlines()[5] for pem in (TEST_MERCHANT_PRIVATE_KEY, TEST_PLATFORM_PRIVATE_KEY)
)
NEEDLES: Final = (
    HMAC_KEY,
    MD5_KEY,
    MISPLACED,
    TEST_API_V3_KEY,
    *LINES,
    # The keys that refund notices are sealed with.
    *(hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() for key in (HMAC_KEY, MD5_KEY)),
)
# Alias, kind, headers and body of a notification.
Delivery = tuple[str, str, Mapping[str, str], bytes]
V2: Final = ACCOUNTS["v2", "mainland"]
JSAPI: Final = {
    "trade_type": "JSAPI",
    "body": "Tea",
    "total_fee": 100,
    "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
}


@pytest.fixture(autouse=True)
def shop(settings: Any, tmp_path: Path) -> Iterator[None]:
    pem = tmp_path / "key.pem"
    pem.write_text("Bag Attributes\r\n" + TEST_MERCHANT_PRIVATE_KEY)
    domestic = ACCOUNTS["v3", "mainland"]
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": V2 | {"CLIENT_KEY": str(pem), "API_KAY": MISPLACED},
            "md5": V2 | {"MCH_ID": "1900000108", "API_KEY": MD5_KEY, "SIGN_TYPE": "MD5"},
            "v3": domestic | {"API_KEY": HMAC_KEY, "PRIVATE_KEY": pem},
            "global": ACCOUNTS["v3", "global"],
        },
    }
    yield
    _forget()


def _forget() -> None:
    conf_settings._read.cache_clear()
    gateways.transport.cache_clear()
    gateways.platform_keys.cache_clear()
    v3_keys._private_key.cache_clear()
    v3_encryption._cipher.cache_clear()


@pytest.fixture
def wxpay(monkeypatch: pytest.MonkeyPatch, shop: None) -> Iterator[SimulatedWXPay]:
    with simulated_wxpay() as simulated:
        yield simulated


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch, shop: None) -> list[Delivery]:
    """Keep what WeChat Pay sends to the shop, for the test to deliver."""
    kept: list[Delivery] = []

    def keep(url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        kept.append((url.split("/")[-3], url.split("/")[-2], headers, body))
        return Reply(503, b"")

    monkeypatch.setattr(testing, "deliver_to_this_site", keep)
    return kept


def placed(merchant: str = "default", **more: Any) -> Order:
    return services.checkout(merchant=merchant, **JSAPI | more).order


def paid(wxpay: SimulatedWXPay, merchant: str) -> Order:
    order = placed(merchant)
    wxpay.pay(order)
    return order


def refunded(wxpay: SimulatedWXPay, merchant: str) -> None:
    order = paid(wxpay, merchant)
    wxpay.simulator.refund_notice(order.mch_id, order.out_trade_no, f"R{order.pk}")


class Quoting(Exception):
    """An error of a library's whose words hold a key."""

    def __str__(self) -> str:
        return f"cannot sign with {HMAC_KEY}"


def fail(stop: Stop) -> JobResult:
    raise Quoting


USERS_OF_KEYS: Final = {
    "signing.sign",
    "signing.verify",
    "encryption._cipher",
    "encryption.seal",
    "encryption.unseal",
    "keys._private_key",
    "authorization.build_authorization",
    "certificates.read_certificate_list",
    "client_parameters._signer",
    "reading.read_sealed",
    "reading.read_pem",
    "schema._wrong_api_key",
    "credentials.problems",
    "running._error_text",
    "reports.report_fields",
    "composing._v2_refund_document",
}


def test_no_frame_of_ours_ever_holds_a_key(wxpay: SimulatedWXPay) -> None:
    with watched(NEEDLES) as watch:
        _forget()
        assert not [each for each in conf.problems() if each.code.startswith("E")]
        for merchant in conf.aliases() or ():
            order = placed(merchant)
            services.query_order(order)
            services.close_order(order)
            refunded(wxpay, merchant)
        assert services.send_reports(workers=2).sent
        assert run_job(Job(name="failing", run=fail, every_s=1)).error

    assert watch.found == set()
    assert watch.functions >= USERS_OF_KEYS


class Fault(Exception):
    """What a broken library raises."""


def broken(*_: object, **__: object) -> Any:
    raise Fault


# What a key is given to, by the place where our code calls it.
LIBRARIES: Final = {
    "MD5": "hashlib.md5",
    "HMAC": "django_wxpay.protocol.v2.signing.HMAC",
    "the cipher of v2": "django_wxpay.protocol.v2.encryption.algorithms.AES.__init__",
    "the mode of v2": "django_wxpay.protocol.v2.encryption.modes.ECB",
    "the cipher of v3": "django_wxpay.protocol.v3.encryption.AESGCM",
    "the signature of v3": "django_wxpay.protocol.v3.signing.SHA256",
    "the reader of PEMs": "django_wxpay.protocol.v3.keys.load_pem_private_key",
    "the way to WeChat Pay": "django_wxpay.simulator.SimulatorAdapter.send",
    "the way from WeChat Pay": "django_wxpay.protocol.v2.xml.expat.ParserCreate",
}


def shop_and_wechat_pay(wxpay: SimulatedWXPay, post: list[Delivery]) -> list[Callable[[], Any]]:
    """Return everything that uses a key, to be done once something is broken."""
    steps: list[Callable[[], Any]] = []
    for merchant in conf.merchants():
        order = placed(merchant)
        refunded(wxpay, merchant)
        steps += [
            partial(placed, merchant),
            partial(services.query_order, order),
            partial(services.close_order, order),
            partial(services.payment_parameters, order.prepays.get()),
        ]
    steps += [partial(services.receive_notification, *delivery) for delivery in post]
    return [*steps, services.send_reports, conf.problems]


@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES.keys())
def test_an_error_where_a_key_is_used_shows_no_key(
    library: str,
    post: list[Delivery],
    wxpay: SimulatedWXPay,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    steps = shop_and_wechat_pay(wxpay, post)
    assert len(post) == 8
    caplog.clear()
    _forget()
    errors: list[BaseException] = []
    with monkeypatch.context() as patch:
        patch.setattr(library, broken)
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever comes out is looked at
                errors.append(error)
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    errors += [error for error in logged if error is not None]

    assert any(isinstance(error, Fault) for error in errors)
    assert [place for error in errors for place in of_error(error, NEEDLES)] == []
    assert not any(needle in caplog.text for needle in NEEDLES)


def test_settings_that_cannot_be_read_show_no_key_either(settings: Any) -> None:
    accounts = {
        "default": V2 | {"PRIVATE_KEY": HMAC_KEY, "API_V3_KEY": MD5_KEY, "CERT_SERIAL_NO": "1"},
        "bytes": V2 | {"API_KEY": HMAC_KEY.encode()},
        "path": V2 | {"CLIENT_KEY": f"/keys/{LINES[0]}"[:64]},
        # The name of a setting that may be shown, in another place.
        "TIMEOUT": V2 | {"API_KEY": HMAC_KEY},
    }
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "API_KEY": MISPLACED,
        "MERCHANTS": accounts,
    }
    with watched(NEEDLES) as watch, pytest.raises(ConfigurationError) as caught:
        conf.current()

    assert watch.found == set()
    assert of_error(caught.value, NEEDLES) == []


def test_the_watch_sees_a_key_in_a_variable_an_attribute_and_a_thread() -> None:
    merchant = conf.merchant("default")
    with watched([merchant.alias]) as watch:
        merchant.owns_appid("wx1")
        conf.merchant("default")

    assert watch.found == {"merchants.py:owns_appid self", "lookups.py:merchant alias"}


def test_the_trace_of_an_error_is_read_with_its_causes() -> None:
    def sign(key: str) -> None:
        v2.sign({"a": 1.5}, key)  # type: ignore[dict-item]

    def wrapped() -> None:
        try:
            sign(HMAC_KEY)
        except TypeError as error:
            raise Fault from error

    with pytest.raises(Fault) as caught:
        wrapped()
    assert of_error(caught.value, [HMAC_KEY]) == []
    assert of_error(caught.value, ["1.5"]) != []
