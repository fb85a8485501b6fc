"""Quick Pay over HTTP: a till, a payment code on a phone, and WeChat Pay between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from django_wxpay.models import Order, OrderEvent
from django_wxpay.services.orders import codepay, reversing
from django_wxpay.simulator import Options, Simulator, create_app
from tests.journeys.catalogue import faults_at, strike
from tests.journeys.stage import DIRECT, MERCHANTS, Stage, new_number
from tests.laws.source import ROOT
from tests.waiting import until
from tests.wechatpay.quick_pay import CERTIFICATE

PACE = {"POLL_S": 0.1, "WAIT_S": 0.6}


@pytest.fixture
def simulator() -> Simulator:
    return create_app(MERCHANTS, options=Options(password_s=0.15, recalls=1))


@pytest.fixture
def till(stage: Stage, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return the stage of a shop that may reverse, at a pace that needs no waiting."""
    wxpay = settings.WXPAY
    default = wxpay["MERCHANTS"]["default"] | CERTIFICATE
    merchants = wxpay["MERCHANTS"] | {"default": default}
    settings.WXPAY = wxpay | {"MERCHANTS": merchants, "QUICK_PAY": PACE}
    for module in (codepay, reversing):
        monkeypatch.setattr(module, "REVERSIBLE_AFTER_S", 0)
    monkeypatch.setattr(reversing, "_PAUSE_S", 0.05)
    return stage


def code(stage: Stage, behaviour: str) -> str:
    """Return the code of a customer who behaves like this."""
    shown = stage.wechat.control("codes", behaviour=behaviour, mch_id=DIRECT.mch_id)
    return str(shown["auth_code"])


def scan(stage: Stage, auth_code: str, number: str) -> Any:
    sale = {"auth_code": auth_code, "body": "Tea", "total_fee": 1250, "out_trade_no": number}
    return stage.clerk.post("orders/pay-by-code/", sale)


def sold(number: str) -> int:
    """Return how often the shop was handed this payment."""
    return OrderEvent.objects.filter(order__out_trade_no=number, kind="PAID").count()


def money(stage: Stage, number: str) -> tuple[int, int]:
    """Return how often the customer was charged, and given the money back."""
    trade = stage.wechat.trade(number)
    return trade["charges"], trade["reversals"]


@pytest.mark.parametrize("behaviour", ["pays", "password_pays", "bank_error_pays"])
def test_a_customer_who_pays_is_charged_once(till: Stage, behaviour: str) -> None:
    number = new_number()
    answer = scan(till, code(till, behaviour), number)

    assert answer.status_code == 201, answer.text
    assert answer.json()["trade_state"] == "SUCCESS"
    assert money(till, number) == (1, 0)
    assert sold(number) == 1
    assert scan(till, code(till, "pays"), number).status_code == 200
    assert money(till, number) == (1, 0)
    assert len(till.wechat.calls("micropay")) == 1


def test_a_password_that_is_never_typed_ends_in_a_reversal(till: Stage) -> None:
    number = new_number()
    answer = scan(till, code(till, "password_ignored"), number)

    assert answer.status_code == 201, answer.text
    assert answer.json()["trade_state"] == "REVOKED"
    assert till.wechat.trade(number)["trade_state"] == "REVOKED"
    # recall=Y, and once more.
    assert len(till.wechat.calls("reverse")) == 2
    assert (money(till, number), sold(number)) == ((0, 0), 0)


@pytest.mark.parametrize(
    ("behaviour", "kind"), [("not_enough", "NOTENOUGH"), ("expired", "AUTHCODEEXPIRE")]
)
def test_a_refusal_charges_nothing(till: Stage, behaviour: str, kind: str) -> None:
    number = new_number()
    answer = scan(till, code(till, behaviour), number)

    assert (answer.status_code, answer.json()["kind"]) == (422, kind)
    assert sold(number) == 0
    assert till.clerk.find(number)["trade_state"] == "CREATED"


def test_a_customer_who_cancels_has_not_paid(till: Stage) -> None:
    number = new_number()
    answer = scan(till, code(till, "password_cancels"), number)

    assert answer.json()["trade_state"] == "PAYERROR"
    assert (money(till, number), sold(number)) == ((0, 0), 0)


def _faults(operation: str) -> list[str]:
    return [row["fault"] for row in faults_at(operation)]


def in_the_end(stage: Stage, number: str) -> tuple[str, str, int, int, int]:
    """Let the worker end what no call has ended; return both states and what was moved."""
    if stage.clerk.find(number)["trade_state"] not in {"SUCCESS", "PAYERROR", "REVOKED", "CLOSED"}:
        age_all()
        call_command("wxpay_worker", "--once")
    theirs = [trade["trade_state"] for trade in stage.wechat.trades(number)] or ["nothing"]
    charges, reversals = money(stage, number) if theirs != ["nothing"] else (0, 0)
    ours = stage.clerk.find(number)["trade_state"]
    return ours, theirs[0], charges, reversals, sold(number)


AGREED = {
    ("SUCCESS", "SUCCESS", 1, 0, 1),
    ("REVOKED", "REVOKED", 1, 1, 0),
    ("REVOKED", "REVOKED", 0, 0, 0),
    ("PAYERROR", "PAYERROR", 0, 0, 0),
    ("CREATED", "nothing", 0, 0, 0),
}
# The shop was handed the payment, and a person has sent the money back afterwards.
SENT_BACK = ("REVOKED", "REVOKED", 1, 1, 1)


@pytest.mark.parametrize("fault", _faults("micropay"))
def test_whatever_befalls_the_charge_both_ledgers_agree_in_the_end(till: Stage, fault: str) -> None:
    number = new_number()
    strike(till, fault, "micropay")
    with till.in_a_hurry():
        answer = scan(till, code(till, "pays"), number)

    assert answer.status_code in {201, 422, 502, 504}, answer.text
    end = in_the_end(till, number)
    assert end in AGREED, end
    if answer.status_code == 201:
        assert answer.json()["trade_state"] == end[0]
    if answer.status_code == 422:
        assert (end[2] - end[3], end[4]) == (0, 0), "a refusal that charged"


PAID_AND_SENT_BACK = [("pays", each) for each in ("reset_after", "bad_signature", "http_502")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("behaviour", "fault"),
    [*(("password_ignored", each) for each in _faults("reverse")), *PAID_AND_SENT_BACK],
)
def test_whatever_befalls_the_reversal_both_ledgers_agree_in_the_end(
    till: Stage, fault: str, behaviour: str
) -> None:
    number = new_number()
    strike(till, fault, "reverse")
    with till.in_a_hurry():
        scan(till, code(till, behaviour), number)
        if behaviour == "pays":
            order = till.clerk.find(number)
            answer = till.clerk.post(f"orders/{order['id']}/reverse/")
            assert answer.status_code in {200, 422, 502, 504}, answer.text
    if till.clerk.find(number)["trade_state"] == "SUCCESS":
        till.clerk.post(f"orders/{till.clerk.find(number)['id']}/reverse/")

    end = in_the_end(till, number)
    assert end == (SENT_BACK if behaviour == "pays" else ("REVOKED", "REVOKED", 0, 0, 0))


@pytest.mark.parametrize("fault", _faults("orderquery"))
def test_whatever_befalls_a_query_the_sale_is_found_out(till: Stage, fault: str) -> None:
    number = new_number()
    strike(till, fault, "orderquery")
    with till.in_a_hurry():
        scan(till, code(till, "password_pays"), number)

    end = in_the_end(till, number)
    assert end in AGREED, end
    assert end[0] in {"SUCCESS", "REVOKED"}


def age_all() -> None:
    """Let two minutes pass for the rows of the shop."""
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    Order.objects.update(created_at=long_ago, placing_until=long_ago, next_check_at=long_ago)


def test_a_paid_sale_is_reversed_and_its_money_goes_back_once(till: Stage) -> None:
    number = new_number()
    order = scan(till, code(till, "pays"), number).json()
    for _ in range(2):
        answer = till.clerk.post(f"orders/{order['id']}/reverse/")
        assert answer.json()["trade_state"] == "REVOKED", answer.text

    assert money(till, number) == (1, 1)
    assert till.clerk.query(order).json()["trade_state"] == "REVOKED"


_PAYS = """
import json, os, django
django.setup()
from django.conf import settings
settings.WXPAY = json.loads(os.environ["TILL_WXPAY"])
from django_wxpay import services
services.pay_by_code(**json.loads(os.environ["TILL_SALE"]))
"""


@pytest.mark.long
def test_a_sale_whose_process_is_killed_is_ended_by_the_worker(till: Stage, settings: Any) -> None:
    number = new_number()
    sale = {"auth_code": code(till, "password_ignored"), "body": "Tea", "total_fee": 1250}
    patient = settings.WXPAY | {"QUICK_PAY": {"POLL_S": 5, "WAIT_S": 60}}
    names = {each.alias: str(each.settings_dict["NAME"]) for each in connections.all()}
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.journeys.worker_settings",
        "WXPAY_JOURNEY_SETTINGS": os.environ["DJANGO_SETTINGS_MODULE"],
        "WXPAY_JOURNEY_DATABASES": json.dumps(names),
        "TILL_WXPAY": json.dumps(patient),
        "TILL_SALE": json.dumps(sale | {"out_trade_no": number}),
    }
    with subprocess.Popen([sys.executable, "-c", _PAYS], cwd=ROOT, env=environment) as process:
        until(lambda: bool(till.wechat.trades(number)))
        process.kill()
    order = Order.objects.get(out_trade_no=number)
    assert order.next_check_at is not None
    assert order.trade_state in {"CREATED", "USERPAYING"}

    age_all()
    call_command("wxpay_worker", "--once")

    assert till.clerk.find(number)["trade_state"] == "REVOKED"
    assert till.wechat.trade(number)["trade_state"] == "REVOKED"
    assert (money(till, number), sold(number)) == ((0, 0), 0)
    assert len(till.wechat.calls("micropay")) == 1
