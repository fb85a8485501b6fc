"""Recording of Quick Pay sales: one row each, reported like a call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import django.db
import pytest

from django_wxpay import services
from django_wxpay.exceptions import InvalidOrder, UnknownMerchant
from django_wxpay.models import ApiReport
from django_wxpay.services.latency import recording
from django_wxpay.services.latency.summary import Period, measure
from tests.factories import ApiReportFactory
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID

pytestmark = pytest.mark.django_db

PATH = "/payitil/report"
YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
NUMBER = "T20260101000001"
DAY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
SCAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SALE: dict[str, Any] = {"out_trade_no": NUMBER, "started_at": SCAN, "execute_time_ms": 7400}


def recorded(merchant: str = "default", **changes: Any) -> ApiReport:
    """Record a sale and return its row."""
    services.record_sale(merchant, **{**SALE, **changes})
    return ApiReport.objects.latest("id")


def test_a_sale_is_a_row_of_its_own_and_nothing_is_sent(gateway: ScriptedTransport) -> None:
    row = recorded()
    assert gateway.calls == []
    assert row.interface_url == "http://gateway.test/pay/micropay/total"
    assert (row.host, row.api, row.http_status, row.failure) == ("gateway.test", "v2", None, "")
    assert (row.out_trade_no, row.execute_time_ms, row.created_at) == (NUMBER, 7400, SCAN)
    assert (row.return_code, row.result_code) == ("SUCCESS", "SUCCESS")
    assert (row.merchant, row.mch_id, row.appid) == ("default", MCH_ID, APPID)
    assert (row.sub_appid, row.sub_mch_id, row.report_status) == ("", "", "PENDING")


def test_every_field_of_a_sale_reaches_wechat_pay(gateway: ScriptedTransport) -> None:
    gateway.answers[PATH] = YES
    texts = {
        "result_code": "FAIL",
        "return_msg": "OK",
        "err_code": "NOTENOUGH",
        "err_code_des": "余额不足",
        "device_info": "till-7",
        "user_ip": "10.0.0.7",
    }
    recorded(**texts)
    assert services.send_reports().sent == 1

    ((_, sent),) = gateway.calls
    assert sent["interface_url"] == "http://gateway.test/pay/micropay/total"
    assert (sent["execute_time_"], sent["out_trade_no"]) == ("7400", NUMBER)
    assert {name: sent[name] for name in texts} == texts
    assert "trades" not in sent


def test_the_primary_host_gives_its_name(settings: Any, wxpay: dict[str, Any]) -> None:
    entry = wxpay["MERCHANTS"]["default"]
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": entry | {"HOSTS": []}}}
    del settings.WXPAY["MERCHANTS"]["default"]["HOSTS"]
    assert recorded().interface_url == "https://api.mch.weixin.qq.com/pay/micropay/total"


def test_latency_summaries_show_it_as_an_interface_of_its_own() -> None:
    ApiReportFactory(
        interface_url="http://gateway.test/pay/micropay", host="gateway.test", created_at=SCAN
    )
    recorded()
    recorded(result_code="FAIL", execute_time_ms=30000)
    rows = {row.interface_url: row for row in measure(DAY).summary()}
    whole = rows["http://gateway.test/pay/micropay/total"]
    assert (whole.count, whole.failure_rate, whole.p50_ms, whole.p99_ms) == (2, 0, 7400, 30000)
    assert rows["http://gateway.test/pay/micropay"].count == 1


def test_an_institution_is_filled_in_and_a_sale_may_name_its_own() -> None:
    filled = recorded("institution")
    named = recorded("institution", sub_mch_id="1900000201", sub_appid="wx1111111111111111")
    assert (filled.sub_mch_id, filled.sub_appid) == ("1900000200", "")
    assert (named.sub_mch_id, named.sub_appid) == ("1900000201", "wx1111111111111111")


def test_an_institution_without_a_sub_merchant_measures_and_cannot_report(
    settings: Any, wxpay: dict[str, Any]
) -> None:
    entry = {"MODE": "institutional", "APPID": APPID, "MCH_ID": "1900000100", "API_KEY": API_KEY}
    settings.WXPAY = wxpay | {"MERCHANTS": {"institution": entry}}
    assert recorded("institution").report_status == "NOT_REPORTABLE"


@pytest.mark.parametrize(
    ("level", "result_code", "status"),
    [
        ("errors", "SUCCESS", "SKIPPED"),
        ("errors", "FAIL", "PENDING"),
        ("off", "FAIL", "SKIPPED"),
    ],
)
def test_the_level_decides_whether_it_is_reported(
    settings: Any, wxpay: dict[str, Any], level: str, result_code: str, status: str
) -> None:
    settings.WXPAY = wxpay | {"REPORT_LEVEL": level}
    assert recorded(result_code=result_code).report_status == status


def test_a_clock_that_went_back_is_no_time() -> None:
    assert recorded(execute_time_ms=-5).execute_time_ms == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("execute_time_ms", 1.5),
        ("execute_time_ms", 7400.0),
        ("execute_time_ms", True),
        ("execute_time_ms", "7400"),
        ("execute_time_ms", None),
        ("execute_time_ms", 2**31),
        ("started_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - naive is what is refused
        ("started_at", datetime.max.replace(tzinfo=UTC)),
        ("started_at", "20260101120000"),
        ("started_at", None),
        ("out_trade_no", ""),
        ("out_trade_no", "blank here"),
        ("out_trade_no", None),
        ("return_code", "OK"),
        ("return_code", ""),
        ("result_code", "success"),
        ("result_code", None),
        ("return_msg", None),
        ("err_code", 7),
        ("err_code_des", b"no"),
        ("device_info", 7),
        ("user_ip", None),
        ("appid", "wx0000000000000000"),
        ("sub_mch_id", "1900000200"),
        ("sub_appid", "wx1111111111111111"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name_and_nothing_is_written(
    field: str, value: Any
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        services.record_sale("default", **{**SALE, field: value})
    assert caught.value.field == field
    assert not ApiReport.objects.exists()


def test_an_unknown_merchant_is_refused() -> None:
    with pytest.raises(UnknownMerchant):
        services.record_sale("gone", **SALE)
    assert not ApiReport.objects.exists()


def test_what_is_too_long_for_its_column_is_cut() -> None:
    row = recorded(err_code_des="很" * 200, device_info="d" * 40, return_msg="r" * 200)
    assert (len(row.err_code_des), len(row.device_info), len(row.return_msg)) == (128, 32, 128)


@pytest.mark.parametrize("trouble", [django.db.OperationalError, django.db.InterfaceError])
def test_a_database_in_trouble_loses_the_row_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, trouble: type[Exception]
) -> None:
    def refuse(_: ApiReport) -> None:
        raise trouble("the connection is closed")

    monkeypatch.setattr(recording._ROW, "run", refuse)
    before = recording.lost_records["default"]
    services.record_sale("default", **SALE)
    assert recording.lost_records["default"] == before + 1


@pytest.mark.django_db(transaction=True)
def test_a_lost_row_does_not_spoil_the_callers_transaction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = ApiReportFactory()
    # The database refuses a second row of one key.
    monkeypatch.setattr(recording._ROW, "run", lambda _: ApiReportFactory(id=row.pk))
    before = recording.lost_records["default"]
    with atomic():
        services.record_sale("default", **SALE)
        ApiReport.objects.filter(pk=row.pk).update(device_info="written after")
    assert recording.lost_records["default"] == before + 1
    assert ApiReport.objects.get().device_info == "written after"


@pytest.mark.django_db(transaction=True)
def test_a_sale_belongs_to_the_transaction_that_is_open() -> None:
    with pytest.raises(ZeroDivisionError), atomic():
        services.record_sale("default", **SALE)
        raise ZeroDivisionError
    assert not ApiReport.objects.exists()
