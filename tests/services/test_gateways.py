"""The transport of a process: mounts outlive settings, and are undone one by one."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import Refused
from django_wxpay.models import Order
from django_wxpay.services import gateways
from tests.services.conftest import HOST
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import refused, scripted_v2

pytestmark = pytest.mark.django_db


def test_a_mount_outlives_changed_settings_and_an_unmount_ends_it(
    gateway: ScriptedTransport,
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
    gateway: ScriptedTransport,
    order: Order,
    wxpay: dict[str, Any],
    settings: Any,
) -> None:
    inner = scripted_v2()
    inner.answers["/pay/orderquery"] = refused("SYSTEMERROR")
    gateway.answers["/pay/orderquery"] = refused("NOAUTH")
    gateways.mount(HOST, inner)
    with pytest.raises(Refused, match="SYSTEMERROR"):
        services.query_order(order)
    gateways.unmount(HOST)
    settings.WXPAY = wxpay | {"TIMEOUT": (1, 2)}
    with pytest.raises(Refused, match="NOAUTH"):
        services.query_order(order)

    with pytest.raises(KeyError):
        gateways.unmount("http://never.mounted")
