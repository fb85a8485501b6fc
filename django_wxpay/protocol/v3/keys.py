"""RSA keys and certificates from PEMs, each read once and cached under its content."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _

PrivateKey = str | bytes | Secret | RSAPrivateKey
PublicKey = str | bytes | RSAPublicKey

# Reading a private key takes as long as a hundred signatures, because its numbers are checked.
# As many are kept as a process keeps merchants of a source (conf.directories), each with a key of
# its own; a process with a few merchants keeps a few.
_KEPT: Final = 8192
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)


def load_private_key(key: PrivateKey) -> RSAPrivateKey:
    """Return the private key that ``key`` is, or is the PEM of (PKCS#8 or PKCS#1).

    Raises ``ConfigurationError``, which repeats nothing of the key, if it is no such thing.
    """
    if isinstance(key, RSAPrivateKey):
        return key
    if not isinstance(key, str | bytes | Secret):
        raise ConfigurationError(_("not the PEM of an unencrypted private key"))
    key = Secret.of(key)
    return _private_key(key)


def load_public_key(key: PublicKey) -> RSAPublicKey:
    """Return the public key that ``key`` is, or is the PEM of (SPKI, PKCS#1 or a certificate).

    Raises ``ConfigurationError`` if it is no such thing.
    """
    # An RSAPublicKey is of an abstract class, to find that out takes longer than the rest.
    return _public_key(key) if isinstance(key, str | bytes) else key


def certified_key(certificate: x509.Certificate) -> RSAPublicKey:
    """Return the RSA key of ``certificate``; ``ConfigurationError`` if it has another kind."""
    try:
        key = certificate.public_key()
    except _UNREADABLE:
        raise ConfigurationError(_("a certificate whose key cannot be read")) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError(_("a certificate whose key is not an RSA key"))
    return key


def load_certificate(pem: str | bytes) -> x509.Certificate:
    """Return the certificate in ``pem``; ``ConfigurationError`` if there is none."""
    try:
        return x509.load_pem_x509_certificate(_octets(pem))
    except _UNREADABLE:
        raise ConfigurationError(_("not the PEM of an X.509 certificate")) from None


@lru_cache(maxsize=_KEPT)
def _private_key(pem: Secret) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(pem.octets(), password=None)
    except _UNREADABLE:
        raise ConfigurationError(_("not the PEM of an unencrypted private key")) from None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError(_("not an RSA key"))
    return key


@lru_cache(maxsize=_KEPT)
def _public_key(pem: str | bytes) -> RSAPublicKey:
    octets = _octets(pem)
    if b"-----BEGIN CERTIFICATE-----" in octets:
        return certified_key(load_certificate(octets))
    try:
        key = load_pem_public_key(octets)
    except _UNREADABLE:
        raise ConfigurationError(_("not the PEM of a public key or a certificate")) from None
    if not isinstance(key, RSAPublicKey):
        raise ConfigurationError(_("not an RSA key"))
    return key


def _octets(pem: str | bytes) -> bytes:
    return pem.encode(errors="replace") if isinstance(pem, str) else pem
