"""TLS of the simulator's own server, and the client certificates that it asks for.

One that a merchant's settings hold is trusted as it is, whoever issued it: the real gateway's
issuer is not known here. A connection without a certificate is good for every call but those of v2
below ``/secapi/`` and ``/pay/downloadfundflow`` (protocol-v2 section 2.4).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.errors import ConfigurationError

# The key of the WSGI environment that holds the client's certificate as PEM, "" if it has shown
# none; without the key, nothing is known of certificates.
CLIENT_CERTIFICATE_KEY: Final = "wxpay_simulator.client_certificate"


def tls_context(
    certificate: str | Path,
    key: str | Path,
    *,
    client_certificates: Iterable[str] = (),
    client_ca: str | Path | None = None,
) -> ssl.SSLContext:
    """Return the context of a server that asks for client certificates, and takes none as well.

    ``certificate`` and ``key`` are files of PEM. A client's certificate has to be one of
    ``client_certificates``, as PEM, or to come from an issuer in the file ``client_ca``. Raises
    ``ConfigurationError`` for what cannot be read or does not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    # A merchant's certificate is trusted without the one that issued it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
        for pem in client_certificates:
            context.load_verify_locations(cadata=pem)
    except OSError as error:
        raise ConfigurationError(f"certificate, key or client CA: {error}") from None
    return context


def same_certificate(one: str, other: str) -> bool:
    """Say whether two PEMs begin with the same certificate."""
    first = _first(one)
    return first is not None and first == _first(other)


def names_merchant(pem: str, mch_id: str) -> bool:
    """Say whether a certificate is of ``mch_id``, which WeChat Pay's have as their name."""
    first = _first(pem)
    names = first.subject.get_attributes_for_oid(NameOID.COMMON_NAME) if first else ()
    return any(name.value == mch_id for name in names)


def _first(pem: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        return None
