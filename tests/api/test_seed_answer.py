"""The seed's example answer of the global v3 query comes back from REST field by field."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from django_wxpay.models import OrderEvent, Promotion
from tests import seed_003
from tests.api.conftest import API
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db

ORDERS = f"{API}/orders/"
OPENID = seed_003.OPENID
# merchant -> the paid answer, the unpaid one, how the query names us, how REST names us, and
# the payer that REST tells of.
MODES: list[Any] = [
    pytest.param(
        "common",
        seed_003.COMMON,
        {"mchid": ["1900000109"]},
        {"mch_id": "1900000109", "sub_mch_id": "", "sub_appid": ""},
        {"openid": OPENID, "sp_openid": "", "sub_openid": ""},
        id="common",
    ),
    pytest.param(
        "institution",
        seed_003.INSTITUTIONAL,
        {"sp_mchid": ["1900000100"], "sub_mchid": ["1900000109"]},
        {"mch_id": "1900000100", "sub_mch_id": "1900000109", "sub_appid": seed_003.APPID},
        {"openid": "", "sp_openid": OPENID, "sub_openid": OPENID},
        id="institutional",
    ),
]


@pytest.fixture(autouse=True)
def merchants(wxpay: dict[str, Any], settings: Any) -> None:
    settings.WXPAY = wxpay | {"MERCHANTS": seed_003.MERCHANTS}


def _queried(
    clerk: APIClient,
    platform: ScriptedTransport,
    merchant: str,
    answer: dict[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Place an order, query it, and return it as the query's answer and a GET show it."""
    code_url = "weixin://wxpay/s/An4baqw"
    platform.answers[seed_003.NATIVE_PATH] = (200, {"code_url": code_url})
    platform.answers[seed_003.QUERY_PATH] = (200, answer)
    placed = clerk.post(ORDERS, seed_003.ORDER | {"merchant": merchant})
    assert placed.status_code == 201
    asked = clerk.post(f"{ORDERS}{placed.json()['id']}/query/")
    assert asked.status_code == 200
    return asked.json(), clerk.get(f"{ORDERS}{placed.json()['id']}/").json()


@pytest.mark.parametrize(("merchant", "answer", "named", "ours", "payer"), MODES)
def test_the_seeds_answer_comes_back_field_by_field(
    clerk: APIClient,
    platform: ScriptedTransport,
    merchant: str,
    answer: dict[str, Any],
    named: dict[str, list[str]],
    ours: dict[str, str],
    payer: dict[str, str],
) -> None:
    asked, shown = _queried(clerk, platform, merchant, answer)
    assert asked == shown
    expected = ours | {
        "appid": "wx8888888888888888",
        "out_trade_no": "1217752501201407033233368018",
        "transaction_id": "4200752501201407033233368018",
        "attach": "Custom data",
        "trade_type": "NATIVE",
        "bank_type": "CMC",
        "success_time": "2018-06-08T10:34:56+08:00",
        "trade_state": "SUCCESS",
        "trade_state_desc": "Payment failed. Place another order and pay it again.",
        "total_fee": 888,
        "fee_type": "CNY",
    }
    assert {name: shown[name] for name in expected} == expected
    assert shown["payment"] == {"payer": payer, **seed_003.PAYMENT}
    assert shown["payment"]["exchange_rate"]["rate"] == "0.8"
    (path, query) = platform.calls[-1]
    assert path == seed_003.QUERY_PATH
    assert parse_qs(urlsplit(str(query.url)).query) == named
    assert list(OrderEvent.objects.filter(kind="PAID").values_list("source")) == [("v3.query",)]


def test_each_openid_stands_under_its_own_name(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    payer = {"sp_openid": "oSpSpSpSpSpSp", "sub_openid": "oSubSubSubSub"}
    answer = seed_003.INSTITUTIONAL | {"payer": payer}
    _, shown = _queried(clerk, platform, "institution", answer)
    assert shown["payment"]["payer"] == {"openid": "", **payer}


def test_the_other_spelling_of_contributions_comes_back_the_same(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    (promotion,) = seed_003.COMMON["promotion_detail"]
    other = {name: value for name, value in promotion.items() if name != "wxpay_contribute_amount"}
    answer = seed_003.COMMON | {
        "promotion_detail": [other | {"wechatpay_contribute_amount": 3}],
    }
    _, shown = _queried(clerk, platform, "common", answer)
    (told,) = shown["payment"]["promotions"]
    assert told == promotion | {"wxpay_contribute_amount": 3}


def test_the_same_answer_twice_changes_and_repeats_nothing(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    _, shown = _queried(clerk, platform, "common", seed_003.COMMON)
    again = clerk.post(f"{ORDERS}{shown['id']}/query/").json()
    assert again == shown
    assert Promotion.objects.count() == 1
    assert OrderEvent.objects.filter(kind="PAID").count() == 1


@pytest.mark.parametrize(
    ("merchant", "answer"),
    [
        ("common", seed_003.COMMON_UNPAID),
        ("institution", seed_003.INSTITUTIONAL_UNPAID),
        # What a gateway may send instead of leaving it out.
        ("common", seed_003.COMMON_UNPAID | {"id": "", "payer": {}, "amount": {"total": 0}}),
        ("common", seed_003.COMMON_UNPAID | {"amount": None, "promotion_detail": None}),
    ],
)
def test_an_unpaid_orders_answer_which_has_almost_nothing_is_as_good(
    clerk: APIClient,
    platform: ScriptedTransport,
    merchant: str,
    answer: dict[str, Any],
) -> None:
    asked, shown = _queried(clerk, platform, merchant, answer)
    assert asked == shown
    assert (shown["trade_state"], shown["trade_state_desc"]) == ("NOTPAY", "Unpaid")
    assert (shown["transaction_id"], shown["bank_type"]) == ("", "")
    assert (shown["success_time"], shown["payment"]) == (None, None)
    assert (shown["total_fee"], shown["attach"]) == (888, "Custom data")


def test_the_answer_under_a_strangers_signature_is_believed_by_nobody(
    clerk: APIClient,
    platform: ScriptedTransport,
) -> None:
    _, shown = _queried(clerk, platform, "common", seed_003.COMMON_UNPAID)
    platform.answers[seed_003.QUERY_PATH] = (200, seed_003.COMMON)
    platform.dialect.serial = "PUB_KEY_ID_0000"
    answer = clerk.post(f"{ORDERS}{shown['id']}/query/")
    assert (answer.status_code, answer.json()["code"]) == (502, "bad_answer")
    assert clerk.get(f"{ORDERS}{shown['id']}/").json() == shown
