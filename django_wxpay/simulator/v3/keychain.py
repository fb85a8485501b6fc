"""WeChat Pay's signing keys: platform certificates that rotate, and a public key.

Source: protocol-v3 sections 2.5 and 2.6. The caller holds the world's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import PrivateKey, load_private_key
from django_wxpay.simulator.control.arguments import ControlError
from django_wxpay.simulator.state.accounts import Account, KeyMode
from django_wxpay.simulator.state.clock import Clock
from django_wxpay.simulator.state.identifiers import Identifiers
from django_wxpay.simulator.v3.demo_keys import KeyMaterial

# A new certificate is listed this long before it signs, and the old one's end moves there.
NOTICE: Final = timedelta(hours=24)

# The share of callbacks that the public key signs, on the seven days of a migration.
SCHEDULE: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A signing key, and its public serial or id."""

    serial: str
    private_key: RSAPrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A merchant's migration to the public key; ``share`` None grows by the calendar."""

    started_at: datetime
    share: float | None

    def callback_share(self, now: datetime) -> float:
        """Return the share of callbacks that the public key signs."""
        if self.share is not None:
            return self.share
        days = (now - self.started_at) // timedelta(days=1)
        return SCHEDULE[min(days, len(SCHEDULE) - 1)]


class Keychain:
    """WeChat Pay's keys for all merchants, and the migration of each merchant."""

    def __init__(
        self,
        material: KeyMaterial,
        accounts: Mapping[str, Account],
        *,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        self._material = material
        self._accounts = accounts
        self._clock = clock
        self._identifiers = identifiers
        self._first: Certificate | None = None
        self.reset()

    def reset(self) -> None:
        """Return to the first certificate and every merchant's first mode."""
        self._certificates: list[Certificate] = []
        self._newest_share = 0.0
        self._modes: dict[str, KeyMode] = {}
        self._migrations: dict[str, Migration] = {}

    @property
    def public_key(self) -> tuple[str, str]:
        """The id of WeChat Pay's public key, and its PEM."""
        key = load_private_key(self._material.private_key).public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return self._material.public_key_id, pem.decode()

    @property
    def newest_share(self) -> float:
        """The share of certificate signatures that the newer of two certificates makes."""
        return self._newest_share

    def certificates(self) -> tuple[Certificate, ...]:
        """Return the listed certificates, the oldest first."""
        # Made when it is needed: a key pair costs more time than all else.
        if not self._certificates:
            self._certificates.append(self._begun())
        return tuple(self._certificates)

    def mode(self, account: Account) -> KeyMode:
        return self._modes.get(account.mch_id, account.key_mode)

    def callback_share(self, account: Account) -> float:
        """Return the share of a merchant's callbacks that the public key signs."""
        mode, now = self.mode(account), self._clock.now()
        if mode is not KeyMode.MIGRATION:
            return 1.0 if mode is KeyMode.PUBLIC_KEY else 0.0
        # A merchant that starts in a migration is on its first day.
        started = Migration(started_at=now, share=None)
        return self._migrations.setdefault(account.mch_id, started).callback_share(now)

    def for_answer(self, account: Account, *, asked: str) -> Signer:
        """Return the key of an answer; ``asked`` is the request's ``Wechatpay-Serial``.

        It decides only during a migration.
        """
        mode = self.mode(account)
        is_requested = mode is KeyMode.MIGRATION and asked == self._material.public_key_id
        return self._public() if is_requested or mode is KeyMode.PUBLIC_KEY else self._certified()

    def private_key(self, account: Account, serial: str) -> RSAPrivateKey | None:
        """Return the key that opens what ``account`` has encrypted under ``serial``, if any.

        Source: protocol-v3 section 9.
        """
        if serial == self._material.public_key_id:
            has_it = self.mode(account) is not KeyMode.CERTIFICATE
            return self._public().private_key if has_it else None
        if self.mode(account) is KeyMode.PUBLIC_KEY:
            return None
        listed = {one.serial_no: one.private_key for one in self.certificates()}
        return listed.get(key_name(serial))

    def for_callback(self, account: Account) -> Signer:
        """Return the key of a callback."""
        by_public_key = self._identifiers.happens(self.callback_share(account))
        return self._public() if by_public_key else self._certified()

    def rotate(self) -> None:
        """List a new certificate beside the one that signs, whose end is near now."""
        if len(self.certificates()) > 1:
            raise ControlError("rotating", "two certificates are listed already; drop the old one")
        if any(self.mode(account) is KeyMode.MIGRATION for account in self._accounts.values()):
            raise ControlError("migrating", "certificates do not rotate during a migration")
        now = self._clock.now()
        ending = replace(self._certificates[0], expires_at=now.replace(microsecond=0) + NOTICE)
        self._certificates = [ending, _mint(entropy=self._serial(), now=now)]
        self._newest_share = 0.0

    def switch(self, share: float) -> None:
        """Let the new certificate sign ``share`` of what certificates sign."""
        self._check_rotating()
        self._newest_share = share

    def drop(self) -> None:
        """Take the old certificate off the list, once the new one signs everything."""
        self._check_rotating()
        if self._newest_share < 1:
            raise ControlError("signing", "the old certificate still signs; switch first")
        del self._certificates[0]
        self._newest_share = 0.0

    def migrate(self, mch_ids: Iterable[str], *, share: float | None) -> None:
        """Start a migration to the public key, by the calendar or at a fixed share."""
        self._check_not_rotating()
        for mch_id in mch_ids:
            self._modes[mch_id] = KeyMode.MIGRATION
            self._migrations[mch_id] = Migration(started_at=self._clock.now(), share=share)

    def set_mode(self, mch_ids: Iterable[str], mode: KeyMode) -> None:
        """Set the key mode of merchants; a migration starts anew."""
        if mode is KeyMode.MIGRATION:
            self.migrate(mch_ids, share=None)
        else:
            self._modes |= dict.fromkeys(mch_ids, mode)

    def _check_rotating(self) -> None:
        if len(self.certificates()) == 1:
            raise ControlError("not_rotating", "only one certificate is listed; rotate first")

    def _check_not_rotating(self) -> None:
        if len(self.certificates()) > 1:
            raise ControlError("rotating", "a migration waits until the old certificate is dropped")

    def _begun(self) -> Certificate:
        if self._first is None:
            self._first = self._made()
        return self._first

    def _made(self) -> Certificate:
        if self._material.certificate:
            return _load(self._material.certificate, self._material.certificate_key)
        return _mint(entropy=self._serial(), now=self._clock.now(), key=_first_key())

    def _serial(self) -> bytes:
        return self._identifiers.bytes(_SERIAL_BYTES)

    def _public(self) -> Signer:
        return Signer(
            serial=self._material.public_key_id,
            private_key=load_private_key(self._material.private_key),
        )

    def _certified(self) -> Signer:
        certificates = self.certificates()
        newest = self._identifiers.happens(self._newest_share)
        chosen = certificates[-1] if newest else certificates[0]
        return Signer(serial=chosen.serial_no, private_key=chosen.private_key)


# Protocol-v3 section 2.5.
_LIFE: Final = timedelta(days=5 * 365)
_NAME: Final = "WeChat Pay platform certificate (TEST ONLY)"
_SERIAL_BYTES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One platform certificate with its private key, and the dates the list gives for it."""

    serial_no: str
    pem: str
    private_key: RSAPrivateKey = field(repr=False)
    effective_at: datetime
    expires_at: datetime


def _mint(*, entropy: bytes, now: datetime, key: RSAPrivateKey | None = None) -> Certificate:
    """Return a new self-signed certificate that is good for five years from ``now``.

    ``entropy`` becomes its serial. It begins with a zero digit, which a client must not drop
    (protocol-v3 section 2.3), and never with a zero byte: many clients count 20 bytes.
    """
    key = key or _new_key()
    effective_at = now.replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(bytes([entropy[0] % 0x0F + 1]) + entropy[1:]))
        .not_valid_before(effective_at)
        .not_valid_after(effective_at + _LIFE)
        .sign(key, SHA256())
    )
    return _load(made.public_bytes(Encoding.PEM).decode(), key)


def _load(pem: str, private_key: PrivateKey) -> Certificate:
    """Return the certificate in ``pem``; ``ConfigurationError`` where there is none."""
    read = read_certificate(pem)
    return Certificate(
        serial_no=read.serial_no,
        pem=read.pem,
        private_key=load_private_key(private_key),
        effective_at=read.not_before,
        expires_at=read.not_after,
    )


def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _first_key() -> RSAPrivateKey:
    # One for all simulators of a process: generating a pair is slow, and only that of a
    # second certificate has to differ.
    return _new_key()
