"""Merchants of v3, and settings that contradict the simulator (protocol-v3 section 2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant, Mode, Region
from django_wxpay.simulator import DEMO_MERCHANTS, create_app
from tests.protocol.v3 import keys
from tests.simulator.v3.calling import (
    GLOBAL,
    INSTITUTION,
    MAINLAND,
    SUB_MCHID,
    Caller,
)

BY_NUMBER = {one.mch_id: one for one in DEMO_MERCHANTS}
DIRECT = BY_NUMBER[MAINLAND]
PLAIN = replace(DIRECT, wechatpay_public_key="", wechatpay_public_key_id="")


def test_the_demonstration_has_one_v3_merchant_of_each_kind() -> None:
    assert DIRECT.region is Region.MAINLAND
    assert BY_NUMBER[GLOBAL].region is BY_NUMBER[INSTITUTION].region is Region.GLOBAL
    assert BY_NUMBER[GLOBAL].merchant_category_code == "0742"
    assert BY_NUMBER[INSTITUTION].mode is Mode.INSTITUTIONAL
    assert BY_NUMBER[INSTITUTION].sub_mch_id == SUB_MCHID
    for merchant in (DIRECT, BY_NUMBER[GLOBAL], BY_NUMBER[INSTITUTION]):
        assert merchant.appid == "wx8888888888888888"
        assert merchant.api_v3_key.reveal() == "TESTONLYapiv3keyTESTONLYapiv3key"


def test_a_merchant_may_be_known_by_its_certificate() -> None:
    merchant = Merchant(
        alias="certified",
        mch_id=MAINLAND,
        appid=DIRECT.appid,
        client_cert=keys.MERCHANT_CERTIFICATE,
    )
    caller = Caller(create_app([merchant]))
    signs = {"serial_no": keys.MERCHANT_SERIAL, "private_key": keys.MERCHANT_KEY}
    answer = caller.call("POST", f"{caller.home}/native", caller.order(), signs=signs)
    assert answer["code_url"]


def test_a_merchant_may_have_two_certificates() -> None:
    second = replace(
        PLAIN,
        alias="second",
        private_key=keys.MERCHANT_KEY,
        cert_serial_no=keys.MERCHANT_SERIAL.lower(),
    )
    caller = Caller(create_app([PLAIN, second]))
    signs = {"serial_no": keys.MERCHANT_SERIAL, "private_key": keys.MERCHANT_KEY}
    assert caller.place()["status"] == 200
    assert caller.query(signs=signs)["status"] == 200


@pytest.mark.parametrize("lacking", ["private_key", "cert_serial_no"])
def test_a_merchant_without_keys_cannot_sign(lacking: str) -> None:
    caller = Caller(create_app([replace(PLAIN, **{lacking: ""})]))
    answer = caller.place()
    assert (answer["status"], answer["code"]) == (401, "SIGN_ERROR")
    assert caller.app.keys()["merchants"] == []


def test_without_an_apiv3_key_there_are_no_certificates() -> None:
    caller = Caller(create_app([replace(PLAIN, api_v3_key="")]))
    answer = caller.certificates()
    assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("merchants", "expected"),
    [
        ([replace(PLAIN, api_v3_key="short")], "32 bytes"),
        ([replace(PLAIN, private_key="-----BEGIN PRIVATE KEY-----")], "private key"),
        ([PLAIN, replace(PLAIN, api_v3_key="x" * 32)], "two different APIv3 keys"),
        ([PLAIN, replace(PLAIN, mode=Mode.INSTITUTIONAL)], "cannot be direct and"),
        ([replace(DIRECT, wechatpay_public_key_id="PUB_KEY_ID_1")], "verifies with PUB_KEY_ID_1"),
        ([replace(DIRECT, wechatpay_public_key=keys.WECHATPAY_PUBLIC_KEY)], "key of its own"),
    ],
)
def test_settings_that_cannot_be_are_named(merchants: list[Merchant], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected) as error:
        create_app(merchants)
    assert "PRIVATE KEY-----" not in str(error.value)


def test_the_id_of_the_public_key_alone_is_enough() -> None:
    app = create_app([replace(DIRECT, wechatpay_public_key="")])
    assert app.keys()["merchants"][0]["mode"] == "public_key"


@pytest.mark.parametrize(
    ("merchants", "mode"),
    [
        ([PLAIN, PLAIN], "certificate"),
        ([DIRECT, DIRECT], "public_key"),
        ([PLAIN, DIRECT], "migration"),
        ([replace(PLAIN, private_key=""), DIRECT], "public_key"),
        ([DIRECT, replace(PLAIN, private_key="")], "public_key"),
    ],
)
def test_aliases_that_trust_different_keys_are_in_the_middle_of_a_migration(
    merchants: list[Merchant], mode: str
) -> None:
    [row] = create_app(merchants).keys()["merchants"]
    assert row["mode"] == mode
    assert row["callback_share"] == {"certificate": 0, "public_key": 1, "migration": 0.001}[mode]


def test_two_aliases_of_v2_alone_have_no_keys() -> None:
    old = replace(BY_NUMBER["1900000109"], appids=("wx6666666666666666",))
    app = create_app([old, BY_NUMBER["1900000109"]])
    assert app.keys()["merchants"] == []
