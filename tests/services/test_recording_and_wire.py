"""Every call is a row, a row that cannot be written is only counted; mounts outlive settings."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError

from django_wxpay import services
from django_wxpay.exceptions import Refused
from django_wxpay.models import ApiReport, Order
from django_wxpay.services import gateways
from django_wxpay.services.latency import recording
from tests.services.conftest import HOST
from tests.services.gateway import API_KEY, ScriptedGateway, refused

pytestmark = pytest.mark.django_db


def test_an_answer_longer_than_its_column_is_cut(gateway: ScriptedGateway, order: Order) -> None:
    gateway.answers["/pay/orderquery"] = refused("NOAUTH", "很长" * 200)
    with pytest.raises(Refused):
        services.query_order(order)

    report = ApiReport.objects.get()
    assert report.err_code_des == ("很长" * 200)[:128]
    assert report.execute_time_ms >= 0
    assert report.merchant == "default"


def test_a_report_that_cannot_be_written_never_fails_the_payment(
    gateway: ScriptedGateway,
    order: Order,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(**kwargs: Any) -> None:
        raise DatabaseError("disk full")

    monkeypatch.setattr(ApiReport.objects, "create", refuse)
    before = recording.lost["default"]
    services.unified_order(order)

    assert order.trade_state == "NOTPAY"
    assert recording.lost["default"] == before + 1
    assert "was lost" in caplog.text
    assert API_KEY not in caplog.text


def test_a_mount_outlives_changed_settings_and_an_unmount_ends_it(
    gateway: ScriptedGateway,
    order: Order,
    wxpay: dict[str, Any],
    settings: Any,
) -> None:
    first = gateways.transport()
    settings.WXPAY = wxpay | {"TIMEOUT": (1, 2)}

    assert gateways.transport() is not first
    services.unified_order(order)
    assert len(gateway.calls) == 1


def test_other_settings_leave_the_transport_alone(settings: Any) -> None:
    first = gateways.transport()
    settings.DEBUG = True

    assert gateways.transport() is first


def test_mounts_of_one_address_are_undone_one_by_one(
    gateway: ScriptedGateway,
    order: Order,
    wxpay: dict[str, Any],
    settings: Any,
) -> None:
    inner = ScriptedGateway()
    inner.answers["/pay/orderquery"] = refused("PARAM_ERROR")
    gateway.answers["/pay/orderquery"] = refused("NOAUTH")
    gateways.mount(HOST, inner)
    with pytest.raises(Refused, match="PARAM_ERROR"):
        services.query_order(order)
    gateways.unmount(HOST)
    settings.WXPAY = wxpay | {"TIMEOUT": (1, 2)}
    with pytest.raises(Refused, match="NOAUTH"):
        services.query_order(order)

    with pytest.raises(KeyError):
        gateways.unmount("http://never.mounted")
