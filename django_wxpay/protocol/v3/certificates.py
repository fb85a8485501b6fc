"""Platform certificates and the list of them (protocol-v3 section 2.6).

A serial is a number, in the one form of ``key_name``. An entry of the list that cannot be read, or
is not the certificate it names, is left out: the others are as good without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    ConfigurationError,
    MalformedMessage,
)
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.encryption import TagMismatch, unseal
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import (
    PrivateKey,
    certified_key,
    load_certificate,
    load_private_key,
)
from django_wxpay.protocol.v3.reading import child, moment, text

# The kinds of refusal to a merchant who has no platform certificates (protocol-v3 section 2.5).
NO_CERTIFICATES: Final = frozenset({"RESOURCE_NOT_EXISTS", "NOT_FOUND"})
_SHOWN_SERIAL: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCertificate:
    """One certificate of WeChat Pay's, with the dates between which it is used."""

    serial_no: str
    not_before: datetime
    not_after: datetime
    pem: str = field(repr=False)
    public_key: RSAPublicKey = field(repr=False, compare=False)


def read_certificate(pem: str | bytes) -> PlatformCertificate:
    """Return the certificate in ``pem``; ``ConfigurationError`` if there is none with an RSA key.

    Its dates are the certificate's own.
    """
    certificate = load_certificate(pem)
    return PlatformCertificate(
        serial_no=key_name(f"{certificate.serial_number:X}"),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        public_key=certified_key(certificate),
    )


def read_certificate_list(
    body: bytes,
    api_v3_key: str | Secret,
    *,
    on_unreadable: Callable[[str, str], None] = lambda _serial_no, _problem: None,
) -> tuple[PlatformCertificate, ...]:
    """Return the certificates in the answer of ``GET .../certificates``.

    Their dates are the list's, which brings an end forward before a switch, and the
    certificate's own where the list has none. ``on_unreadable`` is called with the serial and
    the problem of each entry that is left out. Raises ``BadAnswer`` for what is no such list or
    one without a readable entry, ``BadSignature`` if ``api_v3_key`` opens none of it, and
    ``ConfigurationError`` for a key that is not 32 bytes. The answer's own signature is
    another question.
    """
    api_v3_key = Secret.of(api_v3_key)
    found, problems = [], []
    try:
        for entry in _entries(body):
            try:
                found.append(_certificate(entry, api_v3_key))
            except (TagMismatch, MalformedMessage) as problem:
                problems.append((_named(entry), problem))
        if not found:
            raise problems[0][1]
    except TagMismatch as error:
        raise BadSignature("API_V3_KEY does not open the certificates") from error
    except MalformedMessage as error:
        raise BadAnswer(str(error)) from error
    for serial_no, reason in problems:
        on_unreadable(serial_no, str(reason))
    return tuple(found)


def certificate_matches_key(certificate_pem: str | bytes, private_key: PrivateKey) -> bool:
    """Return whether the certificate certifies ``private_key``; neither may be unreadable."""
    private_key = load_private_key(private_key)
    certified = certified_key(load_certificate(certificate_pem))
    return certified.public_numbers() == private_key.public_key().public_numbers()


def _entries(body: bytes) -> list[object]:
    entries = _stripped(read_object(body)).get("data")
    if not isinstance(entries, list) or not entries:
        raise MalformedMessage("there is no certificate in the answer")
    return entries


def _named(entry: object) -> str:
    """Return the serial of an entry as it may be shown, whatever the entry is."""
    serial_no = entry.get("serial_no") if isinstance(entry, dict) else None
    return ascii(serial_no[:_SHOWN_SERIAL]) if isinstance(serial_no, str) else "none"


def _certificate(entry: object, api_v3_key: Secret) -> PlatformCertificate:
    if not isinstance(entry, dict):
        raise MalformedMessage("an entry of the list is not an object")
    pem = unseal(child(entry, "encrypt_certificate"), api_v3_key)
    certificate = _read_sealed(pem)
    if key_name(text(entry, "serial_no")) != certificate.serial_no:
        raise MalformedMessage("a certificate is not the one its entry names")
    return PlatformCertificate(
        serial_no=certificate.serial_no,
        not_before=moment(entry, "effective_time") or certificate.not_before,
        not_after=moment(entry, "expire_time") or certificate.not_after,
        pem=certificate.pem,
        public_key=certificate.public_key,
    )


def _read_sealed(pem: bytes) -> PlatformCertificate:
    try:
        return read_certificate(pem)
    except ConfigurationError as error:
        raise MalformedMessage("what is sealed is not a certificate") from error


def _stripped(value: Any) -> Any:
    # A published example has "effective_time " with a blank behind it (protocol-v3
    # section 2.6).
    if isinstance(value, dict):
        return {name.strip(): _stripped(held) for name, held in value.items()}
    return [_stripped(held) for held in value] if isinstance(value, list) else value
