"""Configuration of a simulator without a Django project: a file of JSON.

Of a merchant it holds what WeChat Pay knows, so a public key or a certificate and no private key;
of WeChat Pay's side what a client trusts. What is left out is made in the folder. A message names
the member that is wrong and repeats no value, for it may be a key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, get_type_hints

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from django_wxpay.protocol.merchants import Mode, Region
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.certificates import certificate_matches_key, read_certificate
from django_wxpay.protocol.v3.fields import ID
from django_wxpay.protocol.v3.key_names import PUBLIC_KEY_ID, key_name
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key
from django_wxpay.simulator.standalone.authority import key_pem_of
from django_wxpay.simulator.standalone.folder import Folder
from django_wxpay.simulator.standalone.members import Members, read_document
from django_wxpay.simulator.state.accounts import (
    DEMO_MERCHANTS,
    Account,
    KeyMode,
    open_accounts,
)
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.v3.demo_keys import TEST_MERCHANT_PRIVATE_KEY, KeyMaterial

_SERIAL: Final = re.compile("[0-9A-Fa-f]{1,40}")
_PUBLIC_KEY_ID: Final = re.compile(f"{PUBLIC_KEY_ID}[0-9A-Za-z]{{1,64}}")
_KEY_BYTES: Final = 32
# What a file of JSON cannot say, and what stands elsewhere in it or on the command line.
_NOT_OPTIONS: Final = ("material", "live", "own_hosts", "entropy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a simulator of its own knows: its merchants, and WeChat Pay's keys."""

    accounts: tuple[Account, ...]
    options: Options = field(repr=False)


def read_config(file: Path, folder: Folder) -> Config:
    """Return the configuration in ``file``; what it leaves out is made in ``folder``.

    Paths in it begin at the file's own folder. Raises ``ConfigurationError``.
    """
    document = read_document(file)
    given = document.records("merchants")
    accounts: dict[str, Account] = {}
    for each in given:
        account = _account(each, folder)
        if account.mch_id in accounts:
            each.fail("mch_id", "is another merchant's as well")
        accounts[account.mch_id] = account
    options = _options(document.record("options"))
    material = _material(document.record("wechatpay"), folder)
    document.end()
    return Config(accounts=tuple(accounts.values()), options=replace(options, material=material))


def demo_config(folder: Folder) -> Config:
    """Return the demonstration; what its clients need, private keys too, is put into ``folder``."""
    key = load_private_key(KeyMaterial().private_key)
    folder.publish("wechatpay_public_key.pem", key.public_key())
    certificate_key = folder.private_key("wechatpay_cert-key.pem")
    material = KeyMaterial(
        certificate=folder.platform(certificate_key.public_key()),
        certificate_key=Secret(key_pem_of(certificate_key)),
    )
    accounts = open_accounts(DEMO_MERCHANTS, material).values()
    return Config(
        accounts=tuple(_with_pair(account, folder) for account in accounts),
        options=Options(material=material),
    )


def _with_pair(account: Account, folder: Folder) -> Account:
    """Return a merchant of the demonstration with the certificate of its pair in ``folder``."""
    serial_no = next(iter(account.certificates), "")
    published = load_private_key(TEST_MERCHANT_PRIVATE_KEY) if serial_no else None
    pem = folder.merchant(account.mch_id, serial_no=serial_no, private_key=published)
    certificate = read_certificate(pem)
    return replace(
        account,
        certificates={certificate.serial_no: certificate.public_key},
        client_certificates=(pem,),
    )


def _account(given: Members, folder: Folder) -> Account:
    given.refuse("private_key", "is not needed: give public_key or certificate, or neither")
    mch_id, appids = given.text("mch_id"), given.texts("appids")
    for name, value in (("mch_id", mch_id), *((f"appids[{i}]", x) for i, x in enumerate(appids))):
        if problem := ID.problem(value):
            given.fail(name, f"does not fit: {problem} (allowed: {ID.text})")
    if not (given.has("api_key") or given.has("api_v3_key")):
        given.fail("api_key", "is missing, and api_v3_key too: one of them has to be there")
    serial_no, key, pem = _own_key(given)
    if not pem:
        pem = folder.merchant(mch_id, key, serial_no=serial_no)
        certificate = read_certificate(pem)
        serial_no, key = serial_no or certificate.serial_no, certificate.public_key
    account = Account(
        mch_id=mch_id,
        name=given.text("name", default=mch_id),
        appids=appids,
        mode=Mode(given.word("mode", Mode, default=Mode.COMMON)),
        mainland=given.word("region", Region, default=Region.MAINLAND) == Region.MAINLAND,
        api_key=_key(given, "api_key"),
        api_v3_key=_key(given, "api_v3_key"),
        certificates={key_name(serial_no): key} if key else {},
        key_mode=KeyMode(given.word("key_mode", KeyMode, default=KeyMode.PUBLIC_KEY)),
        client_certificates=(pem,),
    )
    given.end()
    return account


def _key(given: Members, name: str) -> Secret:
    key = given.secret(name)
    if key and len(key.octets()) != _KEY_BYTES:
        given.fail(name, f"is not {_KEY_BYTES} characters long")
    return key


def _own_key(given: Members) -> tuple[str, RSAPublicKey | None, str]:
    """Return the serial, the key and the certificate of a merchant, as far as they are given."""
    serial_no = given.text("serial_no", default="")
    if given.has("serial_no") and not (_SERIAL.fullmatch(serial_no) and int(serial_no, 16)):
        given.fail("serial_no", "is not a number of up to 40 hexadecimal digits")
    if given.has("certificate") and given.has("public_key"):
        given.fail("public_key", "stands beside certificate, which has one in it: give one of them")
    if given.has("certificate"):
        certificate = given.readable("certificate", read_certificate)
        if serial_no and key_name(serial_no) != certificate.serial_no:
            given.fail("serial_no", "is not the serial of certificate")
        return certificate.serial_no, certificate.public_key, certificate.pem
    if given.has("public_key"):
        return serial_no, given.readable("public_key", load_public_key), ""
    if serial_no:
        given.fail("serial_no", "is of no use without public_key or certificate")
    return "", None, ""


def _material(given: Members, folder: Folder) -> KeyMaterial:
    """Return WeChat Pay's keys, and write what clients trust into ``folder``."""
    if given.has("private_key"):
        key = given.readable("private_key", load_private_key)
    else:
        key = folder.private_key("wechatpay_public_key-key.pem")
    folder.publish("wechatpay_public_key.pem", key.public_key())
    # A number like the real one's, and always the same for the same key.
    digits = f"{key.public_key().public_numbers().n % 10**34:034d}"
    key_id = given.text("public_key_id", default=f"{PUBLIC_KEY_ID}{digits}")
    if not _PUBLIC_KEY_ID.fullmatch(key_id):
        given.fail("public_key_id", f"is not {PUBLIC_KEY_ID} and letters or digits")
    if given.has("certificate") != given.has("certificate_key"):
        missing = "certificate_key" if given.has("certificate") else "certificate"
        given.fail(missing, "is missing: a certificate and its key go together")
    if given.has("certificate"):
        certificate = given.readable("certificate", read_certificate).pem
        certificate_key = given.readable("certificate_key", load_private_key)
        if not certificate_matches_key(certificate, certificate_key):
            given.fail("certificate_key", "is not the key that certificate certifies")
    else:
        certificate_key = folder.private_key("wechatpay_cert-key.pem")
        certificate = folder.platform(certificate_key.public_key())
    given.end()
    return KeyMaterial(
        public_key_id=key_id,
        private_key=Secret(key_pem_of(key)),
        certificate=certificate,
        certificate_key=Secret(key_pem_of(certificate_key)),
    )


def _options(given: Members) -> Options:
    hints: dict[str, Any] = get_type_hints(Options)
    known = {name: hint for name, hint in hints.items() if name not in _NOT_OPTIONS}
    values = {name: given.typed(name, hint) for name, hint in known.items() if given.has(name)}
    given.end()
    return Options(**values)
