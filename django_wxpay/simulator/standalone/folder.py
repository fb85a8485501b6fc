"""Folder of the keys that a simulator of its own makes, and finds again the next time.

It is the simulator's alone: a folder that somebody uses for anything else is refused, and no
certificate that another CA has issued is written over. Private keys are readable by their owner
alone, and none is ever written over.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PublicFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    load_key_and_certificates,
    serialize_key_and_certificates,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.keys import load_certificate, load_private_key
from django_wxpay.simulator.http.proxy import HOSTS
from django_wxpay.simulator.standalone.authority import (
    LIFE_OF_HOST,
    Authority,
    is_fit,
    is_issued_by,
    is_of_key,
    key_pem_of,
    pem_of,
)

_CA_KEY: Final = "ca-key.pem"
_SERIAL_BYTES: Final = 20
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_PLATFORM: Final = "WeChat Pay platform certificate"
_OF_SERVER: Final = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
_OF_CLIENT: Final = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


class Folder:
    """The keys in one folder; what is missing is made. ``now`` is aware.

    Every method raises ``ConfigurationError`` for a file that cannot be read or written, or that
    was not made here and would be written over. So does the constructor for a folder that holds
    files and no ``ca-key.pem``.
    """

    def __init__(self, path: Path, *, now: datetime) -> None:
        self.path = path
        self.ca = path / "ca.pem"
        _check_own(path)
        self._ca_key = self.private_key(_CA_KEY)
        self._authority = self._kept_authority(now)
        # The folder may be made inside somebody's project.
        if not (ignored := path / ".gitignore").exists():
            _write(ignored, b"*\n")

    def private_key(self, name: str, given: RSAPrivateKey | None = None) -> RSAPrivateKey:
        """Return the private key in the file ``name``, where it has to be ``given`` if that is."""
        file = self.path / name
        with _named(file):
            if file.exists():
                found = load_private_key(file.read_bytes())
                if given and found.private_numbers() != given.private_numbers():
                    raise ConfigurationError("is another key: move it away, or name another folder")
                return found
        key = given or generate_private_key(public_exponent=65537, key_size=2048)
        _write(file, key_pem_of(key), is_secret=True)
        return key

    def publish(self, name: str, key: RSAPublicKey) -> None:
        """Write a public key to the file ``name``."""
        octets = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        _write(self.path / name, octets)

    def host(self, *own: str) -> tuple[Path, Path]:
        """Return the files of a certificate and its key, for WeChat Pay's hosts and ``own``."""
        key, file = self.private_key("server-key.pem"), self.path / "server.pem"
        names = tuple(dict.fromkeys((*HOSTS, *_LOCAL, *own)))
        with _named(file):
            alternative = x509.SubjectAlternativeName([_general_name(name) for name in names])
        self._found(file)
        # Made each time: the names may be others, and an old one ends.
        issued = self._authority.issue(
            HOSTS[0], key.public_key(), alternative, _OF_SERVER, life=LIFE_OF_HOST
        )
        _write(file, pem_of(issued).encode())
        return file, self.path / "server-key.pem"

    def merchant(
        self,
        mch_id: str,
        public_key: RSAPublicKey | None = None,
        *,
        serial_no: str = "",
        private_key: RSAPrivateKey | None = None,
    ) -> str:
        """Return the API certificate, as PEM, of a merchant's public key, or of a pair.

        The pair is that of ``private_key``, or made here. It is there as ``apiclient_cert.p12``
        too, with ``mch_id`` for its password.
        """
        file = self.path / mch_id / "apiclient_cert.pem"
        if public_key is not None:
            pem = self._kept(file, public_key, serial_no)
            return pem or self._issued(file, mch_id, public_key, _OF_CLIENT, serial_no=serial_no)
        key = self.private_key(f"{mch_id}/apiclient_key.pem", private_key)
        own = key.public_key()
        pem = self._kept(file, own, serial_no)
        pem = pem or self._issued(file, mch_id, own, _OF_CLIENT, serial_no=serial_no)
        self._bundle(file.with_suffix(".p12"), mch_id.encode(), key, load_certificate(pem))
        return pem

    def platform(self, key: RSAPublicKey) -> str:
        """Return WeChat Pay's platform certificate of ``key`` as PEM.

        Its serial begins with a zero digit, which a client must not drop (protocol-v3 section 2.3).
        """
        file = self.path / "wechatpay_cert.pem"
        first, *rest = os.urandom(_SERIAL_BYTES)
        serial_no = bytes([first % 0x0F + 1, *rest]).hex()
        return self._kept(file, key) or self._issued(file, _PLATFORM, key, serial_no=serial_no)

    def _kept_authority(self, now: datetime) -> Authority:
        found = self._found(self.ca)
        if found and found.not_valid_after_utc > now + LIFE_OF_HOST:
            return Authority(key=self._ca_key, certificate=found, now=now)
        made = Authority.begun(self._ca_key, now=now)
        _write(self.ca, pem_of(made.certificate).encode())
        return made

    def _found(self, file: Path) -> x509.Certificate | None:
        """Return the certificate in ``file``, None without one; refuse one of another CA."""
        with _named(file):
            if not file.exists():
                return None
            found = load_certificate(file.read_bytes())
            if not is_issued_by(self._ca_key, found):
                _keep_foreign()
        return found

    def _kept(self, file: Path, key: RSAPublicKey, serial_no: str = "") -> str:
        """Return the PEM in ``file`` if it is of this authority, key and serial, or ""."""
        found = self._found(file)
        if found is None or not self._authority.still_issues(found):
            return ""
        other = is_fit(serial_no) and found.serial_number != int(serial_no, 16)
        return "" if other or not is_of_key(found, key) else pem_of(found)

    def _issued(
        self,
        file: Path,
        name: str,
        key: RSAPublicKey,
        *extensions: x509.ExtensionType,
        serial_no: str = "",
    ) -> str:
        pem = pem_of(self._authority.issue(name, key, *extensions, serial_no=serial_no))
        _write(file, pem.encode())
        return pem

    def _bundle(
        self, file: Path, password: bytes, key: RSAPrivateKey, certificate: x509.Certificate
    ) -> None:
        """Write a merchant's pair as PKCS#12."""
        with _named(file):
            if file.exists() and not self._made(file.read_bytes(), password):
                _keep_foreign()
        authority, seal = self._authority.certificate, BestAvailableEncryption(password)
        octets = serialize_key_and_certificates(password, key, certificate, [authority], seal)
        _write(file, octets, is_secret=True)

    def _made(self, bundle: bytes, password: bytes) -> bool:
        try:
            _, found, _ = load_key_and_certificates(bundle, password)
        except ValueError:
            return False
        return found is not None and is_issued_by(self._ca_key, found)


def _check_own(path: Path) -> None:
    with _named(path):
        if path.is_dir() and not (path / _CA_KEY).exists() and any(path.iterdir()):
            raise ConfigurationError(
                f"is a folder with files of yours, for it has no {_CA_KEY}: nothing was written. "
                "Name one that is empty, or one that does not exist"
            )


def _keep_foreign() -> NoReturn:
    raise ConfigurationError(
        "was not made by the CA of this folder, and is not written over: move it away, or name "
        "another folder"
    )


def _write(file: Path, octets: bytes, *, is_secret: bool = False) -> None:
    with _named(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600 if is_secret else 0o644)
        file.write_bytes(octets)


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Put the file's name before what is wrong with it."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except (ConfigurationError, ValueError) as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
