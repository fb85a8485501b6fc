"""Recording of calls, and the first status of their reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError

from django_wxpay import services
from django_wxpay.exceptions import ConfigurationError, Refused
from django_wxpay.gateway import CallRecord
from django_wxpay.models import ApiReport, Order
from django_wxpay.protocol.failures import Failure
from django_wxpay.services.latency import recording
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID, refused

pytestmark = pytest.mark.django_db

YES = CallRecord(
    api="v2",
    method="POST",
    interface_url="http://gateway.test/pay/orderquery",
    host="gateway.test",
    out_trade_no="T20260101000001",
    mch_id=MCH_ID,
    appid=APPID,
    sub_mch_id="",
    device_info="",
    started_at=datetime(2026, 1, 1, tzinfo=UTC),
    execute_time_ms=87,
    http_status=200,
    failure="",
    return_code="SUCCESS",
    return_msg="OK",
    result_code="SUCCESS",
    err_code="",
    err_code_des="",
)
NO = replace(YES, result_code="FAIL", err_code="ORDERNOTEXIST")
REFUSED_AS_A_WHOLE = replace(YES, return_code="FAIL", result_code="")
SILENCE = replace(YES, failure=Failure.TIMEOUT, http_status=None, return_code="", result_code="")


def status_of(record: CallRecord, merchant: str = "default") -> str:
    recording.record_call(merchant, record)
    return ApiReport.objects.latest("id").report_status


@pytest.mark.parametrize(
    ("level", "record", "status"),
    [
        ("all", YES, "PENDING"),
        ("all", SILENCE, "PENDING"),
        ("errors", YES, "SKIPPED"),
        ("errors", NO, "PENDING"),
        ("errors", REFUSED_AS_A_WHOLE, "PENDING"),
        ("errors", SILENCE, "PENDING"),
        ("off", YES, "SKIPPED"),
        ("off", SILENCE, "SKIPPED"),
    ],
)
def test_the_level_decides_which_calls_are_reported(
    settings: Any, wxpay: dict[str, Any], level: str, record: CallRecord, status: str
) -> None:
    settings.WXPAY = wxpay | {"REPORT_LEVEL": level}
    assert status_of(record) == status
    assert ApiReport.objects.get().execute_time_ms == 87


def test_a_merchant_without_a_v2_key_is_measured_but_cannot_report(
    settings: Any, wxpay: dict[str, Any]
) -> None:
    entry = {"API": "v3", "APPID": APPID, "MCH_ID": MCH_ID}
    keys = {"API_V3_KEY": "TESTONLYapiv3key0000000000000000"}
    settings.WXPAY = wxpay | {"REPORT_LEVEL": "off", "MERCHANTS": {"default": entry | keys}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_wxpay.conf.credentials.problems", lambda _: ())
        assert status_of(replace(YES, api="v3")) == "NOT_REPORTABLE"


def test_a_v3_call_of_a_merchant_with_a_v2_key_is_reported() -> None:
    assert status_of(replace(YES, api="v3")) == "PENDING"


def test_a_call_of_a_number_that_the_key_does_not_belong_to_is_not_reported() -> None:
    assert status_of(replace(YES, mch_id="1900000999")) == "NOT_REPORTABLE"


def test_a_merchant_that_has_left_the_settings_is_not_reported() -> None:
    assert status_of(YES, merchant="gone") == "NOT_REPORTABLE"


def test_a_merchant_whose_source_is_down_may_be_reported_once_it_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def down(_alias: str) -> None:
        raise ConfigurationError("the source did not answer in time")

    monkeypatch.setattr("django_wxpay.conf.merchant", down)
    assert status_of(YES) == "PENDING"


def test_an_institution_reports_for_a_sub_merchant(settings: Any, wxpay: dict[str, Any]) -> None:
    call = replace(YES, mch_id="1900000100")
    assert status_of(call, "institution") == "PENDING"

    entry = {"MODE": "institutional", "APPID": APPID, "MCH_ID": "1900000100", "API_KEY": API_KEY}
    settings.WXPAY = wxpay | {"MERCHANTS": {"institution": entry}}
    assert status_of(call, "institution") == "NOT_REPORTABLE"
    assert status_of(replace(call, sub_mch_id="1900000201"), "institution") == "PENDING"


def test_a_text_that_no_database_takes_is_a_lost_row_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: ApiReport) -> None:
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")

    monkeypatch.setattr(recording._ROW, "run", refuse)
    before = recording.lost_records["default"]
    recording.record_call("default", YES)
    assert recording.lost_records["default"] == before + 1


def test_an_answer_longer_than_its_column_is_cut(gateway: ScriptedTransport, order: Order) -> None:
    gateway.answers["/pay/orderquery"] = refused("NOAUTH", "很长" * 200)
    with pytest.raises(Refused):
        services.query_order(order)

    report = ApiReport.objects.get()
    assert report.err_code_des == ("很长" * 200)[:128]
    assert report.execute_time_ms >= 0
    assert report.merchant == "default"


def test_a_report_that_cannot_be_written_never_fails_the_payment(
    gateway: ScriptedTransport,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_: ApiReport) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(recording._ROW, "run", refuse)
    before = recording.lost_records["default"]
    services.unified_order(order)

    assert order.trade_state == "NOTPAY"
    assert recording.lost_records["default"] == before + 1
    assert "was lost" in caplog.text
    assert API_KEY not in caplog.text
