"""Accounts of the simulated gateway, one for each ``mch_id``, and the demo merchants.

A shop may have several aliases with one ``mch_id``; the gateway knows one account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import DEFAULT_HOSTS, NO_KEY, Api, Merchant, Mode, Region
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PUBLIC_KEY,
    TEST_PUBLIC_KEY_ID,
    KeyMaterial,
)

_API_V3_KEY_BYTES = 32


class KeyMode(StrEnum):
    """The keys that WeChat Pay signs with for a merchant (protocol-v3 section 2.5)."""

    CERTIFICATE = "certificate"
    PUBLIC_KEY = "public_key"
    MIGRATION = "migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One merchant of the gateway.

    ``certificates`` are the public keys of its own API certificates by serial; without one
    it cannot use v3. ``key_mode`` is the first mode; the control plane may change it.
    ``client_certificates`` are those, as PEM, that calls below ``/secapi/`` and
    ``/pay/downloadfundflow`` are made with.
    """

    mch_id: str
    name: str
    appids: tuple[str, ...]
    mode: Mode
    mainland: bool
    api_key: Secret = field(repr=False)
    api_v3_key: Secret = field(default=NO_KEY, repr=False)
    certificates: Mapping[str, RSAPublicKey] = field(default_factory=dict, repr=False)
    key_mode: KeyMode = KeyMode.CERTIFICATE
    client_certificates: tuple[str, ...] = field(default=(), repr=False)

    @property
    def region(self) -> Region:
        return Region.MAINLAND if self.mainland else Region.GLOBAL


def open_accounts(
    merchants: Iterable[Merchant | Account], material: KeyMaterial
) -> dict[str, Account]:
    """Return the accounts of ``merchants`` by mch_id.

    One that is an account already, for which no private key of the merchant's is needed, stays as
    it is. Entries that share a mch_id are one account with all their appids and certificates.
    Raises ``ConfigurationError`` for two of them with different keys or modes, for a v3 key
    of the wrong length, and for a merchant whose public key of WeChat Pay is not the one in
    ``material``.
    """
    accounts: dict[str, Account] = {}
    for merchant in merchants:
        here = merchant if isinstance(merchant, Account) else _account(merchant, material)
        there = accounts.get(here.mch_id)
        accounts[here.mch_id] = here if there is None else _joined(there, here)
    return accounts


def _account(merchant: Merchant, material: KeyMaterial) -> Account:
    _check_public_key(merchant, material)
    if merchant.api_v3_key and len(merchant.api_v3_key.octets()) != _API_V3_KEY_BYTES:
        raise ConfigurationError(f'merchant "{merchant.alias}": API_V3_KEY is not 32 bytes long')
    has_public_key = bool(merchant.wechatpay_public_key_id)
    return Account(
        mch_id=merchant.mch_id,
        name=merchant.alias,
        appids=(merchant.appid, *merchant.appids),
        mode=merchant.mode,
        mainland=merchant.region is Region.MAINLAND,
        api_key=merchant.api_key,
        api_v3_key=merchant.api_v3_key,
        certificates=_certificates(merchant),
        key_mode=KeyMode.PUBLIC_KEY if has_public_key else KeyMode.CERTIFICATE,
        client_certificates=(merchant.client_cert,) if merchant.client_cert else (),
    )


def _certificates(merchant: Merchant) -> dict[str, RSAPublicKey]:
    """Return the keys that verify the merchant: of its private key, or of its API certificate."""
    if merchant.private_key and merchant.cert_serial_no:
        key = load_private_key(merchant.private_key).public_key()
        return {key_name(merchant.cert_serial_no): key}
    if merchant.client_cert:
        certificate = read_certificate(merchant.client_cert)
        return {certificate.serial_no: certificate.public_key}
    return {}


def _check_public_key(merchant: Merchant, material: KeyMaterial) -> None:
    if not merchant.wechatpay_public_key_id:
        return
    ours = load_private_key(material.private_key).public_key().public_numbers()
    matches = material.public_key_id == merchant.wechatpay_public_key_id
    if matches and merchant.wechatpay_public_key:
        matches = load_public_key(merchant.wechatpay_public_key).public_numbers() == ours
    if not matches:
        raise ConfigurationError(
            f'merchant "{merchant.alias}" verifies with {merchant.wechatpay_public_key_id}, which '
            "WeChat Pay alone can sign with. The simulator signs with a key of its own: put "
            "django_wxpay.simulator.TEST_KEYS over the keys of this merchant (docs/simulator.md)"
        )


def _joined(first: Account, second: Account) -> Account:
    if first.mode is not second.mode:
        raise ConfigurationError(f"mch_id {first.mch_id} cannot be direct and an institution")
    return replace(
        first,
        appids=tuple(dict.fromkeys(first.appids + second.appids)),
        mainland=first.mainland and second.mainland,
        api_key=_one_key(first.mch_id, "API", first.api_key, second.api_key),
        api_v3_key=_one_key(first.mch_id, "APIv3", first.api_v3_key, second.api_v3_key),
        certificates={**first.certificates, **second.certificates},
        key_mode=_joined_mode(first, second),
        client_certificates=first.client_certificates + second.client_certificates,
    )


def _one_key(mch_id: str, kind: str, first: Secret, second: Secret) -> Secret:
    if first and second and first != second:
        raise ConfigurationError(f"mch_id {mch_id} has two different {kind} keys")
    return first or second


def _joined_mode(first: Account, second: Account) -> KeyMode:
    # An alias that speaks v2 alone says nothing about v3's keys.
    modes = {account.key_mode for account in (first, second) if account.certificates}
    return modes.pop() if len(modes) == 1 else KeyMode.MIGRATION if modes else first.key_mode


# Test keys: they open nothing anywhere.
_V3: Final[dict[str, Any]] = {
    "appid": "wx8888888888888888",
    "api": Api.V3,
    "api_v3_key": TEST_API_V3_KEY,
    "private_key": TEST_MERCHANT_PRIVATE_KEY,
    "cert_serial_no": TEST_MERCHANT_SERIAL_NO,
}
_GLOBAL: Final[dict[str, Any]] = {
    **_V3,
    "region": Region.GLOBAL,
    "merchant_category_code": "0742",
    "hosts": DEFAULT_HOSTS[Region.GLOBAL],
}

DEMO_MERCHANTS: Final = (
    Merchant(
        alias="default",
        mch_id="1900000109",
        appid="wx8888888888888888",
        api_key=Secret("TESTKEYtestkeyTESTKEYtestkey0000"),
    ),
    Merchant(
        alias="institution",
        mch_id="1900000100",
        appid="wx8888888888888888",
        mode=Mode.INSTITUTIONAL,
        sub_mch_id="1900000109",
        api_key=Secret("TESTKEYtestkeyTESTKEYtestkey0001"),
    ),
    # A new mainland merchant: verifies with WeChat Pay's public key, has no platform certificates.
    Merchant(
        alias="mainland-v3",
        mch_id="1900000110",
        wechatpay_public_key_id=TEST_PUBLIC_KEY_ID,
        wechatpay_public_key=TEST_PUBLIC_KEY,
        **_V3,
    ),
    # The merchant of the global documentation: downloads platform certificates.
    Merchant(alias="global-v3", mch_id="1900000111", **_GLOBAL),
    Merchant(
        alias="global-v3-institution",
        mch_id="1900000112",
        mode=Mode.INSTITUTIONAL,
        sub_mch_id="1900000113",
        **_GLOBAL,
    ),
)
