"""How a platform certificate comes to be: a key pair, a serial and a signature of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.protocol.v3.keys import load_private_key

# Protocol-v3 section 2.5.
_LIFE: Final = timedelta(days=5 * 365)
_NAME: Final = "Simulated WeChat Pay platform certificate (TEST ONLY)"
# One hexadecimal digit less than the forty there are room for: the first one is a zero.
SERIAL_BYTES: Final = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One platform certificate with its private key, and the dates the list gives for it."""

    serial_no: str
    pem: str
    private_key: RSAPrivateKey = field(repr=False)
    effective_at: datetime
    expires_at: datetime


def mint(*, entropy: bytes, now: datetime, key: RSAPrivateKey | None = None) -> Certificate:
    """Return a new self-signed certificate that is good for five years from ``now``.

    ``entropy`` becomes its serial, which begins with a zero for those who would lose it
    (protocol-v3 section 2.3, rule 6).
    """
    key = key or new_key()
    effective_at = now.replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(entropy[:SERIAL_BYTES]) or 1)
        .not_valid_before(effective_at)
        .not_valid_after(effective_at + _LIFE)
        .sign(key, SHA256())
    )
    return load(made.public_bytes(Encoding.PEM).decode(), key)


def load(pem: str, private_key: str | RSAPrivateKey) -> Certificate:
    """Return the certificate in ``pem``; ``ConfigurationError`` where there is none."""
    read = read_certificate(pem)
    return Certificate(
        serial_no=read.serial_no,
        pem=read.pem,
        private_key=load_private_key(private_key),
        effective_at=read.not_before,
        expires_at=read.not_after,
    )


def new_key() -> RSAPrivateKey:
    """Return a key pair nobody has seen."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def first_key() -> RSAPrivateKey:
    """Return the key pair of every simulator's first certificate in this process.

    Finding one takes longer than all else that a simulator does, and only a second one has
    to differ.
    """
    return new_key()
