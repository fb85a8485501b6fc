"""Wrong settings are found by ``check``, each with its code, a sentence and a hint."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connection

from django_wxpay import checks, conf
from django_wxpay.conf.schema import HINTS
from django_wxpay.exceptions import ConfigurationError, UnknownMerchant
from django_wxpay.protocol.merchants import Api, Mode, Region, SignType
from tests.protocol.v3 import keys

# Since Django 6.0 the checks of a model ask its database what it can do.
pytestmark = pytest.mark.django_db

KEY = "TESTKEYtestkeyTESTKEYtestkey0000"
GOOD: dict[str, Any] = {
    "NOTIFY_BASE_URL": "https://shop.example.com",
    "MERCHANTS": {"default": {"APPID": "wx1", "MCH_ID": "1900000109", "API_KEY": KEY}},
}
PEM = "-----BEGIN TEST KEY-----\nnothing\n-----END TEST KEY-----\n"


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(GOOD), **changes}


def merchant(**changes: Any) -> dict[str, Any]:
    return changed(MERCHANTS={"default": {**GOOD["MERCHANTS"]["default"], **changes}})


V3: dict[str, Any] = {
    "API": "v3",
    "API_V3_KEY": keys.API_V3_KEY,
    "PRIVATE_KEY": keys.MERCHANT_KEY,
    "CLIENT_CERT": keys.MERCHANT_CERTIFICATE,
    "CERT_SERIAL_NO": keys.MERCHANT_SERIAL,
    "WECHATPAY_PUBLIC_KEY": keys.WECHATPAY_PUBLIC_KEY,
    "WECHATPAY_PUBLIC_KEY_ID": keys.PUBLIC_KEY_ID,
    "PLATFORM_CERTIFICATES": [keys.PLATFORM_CERTIFICATE],
}


def v3(**changes: Any) -> dict[str, Any]:
    return merchant(**{**V3, **changes})


def found(value: Any, settings: Any) -> list[CheckMessage]:
    settings.WXPAY = value
    return [m for m in run_checks() if str(m.id).startswith("django_wxpay.")]


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        v3(),
        v3(API="v2"),
        v3(CLIENT_CERT=""),
        v3(CERT_SERIAL_NO=keys.MERCHANT_SERIAL.lower()),
        v3(
            CLIENT_CERT=keys.PLATFORM_CERTIFICATE,
            PRIVATE_KEY=keys.PLATFORM_KEY,
            CERT_SERIAL_NO=keys.PLATFORM_SERIAL.lstrip("0"),
        ),
        v3(WECHATPAY_PUBLIC_KEY="", WECHATPAY_PUBLIC_KEY_ID=""),
        v3(REGION="global", MERCHANT_CATEGORY_CODE="0742"),
        v3(API_KEY=""),
    ],
)
def test_good_settings_are_found_good(good: dict[str, Any], settings: Any) -> None:
    assert found(good, settings) == []


# Whether a class can be imported is for the check to say and not for conf.
_IMPORT: tuple[str, Any] = ("E006", changed(API_PERMISSION_CLASSES=["nowhere.Nothing"]))

CASES: list[tuple[str, Any]] = [
    ("E001", None),
    ("E001", []),
    ("E002", changed(MERCHANTS={})),
    ("E002", changed(MERCHANTS=[])),
    ("E002", changed(MERCHANTS={"default": "wx1"})),
    ("E003", changed(NOTIFY_BASE_URL=None)),
    ("E003", changed(NOTIFY_BASE_URL="shop.example.com")),
    ("E003", changed(NOTIFY_BASE_URL="http://[shop")),
    ("E003", changed(NOTIFY_BASE_URL="ftp://shop.example.com")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com/?a=b")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com/path")),
    ("E004", changed(TIMEOUT=None)),
    ("E004", changed(TIMEOUT=(5, None))),
    ("E004", changed(TIMEOUT=(0, 5))),
    ("E004", changed(TIMEOUT=(5, float("inf")))),
    ("E004", changed(TIMEOUT=(5, True))),
    ("E004", changed(HOST_RECOVERY_S=0)),
    ("E005", changed(REPORT_LEVEL="some")),
    ("E005", changed(REPORT_LEVEL=["all"])),
    ("E006", changed(API_PERMISSION_CLASSES="rest_framework.permissions.AllowAny")),
    _IMPORT,
    ("E009", changed(MERCHANTS={"a shop": GOOD["MERCHANTS"]["default"]})),
    ("E009", changed(MERCHANTS={"a" * 65: GOOD["MERCHANTS"]["default"]})),
    ("E010", merchant(APPID="")),
    ("E010", merchant(MCH_ID=1900000109)),
    ("E010", merchant(MCH_ID="1900 000 109")),
    ("E010", merchant(APPID="w" * 33)),
    ("E010", merchant(APPIDS=["wx 2"])),
    ("E010", merchant(SUB_MCH_ID=None)),
    ("E010", merchant(APPIDS="wx1")),
    ("E011", merchant(MODE="partner")),
    ("E011", merchant(SIGN_TYPE="SHA1")),
    ("E012", merchant(API_KEY="short")),
    ("E012", merchant(API_KEY="")),
    ("E012", merchant(API_KEY=None)),
    ("E013", merchant(HOSTS=[])),
    ("E013", merchant(HOSTS=["api.mch.weixin.qq.com"])),
    ("E014", merchant(PLATFORM_CERTIFICATES=["/nowhere/certificate.pem"])),
    ("E014", merchant(CLIENT_CERT="/nowhere/apiclient_cert.pem")),
    ("E015", merchant(API="v3")),
    ("E015", merchant(API_V3_KEY=V3["API_V3_KEY"])),
    ("E016", v3(API_V3_KEY="short")),
    ("E017", v3(PRIVATE_KEY=PEM)),
    ("E018", v3(CERT_SERIAL_NO="12")),
    ("E018", v3(CERT_SERIAL_NO="A" * 41)),
    ("E018", v3(CERT_SERIAL_NO="0" * 40)),
    ("E018", v3(CLIENT_CERT=PEM)),
    ("E018", v3(CLIENT_CERT=keys.PLATFORM_CERTIFICATE, CERT_SERIAL_NO=keys.PLATFORM_SERIAL)),
    ("E019", v3(WECHATPAY_PUBLIC_KEY="")),
    ("E019", v3(WECHATPAY_PUBLIC_KEY_ID="12")),
    ("E019", v3(WECHATPAY_PUBLIC_KEY=PEM)),
    ("E019", v3(PLATFORM_CERTIFICATES=[PEM])),
    ("E020", v3(REGION="global")),
    ("E021", changed(API_REPORT_RETENTION_DAYS=0)),
    ("E021", changed(API_REPORT_RETENTION_DAYS=36_501)),
    ("E021", changed(API_REPORT_RETENTION_DAYS="30")),
    ("E021", changed(API_REPORT_RETENTION_DAYS=True)),
    ("E022", changed(LATENCY_LIMITS=3000)),
    ("E022", changed(LATENCY_LIMITS={"P99_MS": 3000})),
    ("E022", changed(LATENCY_LIMITS={"FAILURE_RATE": 5})),
    ("E022", changed(LATENCY_LIMITS={"FAILURE_RATE": True})),
    ("E022", changed(LATENCY_LIMITS={"P95_MS": 0.5})),
    ("E022", changed(LATENCY_LIMITS={"P95_MS": 0})),
    ("W001", changed(NOTIFY_URL="https://shop.example.com")),
    ("W001", merchant(KEY="x")),
    ("W002", changed(NOTIFY_BASE_URL="http://127.0.0.1:8000")),
    ("W002", changed(NOTIFY_BASE_URL="https://shop.example.com:8443")),
    (
        "W004",
        changed(MERCHANTS=dict.fromkeys(("first", "second"), GOOD["MERCHANTS"]["default"])),
    ),
]


@pytest.mark.parametrize(("code", "value"), CASES)
def test_what_is_wrong_is_found_with_its_code_and_a_hint(
    code: str,
    value: Any,
    settings: Any,
) -> None:
    messages = found(value, settings)

    assert f"django_wxpay.{code}" in [message.id for message in messages]
    assert all(message.hint for message in messages)
    assert KEY not in repr(messages)


@pytest.mark.parametrize(
    ("code", "value"),
    [case for case in CASES if case[0].startswith("E") and case is not _IMPORT],
)
def test_nothing_works_with_settings_that_are_wrong(code: str, value: Any, settings: Any) -> None:
    settings.WXPAY = value
    with pytest.raises(ConfigurationError) as caught:
        conf.current()

    assert KEY not in str(caught.value)


def test_a_missing_urlconf_is_found(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.empty_urls"

    assert "django_wxpay.E007" in [message.id for message in found(GOOD, settings)]


def test_a_missing_rest_framework_is_found(settings: Any) -> None:
    settings.INSTALLED_APPS = [n for n in settings.INSTALLED_APPS if n != "rest_framework"]
    settings.WXPAY = GOOD
    messages = checks.check_settings(None)

    assert [message.id for message in messages] == ["django_wxpay.E008"]


def test_sqlite_without_immediate_transactions_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    database = connection.settings_dict
    monkeypatch.setitem(database, "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(database, "OPTIONS", {})
    assert [m.id for m in checks.check_database(None, ["default"])] == ["django_wxpay.W003"]

    monkeypatch.setitem(database, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    assert checks.check_database(None, ["default"]) == []

    monkeypatch.setitem(database, "OPTIONS", {})
    monkeypatch.setitem(database, "ENGINE", "django.db.backends.postgresql")
    assert checks.check_database(None, ["default"]) == []
    assert checks.check_database(None) == []


def test_every_code_has_a_case_and_every_case_a_hint() -> None:
    tested = {code for code, _ in CASES} | {"E007", "E008", "W003"}

    assert tested == set(HINTS)


def test_a_merchant_is_read_in_full(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    settings.WXPAY = merchant(
        MODE="institutional",
        REGION="global",
        SIGN_TYPE="MD5",
        APPIDS=["wx2"],
        SUB_MCH_ID="1900000200",
        CLIENT_CERT=PEM.replace("\n", "\\n"),
        CLIENT_KEY=str(tmp_path / "key.pem"),
        PLATFORM_CERTIFICATES=[PEM],
    )
    read = conf.merchant("default")

    assert (read.mode, read.region, read.api) == (Mode.INSTITUTIONAL, Region.GLOBAL, Api.V2)
    assert read.sign_type is SignType.MD5
    assert read.owns_appid("wx1")
    assert read.owns_appid("wx2")
    assert not read.owns_appid("wx3")
    assert (read.client_cert, read.client_key, read.platform_certificates) == (PEM, PEM, (PEM,))
    assert read.hosts[0] == "https://apihk.mch.weixin.qq.com"
    assert KEY not in repr(read)
    assert "TEST KEY" not in repr(read)


def test_a_file_that_holds_no_pem_is_found(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("hello")

    messages = found(merchant(CLIENT_KEY=str(tmp_path / "key.pem")), settings)
    assert [message.id for message in messages] == ["django_wxpay.E014"]


@pytest.mark.parametrize(("before", "after"), [("", "\n"), ("\ufeff", "\r\n"), (" \n", " \t")])
def test_what_a_file_or_a_person_adds_around_a_setting_is_no_part_of_it(
    before: str, after: str, settings: Any
) -> None:
    written = v3() | {"NOTIFY_BASE_URL": f"{before}https://shop.example.com{after}"}
    account = written["MERCHANTS"]["default"]
    for name, value in account.items():
        if isinstance(value, str) and value:
            account[name] = f"{before}{value}{after}"
    account["HOSTS"] = (f"{before}https://api.example.com{after}",)
    account["APPIDS"] = [f"{before}wx2{after}"]

    assert found(written, settings) == []
    config = conf.current()
    assert config.notify_base_url == "https://shop.example.com"
    read = config.merchants["default"]
    plain = v3()["MERCHANTS"]["default"]
    assert read.wechatpay_public_key_id == plain["WECHATPAY_PUBLIC_KEY_ID"]
    assert (read.api_v3_key, read.appid) == (plain["API_V3_KEY"], plain["APPID"])
    assert (read.hosts, read.appids) == (("https://api.example.com",), ("wx2",))


def test_a_pem_may_be_a_path_object_and_hold_what_people_and_systems_put_into_it(
    settings: Any, tmp_path: Path
) -> None:
    bags = "Bag Attributes\n    friendlyName: 商户\n"
    files = {
        "PRIVATE_KEY": ("\ufeff" + keys.MERCHANT_KEY).replace("\n", "\r\n"),
        "CLIENT_CERT": bags + keys.MERCHANT_CERTIFICATE,
        "WECHATPAY_PUBLIC_KEY": keys.WECHATPAY_PUBLIC_KEY.replace("\n", "\\n"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    paths = {name: tmp_path / name for name in files}

    assert found(v3(**paths), settings) == []
    read = conf.current().merchants["default"]
    assert read.private_key.startswith("-----BEGIN")
    assert "\r" not in read.private_key
    assert read.client_cert == keys.MERCHANT_CERTIFICATE


def test_defaults_are_the_official_ones(settings: Any) -> None:
    settings.WXPAY = GOOD
    config = conf.current()

    assert config.timeout == (5.0, 15.0)
    assert config.host_recovery_s == 180.0
    assert config.report_level == "all"
    assert config.api_permission_classes is None
    assert config.latency_limits == conf.LatencyLimits(failure_rate=0.05, p95_ms=3000)
    assert config.merchants["default"].hosts == (
        "https://api.mch.weixin.qq.com",
        "https://api2.mch.weixin.qq.com",
    )
    with pytest.raises(UnknownMerchant):
        conf.merchant("another")


def test_changed_settings_are_read_afresh_and_others_leave_the_cache_alone(settings: Any) -> None:
    settings.WXPAY = GOOD
    first = conf.current()
    settings.DEBUG = False
    assert conf.current() is first

    settings.WXPAY = changed(REPORT_LEVEL="off", API_PERMISSION_CLASSES=["a.B"])
    assert conf.current().report_level == "off"
    assert conf.current().api_permission_classes == ("a.B",)
