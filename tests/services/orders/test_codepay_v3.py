"""Quick Pay over APIv3: the same sale in other words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import InvalidOrder, Refused
from django_wxpay.models import Order
from tests.selling import V3_HOST, mounted
from tests.wechatpay.quick_pay import TestClock, in_turn, on_a_clock_of_its_own, pay
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT, scripted_v3, trade

pytestmark = pytest.mark.django_db

CODEPAY = "/v3/pay/transactions/codepay"
QUERY = "/v3/pay/transactions/out-trade-no/TILL-0001"
GLOBAL_PAY = "/v3/global/micropay/transactions/pay"
GLOBAL_QUERY = "/v3/global/transactions/out-trade-no/TILL-0001"
GLOBAL_REVERSE = "/v3/global/micropay/transactions/out-trade-no/TILL-0001/reverse"


def state(name: str, **more: Any) -> tuple[int, Any]:
    if name == "SUCCESS":
        return 200, trade("TILL-0001", trade_type="MICROPAY", **more)
    content = {"mchid": V3_MERCHANT["MCH_ID"], "appid": V3_MERCHANT["APPID"]}
    return 200, content | {"out_trade_no": "TILL-0001", "trade_state": name} | more


@pytest.fixture(autouse=True)
def till(
    wxpay: dict[str, Any], settings: Any, monkeypatch: pytest.MonkeyPatch, request: Any
) -> TestClock:
    region = {"REGION": "global", "MERCHANT_CATEGORY_CODE": "4111"}
    abroad = region if "abroad" in request.fixturenames else {}
    settings.WXPAY = wxpay | {"MERCHANTS": {"default": V3_MERCHANT | PUBLIC_KEY_MODE | abroad}}
    time = on_a_clock_of_its_own(monkeypatch)
    # Answers are signed now.
    monkeypatch.setattr(time, "began", datetime.now(UTC))
    return time


@pytest.fixture
def abroad() -> None:
    """Put the merchant into the global region."""


@pytest.fixture
def platform(till: TestClock) -> Iterator[ScriptedTransport]:
    with mounted(scripted_v3(), V3_HOST) as scripted:
        yield scripted


def test_a_mainland_code_is_paid_at_once(platform: ScriptedTransport) -> None:
    platform.answers[CODEPAY] = state("SUCCESS")
    order = pay()

    assert (order.trade_state, order.is_paid) == ("SUCCESS", True)
    assert platform.paths() == [CODEPAY]


@pytest.mark.parametrize(
    "answer",
    [
        state("USERPAYING"),
        (202, {"code": "USERPAYING", "message": "..."}),
        (400, {"code": "USERPAYING", "message": "..."}),
        (500, {"code": "SYSTEM_ERROR", "message": "..."}),
        (500, {"code": "BANK_ERROR", "message": "..."}),
        (429, {"code": "FREQUENCY_LIMITED", "message": "..."}),
    ],
    ids=["200", "202", "400", "SYSTEM_ERROR", "BANK_ERROR", "429"],
)
def test_a_password_or_an_unknown_outcome_is_asked_for(
    platform: ScriptedTransport, till: TestClock, answer: Any
) -> None:
    platform.answers |= {CODEPAY: answer, QUERY: in_turn(state("USERPAYING"), state("SUCCESS"))}
    order = pay()

    assert order.trade_state == "SUCCESS"
    assert platform.paths() == [CODEPAY, QUERY, QUERY]
    assert till.slept == [5, 5]


def test_a_refusal_keeps_its_word_and_comes_again(platform: ScriptedTransport) -> None:
    platform.answers[CODEPAY] = (403, {"code": "AUTH_CODE_EXPIRE", "message": "expired"})
    platform.answers[QUERY] = (404, {"code": "ORDER_NOT_EXIST", "message": "none"})
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            pay()
        assert (caught.value.err_code, caught.value.kind) == ("AUTH_CODE_EXPIRE", "AUTHCODEEXPIRE")

    assert platform.paths().count(CODEPAY) == 1
    assert Order.objects.get().err_code == "AUTH_CODE_EXPIRE"


def test_a_global_sale_that_nobody_confirms_is_reversed(
    platform: ScriptedTransport, abroad: None
) -> None:
    platform.answers |= {
        GLOBAL_PAY: (202, {"code": "USERPAYING", "message": "..."}),
        GLOBAL_QUERY: in_turn(*[state("USERPAYING")] * 9, state("REVOKED")),
        GLOBAL_REVERSE: (204, None),
    }
    order = pay(fee_type="HKD")

    assert order.trade_state == "REVOKED"
    assert [platform.paths().count(path) for path in (GLOBAL_PAY, GLOBAL_REVERSE)] == [1, 1]


def test_a_global_reversal_that_was_made_before_is_done(
    platform: ScriptedTransport, abroad: None, till: TestClock
) -> None:
    amount = {"total": 100, "currency": "CNY"}
    platform.answers |= {
        GLOBAL_PAY: state("SUCCESS", amount=amount),
        GLOBAL_REVERSE: (400, {"code": "ORDER_REVERSED", "message": "reversed"}),
        GLOBAL_QUERY: state("REVOKED"),
    }
    order = pay()
    till.seconds += 60

    assert services.reverse_order(order).trade_state == "REVOKED"


def test_what_the_family_has_no_place_for_is_refused(platform: ScriptedTransport) -> None:
    with pytest.raises(InvalidOrder, match="limit_pay"):
        pay(limit_pay="no_credit")

    assert (Order.objects.count(), platform.calls) == (0, [])
