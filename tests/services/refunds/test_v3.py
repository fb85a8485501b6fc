"""Refunds over APIv3, mainland and global: other words, the same refund."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from django_wxpay import services
from django_wxpay.exceptions import (
    ConfigurationError,
    InvalidRefund,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.models import Order, PlatformCertificate, Refund
from django_wxpay.protocol.v3.encryption import decrypt_field
from django_wxpay.services import clock
from tests.factories import RefundFactory
from tests.protocol.v3 import keys
from tests.selling import V3_HOST, mounted
from tests.services.conftest import new_order
from tests.services.refunds.conftest import NOTIFY_URL, NUMBER, TRANSACTION
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import MCH_ID
from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT, scripted_v3

pytestmark = pytest.mark.django_db
MAINLAND = "/v3/refund/domestic/refunds"
GLOBAL = "/v3/global/refunds"


@pytest.fixture
def platform(wxpay: dict[str, Any], settings: Any) -> Iterator[ScriptedTransport]:
    merchants = {
        "default": V3_MERCHANT | PUBLIC_KEY_MODE,
        "overseas": V3_MERCHANT
        | PUBLIC_KEY_MODE
        | {"REGION": "global", "MERCHANT_CATEGORY_CODE": "0742"},
        "partner": V3_MERCHANT | PUBLIC_KEY_MODE | {"MODE": "institutional", "SUB_MCH_ID": "19"},
        "certificates": V3_MERCHANT,
    }
    settings.WXPAY = wxpay | {"MERCHANTS": merchants}
    with mounted(scripted_v3(), V3_HOST) as scripted:
        yield scripted


def paid(merchant: str) -> Order:
    order = new_order(merchant=merchant, out_trade_no=NUMBER)
    Order.objects.update(trade_state="SUCCESS", transaction_id=TRANSACTION)
    order.refresh_from_db()
    return order


def refusal(status: int, code: str) -> tuple[int, dict[str, str]]:
    return status, {"code": code, "message": "no"}


def domestic(**changes: Any) -> tuple[int, dict[str, Any]]:
    return 200, {
        "refund_id": "50300000000000000000000000001",
        "out_refund_no": "R1",
        "transaction_id": TRANSACTION,
        "out_trade_no": NUMBER,
        "channel": "ORIGINAL",
        "user_received_account": "零钱",
        "create_time": "2026-01-02T00:00:00+08:00",
        "status": "PROCESSING",
        "funds_account": "AVAILABLE",
        "amount": {
            "total": 100,
            "refund": 45,
            "payer_total": 100,
            "payer_refund": 45,
            "settlement_refund": 45,
            "settlement_total": 100,
            "discount_refund": 0,
            "currency": "CNY",
            "refund_fee": 0,
        },
        "promotion_detail": [
            {"promotion_id": "109", "scope": "GLOBAL", "type": "CASH", "refund_amount": 3}
        ],
    } | changes


def last(platform: ScriptedTransport) -> tuple[str, dict[str, Any]]:
    request = platform.requests[-1]
    body = request.body
    return str(request.path_url), json.loads(body) if body else {}


def test_a_mainland_body_names_neither_appid_nor_mchid(platform: ScriptedTransport) -> None:
    platform.answers[MAINLAND] = domestic()
    refund = services.create_refund(
        paid("default"), refund_fee=45, out_refund_no="R1", refund_desc="broken cup"
    )
    assert last(platform) == (
        MAINLAND,
        {
            "transaction_id": TRANSACTION,
            "out_refund_no": "R1",
            "reason": "broken cup",
            "notify_url": NOTIFY_URL,
            "amount": {"refund": 45, "total": 100, "currency": "CNY"},
        },
    )
    assert (refund.refund_status, refund.channel) == ("PROCESSING", "ORIGINAL")
    assert (refund.funds_account, refund.settlement_refund_fee) == ("AVAILABLE", 45)
    assert refund.coupons == [
        {"coupon_refund_id": "109", "coupon_type": "CASH", "coupon_refund_fee": 3}
    ]

    platform.answers[f"{MAINLAND}/R1"] = domestic(
        status="SUCCESS", success_time="2026-01-02T00:10:00+08:00"
    )
    assert services.query_refund(refund).refund_status == "SUCCESS"
    assert last(platform) == (f"{MAINLAND}/R1", {})
    # There is no list in mainland: each one that is known is asked for.
    assert [each.pk for each in services.query_refunds(refund.order)] == [refund.pk]
    assert last(platform) == (f"{MAINLAND}/R1", {})


def test_an_institution_names_the_sub_merchant(platform: ScriptedTransport) -> None:
    platform.answers[MAINLAND] = domestic(sub_mchid="19")
    refund = services.create_refund(paid("partner"), refund_fee=45, out_refund_no="R1")
    assert last(platform)[1]["sub_mchid"] == "19"
    platform.answers[f"{MAINLAND}/R1"] = domestic(sub_mchid="19")
    services.query_refund(refund)
    assert last(platform)[0] == f"{MAINLAND}/R1?sub_mchid=19"


def test_a_global_answer_has_no_status_and_is_no_success(platform: ScriptedTransport) -> None:
    answer = {
        "id": "50300000000000000000000000001",
        "out_refund_no": "R1",
        "create_time": "2026-01-02T00:00:00+08:00",
        "amount": {"refund": 45, "currency": "CNY", "payer_refund": 45, "payer_currency": "CNY"},
    }
    platform.answers[GLOBAL] = 200, answer
    refund = services.create_refund(paid("overseas"), refund_fee=45, out_refund_no="R1")
    assert last(platform)[1]["mchid"] == MCH_ID
    assert last(platform)[1]["appid"] == V3_MERCHANT["APPID"]
    assert (refund.refund_status, refund.is_proven) == ("PROCESSING", True)

    platform.answers[f"{GLOBAL}/out-refund-no/R1"] = (
        200,
        answer
        | {
            "out_trade_no": NUMBER,
            "transaction_id": TRANSACTION,
            "status": "REFUNDCLOSE",
        },
    )
    assert services.query_refund(refund).refund_status == "CLOSED"
    assert last(platform)[0] == f"{GLOBAL}/out-refund-no/R1?mchid={MCH_ID}"


def row(number: int) -> dict[str, Any]:
    return {
        "id": f"503{number:026d}",
        "out_refund_no": f"R{number}",
        "status": "SUCCESS",
        "amount": {"refund": 1, "currency": "CNY"},
    }


def test_a_global_list_is_read_page_by_page(platform: ScriptedTransport) -> None:
    order = paid("overseas")
    pages = iter([range(20), range(20, 23)])
    platform.answers[GLOBAL] = lambda _: (
        200,
        {
            "id": TRANSACTION,
            "out_trade_no": NUMBER,
            "data": [row(number) for number in next(pages)],
            "total_num": 23,
        },
    )
    found = services.query_refunds(order)
    assert [each.position for each in found] == list(range(1, 24))
    asked = [request.path_url for request in platform.requests]
    assert [path.partition("offset=")[2] for path in asked] == ["0&count=20", "20&count=20"]


@pytest.mark.parametrize("data", [None, [1], {}])
def test_a_list_with_a_row_that_is_none_is_no_answer(
    platform: ScriptedTransport, data: Any
) -> None:
    platform.answers[GLOBAL] = 200, {"out_trade_no": NUMBER, "total_num": 1, "data": data}
    with pytest.raises(OutcomeUnknown):
        services.query_refunds(paid("overseas"))


def test_a_list_of_another_order_is_no_answer(platform: ScriptedTransport) -> None:
    platform.answers[GLOBAL] = 200, {"out_trade_no": "OTHER", "total_num": 1, "data": [row(1)]}
    with pytest.raises(OutcomeUnknown, match="another order"):
        services.query_refunds(paid("overseas"))
    assert Refund.objects.count() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"out_refund_no": "R2"},
        {"out_trade_no": "OTHER"},
        {"mchid": "1900000999"},
        {"sub_mchid": "19"},
        {"status": "NEVERSEEN"},
        {"amount": {}},
    ],
)
def test_an_answer_about_anything_else_is_no_answer(
    platform: ScriptedTransport, changes: dict[str, Any]
) -> None:
    platform.answers[MAINLAND] = domestic(**changes)
    with pytest.raises(OutcomeUnknown):
        services.create_refund(paid("default"), refund_fee=45, out_refund_no="R1")
    assert not Refund.objects.get().is_proven


def test_not_enough_money_is_a_refusal_after_a_query(platform: ScriptedTransport) -> None:
    platform.answers[MAINLAND] = refusal(403, "NOT_ENOUGH")
    platform.answers[f"{MAINLAND}/R1"] = refusal(404, "RESOURCE_NOT_EXISTS")
    with pytest.raises(Refused) as caught:
        services.create_refund(paid("default"), refund_fee=45, out_refund_no="R1")
    assert caught.value.err_code == "NOT_ENOUGH"
    assert Refund.objects.get().refund_status == "CLOSED"


# --- refunds that are stuck


def stuck(merchant: str) -> Refund:
    order = paid(merchant)
    return Refund.objects.create(
        order=order,
        merchant=merchant,
        out_refund_no="R1",
        refund_id="50300000000000000000000000001",
        refund_fee=45,
        refund_status="ABNORMAL",
        position=1,
        created_at=order.created_at,
        updated_at=order.created_at,
    )


CARD = {
    "type": "USER_BANK_CARD",
    "bank_type": "ICBC_DEBIT",
    "bank_account": "6222020000000000",
    "real_name": "张三",
}
ABNORMAL = f"{MAINLAND}/50300000000000000000000000001/apply-abnormal-refund"


def test_a_stuck_refund_goes_to_the_payers_card_sealed(platform: ScriptedTransport) -> None:
    platform.answers[ABNORMAL] = domestic()
    refund = services.apply_abnormal_refund(stuck("default"), **CARD)
    assert refund.refund_status == "PROCESSING"
    path, body = last(platform)
    assert path == ABNORMAL
    assert {name: body[name] for name in ("out_refund_no", "type", "bank_type")} == {
        "out_refund_no": "R1",
        "type": "USER_BANK_CARD",
        "bank_type": "ICBC_DEBIT",
    }
    opened = {
        name: decrypt_field(body[name], private_key=keys.PUBLIC_MODE_KEY)
        for name in ("bank_account", "real_name")
    }
    assert opened == {"bank_account": CARD["bank_account"], "real_name": "张三"}
    assert platform.requests[-1].headers["Wechatpay-Serial"] == keys.PUBLIC_KEY_ID


def test_a_stuck_refund_goes_to_the_merchants_account_without_a_seal(
    platform: ScriptedTransport,
) -> None:
    platform.answers[ABNORMAL] = domestic(status="SUCCESS")
    refund = services.apply_abnormal_refund(stuck("default"), type="MERCHANT_BANK_CARD")
    assert refund.refund_status == "SUCCESS"
    assert last(platform)[1] == {"out_refund_no": "R1", "type": "MERCHANT_BANK_CARD"}


def test_in_certificate_mode_the_certificate_that_expires_last_seals(
    platform: ScriptedTransport,
) -> None:
    now = clock.now()
    for serial, pem in (
        ("AA", "no certificate"),
        (keys.PLATFORM_SERIAL, keys.PLATFORM_CERTIFICATE),
    ):
        PlatformCertificate.objects.create(
            mch_id=MCH_ID,
            serial_no=serial,
            pem=pem,
            effective_time=now,
            expire_time=now + timedelta(days=5 * 365),
            created_at=now,
        )
    platform.answers[ABNORMAL] = domestic()
    platform.answers["/v3/certificates"] = refusal(404, "RESOURCE_NOT_EXISTS")
    with pytest.raises(OutcomeUnknown):
        # The stand-in signs with another key; what was sent is what counts here.
        services.apply_abnormal_refund(stuck("certificates"), **CARD)
    sent = next(each for each in platform.requests if each.path_url == ABNORMAL)
    assert sent.headers["Wechatpay-Serial"] == keys.PLATFORM_SERIAL
    body = json.loads(sent.body or b"")
    assert decrypt_field(body["real_name"], private_key=keys.PLATFORM_KEY) == "张三"


def test_without_any_key_nothing_is_sent(platform: ScriptedTransport) -> None:
    platform.answers["/v3/certificates"] = refusal(404, "RESOURCE_NOT_EXISTS")
    with pytest.raises(OutcomeUnknown, match="seal"):
        services.apply_abnormal_refund(stuck("certificates"), **CARD)
    assert ABNORMAL not in platform.paths()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "SOMEWHERE"}, "type"),
        ({"bank_type": ""}, "bank_type"),
        ({"bank_type": "a bank"}, "bank_type"),
        ({"bank_account": ""}, "bank_account"),
        ({"real_name": ""}, "real_name"),
        ({"type": "MERCHANT_BANK_CARD"}, "bank_type"),
    ],
)
def test_what_the_way_out_does_not_take_is_not_sent(
    platform: ScriptedTransport, changes: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidRefund) as caught:
        services.apply_abnormal_refund(stuck("default"), **CARD | changes)
    assert caught.value.field == field
    assert platform.calls == []
    assert CARD["bank_account"] not in str(caught.value)


def test_a_refund_that_is_not_stuck_needs_no_way_out(platform: ScriptedTransport) -> None:
    refund = stuck("default")
    Refund.objects.update(refund_status="SUCCESS")
    with pytest.raises(InvalidRefund, match="not stuck"):
        services.apply_abnormal_refund(refund, **CARD)


def test_a_global_refund_has_no_such_call(platform: ScriptedTransport) -> None:
    with pytest.raises(InvalidRefund, match="mainland alone"):
        services.apply_abnormal_refund(stuck("overseas"), **CARD)


def test_a_merchant_of_v2_has_no_such_call(wxpay: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        services.apply_abnormal_refund(stuck("default"), **CARD)


def test_a_list_that_ends_before_its_total_is_read_to_its_end(
    platform: ScriptedTransport,
) -> None:
    pages = iter([[row(1)], []])
    platform.answers[GLOBAL] = lambda _: (
        200,
        {"out_trade_no": NUMBER, "data": next(pages), "total_num": 2},
    )
    assert len(services.query_refunds(paid("overseas"))) == 1
    assert len(platform.requests) == 2


def test_a_global_institution_names_both_merchants_and_the_appid(
    platform: ScriptedTransport, settings: Any
) -> None:
    entry = settings.WXPAY["MERCHANTS"]["overseas"]
    institution = entry | {"MODE": "institutional", "SUB_MCH_ID": "19"}
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": {"default": institution}}
    answer = {
        "id": "503",
        "out_refund_no": "R1",
        "amount": {"refund": 45, "currency": "CNY"},
    }
    platform.answers[GLOBAL] = 200, answer
    services.create_refund(paid("default"), refund_fee=45, out_refund_no="R1")
    body = last(platform)[1]
    names = ("sp_appid", "sp_mchid", "sub_mchid")
    assert [body[name] for name in names] == [V3_MERCHANT["APPID"], MCH_ID, "19"]
    assert not {"appid", "mchid"} & set(body)


def test_a_refund_that_wechat_pay_does_not_have_hides_no_other_of_its_order(
    platform: ScriptedTransport,
) -> None:
    order = paid("default")
    for number in ("R0", "R1"):
        RefundFactory(order=order, out_refund_no=number, refund_fee=45, unanswered=True)
    platform.answers[f"{MAINLAND}/R0"] = refusal(404, "RESOURCE_NOT_EXISTS")
    platform.answers[f"{MAINLAND}/R1"] = domestic(status="SUCCESS")
    with pytest.raises(Refused, match="RESOURCE_NOT_EXISTS"):
        services.query_refunds(order)

    assert Refund.objects.get(out_refund_no="R1").refund_status == "SUCCESS"
    platform.answers[f"{MAINLAND}/R0"] = refusal(403, "NO_AUTH")
    with pytest.raises(Refused, match="NO_AUTH"):
        services.query_refunds(order)
    assert platform.paths()[-1] == f"{MAINLAND}/R0"
