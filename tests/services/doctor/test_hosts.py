"""Checks of hosts: each is queried for an order that cannot exist."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
import urllib3.exceptions
from django.db import OperationalError

from django_wxpay import conf
from django_wxpay.models import ApiReport, PlatformCertificate
from django_wxpay.protocol.errors import ConfigurationError
from django_wxpay.protocol.v3.encryption import decrypt_field, encrypt_field
from django_wxpay.services import certificates, gateways
from django_wxpay.services.doctor import diagnosis, hosts
from django_wxpay.services.doctor import keys as doctor_keys
from django_wxpay.services.doctor.findings import Finding, Level, Subject, advice_for_failure
from tests.protocol.v3 import keys
from tests.selling import V3_HOST, mounted
from tests.services.conftest import HOST
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, MCH_ID, refused, scripted_v2, standing
from tests.wechatpay.v3 import CERTIFICATES, PUBLIC_KEY_MODE, V3_MERCHANT, scripted_v3, trade

pytestmark = pytest.mark.django_db

SPARE = "http://spare.test"
QUERY = "/pay/orderquery"
ERROR, WARNING, OK = Level
NO_SUCH_ORDER = refused("ORDERNOTEXIST", "order not exist")


def asked(alias: str = "default") -> list[Finding]:
    """Return the findings on one merchant's hosts."""
    return list(hosts.check_hosts(conf.merchant(alias)))


@pytest.fixture
def configure(wxpay: dict[str, Any], settings: Any) -> Callable[..., None]:
    """Return what changes the settings of one merchant; None leaves a setting out."""

    def change(alias: str = "default", **changes: Any) -> None:
        merchants = settings.WXPAY["MERCHANTS"]
        entry = {**merchants.get(alias, {}), **changes}
        changed = {name: value for name, value in entry.items() if value is not None}
        settings.WXPAY = {**settings.WXPAY, "MERCHANTS": {**merchants, alias: changed}}

    return change


def the_only(alias: str = "default") -> Finding:
    (finding,) = asked(alias)
    return finding


def described(finding: Finding) -> tuple[Level, Subject]:
    return finding.level, finding.subject


# v2


def test_no_such_order_is_the_good_answer_and_is_measured_like_any_call(
    gateway: ScriptedTransport,
) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    finding = the_only()
    assert (finding.merchant, finding.advice) == ("default", "")
    assert described(finding) == (OK, Subject.HOSTS)
    assert finding.message.startswith("gateway.test (API v2) answers in ")
    assert finding.message.endswith(" ms, and accepts our key.")

    ((path, fields),) = gateway.calls
    assert (path, fields["mch_id"]) == (QUERY, MCH_ID)
    assert "sub_mch_id" not in fields
    row = ApiReport.objects.get()
    assert (row.merchant, row.err_code, row.failure) == ("default", "ORDERNOTEXIST", "")
    assert row.out_trade_no == fields["out_trade_no"]


def test_no_number_is_asked_for_twice(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    asked()
    asked()
    assert len({fields["out_trade_no"] for _, fields in gateway.calls}) == 2


def test_an_order_that_exists_against_all_odds_proves_as_much(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = standing("NOTPAY")
    assert described(the_only()) == (OK, Subject.HOSTS)


def test_every_host_is_asked_apart_and_none_stands_in_for_another(
    gateway: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    configure(HOSTS=[HOST, SPARE])
    gateway.answers[QUERY] = ConnectionResetError()
    spare = scripted_v2()
    spare.answers[QUERY] = NO_SUCH_ORDER
    with mounted(spare, SPARE):
        first, second = asked()
    assert (described(first), described(second)) == (
        (ERROR, Subject.HOSTS),
        (OK, Subject.HOSTS),
    )
    assert (len(gateway.calls), len(spare.calls)) == (1, 1)
    # It is not a failover, and not one of the calls that the shop made to its standby.
    assert not ApiReport.objects.filter(is_standby=True).exists()


def test_an_institution_asks_for_its_sub_merchant(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    assert the_only("institution").level is OK
    assert gateway.calls[0][1]["sub_mch_id"] == "1900000200"


def test_an_institution_without_a_sub_merchant_cannot_be_checked_and_gets_a_warning(
    gateway: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    configure("institution", SUB_MCH_ID=None)
    finding = the_only("institution")
    assert described(finding) == (WARNING, Subject.HOSTS)
    assert "SUB_MCH_ID is not set" in finding.message
    assert gateway.calls == []


def return_fail(**more: str) -> Callable[[dict[str, str]], bytes]:
    fields = {"return_code": "FAIL", "return_msg": "签名错误"} | more
    inner = "".join(f"<{name}><![CDATA[{text}]]></{name}>" for name, text in fields.items())
    return lambda sent: f"<xml>{inner}</xml>".encode()


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (return_fail(), "refuses: RETURN_FAIL 签名错误."),
        (return_fail(return_msg="SIGN ERROR"), "refuses: RETURN_FAIL SIGN ERROR."),
        (return_fail(err_code="SIGNERROR"), "refuses: SIGNERROR 签名错误."),
        (refused("SIGNERROR", "sign error"), "refuses: SIGNERROR sign error."),
    ],
)
def test_a_signature_that_is_refused_is_a_matter_of_keys(
    gateway: ScriptedTransport, answer: Any, word: str
) -> None:
    gateway.answers[QUERY] = answer
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert finding.message.endswith(word)
    assert "API key" in finding.advice
    assert API_KEY not in repr(finding)


@pytest.mark.parametrize(
    ("text", "subject", "advice"),
    [
        ("appid不存在", Subject.CONFIGURATION, "appid"),
        ("商户号mch_id或sub_mch_id不存在", Subject.CONFIGURATION, "mch_id"),
        ("缺少参数", Subject.CONFIGURATION, "parameter"),
        ("PARAM_ERROR:sign_type", Subject.HOSTS, "Read its message"),
        ("系统繁忙", Subject.HOSTS, "Read its message"),
        ("", Subject.HOSTS, "Read its message"),
    ],
)
def test_a_refusal_as_a_whole_is_no_matter_of_keys_unless_it_says_so(
    gateway: ScriptedTransport, text: str, subject: Subject, advice: str
) -> None:
    gateway.answers[QUERY] = return_fail(return_msg=text)
    finding = the_only()
    assert described(finding) == (ERROR, subject)
    assert advice in finding.advice


def test_an_unsigned_no_such_order_proves_nothing(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = return_fail(err_code="ORDERNOTEXIST")
    assert the_only().level is ERROR


def test_an_answer_under_another_key_is_a_matter_of_keys(
    gateway: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    configure(API_KEY=API_KEY[::-1])
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert "the answer's signature is missing or wrong" in finding.message
    assert "API_KEY" in finding.advice
    assert API_KEY[::-1] not in repr(finding)


def test_a_wrong_identity_is_a_matter_of_configuration(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = refused("APPID_MCHID_NOT_MATCH", "not\x9b bound")
    finding = the_only()
    assert described(finding) == (ERROR, Subject.CONFIGURATION)
    assert finding.message.endswith("refuses: APPID_MCHID_NOT_MATCH not? bound.")
    assert finding.advice.startswith("Bind the appid")


@pytest.mark.parametrize("code", ["SYSTEMERROR", "FREQUENCY_LIMITED"])
def test_a_host_that_is_briefly_out_of_order_is_a_warning(
    gateway: ScriptedTransport, code: str
) -> None:
    gateway.answers[QUERY] = refused(code)
    finding = the_only()
    assert described(finding) == (WARNING, Subject.HOSTS)
    assert "run this again" in finding.advice


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (requests.ConnectionError(socket.gaierror()), "DNS"),
        (requests.ConnectTimeout(), "CONNECT"),
        (requests.exceptions.SSLError(), "TLS"),
        (requests.ReadTimeout(), "TIMEOUT"),
        (urllib3.exceptions.ProtocolError(ConnectionResetError()), "RESET"),
        (b"<html>no gateway here</html>", "UNREADABLE"),
    ],
)
def test_a_host_without_an_answer_is_an_error_with_the_kind_of_failure(
    gateway: ScriptedTransport, answer: Any, word: str
) -> None:
    gateway.answers[QUERY] = answer
    finding = the_only()
    assert described(finding) == (ERROR, Subject.HOSTS)
    assert f"gateway.test (API v2) gave no trustworthy answer: {word}" in finding.message
    assert finding.advice == advice_for_failure(word)
    assert len(gateway.calls) == ApiReport.objects.count() == 1


def test_a_setting_that_prevents_the_call_is_an_error(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(HOSTS=["https://gateway.invalid"])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    finding = the_only()
    assert described(finding) == (ERROR, Subject.CONFIGURATION)
    assert "/nowhere/ca.pem" in finding.message


def test_calls_are_judged_before_any_is_made(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = requests.ReadTimeout()
    found = diagnosis.diagnose(merchants=["default"])
    assert [one.level for one in found if one.subject is Subject.LATENCY] == [OK]
    assert [one.level for one in found if one.subject is Subject.HOSTS] == [ERROR]


# v3


@pytest.fixture
def platform(wxpay: dict[str, Any], settings: Any) -> Iterator[ScriptedTransport]:
    entry = V3_MERCHANT | PUBLIC_KEY_MODE
    settings.WXPAY = {**wxpay, "MERCHANTS": {"default": entry}}
    # Whatever number the order has that is asked for.
    scripted = scripted_v3((404, {"code": "ORDER_NOT_EXIST", "message": "no such order"}))
    gateways.platform_keys.cache_clear()
    with mounted(scripted, V3_HOST):
        yield scripted
    gateways.platform_keys.cache_clear()


@pytest.fixture
def by_certificate(
    platform: ScriptedTransport, configure: Callable[..., None]
) -> ScriptedTransport:
    configure(**dict.fromkeys(PUBLIC_KEY_MODE))
    platform.dialect.serial = keys.PLATFORM_SERIAL
    platform.answers["/v3/certificates"] = CERTIFICATES
    return platform


def test_v3_without_such_an_order_is_ok(platform: ScriptedTransport) -> None:
    finding = the_only()
    assert described(finding) == (OK, Subject.HOSTS)
    assert finding.message.startswith("v3.test (API v3) answers in ")
    (path,) = platform.paths()
    assert path.startswith("/v3/pay/transactions/out-trade-no/")
    assert ApiReport.objects.get().err_code == "ORDERNOTEXIST"


def test_where_certificates_are_used_they_are_downloaded_too(
    by_certificate: ScriptedTransport,
) -> None:
    assert described(the_only()) == (OK, Subject.HOSTS)
    assert by_certificate.paths()[0] == "/v3/certificates"
    assert len(by_certificate.calls) == ApiReport.objects.count() == 2
    # It looks and leaves everything as it was.
    assert not PlatformCertificate.objects.exists()


def test_with_hosts_called_it_is_ok_that_no_certificate_is_known_yet(
    by_certificate: ScriptedTransport,
) -> None:
    found = diagnosis.diagnose()
    assert {one.level for one in found} == {OK}
    assert [one.message for one in found if one.subject is Subject.KEYS] == [
        "No platform certificate is known yet: the first signed answer brings one.",
    ]


def test_a_v3_key_that_opens_no_certificate_is_a_matter_of_keys(
    by_certificate: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    configure(API_V3_KEY=keys.API_V3_KEY[::-1])
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert "API_V3_KEY does not open the certificates" in finding.message
    assert "API_V3_KEY" in finding.advice
    assert keys.API_V3_KEY[::-1] not in repr(finding)


@pytest.mark.parametrize("code", ["RESOURCE_NOT_EXISTS", "NOT_FOUND"])
def test_an_account_without_certificates_needs_the_public_key(
    by_certificate: ScriptedTransport, code: str
) -> None:
    by_certificate.answers["/v3/certificates"] = (404, {"code": code, "message": "none"})
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert "set WECHATPAY_PUBLIC_KEY" in finding.advice


def test_an_unsigned_401_of_v3_is_a_matter_of_keys(platform: ScriptedTransport) -> None:
    platform.script = [(401, {"code": "SIGN_ERROR", "message": "签名错误"})]
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert finding.message == "v3.test (API v3) refuses: SIGN_ERROR 签名错误."
    assert "PRIVATE_KEY and CERT_SERIAL_NO" in finding.advice


def test_a_signature_of_v3_that_does_not_hold_is_a_matter_of_keys(
    platform: ScriptedTransport,
) -> None:
    platform.script = [(200, trade("whatever"))]
    platform.dialect.serial = keys.PLATFORM_SERIAL
    finding = the_only()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert "WECHATPAY_PUBLIC_KEY" in finding.advice


def test_an_answer_that_decides_nothing_is_no_answer(platform: ScriptedTransport) -> None:
    platform.script = [(202, {"code": "USERPAYING", "message": "later"})]
    finding = the_only()
    assert described(finding) == (ERROR, Subject.HOSTS)
    assert finding.message.endswith("gave no trustworthy answer: undecided, HTTP 202.")


def test_a_host_of_v3_that_is_out_of_order_is_an_error_with_its_status(
    platform: ScriptedTransport,
) -> None:
    platform.script = [(503, None)]
    finding = the_only()
    assert described(finding) == (ERROR, Subject.HOSTS)
    assert finding.message.endswith("gave no trustworthy answer: HTTP_5XX, HTTP 503.")


def test_a_v3_merchant_with_a_v2_key_is_asked_over_both_for_reports_need_v2(
    platform: ScriptedTransport,
    gateway: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    configure(API_KEY=API_KEY, HOSTS=[HOST])
    gateways.mount(f"{HOST}/v3", platform)
    platform.script = [(404, {"code": "ORDER_NOT_EXIST"})]
    try:
        first, second = asked()
    finally:
        gateways.unmount(f"{HOST}/v3")
    assert first.message.startswith("gateway.test (API v3) answers")
    assert second.message.startswith("gateway.test (API v2) answers")
    assert (len(platform.calls), len(gateway.calls)) == (1, 1)


def test_a_v2_merchant_with_v3_keys_is_asked_over_v2(
    gateway: ScriptedTransport,
    configure: Callable[..., None],
) -> None:
    gateway.answers[QUERY] = NO_SUCH_ORDER
    configure(**V3_MERCHANT | PUBLIC_KEY_MODE | {"API": "v2", "HOSTS": [HOST]})
    assert "(API v2)" in the_only().message


def test_without_a_database_v3_cannot_look_for_certificates_and_the_database_is_the_finding(
    by_certificate: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(certificates.CertificateStore, "certificates", fail)
    found = diagnosis.diagnose()
    assert [(one.subject, one.level) for one in found if one.level is not OK] == [
        (Subject.DATABASE, ERROR),
    ]


def test_a_gateway_at_one_host_is_that_of_the_merchant_otherwise(wxpay: dict[str, Any]) -> None:
    account = conf.merchant("default")
    narrowed = gateways.gateway_at("default", SPARE, api=account.api, on_attempt=[].append)
    assert narrowed._merchant == replace(account, hosts=(SPARE,))
    assert conf.merchant("default").hosts == (HOST,)


# The security echo


ECHO = "/v3/security/echo"


def echo(alias: str = "default") -> list[Finding]:
    return list(doctor_keys.check_echo(conf.merchant(alias)))


def gives_back(**changes: Any) -> Callable[[requests.PreparedRequest], Any]:
    """Answer an echo as WeChat Pay does: it opens what was sealed, and seals it for us."""

    def answer(sent: requests.PreparedRequest) -> Any:
        body = json.loads(sent.body or b"")
        assert sent.headers["Wechatpay-Serial"] == keys.PUBLIC_KEY_ID
        opened = decrypt_field(body["encrypted_echo_message"], private_key=keys.PUBLIC_MODE_KEY)
        sealed = encrypt_field(opened, public_key=keys.MERCHANT_CERTIFICATE)
        content = {"echo_message": body["echo_message"], "encrypted_echo_message": sealed}
        return 200, content | changes

    return answer


def test_an_echo_of_what_was_sent_is_fine(platform: ScriptedTransport) -> None:
    platform.answers[ECHO] = gives_back()
    (finding,) = echo()
    assert (described(finding), finding.advice) == ((OK, Subject.KEYS), "")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"echo_message": "x"}, "another text"),
        ({"encrypted_echo_message": "x"}, "another key"),
        ({"encrypted_echo_message": None}, "another key"),
        (
            {"encrypted_echo_message": encrypt_field("x", public_key=keys.MERCHANT_CERTIFICATE)},
            "another key",
        ),
    ],
)
def test_an_echo_of_something_else_is_an_error(
    platform: ScriptedTransport, changes: dict[str, Any], problem: str
) -> None:
    platform.answers[ECHO] = gives_back(**changes)
    (finding,) = echo()
    assert described(finding) == (ERROR, Subject.KEYS)
    assert problem in finding.message
    assert "PRIVATE_KEY" in finding.advice


def test_an_echo_that_is_no_object_is_an_error(platform: ScriptedTransport) -> None:
    platform.answers[ECHO] = (200, b"[]")
    assert described(echo()[0]) == (ERROR, Subject.KEYS)


@pytest.mark.parametrize(
    "answer",
    [(404, b""), (404, {"code": "NOT_FOUND"}), (403, {"code": "NO_AUTH"}), requests.ReadTimeout()],
)
def test_an_echo_that_is_not_offered_is_no_finding(
    platform: ScriptedTransport, answer: Any
) -> None:
    platform.answers[ECHO] = answer
    assert echo() == []


def test_a_key_that_cannot_sign_is_the_configurations_affair(
    platform: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConfigurationError("no")

    monkeypatch.setattr(doctor_keys.calling, "call", refuse)
    assert echo() == []


def test_a_merchant_of_v2_has_no_echo() -> None:
    assert echo("institution") == []


def test_the_echo_is_asked_for_where_somebody_wants_it(platform: ScriptedTransport) -> None:
    platform.answers[ECHO] = gives_back()
    diagnosis.diagnose(merchants=["default"])
    assert ECHO not in platform.paths()
    found = diagnosis.diagnose(merchants=["default"], echo=True)
    assert ECHO in platform.paths()
    assert any("echo" in finding.message for finding in found)
