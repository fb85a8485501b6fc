"""What the simulated gateway knows of each ``mch_id``, whatever aliases the shop has for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.merchants import Merchant, Mode, Region
from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key
from django_wxpay.simulator.v3.material import KeyMaterial

_API_V3_KEY_BYTES = 32


class KeyMode(StrEnum):
    """With which keys WeChat Pay signs for a merchant (protocol-v3 section 2.5)."""

    CERTIFICATE = "certificate"
    PUBLIC_KEY = "public_key"
    MIGRATION = "migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One merchant of the gateway.

    ``certificates`` are the public keys of its own API certificates by serial; without one
    it cannot speak v3. ``key_mode`` is where it starts; the control plane may move it.
    """

    mch_id: str
    name: str
    appids: tuple[str, ...]
    mode: Mode
    mainland: bool
    api_key: str = field(repr=False)
    api_v3_key: str = field(default="", repr=False)
    certificates: Mapping[str, RSAPublicKey] = field(default_factory=dict, repr=False)
    key_mode: KeyMode = KeyMode.CERTIFICATE

    @property
    def region(self) -> Region:
        return Region.MAINLAND if self.mainland else Region.GLOBAL


def open_accounts(merchants: Iterable[Merchant], material: KeyMaterial) -> Mapping[str, Account]:
    """Return the accounts of ``merchants`` by mch_id.

    Entries that share a mch_id are one account with all their appids and certificates. A
    ``ConfigurationError`` says that two of them have different keys or modes, for the gateway
    knows only one; that a v3 key cannot be one; or that a merchant believes another public
    key than the one in ``material``.
    """
    accounts: dict[str, Account] = {}
    for merchant in merchants:
        _check_believed(merchant, material)
        here = _account(merchant)
        there = accounts.get(here.mch_id)
        accounts[here.mch_id] = here if there is None else _joined(there, here)
    return accounts


def _account(merchant: Merchant) -> Account:
    if merchant.api_v3_key and len(merchant.api_v3_key.encode()) != _API_V3_KEY_BYTES:
        raise ConfigurationError(f'merchant "{merchant.alias}": API_V3_KEY is not 32 bytes long')
    believes_a_public_key = bool(merchant.wechatpay_public_key_id)
    return Account(
        mch_id=merchant.mch_id,
        name=merchant.alias,
        appids=(merchant.appid, *merchant.appids),
        mode=merchant.mode,
        mainland=merchant.region is Region.MAINLAND,
        api_key=merchant.api_key,
        api_v3_key=merchant.api_v3_key,
        certificates=_certificates(merchant),
        key_mode=KeyMode.PUBLIC_KEY if believes_a_public_key else KeyMode.CERTIFICATE,
    )


def _certificates(merchant: Merchant) -> dict[str, RSAPublicKey]:
    """Return what verifies the merchant: the half of its private key, or its API certificate's."""
    if merchant.private_key and merchant.cert_serial_no:
        key = load_private_key(merchant.private_key).public_key()
        return {merchant.cert_serial_no.upper(): key}
    if merchant.client_cert:
        certificate = read_certificate(merchant.client_cert)
        return {certificate.serial_no: certificate.public_key}
    return {}


def _check_believed(merchant: Merchant, material: KeyMaterial) -> None:
    if not merchant.wechatpay_public_key_id:
        return
    ours = load_private_key(material.private_key).public_key().public_numbers()
    believed = material.public_key_id == merchant.wechatpay_public_key_id
    if believed and merchant.wechatpay_public_key:
        believed = load_public_key(merchant.wechatpay_public_key).public_numbers() == ours
    if not believed:
        raise ConfigurationError(
            f'merchant "{merchant.alias}" believes {merchant.wechatpay_public_key_id}, and the '
            f"simulator signs with a key of its own, {material.public_key_id}: name that one in "
            "the settings (django_wxpay.simulator.v3.demo_keys), or give Options(material=...)"
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
    )


def _one_key(mch_id: str, kind: str, first: str, second: str) -> str:
    if first and second and first != second:
        raise ConfigurationError(f"mch_id {mch_id} has two different {kind} keys")
    return first or second


def _joined_mode(first: Account, second: Account) -> KeyMode:
    # An alias that speaks v2 alone says nothing about v3's keys.
    modes = {account.key_mode for account in (first, second) if account.certificates}
    return modes.pop() if len(modes) == 1 else KeyMode.MIGRATION if modes else first.key_mode
