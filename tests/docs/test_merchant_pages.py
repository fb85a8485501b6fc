"""The samples of the pages on merchants and on the simulator, run as they are printed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from django_wxpay import conf, services
from django_wxpay.models import MerchantAccount
from django_wxpay.simulator import TEST_KEYS
from django_wxpay.testing import simulated_wxpay
from tests import accounts
from tests.docs.markdown import blocks, text_of
from tests.protocol.v3 import keys

ORDER: dict[str, Any] = {"trade_type": "NATIVE", "body": "Tea", "total_fee": 1, "product_id": "t"}


def sample(page: str, words: str) -> str:
    (found,) = [each for each in blocks(text_of(page), "python") if words in each]
    return found


def run(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "docs", "exec"), names)  # noqa: S102 - our own page


@pytest.mark.django_db
def test_merchants_move_into_the_database_and_what_was_placed_is_paid(settings: Any) -> None:
    before = settings.WXPAY["MERCHANTS"]["default"] | {"APPIDS": ["wx9", "wx10"]}
    before |= {"HOSTS": ["http://127.0.0.1:9"]} | TEST_KEYS
    kept = {"MERCHANTS": {"default": before}, "SEALING_KEYS": [accounts.SEALING_KEY]}
    settings.WXPAY = settings.WXPAY | kept
    read = conf.merchant("default")
    with simulated_wxpay() as wxpay:
        order = services.checkout(**ORDER).order
        run(sample("docs/merchants.md", "for step 2"), {})
        settings.WXPAY = settings.WXPAY | {"MERCHANTS": accounts.SOURCE}
        assert conf.merchant("default") == read
        wxpay.pay(order)
        order.refresh_from_db()
        assert order.is_paid


@pytest.mark.django_db
def test_a_merchant_is_saved_as_the_page_says(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WXPAY = accounts.wxpay()
    monkeypatch.setenv("TEA_API_KEY", accounts.API_KEY)
    run(sample("docs/merchants.md", 'by="ada"'), {})
    assert conf.merchant("tea").appids == ("wx9", "wx10")
    assert MerchantAccount.objects.get().keys_changed_by == "ada"


@pytest.mark.django_db
@pytest.mark.parametrize("region", ["mainland", "global"])
def test_an_account_of_apiv3_sells_with_the_test_keys(
    settings: Any, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.setenv("WXPAY_SIMULATOR", "1")
    shop = {"API": "v3", "APPID": "wx1", "MCH_ID": "1900000555", "REGION": region}
    shop |= {"MERCHANT_CATEGORY_CODE": "0742", "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_1"}
    names = {"WXPAY": settings.WXPAY | {"MERCHANTS": {"default": shop}}}
    run("import os\n" + sample("docs/simulator.md", "accounts of APIv3"), names)
    settings.WXPAY = names["WXPAY"]
    assert [each for each in conf.problems() if each.code.startswith("E")] == []
    sells()


@pytest.mark.django_db
def test_an_account_of_apiv3_sells_with_keys_of_its_own(settings: Any) -> None:
    made = generate_private_key(public_exponent=65537, key_size=2048)
    # As older versions of openssl write it.
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    shop = {"API": "v3", "APPID": "wx1", "MCH_ID": "1900000555", "PRIVATE_KEY": pem.decode()}
    shop |= {"CERT_SERIAL_NO": "AB" * 20, "API_V3_KEY": keys.API_V3_KEY}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": shop}}
    sells()


def sells() -> None:
    with simulated_wxpay() as wxpay:
        order = services.checkout(**ORDER).order
        wxpay.pay(order)
        order.refresh_from_db()
        assert order.is_paid
