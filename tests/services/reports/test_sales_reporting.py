"""Reports of a terminal's sales: each is sent once, and its result returned."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
import requests

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InsideTransaction,
    InvalidOrder,
    UnknownMerchant,
)
from django_wxpay.models import ApiReport
from django_wxpay.protocol import v2
from django_wxpay.services import SalesRun, SaleState, TerminalSale
from tests.services.reports.conftest import NO, PATH, YES
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import API_KEY, APPID, MCH_ID

pytestmark = pytest.mark.django_db

NEITHER = b"<xml><return_code>SUCCESS</return_code></xml>"
NOON = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def sold(count: int, state: SaleState = SaleState.OK) -> tuple[TerminalSale, ...]:
    """Return sales of which seven fill a batch."""
    return tuple(
        TerminalSale(
            out_trade_no=f"{state.name:-<9}{number:023d}",
            begin_at=NOON + timedelta(minutes=number),
            end_at=NOON + timedelta(minutes=number, seconds=4),
            state=state,
        )
        for number in range(count)
    )


def sent_numbers(desk: ScriptedTransport) -> list[list[str]]:
    """Return the numbers that were sent, by batch."""
    return [
        [trade["out_trade_no"] for trade in json.loads(sent["trades"])] for _, sent in desk.calls
    ]


def numbers(sales: tuple[TerminalSale, ...]) -> list[str]:
    return [sale.out_trade_no for sale in sales]


def test_sales_go_out_in_batches_in_their_order_each_once(desk: ScriptedTransport) -> None:
    sales = sold(17)
    run = services.report_sales("default", iter(sales), device_info="till-7", user_ip="10.0.0.7")
    assert run == SalesRun(delivered=sales)
    assert desk.paths() == [PATH] * 3
    assert sent_numbers(desk) == [numbers(sales[:7]), numbers(sales[7:14]), numbers(sales[14:])]
    for _, sent in desk.calls:
        assert v2.verify(sent, API_KEY)
        assert sent["interface_url"] == "http://gateway.test/pay/batchreport/micropay/total"
        assert (sent["appid"], sent["mch_id"]) == (APPID, MCH_ID)
        assert (sent["device_info"], sent["user_ip"]) == ("till-7", "10.0.0.7")
        assert not {"sub_mch_id", "execute_time_", "time"} & sent.keys()
    assert len({sent["nonce_str"] for _, sent in desk.calls}) == 3
    # These reports leave no row.
    assert not ApiReport.objects.exists()


def test_the_result_of_a_run_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        SalesRun().delivered = ()  # type: ignore[misc]


def test_without_sales_nothing_is_sent(desk: ScriptedTransport) -> None:
    assert services.report_sales("default", []) == SalesRun()
    assert desk.calls == []


def test_a_sale_that_is_given_twice_goes_out_once(desk: ScriptedTransport) -> None:
    first, second = sold(2)
    run = services.report_sales("default", [first, second, replace(first), second])
    assert run == SalesRun(delivered=(first, second))
    assert sent_numbers(desk) == [numbers((first, second))]


def test_two_attempts_under_one_number_are_two_sales(desk: ScriptedTransport) -> None:
    (failed,) = sold(1, SaleState.FAIL)
    then = replace(failed, begin_at=NOON + timedelta(seconds=20), state=SaleState.OK)
    then = replace(then, end_at=NOON + timedelta(seconds=25))
    assert services.report_sales("default", [failed, then]).delivered == (failed, then)


@pytest.mark.parametrize(
    "silence",
    [requests.ConnectionError(), requests.ReadTimeout(), b"<html>502</html>", NEITHER],
    ids=["down", "hanging", "page", "neither"],
)
def test_after_a_silence_nothing_more_is_sent_and_the_rest_can_be_sent_later(
    desk: ScriptedTransport, silence: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([YES])
    desk.answers[PATH] = lambda _: next(answers, silence)
    sales = sold(30)
    with caplog.at_level(logging.WARNING):
        run = services.report_sales("default", sales)
    assert run == SalesRun(delivered=sales[:7], unanswered=sales[7:])
    # A document is final, whatever it contains; the others are tried once more.
    assert len(desk.calls) == (2 if silence is NEITHER else 3)
    assert "7 sales was not answered" in caplog.text

    desk.answers[PATH] = YES
    desk.calls.clear()
    assert services.report_sales("default", run.unanswered).delivered == sales[7:]
    assert Counter(chain(*sent_numbers(desk))) == Counter(numbers(sales[7:]))


def test_a_refusal_concerns_its_batch_alone(
    desk: ScriptedTransport, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([YES, NO, YES])
    desk.answers[PATH] = lambda _: next(answers)
    sales = sold(17)
    with caplog.at_level(logging.WARNING):
        run = services.report_sales("default", sales)
    assert run == SalesRun(delivered=sales[:7] + sales[14:], refused=sales[7:14])
    assert len(desk.calls) == 3
    assert "7 sales was refused" in caplog.text


def test_with_the_level_off_nothing_is_sent(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    settings.WXPAY = wxpay | {"REPORT_LEVEL": "off"}
    sales = sold(2) + sold(2, SaleState.FAIL)
    assert services.report_sales("default", sales) == SalesRun(skipped=sales)
    assert desk.calls == []


def test_with_the_level_errors_only_what_did_not_succeed_is_sent(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    settings.WXPAY = wxpay | {"REPORT_LEVEL": "errors"}
    succeeded, failed, cancelled = sold(2), sold(2, SaleState.FAIL), sold(1, SaleState.CANCELLED)
    run = services.report_sales("default", succeeded[:1] + failed + succeeded[1:] + cancelled)
    assert run == SalesRun(delivered=failed + cancelled, skipped=succeeded)
    assert sent_numbers(desk) == [numbers(failed + cancelled)]
    trades = json.loads(desk.calls[0][1]["trades"])
    assert [trade["state"] for trade in trades] == ["FAIL", "FAIL", "CANCLE"]


def test_an_institution_names_a_sub_merchant_the_settings_or_its_own(
    desk: ScriptedTransport,
) -> None:
    services.report_sales("institution", sold(1))
    services.report_sales(
        "institution", sold(1), sub_mch_id="1900000201", sub_appid="wx1111111111111111"
    )
    filled, named = (sent for _, sent in desk.calls)
    assert (filled["sub_mch_id"], "sub_appid" in filled) == ("1900000200", False)
    assert (named["sub_mch_id"], named["sub_appid"]) == ("1900000201", "wx1111111111111111")
    assert "sign_type" not in filled


def test_an_institution_without_a_sub_merchant_cannot_report(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    entry = wxpay["MERCHANTS"]["institution"] | {"SUB_MCH_ID": ""}
    settings.WXPAY = wxpay | {"MERCHANTS": {"institution": entry}}
    with pytest.raises(InvalidOrder) as caught:
        services.report_sales("institution", sold(1))
    assert (caught.value.field, desk.calls) == ("sub_mch_id", [])


def test_another_appid_of_the_merchant_may_be_named(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    entry = wxpay["MERCHANTS"]["default"] | {"APPIDS": ["wx6666666666666666"]}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": entry}}
    services.report_sales("default", sold(1), appid="wx6666666666666666")
    assert desk.calls[0][1]["appid"] == "wx6666666666666666"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("appid", "wx0000000000000000"),
        ("sub_mch_id", "1900000200"),
        ("sub_appid", "wx1111111111111111"),
        ("device_info", 7),
        ("user_ip", None),
    ],
)
def test_what_breaks_a_rule_is_refused_by_name_and_nothing_is_sent(
    desk: ScriptedTransport, field: str, value: Any
) -> None:
    with pytest.raises(InvalidOrder) as caught:
        services.report_sales("default", sold(1), **{field: value})
    assert (caught.value.field, desk.calls) == (field, [])


def test_a_sub_merchant_is_an_id(desk: ScriptedTransport) -> None:
    with pytest.raises(InvalidOrder) as caught:
        services.report_sales("institution", sold(1), sub_mch_id="not an id")
    assert (caught.value.field, desk.calls) == ("sub_mch_id", [])


@pytest.mark.parametrize("given", [{"out_trade_no": "T20260101000001"}, None, "T20260101000001"])
def test_what_is_no_sale_is_refused_before_anything_is_sent(
    desk: ScriptedTransport, given: Any
) -> None:
    with pytest.raises(InvalidOrder, match="sales"):
        services.report_sales("default", [*sold(9), given])
    assert desk.calls == []


def test_a_merchant_that_is_unknown_or_has_no_key_is_refused(
    desk: ScriptedTransport, settings: Any, wxpay: dict[str, Any]
) -> None:
    with pytest.raises(UnknownMerchant):
        services.report_sales("gone", sold(1))
    entry = {"API": "v3", "APPID": APPID, "MCH_ID": MCH_ID}
    keys = {"API_V3_KEY": "TESTONLYapiv3key0000000000000000"}
    merchants = wxpay["MERCHANTS"] | {"default": entry | keys}
    settings.WXPAY = wxpay | {"REPORT_LEVEL": "off", "MERCHANTS": merchants}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django_wxpay.conf.credentials.problems", lambda _: ())
        with pytest.raises(ConfigurationError, match="no key for v2"):
            services.report_sales("default", sold(1))
    assert desk.calls == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(desk: ScriptedTransport) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        services.report_sales("default", sold(1))
    assert desk.calls == []
