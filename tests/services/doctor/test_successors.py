"""Platform certificates without a successor are found by check and doctor, in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import DatabaseError, InterfaceError, connections

from django_wxpay.checks import check_database
from django_wxpay.conf.hints import HINTS
from django_wxpay.models import ApiReport, PlatformCertificate
from django_wxpay.services import clock
from django_wxpay.services.doctor import successors
from django_wxpay.services.doctor.diagnosis import Finding, Level, Subject, diagnose
from django_wxpay.services.transactions import database
from tests import accounts
from tests.factories import ApiReportFactory, PlatformCertificateFactory
from tests.protocol.v3 import keys
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT

pytestmark = pytest.mark.django_db

# The certificate of the tests ends with 2033, UTC.
ENDS = datetime(2034, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GIVEN: dict[str, Any] = {"PLATFORM_CERTIFICATES": [keys.PLATFORM_CERTIFICATE]}


@pytest.fixture(autouse=True)
def _certificates_alone(wxpay: dict[str, Any]) -> None:
    v3(wxpay)


def v3(wxpay: dict[str, Any], **changes: Any) -> None:
    wxpay["MERCHANTS"] = {"default": V3_MERCHANT | changes}


def today(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: moment)


def checked(**options: Any) -> list[CheckMessage]:
    return [each for each in run_checks(**options) if each.id == "django_wxpay.W017"]


def with_tables() -> list[CheckMessage]:
    return checked(databases=[database()])


def of_keys(**options: Any) -> list[Finding]:
    return [each for each in diagnose(ask=False, **options) if each.subject is Subject.KEYS]


def not_listed(now: datetime, **fields: Any) -> None:
    """Write down that WeChat Pay has just answered that it has no certificate."""
    url = "http://v3.test/v3/certificates"
    written = {"interface_url": url, "failure": "", "err_code": "RESOURCE_NOT_EXISTS"} | fields
    ApiReportFactory(created_at=now - timedelta(minutes=1), **written)


def test_the_last_day_of_those_in_the_settings_is_said_a_month_ahead(
    wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    v3(wxpay, **GIVEN)
    today(monkeypatch, ENDS - 31 * DAY)
    assert (checked(), with_tables()) == ([], [])
    today(monkeypatch, ENDS - 30 * DAY)
    (message,) = checked()
    assert message.msg == (
        'merchant "default": the last of PLATFORM_CERTIFICATES ends on 2034-01-01 08:00 CST, '
        "and there is no WECHATPAY_PUBLIC_KEY"
    )
    assert message.hint == HINTS["W017"]
    assert "WECHATPAY_PUBLIC_KEY_ID" in HINTS["W017"]
    # Not twice where the tables are examined as well.
    assert with_tables() == [message]
    (finding,) = of_keys()
    assert (finding.merchant, finding.level) == ("default", Level.WARNING)
    assert finding.message == f"M{message.msg[1:]} (W017)."
    assert finding.advice == message.hint


def test_once_it_has_ended_check_says_so_and_the_doctor_makes_it_an_error(
    wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    v3(wxpay, **GIVEN)
    today(monkeypatch, ENDS)
    (message,) = checked()
    assert "PLATFORM_CERTIFICATES ended on 2034-01-01" in message.msg
    (finding,) = of_keys()
    assert finding.level is Level.ERROR
    assert "expired on 2034-01-01" in finding.message


def test_one_that_was_downloaded_and_lasts_longer_is_the_successor(
    wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    v3(wxpay, **GIVEN)
    today(monkeypatch, ENDS - DAY)
    PlatformCertificateFactory(expire_time=ENDS + 300 * DAY)
    assert [each.level for each in of_keys()] == [Level.OK]
    # The check still says what stands in the settings, which only a person can take out.
    assert with_tables() == checked() != []
    # One for some days more is none: they are all that is known.
    PlatformCertificate.objects.update(expire_time=ENDS + DAY)
    assert [each.level for each in of_keys()] == [Level.WARNING]
    assert len(with_tables()) == 1


@pytest.mark.parametrize(
    "harmless",
    [{}, GIVEN | PUBLIC_KEY_MODE, GIVEN | {"API": "v2", "API_V3_KEY": "", "PRIVATE_KEY": ""}],
)
def test_a_merchant_that_needs_none_of_them_is_no_problem(
    wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch, harmless: dict[str, Any]
) -> None:
    v3(wxpay, **harmless)
    if "API" in harmless:
        del wxpay["MERCHANTS"]["default"]["CERT_SERIAL_NO"]
        wxpay["MERCHANTS"]["default"]["API_KEY"] = accounts.API_KEY
    today(monkeypatch, ENDS - DAY)
    not_listed(ENDS - DAY)
    assert (checked(), with_tables()) == ([], [])


def test_once_wechat_pay_lists_none_the_tables_say_so_however_long_the_last_one_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = ENDS - 900 * DAY
    today(monkeypatch, now)
    PlatformCertificateFactory(expire_time=ENDS)
    assert with_tables() == []
    not_listed(now)
    (message,) = with_tables()
    assert message.msg == (
        'merchant "default": WeChat Pay\'s certificate is valid until 2034-01-01 08:00 CST and '
        "has no successor: WeChat Pay lists none any more"
    )
    # Nobody looks into tables that were not named.
    assert (checked(), check_database(None, databases=["other"])) == ([], [])
    (finding,) = of_keys()
    assert finding.message == f"M{message.msg[1:]} (W017)."
    assert finding.advice == message.hint == HINTS["W017"]
    # A list ends it.
    ApiReport.objects.update(err_code="")
    assert with_tables() == []


def test_a_project_that_has_silenced_it_hears_no_more_than_the_last_day(
    wxpay: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    v3(wxpay, **GIVEN)
    settings.SILENCED_SYSTEM_CHECKS = ["django_wxpay.W017"]
    today(monkeypatch, ENDS - DAY)
    (finding,) = of_keys()
    assert "certificate expires on 2034-01-01" in finding.message
    assert "W017" not in finding.message


def test_merchants_of_the_database_are_looked_at_with_their_table(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = ENDS - 900 * DAY
    settings.WXPAY = accounts.wxpay()
    columns = accounts.V3 | {"wechatpay_public_key": "", "wechatpay_public_key_id": ""}
    accounts.kept("tea", accounts.V3_KEYS, **columns)
    today(monkeypatch, now)
    PlatformCertificateFactory(expire_time=ENDS, mch_id=columns["mch_id"])
    not_listed(now, merchant="tea", interface_url="https://api.mch.weixin.qq.com/v3/certificates")
    assert checked() == []
    (message,) = with_tables()
    assert 'merchant "tea"' in message.msg


class Source:
    """A source of a project's own, whose one merchant has a certificate that ends."""

    asked = 0

    def get(self, alias: str) -> Mapping[str, Any]:
        Source.asked += 1
        return V3_MERCHANT | GIVEN

    def aliases(self) -> list[str]:
        return ["tea"]

    def version(self) -> int:
        return 1


def test_a_source_of_the_projects_own_is_asked_by_the_doctor_alone(
    settings: Any, wxpay: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WXPAY = wxpay | {"MERCHANTS": f"{__name__}.Source"}
    today(monkeypatch, ENDS - DAY)
    Source.asked = 0
    assert (checked(), with_tables(), Source.asked) == ([], [], 0)
    (finding,) = of_keys()
    assert (finding.merchant, "(W017)" in finding.message) == ("tea", True)


def test_settings_that_are_wrong_are_no_question_of_certificates(wxpay: dict[str, Any]) -> None:
    wxpay["TIMEOUT"] = None
    assert with_tables() == []


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_a_database_that_does_not_answer_is_said_once(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def silent(_: object) -> list[datetime]:
        raise error

    monkeypatch.setattr(successors, "known_ends", silent)
    assert with_tables() == []


def test_tables_that_are_missing_are_not_asked_for_certificates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(successors, "known_ends", lambda _: pytest.fail("asked"))
    introspection = connections[database()].introspection
    monkeypatch.setattr(introspection, "table_names", list)
    messages = run_checks(databases=[database()])
    assert "django_wxpay.W006" in [each.id for each in messages]
