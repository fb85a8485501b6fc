"""Wrong settings are found by ``check``, each with its code, a sentence and a hint."""

from __future__ import annotations

import base64
import copy
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.utils.functional import lazystr
from django.utils.translation import override

from django_wxpay import checks, conf, services
from django_wxpay.conf import settings as conf_settings
from django_wxpay.conf.hints import HINTS
from django_wxpay.exceptions import ConfigurationError, UnknownMerchant
from django_wxpay.models.sentences import translated
from django_wxpay.protocol.merchants import Api, Mode, Region, SignType
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import Sentence
from tests.docs.markdown import rows, text_of
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
    ("E003", changed(NOTIFY_BASE_URL=f"https://till:{KEY}@shop.example.com")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com/?a=b")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com:https")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com:99999")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com:443:443")),
    ("E003", changed(NOTIFY_BASE_URL="https://:443")),
    ("E003", changed(NOTIFY_BASE_URL="https://shop.example.com/path")),
    ("E004", changed(TIMEOUT=None)),
    ("E004", changed(TIMEOUT=(5, None))),
    ("E004", changed(TIMEOUT=(0, 5))),
    ("E004", changed(TIMEOUT=(5, float("inf")))),
    ("E004", changed(TIMEOUT=(5, True))),
    ("E004", changed(HOST_RECOVERY_S=0)),
    ("E004", changed(RECEIVER_TIMEOUT_S=0)),
    ("E004", changed(RECEIVER_TIMEOUT_S=241)),
    ("E005", changed(REPORT_LEVEL="some")),
    ("E005", changed(REPORT_LEVEL=["all"])),
    ("E006", changed(API_PERMISSION_CLASSES="rest_framework.permissions.AllowAny")),
    _IMPORT,
    ("E009", changed(MERCHANTS={"a shop": GOOD["MERCHANTS"]["default"]})),
    ("E009", changed(MERCHANTS={"a" * 65: GOOD["MERCHANTS"]["default"]})),
    ("E010", merchant(APPID="")),
    ("E010", merchant(MCH_ID=1900000109)),
    ("E010", merchant(MCH_ID="1900 000 109")),
    ("E010", merchant(APPID="wx1" * 11)),
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
    ("E013", merchant(HOSTS=[f"https://till:{KEY}@gateway.example.com"])),
    ("E014", merchant(PLATFORM_CERTIFICATES=["/nowhere/certificate.pem"])),
    ("E014", merchant(CLIENT_CERT="/nowhere/apiclient_cert.pem")),
    ("E015", merchant(API="v3")),
    ("E015", merchant(API_V3_KEY=V3["API_V3_KEY"])),
    ("E016", v3(API_V3_KEY="short")),
    ("E017", v3(PRIVATE_KEY=PEM)),
    ("E018", v3(CERT_SERIAL_NO="12")),
    ("E018", v3(CERT_SERIAL_NO="AB" * 21)),
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
    ("E026", changed(QUICK_PAY=5)),
    ("E026", changed(QUICK_PAY={"POLL": 5})),
    ("E026", changed(QUICK_PAY={"POLL_S": 0})),
    ("E026", changed(QUICK_PAY={"POLL_S": True})),
    ("E026", changed(QUICK_PAY={"WAIT_S": "45"})),
    ("E026", changed(QUICK_PAY={"WAIT_S": 121})),
    ("E021", changed(RETENTION_DAYS=90)),
    ("E021", changed(RETENTION_DAYS={"Notification": 6})),
    ("E021", changed(RETENTION_DAYS={"Notification": "90"})),
    ("E021", changed(RETENTION_DAYS={"Notification": True})),
    ("E021", changed(RETENTION_DAYS={"OrderEvent": 36_501})),
    ("E021", changed(RETENTION_DAYS={"Order": 365})),
    ("E021", changed(RETENTION_DAYS={"Refund": None})),
    ("E021", changed(RETENTION_DAYS={"ApiReport": 30})),
    ("E022", changed(LATENCY_LIMITS=3000)),
    ("E029", merchant(APPID="wx...")),
    ("E029", merchant(API_KEY="<your key>")),
    ("E028", changed(BILL_STORAGE="")),
    ("E028", changed(BILL_STORAGE=None)),
    ("E027", changed(CLOSE_UNPAID_AFTER_H=0)),
    ("E027", changed(CLOSE_UNPAID_AFTER_H="24")),
    ("E027", changed(CLOSE_UNPAID_AFTER_H=True)),
    ("E027", changed(CLOSE_UNPAID_AFTER_H=float("nan"))),
    ("E022", changed(LATENCY_LIMITS={"P99_MS": 3000})),
    ("E022", changed(LATENCY_LIMITS={"FAILURE_RATE": 5})),
    ("E022", changed(LATENCY_LIMITS={"FAILURE_RATE": True})),
    ("E022", changed(LATENCY_LIMITS={"P95_MS": 0.5})),
    ("E022", changed(LATENCY_LIMITS={"P95_MS": 0})),
    ("E030", changed(SEALING_KEYS=["short"])),
    ("E031", changed(MERCHANTS="nowhere.Nothing")),
    ("W016", changed(MERCHANTS="django_wxpay.merchants.DatabaseMerchants")),
    ("W014", merchant(CLIENT_KEY=keys.MERCHANT_KEY)),
    ("W014", merchant(CLIENT_CERT=keys.MERCHANT_CERTIFICATE)),
    ("W014", merchant(CLIENT_CERT=keys.MERCHANT_CERTIFICATE, CLIENT_KEY=keys.PLATFORM_KEY)),
    ("W014", merchant(CLIENT_CERT=keys.MERCHANT_CERTIFICATE, CLIENT_KEY=PEM)),
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


# Settings of Django's own, each with the code of what is wrong with it.
OF_THE_PROJECT: dict[str, dict[str, Any]] = {
    "E023": {"USE_TZ": False},
    "W010": {"ALLOWED_HOSTS": ["www.example.com"]},
    "W011": {"PREPEND_WWW": True},
    "W012": {"DISALLOWED_USER_AGENTS": [re.compile("^Mozilla/4")]},
}
# Found in test_project.py, test_merchants.py and test_successors.py of tests/services/doctor.
AROUND_US = {
    "E007",
    "E024",
    "E025",
    "W003",
    "W005",
    "W006",
    "W007",
    "W008",
    "W009",
    "W013",
    "E032",
    "W015",
    "W017",
}


@pytest.mark.parametrize("code", OF_THE_PROJECT)
def test_settings_around_ours_that_keep_notifications_out_are_found(
    code: str, settings: Any
) -> None:
    for name, value in OF_THE_PROJECT[code].items():
        setattr(settings, name, value)
    messages = found(GOOD, settings)

    assert [message.id for message in messages] == [f"django_wxpay.{code}"]
    assert messages[0].hint


@pytest.mark.parametrize(
    "harmless",
    [
        {"ALLOWED_HOSTS": ["*"]},
        {"ALLOWED_HOSTS": [".example.com"]},
        {"APPEND_SLASH": False},
        {"SECURE_SSL_REDIRECT": True},
        {"DISALLOWED_USER_AGENTS": [re.compile("bot")]},
        {"MIDDLEWARE": [], "ALLOWED_HOSTS": [], "PREPEND_WWW": True},
    ],
)
def test_settings_around_ours_that_keep_nothing_out_are_no_problem(
    harmless: dict[str, Any], settings: Any
) -> None:
    for name, value in harmless.items():
        setattr(settings, name, value)

    assert list(conf.project.problems(GOOD)) == []


def test_where_the_address_is_http_a_redirect_to_https_is_found(settings: Any) -> None:
    plain = changed(NOTIFY_BASE_URL="http://shop.example.com")
    settings.SECURE_SSL_REDIRECT = True
    assert [m.id for m in found(plain, settings)] == ["django_wxpay.W011", "django_wxpay.W002"]

    settings.SECURE_REDIRECT_EXEMPT = [r"^wxpay/notify/"]
    assert [m.id for m in found(plain, settings)] == ["django_wxpay.W002"]


def test_while_debug_is_on_this_machine_is_an_allowed_host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = []
    local = changed(NOTIFY_BASE_URL="http://127.0.0.1:8000")
    settings.DEBUG = True
    assert [m.id for m in found(local, settings)] == ["django_wxpay.W002"]

    settings.DEBUG = False
    assert [m.id for m in found(local, settings)] == ["django_wxpay.W010", "django_wxpay.W002"]


def test_without_time_zones_nothing_is_placed_and_nothing_taken_in(settings: Any) -> None:
    settings.WXPAY = GOOD
    conf.current()
    settings.USE_TZ = False

    with pytest.raises(ConfigurationError, match="USE_TZ is False"):
        services.create_order(trade_type="NATIVE", body="Tea", total_fee=1, product_id="P1")
    settings.USE_TZ = True
    assert conf.current().merchants


def test_a_missing_urlconf_is_found(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.empty_urls"

    assert "django_wxpay.E007" in [message.id for message in found(GOOD, settings)]


def test_a_missing_rest_framework_is_found(settings: Any) -> None:
    settings.INSTALLED_APPS = [n for n in settings.INSTALLED_APPS if n != "rest_framework"]
    settings.WXPAY = GOOD
    messages = checks.check_settings(None)

    assert [message.id for message in messages] == ["django_wxpay.E008"]


def test_every_code_has_a_case_and_every_case_a_hint() -> None:
    tested = {code for code, _ in CASES} | {"E008", *OF_THE_PROJECT, *AROUND_US}

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
    assert (read.client_cert, read.client_key.reveal()) == (PEM, PEM)
    assert read.platform_certificates == (PEM,)
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
    assert (read.api_v3_key.reveal(), read.appid) == (plain["API_V3_KEY"], plain["APPID"])
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
    assert read.private_key.reveal().startswith("-----BEGIN")
    assert "\r" not in read.private_key.reveal()
    assert read.client_cert == keys.MERCHANT_CERTIFICATE


# What people leave in the place of a value, and the words by which a message says so.
PLACEHOLDERS = [
    ("APPID", "wx...", "cut off with dots"),
    ("APPID", "wx\u2026", "cut off with dots"),
    ("APPID", "...", "cut off with dots"),
    ("APPID", "wxXXXXXXXXXXXXXXXX", "x's or stars"),
    ("APPIDS", ["wx2", "xxx"], "x's or stars"),
    ("APPID", "your-appid", '"your"'),
    ("APPID", "wx_your_appid", '"your"'),
    ("APPID", "你的AppID", "asks for a value"),
    ("MCH_ID", "<mch_id>", "brackets"),
    ("MCH_ID", "<your merchant number, as the platform shows it>", "brackets"),
    ("MCH_ID", "TODO", "a word"),
    ("MCH_ID", "None", "a word"),
    ("MCH_ID", "0000000000", "one character"),
    ("SUB_MCH_ID", "null", "a word"),
    ("API_KEY", "...", "cut off with dots"),
    ("API_KEY", "<your key>", "brackets"),
    ("API_KEY", "请填写商户平台的密钥", "asks for a value"),
    ("API_KEY", "a" * 32, "one character"),
    ("API_KEY", "x" * 32, "x's or stars"),
    ("API_KEY", "${WXPAY_API_KEY_OF_THE_SHOP_1234}", "variable"),
    ("API_KEY", "{{ lookup('vault', 'wxpay') }}..", "variable"),
    ("API_KEY", "YOUR_32_CHARACTER_API_V2_KEY____", '"your"'),
    ("API_V3_KEY", "0" * 32, "one character"),
    ("CERT_SERIAL_NO", "4A7E...", "cut off with dots"),
    ("WECHATPAY_PUBLIC_KEY_ID", "PUB_KEY_ID_...", "cut off with dots"),
    ("PRIVATE_KEY", "<apiclient_key.pem>", "brackets"),
    ("CLIENT_KEY", "...", "cut off with dots"),
    ("PLATFORM_CERTIFICATES", ["..."], "cut off with dots"),
    ("MERCHANT_CATEGORY_CODE", "<four digits>", "brackets"),
    ("HOSTS", ["https://..."], "cut off with dots"),
]


@pytest.mark.parametrize(("name", "value", "words"), PLACEHOLDERS)
def test_an_example_in_the_place_of_a_value_is_found_by_the_rule_that_it_breaks(
    name: str, value: Any, words: str, settings: Any
) -> None:
    messages = found(v3(**{name: value}), settings)

    # One error: that it breaks the rule of its setting as well helps nobody.
    assert [message.id for message in messages] == ["django_wxpay.E029"]
    assert messages[0].is_serious()
    assert f'["default"]["{name}"] is a placeholder: ' in messages[0].msg
    assert words in messages[0].msg
    assert messages[0].hint == HINTS["E029"]
    quoted = value if isinstance(value, str) else value[-1]
    assert len(quoted) < 4 or quoted not in messages[0].msg


# Keys in the form of a merchant are PEMs and no paths, so that no file is named there.
FOR_A_FORM = [
    *(value for _code, value in CASES),
    *(v3(**{name: value}) for name, value, _words in PLACEHOLDERS),
    *(merchant(MCH_ID=value) for value in (None, "", KEY.encode(), 5, [KEY])),
]


def test_what_is_wrong_with_a_merchant_is_said_in_the_language_of_who_fills_in_its_form(
    settings: Any,
) -> None:
    seen = set()
    for value in FOR_A_FORM:
        settings.WXPAY = value
        # An entry that is no dict, or comes from a source, stands in no form.
        of_merchants = (each for each in conf.problems() if each.merchant)
        for problem in (each for each in of_merchants if each.code not in {"E002", "E031", "E032"}):
            assert problem.message.endswith(problem.words)
            assert isinstance(problem.words, Sentence)
            said = [problem.words]
            if problem.code.startswith("E"):
                said.append(HINTS[problem.code])
            with override("zh-hans"):
                for each in said:
                    assert re.search("[\u4e00-\u9fff]", translated(each)), each
                    # A name or an address may be English, a sentence may not.
                    assert not re.search("[a-z]+ [a-z]+ [a-z]+", translated(each)), each
            seen.add((problem.code, problem.words.form))
    assert len(seen) > 30


def test_each_example_is_found_and_a_call_refuses_the_first(settings: Any) -> None:
    settings.WXPAY = merchant(APPID="wx...", MCH_ID="...", API_KEY="<your key>")

    problems = conf.problems()
    assert [problem.code for problem in problems] == ["E029"] * 3
    assert [problem.merchant for problem in problems] == ["default"] * 3
    with pytest.raises(ConfigurationError, match=r'"APPID"\] is a placeholder'):
        conf.current()


@pytest.mark.parametrize("wrong", [None, 5, b"...", {"...": "..."}, [None, "wx2"], [["..."]]])
def test_what_is_no_text_at_all_is_no_example(wrong: Any, settings: Any) -> None:
    for name in ("APPID", "APPIDS", "API_KEY", "PLATFORM_CERTIFICATES", "HOSTS"):
        codes = {message.id for message in found(v3(**{name: wrong}), settings)}
        assert codes <= {"django_wxpay.E010", "django_wxpay.E012", "django_wxpay.E013"}
        assert codes or (name, wrong) == ("APPIDS", [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APPID", "wx8888888888888888"),
        ("APPID", "wxd678efh567hg6787"),
        ("MCH_ID", "1900000000"),
        ("API_KEY", "yours4todo9None0nullXXXXchange01"),
        ("PRIVATE_KEY", "../certs/apiclient_key.pem"),
        ("CERT_SERIAL_NO", "1" * 40),
        ("MERCHANT_CATEGORY_CODE", "5555"),
        ("HOSTS", ["http://[::1]:9100"]),
    ],
)
def test_what_only_looks_a_little_like_an_example_is_a_value(
    name: str, value: Any, settings: Any
) -> None:
    assert not any("placeholder" in message.msg for message in found(v3(**{name: value}), settings))


def test_a_line_end_inside_a_key_is_named_and_the_key_is_not(settings: Any) -> None:
    value = f"{KEY[:16]}\n{KEY[17:]}"
    (message,) = found(merchant(API_KEY=value), settings)

    assert message.id == "django_wxpay.E012"
    assert "a character that is not allowed (allowed: exactly 32 characters" in message.msg
    assert KEY[:16] not in message.msg
    assert KEY[17:] not in message.msg


KEY_IN_A_LINE = "".join(keys.MERCHANT_KEY.splitlines()[1:-1])
ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nabc\n-----END ENCRYPTED PRIVATE KEY-----\n"
FILES: list[tuple[str, bytes, str]] = [
    ("empty.pem", b" \n", "which is empty"),
    ("notes.txt", b"hello", "which is not a PEM"),
    ("notepad.pem", keys.MERCHANT_KEY.encode("utf-16"), "which is UTF-16: save it as UTF-8"),
    (
        "apiclient_cert.p12",
        b"\x30\x82\x0a\xff",
        "which is DER or PKCS#12 (.p12): turn it into a PEM",
    ),
    ("picture.png", b"\x89PNG\xff", "which is neither a PEM nor text"),
    ("key.b64", KEY_IN_A_LINE.encode(), "base64 without the BEGIN and END lines"),
]


@pytest.mark.parametrize(("name", "content", "words"), FILES)
def test_a_file_that_cannot_be_used_is_named_with_what_it_is(
    name: str, content: bytes, words: str, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    (message,) = found(v3(PRIVATE_KEY=tmp_path / name), settings)

    assert message.id == "django_wxpay.E014"
    assert f'["PRIVATE_KEY"] names the file "{tmp_path / name}"' in message.msg
    assert words in message.msg
    assert KEY_IN_A_LINE[:20] not in message.msg


def test_a_path_that_leads_to_no_readable_file_is_named_with_the_reason(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def message(path: str) -> str:
        (problem,) = found(v3(CLIENT_CERT=path), settings)
        assert problem.id == "django_wxpay.E014"
        return problem.msg

    assert message("/no/such/key.pem").endswith('"/no/such/key.pem", which is missing')
    assert message("keys/key.pem").endswith(
        '"keys/key.pem", which is missing, seen from the working directory'
    )
    assert message(str(tmp_path)).endswith(f'"{tmp_path}", which is a folder')
    assert message("a.b/" * 5000).endswith("is neither a PEM nor the path of a readable file")
    assert message("a\0b.pem").endswith("is neither a PEM nor the path of a readable file")

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert message("/run/secrets/key").endswith(
        '"/run/secrets/key", which this process may not read'
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (KEY_IN_A_LINE, "is base64 without the BEGIN and END lines of a PEM: give the whole PEM"),
        (base64.b64encode(keys.MERCHANT_KEY.encode()).decode(), "is base64 without the BEGIN"),
        (ENCRYPTED, "is a PEM encrypted with a passphrase"),
        (KEY, "names a file, which is missing"),
    ],
)
def test_a_key_in_the_place_of_a_path_is_never_quoted(
    value: str, words: str, settings: Any
) -> None:
    (message,) = found(v3(PRIVATE_KEY=value), settings)

    assert message.id == "django_wxpay.E014"
    assert words in message.msg
    assert value[:16] not in message.msg.replace("-----BEGIN", "")


class SecretText:
    def get_secret_value(self) -> str:
        return KEY


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "it is missing, or an environment variable that is not set"),
        ("", "it is empty"),
        (KEY.encode(), "bytes: decode it"),
        (1900000109, "a number: put it in quotes"),
        (SecretText(), "give its get_secret_value()"),
        ([KEY], "a list"),
    ],
)
def test_a_value_of_another_type_is_named_and_not_shown(
    value: Any, words: str, settings: Any
) -> None:
    (message, *_) = found(merchant(MCH_ID=value), settings)

    assert message.id == "django_wxpay.E010"
    assert words in message.msg
    assert KEY not in message.msg


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("TIMEOUT", "5,15", "is not a pair (connect, read) of seconds but a text: convert it"),
        ("TIMEOUT", ("5", "15"), "is not a number of seconds but a text: convert it"),
        ("HOST_RECOVERY_S", "180", "is not a number of seconds but a text: convert it"),
        ("RECEIVER_TIMEOUT_S", 241, "is longer than 240 s"),
        ("API_REPORT_RETENTION_DAYS", "30", "is not a whole number of days but a text: convert it"),
        ("NOTIFY_BASE_URL", "https://<your-domain>", "holds a character that no host name has"),
    ],
)
def test_what_an_environment_variable_gives_is_told_from_a_number(
    name: str, value: Any, words: str, settings: Any
) -> None:
    (message,) = found(changed(**{name: value}), settings)

    assert message.msg == f'WXPAY["{name}"] {words}'


def test_a_lazy_text_is_a_text(settings: Any) -> None:
    assert found(merchant(API_KEY=lazystr(KEY)), settings) == []
    assert conf.merchant("default").api_key == Secret(KEY)


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


def test_every_code_and_nothing_else_is_in_the_page_about_projects() -> None:
    page = text_of("docs/projects.md").split("## What was tried")[0]
    codes = [cells[0].split(", ") for cells in rows(page) if re.match("[EW][0-9]", cells[0])]
    listed = [code for row in codes for code in row]
    assert sorted(listed) == sorted(HINTS)


def test_a_thread_that_began_before_a_change_is_not_believed_after_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WXPAY = changed(TIMEOUT=(1, 1))
    has_read, goes_on = threading.Event(), threading.Event()
    read_quick_pay = conf_settings._quick_pay

    def slowly(value: Any) -> Any:
        if threading.current_thread() is late:
            has_read.set()
            assert goes_on.wait(10)
        return read_quick_pay(value)

    late = threading.Thread(target=conf.current)
    monkeypatch.setattr(conf_settings, "_quick_pay", slowly)
    late.start()
    assert has_read.wait(10)
    settings.WXPAY = changed(TIMEOUT=(2, 2))
    goes_on.set()
    late.join(10)
    assert conf.current().timeout == (2.0, 2.0)
