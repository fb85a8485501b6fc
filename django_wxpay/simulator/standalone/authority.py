"""Own certificate authority of one simulator, and the certificates that it issues.

It stands for those of WeChat Pay's hosts and of merchants' API certificates. A certificate counts
as issued here only by signature and name, so that no other authority's passes for one of these.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.v3.keys import certified_key

LIFE: Final = timedelta(days=10 * 365)
# No longer: some systems take no certificate of a host that is good for more than 825 days.
LIFE_OF_HOST: Final = timedelta(days=820)
# A client's clock may be behind.
_EARLIER: Final = timedelta(days=1)
_SERIAL_BYTES: Final = 20
_ORGANIZATION: Final = "TEST ONLY, opens nothing"
_OF_AUTHORITY: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The CA of ``key``; ``certificate`` is its own. ``now`` is aware."""

    key: RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate
    now: datetime

    @classmethod
    def begun(cls, key: RSAPrivateKey, *, now: datetime) -> Authority:
        """Return the CA of ``key`` with a certificate that begins ``now``."""
        # Two of them may be trusted by one client, and are then told apart by their names.
        name = _name(f"Own CA {os.urandom(4).hex()}")
        made = (
            _builder(name, key.public_key(), now=now, life=LIFE)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_OF_AUTHORITY, critical=True)
            .sign(key, SHA256())
        )
        return cls(key=key, certificate=made, now=now)

    def issue(
        self,
        name: str,
        key: RSAPublicKey,
        *extensions: x509.ExtensionType,
        life: timedelta = LIFE,
        serial_no: str = "",
    ) -> x509.Certificate:
        """Return a new certificate of ``key``, of any serial unless ``serial_no`` is fit."""
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = (
            _builder(_name(name), key, now=self.now, life=life, serial_no=serial_no)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        for extension in (issuer, *extensions):
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, SHA256())

    def still_issues(self, found: x509.Certificate) -> bool:
        """Say whether ``found`` is of this CA under its present name."""
        return found.issuer == self.certificate.subject and is_issued_by(self.key, found)


def is_issued_by(key: RSAPrivateKey, found: x509.Certificate) -> bool:
    """Say whether ``found`` is of a CA of this module with ``key``, whatever its name was then."""
    # Another program's CA may have its key in a file of the same name.
    if _ORGANIZATION not in _organizations(found.issuer):
        return False
    try:
        key.public_key().verify(found.signature, found.tbs_certificate_bytes, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def is_of_key(found: x509.Certificate, key: RSAPublicKey) -> bool:
    """Say whether ``found`` certifies ``key``; raises ``ConfigurationError`` for no RSA key."""
    return certified_key(found).public_numbers() == key.public_numbers()


def is_fit(serial_no: str) -> bool:
    """Say whether a certificate may have this serial: a positive number of 20 octets."""
    return bool(serial_no) and 0 < int(serial_no, 16).bit_length() < 8 * _SERIAL_BYTES


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def key_pem_of(key: RSAPrivateKey) -> bytes:
    """Return a private key as PEM (PKCS#8), in plain text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    name: x509.Name, key: RSAPublicKey, *, now: datetime, life: timedelta, serial_no: str = ""
) -> x509.CertificateBuilder:
    serial = int(serial_no, 16) if is_fit(serial_no) else x509.random_serial_number()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common: str) -> x509.Name:
    parts = ((NameOID.ORGANIZATION_NAME, _ORGANIZATION), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(*part) for part in parts])


def _organizations(name: x509.Name) -> list[str | bytes]:
    return [part.value for part in name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
