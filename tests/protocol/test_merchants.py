"""Merchants: which appids are theirs, and that no key is ever shown."""

from __future__ import annotations

from dataclasses import replace

from django_wxpay.protocol.merchants import DEFAULT_HOSTS, Region
from tests.protocol.samples import KEY, MERCHANT


def test_a_merchant_owns_its_appid_and_those_bound_to_it_and_no_other():
    assert MERCHANT.owns_appid("wxd930ea5d5a258f4f")
    assert MERCHANT.owns_appid("wx9999999999999999")
    assert not MERCHANT.owns_appid("wx0000000000000000")
    assert not MERCHANT.owns_appid("")


def test_no_key_is_in_the_repr():
    secret = replace(
        MERCHANT, api_v3_key="v3-secret", private_key="pem-secret", client_key="tls-secret"
    )

    for hidden in (KEY, "v3-secret", "pem-secret", "tls-secret"):
        assert hidden not in repr(secret)


def test_every_region_has_a_primary_and_a_standby():
    assert DEFAULT_HOSTS[Region.MAINLAND] == (
        "https://api.mch.weixin.qq.com",
        "https://api2.mch.weixin.qq.com",
    )
    assert [len(DEFAULT_HOSTS[region]) for region in Region] == [2, 2]
