"""``wxpay_sync``, as cron calls it: what it prints, and when it fails."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command

from django_wxpay.models import Order
from django_wxpay.services import clock
from tests.services.conftest import gateway, new_order, wxpay
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, standing

__all__ = ["gateway", "wxpay"]

pytestmark = pytest.mark.django_db

QUERY = "/pay/orderquery"


def due(**fields: Any) -> Order:
    order = new_order(**fields)
    now = clock.now()
    Order.objects.filter(pk=order.pk).update(placed_at=now, next_check_at=now - timedelta(hours=1))
    return order


def output_of(*arguments: str) -> str:
    out = StringIO()
    call_command("wxpay_sync", *arguments, stdout=out)
    return out.getvalue()


def test_it_asks_for_what_is_due_and_prints_the_counts(gateway: ScriptedTransport) -> None:
    order = due()
    gateway.answers[QUERY] = standing("SUCCESS", **PAID)
    assert output_of() == "1 due, 1 answered, 0 closed, 0 without an answer\n"
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"
    assert output_of() == "0 due, 0 answered, 0 closed, 0 without an answer\n"


def test_it_fails_if_a_merchant_could_not_be_asked(gateway: ScriptedTransport) -> None:
    due()
    gateway.answers[QUERY] = requests.ConnectTimeout("down")
    out = StringIO()
    with pytest.raises(CommandError, match=r"no answer for: default \(1\)") as caught:
        call_command("wxpay_sync", stdout=out)
    assert caught.value.returncode == 1
    assert out.getvalue() == "1 due, 0 answered, 0 closed, 1 without an answer\n"


def test_one_merchant_and_a_limit_may_be_named(gateway: ScriptedTransport) -> None:
    gateway.answers[QUERY] = standing("NOTPAY")
    for merchant in ("default", "default", "institution"):
        due(merchant=merchant)
    assert output_of("--merchant", "institution").startswith("1 due, 1 answered")
    assert output_of("--limit", "1").startswith("1 due, 1 answered")
    assert output_of().startswith("1 due, 1 answered")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "0"], "1 or more"),
        (["--limit", "-5"], "1 or more"),
        (["--merchant", "nobody"], 'no merchant "nobody"'),
        (["--merchant", ""], 'no merchant ""'),
    ],
)
def test_what_it_cannot_do_is_said(
    gateway: ScriptedTransport, arguments: list[str], words: str
) -> None:
    due()
    with pytest.raises(CommandError, match=words):
        output_of(*arguments)
    assert gateway.calls == []


def test_wrong_settings_are_named(gateway: ScriptedTransport, settings: Any) -> None:
    good = settings.WXPAY
    settings.WXPAY = good | {"CLOSE_UNPAID_AFTER_H": 0}
    with pytest.raises(CommandError, match="CLOSE_UNPAID_AFTER_H"):
        output_of()
    settings.WXPAY = good
