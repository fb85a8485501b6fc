"""The configuration of a simulator of its own: what it takes, and how it says what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.keys import load_private_key, load_public_key
from django_wxpay.simulator import create_app
from django_wxpay.simulator.standalone.config import Config, read_config
from django_wxpay.simulator.standalone.folder import Folder
from django_wxpay.simulator.state.accounts import KeyMode
from django_wxpay.simulator.v3.demo_keys import (
    TEST_MERCHANT_CERTIFICATE,
    TEST_MERCHANT_PRIVATE_KEY,
    TEST_MERCHANT_SERIAL_NO,
    TEST_PLATFORM_PRIVATE_KEY,
    TEST_PUBLIC_KEY_ID,
)
from tests.simulator.calling import Merchant

API_KEY = "TESTONLYapikeyTESTONLYapikey0000"
API_V3_KEY = "TESTONLYapiv3keyTESTONLYapiv3key"
MERCHANT: dict[str, Any] = {
    "mch_id": "1900000001",
    "appids": ["wx8888888888888888"],
    "api_key": API_KEY,
    "api_v3_key": API_V3_KEY,
}
PUBLIC_KEY = (
    load_private_key(TEST_MERCHANT_PRIVATE_KEY)
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return Folder(tmp_path_factory.mktemp("keys"), now=datetime.now(UTC))


def written(home: Path, document: object) -> Path:
    text = document if isinstance(document, str) else json.dumps(document)
    (home / "merchants.json").write_text(text, encoding="utf-8")
    return home / "merchants.json"


def read(home: Path, folder: Folder, document: object) -> Config:
    return read_config(written(home, document), folder)


def merchant(**members: Any) -> dict[str, Any]:
    given = {**MERCHANT, **members}
    return {"merchants": [{name: value for name, value in given.items() if value is not None}]}


def test_a_merchant_without_keys_of_its_own_gets_some(tmp_path: Path, folder: Folder) -> None:
    [account] = read(tmp_path, folder, merchant()).accounts
    assert (account.mch_id, account.name) == ("1900000001", "1900000001")
    assert (account.key_mode, account.mainland) == (KeyMode.PUBLIC_KEY, True)
    [(serial_no, key)] = account.certificates.items()
    home = folder.path / "1900000001"
    certificate = x509.load_pem_x509_certificate((home / "apiclient_cert.pem").read_bytes())
    assert certificate.serial_number == int(serial_no, 16)
    own = load_private_key((home / "apiclient_key.pem").read_bytes())
    assert own.public_key().public_numbers() == key.public_numbers()
    assert (home / "apiclient_key.pem").stat().st_mode & 0o077 == 0
    assert (home / "apiclient_cert.p12").stat().st_mode & 0o077 == 0


def test_the_keys_are_found_again(tmp_path: Path, folder: Folder) -> None:
    first, second = (read(tmp_path, folder, merchant()) for _ in range(2))
    again = read(tmp_path, Folder(folder.path, now=datetime.now(UTC)), merchant())
    for one in (second, again):
        assert one.accounts[0].certificates.keys() == first.accounts[0].certificates.keys()
        assert one.options.material == first.options.material


@pytest.mark.parametrize(
    "serial_no", [TEST_MERCHANT_SERIAL_NO, "5ceed07905d5a14950a5803f612098df2787e5"]
)
def test_a_public_key_is_enough(tmp_path: Path, folder: Folder, serial_no: str) -> None:
    (tmp_path / "own.pem").write_text(PUBLIC_KEY)
    given = merchant(mch_id="1900000002", public_key="own.pem", serial_no=serial_no)
    [account] = read(tmp_path, folder, given).accounts
    assert list(account.certificates) == [TEST_MERCHANT_SERIAL_NO]
    # A certificate for it, without which v2 refunds nothing.
    made = x509.load_pem_x509_certificate(account.client_certificates[0].encode())
    assert made.serial_number == int(serial_no, 16)
    assert not (folder.path / "1900000002" / "apiclient_key.pem").exists()


def test_a_serial_beyond_what_a_certificate_may_have_is_taken(
    tmp_path: Path, folder: Folder
) -> None:
    given = merchant(mch_id="1900000003", public_key=PUBLIC_KEY, serial_no="F" * 40)
    [account] = read(tmp_path, folder, given).accounts
    assert list(account.certificates) == ["F" * 40]


def test_another_serial_or_key_makes_another_certificate(tmp_path: Path, folder: Folder) -> None:
    serials = []
    for members in ({"serial_no": "A1"}, {"serial_no": "A2"}, {"public_key": None}):
        given = {"public_key": PUBLIC_KEY, **members}
        [account] = read(tmp_path, folder, merchant(mch_id="1900000004", **given)).accounts
        serials += list(account.certificates)
    assert serials[:2] == [f"{'A1':0>40}", f"{'A2':0>40}"]
    assert len(set(serials)) == 3


def test_a_certificate_is_enough(tmp_path: Path, folder: Folder) -> None:
    given = merchant(mch_id="1900000005", certificate=TEST_MERCHANT_CERTIFICATE)
    [account] = read(tmp_path, folder, given).accounts
    assert list(account.certificates) == [TEST_MERCHANT_SERIAL_NO]
    assert account.client_certificates == (TEST_MERCHANT_CERTIFICATE,)
    assert not (folder.path / "1900000005").exists()


def test_wechat_pays_own_keys_may_be_given(tmp_path: Path, folder: Folder) -> None:
    (tmp_path / "theirs.pem").write_text(TEST_PLATFORM_PRIVATE_KEY)
    given = {
        **merchant(),
        "wechatpay": {
            "public_key_id": TEST_PUBLIC_KEY_ID,
            "private_key": "theirs.pem",
            "certificate": TEST_MERCHANT_CERTIFICATE,
            "certificate_key": TEST_MERCHANT_PRIVATE_KEY,
        },
    }
    config = read(tmp_path, folder, given)
    app = create_app(config.accounts, options=config.options)
    key_id, pem = app.public_key
    assert key_id == TEST_PUBLIC_KEY_ID
    published = load_public_key((folder.path / "wechatpay_public_key.pem").read_bytes())
    assert published.public_numbers() == load_public_key(pem).public_numbers()
    [certificate] = app.keys()["certificates"]
    assert certificate["serial_no"] == TEST_MERCHANT_SERIAL_NO


def test_a_platform_certificate_that_is_made_begins_with_a_zero(
    tmp_path: Path, folder: Folder
) -> None:
    config = read(tmp_path, folder, merchant())
    [certificate] = create_app(config.accounts, options=config.options).keys()["certificates"]
    assert certificate["serial_no"][0] == "0"
    assert certificate["serial_no"][1] != "0"


def test_every_member_of_a_merchant_is_taken(tmp_path: Path, folder: Folder) -> None:
    given = merchant(
        name="tea shop", mode="institutional", region="global", key_mode="migration", api_key=None
    )
    [account] = read(tmp_path, folder, given).accounts
    assert (account.name, account.mainland, account.key_mode) == (
        "tea shop",
        False,
        KeyMode.MIGRATION,
    )
    assert account.mode.value == "institutional"
    assert not account.api_key


def test_options_are_taken(tmp_path: Path, folder: Folder) -> None:
    options = {
        "bills_at_once": True,
        "refund_settles_s": 1,
        "password_from": None,
        "close_again": "SUCCESS",
        "codepay_userpaying": 202,
        "sub_mch_ids": ["1900000099"],
        "merchant_category_codes": [],
        "h5_origin": "http://localhost:9100",
    }
    taken = read(tmp_path, folder, {**merchant(), "options": options}).options
    assert {name: getattr(taken, name) for name in options} == {
        **options,
        "sub_mch_ids": frozenset({"1900000099"}),
        "merchant_category_codes": frozenset(),
    }


def test_it_serves_the_merchant(tmp_path: Path, folder: Folder) -> None:
    config = read(tmp_path, folder, merchant())
    app = create_app(config.accounts, options=config.options)
    shop = Merchant(app, mch_id="1900000001", key=API_KEY)
    assert shop.place()["result_code"] == "SUCCESS"


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path, folder: Folder) -> None:
    file = written(tmp_path, "\ufeff" + json.dumps(merchant()))
    assert len(read_config(file, folder).accounts) == 1


PEM_OF_EC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuAxh2Tdwe3OZ0pMGBLLGiSPGqZMz
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "is not JSON: "),
        ("", "is not JSON: "),
        ("[]", "is not an object with members"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"merchants": NaN}', "merchants is not a list"),
        ('{"a": 1, "a": 2}', "the member a is there twice"),
        ({}, "merchants is missing"),
        ({"merchants": []}, "merchants is empty"),
        ({"merchants": {}}, "merchants is not a list"),
        ({"merchants": [1]}, "merchants[0] is not an object with members"),
        ({**merchant(), "extra": 1}, "extra is not a member that is known here"),
        (merchant(extra=1), "merchants[0].extra is not a member that is known here"),
        (merchant(private_key=TEST_MERCHANT_PRIVATE_KEY), "merchants[0].private_key is not needed"),
        (merchant(mch_id=None), "merchants[0].mch_id is missing"),
        (merchant(mch_id=1900000001), "merchants[0].mch_id is not a text"),
        (merchant(mch_id=""), "merchants[0].mch_id is not a text"),
        (
            merchant(mch_id="../x"),
            "merchants[0].mch_id does not fit: a character that is not allowed (allowed: ",
        ),
        (merchant(appids=None), "merchants[0].appids is missing"),
        (merchant(appids=[]), "merchants[0].appids is not a list of texts"),
        (merchant(appids="wx1"), "merchants[0].appids is not a list"),
        (merchant(appids=["wx1", 2]), "merchants[0].appids is not a list of texts"),
        (merchant(appids=["wx1", "w x"]), "merchants[0].appids[1] does not fit: a character"),
        (merchant(api_key="short"), "merchants[0].api_key is not 32 characters long"),
        (merchant(api_key=5), "merchants[0].api_key is not a text"),
        (merchant(api_v3_key="é" * 32), "merchants[0].api_v3_key is not 32 characters long"),
        (
            merchant(api_key=None, api_v3_key=None),
            "merchants[0].api_key is missing, and api_v3_key",
        ),
        (merchant(mode="direct"), "merchants[0].mode is not one of common, institutional"),
        (merchant(region="europe"), "merchants[0].region is not one of mainland, global"),
        (merchant(key_mode="both"), "merchants[0].key_mode is not one of certificate,"),
        (merchant(certificate="no.pem"), "merchants[0].certificate is a path that cannot be read"),
        (merchant(certificate="."), "merchants[0].certificate is a path that cannot be read"),
        (merchant(certificate="a\0b"), "merchants[0].certificate is neither a PEM nor a path"),
        (merchant(certificate="merchants.json"), "merchants[0].certificate is not the PEM"),
        (merchant(certificate=PUBLIC_KEY), "merchants[0].certificate is not the PEM"),
        (merchant(public_key=PEM_OF_EC), "merchants[0].public_key is not the PEM"),
        (
            merchant(public_key=TEST_MERCHANT_PRIVATE_KEY),
            "merchants[0].public_key is not the PEM",
        ),
        (merchant(serial_no="A1"), "merchants[0].serial_no is of no use without"),
        (
            merchant(public_key=PUBLIC_KEY, serial_no="5c:ee"),
            "merchants[0].serial_no is not a number of up to 40 hexadecimal digits",
        ),
        (merchant(public_key=PUBLIC_KEY, serial_no="0"), "merchants[0].serial_no is not a number"),
        (
            merchant(certificate=TEST_MERCHANT_CERTIFICATE, serial_no="A1"),
            "merchants[0].serial_no is not the serial of certificate",
        ),
        (
            merchant(certificate=TEST_MERCHANT_CERTIFICATE, public_key=PUBLIC_KEY),
            "merchants[0].public_key stands beside certificate",
        ),
        (
            {"merchants": [MERCHANT, MERCHANT]},
            "merchants[1].mch_id is another merchant's as well",
        ),
        ({**merchant(), "wechatpay": []}, "wechatpay is not an object with members"),
        ({**merchant(), "wechatpay": {"key": 1}}, "wechatpay.key is not a member that is known"),
        (
            {**merchant(), "wechatpay": {"public_key_id": "1"}},
            "wechatpay.public_key_id is not PUB_KEY_ID_",
        ),
        (
            {**merchant(), "wechatpay": {"private_key": "no.pem"}},
            "wechatpay.private_key is a path that cannot be read",
        ),
        (
            {**merchant(), "wechatpay": {"certificate": TEST_MERCHANT_CERTIFICATE}},
            "wechatpay.certificate_key is missing",
        ),
        (
            {
                **merchant(),
                "wechatpay": {
                    "certificate": TEST_MERCHANT_CERTIFICATE,
                    "certificate_key": TEST_PLATFORM_PRIVATE_KEY,
                },
            },
            "wechatpay.certificate_key is not the key that certificate certifies",
        ),
        ({**merchant(), "options": {"entropy": 1}}, "options.entropy is not a member"),
        ({**merchant(), "options": {"bills_at_once": 1}}, "options.bills_at_once is not true"),
        ({**merchant(), "options": {"recalls": True}}, "options.recalls is not a whole number"),
        ({**merchant(), "options": {"recalls": -1}}, "options.recalls is below zero"),
        ({**merchant(), "options": {"password_s": "10"}}, "options.password_s is not a number"),
        ({**merchant(), "options": {"password_from": "1"}}, "options.password_from is not a whole"),
        ({**merchant(), "options": {"close_again": "no"}}, "options.close_again is not one of"),
        ({**merchant(), "options": {"codepay_userpaying": 201}}, "is not one of 200, 202"),
        ({**merchant(), "options": {"sub_mch_ids": [1]}}, "options.sub_mch_ids is not a list"),
        ({**merchant(), "options": {"sub_mch_ids": "1"}}, "options.sub_mch_ids is not a list"),
    ],
)
def test_what_is_wrong_is_named_and_no_key_is_shown(
    tmp_path: Path, folder: Folder, document: object, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read(tmp_path, folder, document)
    said = str(raised.value)
    assert said.startswith(str(tmp_path / "merchants.json"))
    assert problem in said
    keys = (API_KEY, API_V3_KEY, "MIIEv", "short", "é")
    assert not any(key in said for key in keys)
    assert raised.value.__cause__ is None


def test_a_file_that_is_no_text_is_named(tmp_path: Path, folder: Folder) -> None:
    file = tmp_path / "merchants.json"
    for octets, problem in (
        (b"\xff\xfe\x00", "is not a text in UTF-8"),
        (b" " * (1024 * 1024 + 1), "is larger than"),
    ):
        file.write_bytes(octets)
        with pytest.raises(ConfigurationError, match=problem):
            read_config(file, folder)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_config(tmp_path, folder)
