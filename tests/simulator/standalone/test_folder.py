"""The folder of keys: what is in it, and what happens to one that somebody has spoilt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.keys import load_private_key
from django_wxpay.simulator.http.proxy import HOSTS
from django_wxpay.simulator.standalone.folder import Folder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("keys") / "deep" / "down", now=NOW)
    folder.host("pay.internal", "::1", "192.0.2.7")
    folder.merchant("1900000001")
    return folder


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_the_hosts_are_those_of_wechat_pay_and_ones_own(made: Folder) -> None:
    found = certificate(made.path / "server.pem")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    named = names.get_values_for_type(x509.DNSName)
    assert named == [*HOSTS, "localhost", "pay.internal"]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "::1", "192.0.2.7"]
    assert found.not_valid_after_utc - found.not_valid_before_utc < timedelta(days=825)
    found.verify_directly_issued_by(certificate(made.ca))
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_the_ca_signs_certificates_and_no_other_cas(made: Folder) -> None:
    found = certificate(made.ca)
    limits = found.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)
    found.verify_directly_issued_by(found)


def test_a_pair_of_a_merchants_is_there_as_pkcs12(made: Folder) -> None:
    home = made.path / "1900000001"
    key, found, others = load_key_and_certificates(
        (home / "apiclient_cert.p12").read_bytes(), b"1900000001"
    )
    assert key is not None
    assert found == certificate(home / "apiclient_cert.pem")
    assert others == [certificate(made.ca)]


def test_private_keys_are_their_owners_alone(made: Folder) -> None:
    names = ("ca-key.pem", "server-key.pem", "1900000001/apiclient_key.pem")
    assert [(made.path / name).stat().st_mode & 0o077 for name in names] == [0, 0, 0]


def test_nobody_adds_the_folder_to_his_repository_unawares(made: Folder) -> None:
    assert (made.path / ".gitignore").read_text() == "*\n"


def test_the_next_time_the_same_ca_is_trusted(made: Folder) -> None:
    before = made.ca.read_bytes()
    later = Folder(made.path, now=NOW + timedelta(days=365))
    assert later.ca.read_bytes() == before
    later.host()
    certificate(made.path / "server.pem").verify_directly_issued_by(certificate(later.ca))


def test_a_ca_that_ends_soon_is_made_anew(tmp_path: Path) -> None:
    first = Folder(tmp_path, now=NOW)
    first.merchant("1900000001")
    before = certificate(first.ca)
    later = Folder(tmp_path, now=NOW + timedelta(days=9 * 365))
    assert certificate(later.ca) != before
    later.merchant("1900000001")
    renewed = certificate(tmp_path / "1900000001" / "apiclient_cert.pem")
    renewed.verify_directly_issued_by(certificate(later.ca))


@pytest.fixture
def start(tmp_path: Path, made: Folder) -> Path:
    """A folder of the simulator's that has a CA, and nothing else yet."""
    home = tmp_path / "keys"
    home.mkdir()
    for file in ("ca-key.pem", "ca.pem"):
        (home / file).write_bytes((made.path / file).read_bytes())
    return home


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of another CA, whose certificates are somebody's own."""
    folder = Folder(tmp_path_factory.mktemp("foreign"), now=NOW)
    folder.host()
    folder.merchant("1900000001")
    folder.platform(folder.private_key("wechatpay_cert-key.pem").public_key())
    return folder


def use(home: Path) -> None:
    folder = Folder(home, now=NOW)
    folder.host()
    folder.platform(folder.private_key("wechatpay_cert-key.pem").public_key())
    folder.merchant("1900000001")


def files(home: Path) -> dict[str, bytes]:
    return {str(file.relative_to(home)): file.read_bytes() for file in home.rglob("*.*")}


def test_a_folder_of_somebodys_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    mine = {".gitignore": b"*.log\n", "server.pem": b"mine", "sub/file.txt": b"mine"}
    for name, octets in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(octets)
    with pytest.raises(ConfigurationError, match=r"files of yours.*no ca-key\.pem"):
        Folder(tmp_path, now=NOW)
    assert files(tmp_path) == mine


def test_an_own_gitignore_stays_as_it_is(start: Path) -> None:
    (start / ".gitignore").write_text("*.pem\n")
    use(start)
    assert (start / ".gitignore").read_text() == "*.pem\n"


@pytest.mark.parametrize(
    "name",
    [
        "ca.pem",
        "server.pem",
        "wechatpay_cert.pem",
        "1900000001/apiclient_cert.pem",
        "1900000001/apiclient_cert.p12",
    ],
)
def test_a_certificate_of_another_ca_is_not_written_over(
    start: Path, foreign: Folder, name: str
) -> None:
    theirs = (foreign.path / name).read_bytes()
    (start / name).parent.mkdir(exist_ok=True)
    (start / name).write_bytes(theirs)
    with pytest.raises(ConfigurationError, match="not written over") as raised:
        use(start)
    assert str(raised.value).startswith(f"{start / name}: ")
    assert (start / name).read_bytes() == theirs


def test_a_ca_of_another_program_is_not_written_over(start: Path) -> None:
    key = load_private_key((start / "ca-key.pem").read_bytes())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "My company's CA")])
    ours = certificate(start / "ca.pem")
    theirs = (
        x509.CertificateBuilder(name, name, key.public_key(), 7)
        .not_valid_before(ours.not_valid_before_utc)
        .not_valid_after(ours.not_valid_after_utc)
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
    )
    (start / "ca.pem").write_bytes(theirs)
    with pytest.raises(ConfigurationError, match="not written over"):
        use(start)
    assert (start / "ca.pem").read_bytes() == theirs


def test_a_spoilt_pkcs12_is_not_written_over(start: Path) -> None:
    (start / "1900000001").mkdir()
    (start / "1900000001" / "apiclient_cert.p12").write_bytes(b"of another password")
    with pytest.raises(ConfigurationError, match=r"apiclient_cert\.p12: .*not written over"):
        use(start)


def test_what_was_made_here_is_made_anew_for_another_key(start: Path) -> None:
    use(start)
    for name in ("wechatpay_cert-key.pem", "1900000001/apiclient_key.pem"):
        (start / name).unlink()
    use(start)
    key = load_private_key((start / "1900000001" / "apiclient_key.pem").read_bytes())
    found = certificate(start / "1900000001" / "apiclient_cert.pem")
    assert found.public_key() == key.public_key()


@pytest.mark.parametrize("name", ["ca-key.pem", "ca.pem", "1900000001/apiclient_key.pem"])
def test_a_file_that_is_spoilt_is_named(tmp_path: Path, made: Folder, name: str) -> None:
    for file in ("ca-key.pem", "ca.pem"):
        (tmp_path / file).write_bytes((made.path / file).read_bytes())
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("spoilt by SECRET")
    with pytest.raises(ConfigurationError) as raised:
        Folder(tmp_path, now=NOW).merchant("1900000001")
    assert str(raised.value).startswith(f"{tmp_path / name}: not the PEM")
    assert "SECRET" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        Folder(tmp_path / "file" / "keys", now=NOW)
