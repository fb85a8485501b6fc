"""Placing over v3: accepted orders and their answers (protocol-v3 sections 3.2 and 4.2)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from django_wxpay.protocol.merchants import Api, Merchant, Mode
from django_wxpay.simulator import DEMO_MERCHANTS, Options, Simulator, create_app
from tests.simulator.conftest import START
from tests.simulator.v3.calling import (
    GLOBAL,
    INSTITUTION,
    MAINLAND,
    NOTIFY_URL,
    NUMBER,
    OPENID,
    SUB_MCHID,
    SUB_OPENID,
    Answer,
    Caller,
)
from tests.simulator.v3.more.calling import post, sealed

PARTNER = "1900000119"


def bad(answer: dict[str, Any], field: str, code: str = "PARAM_ERROR") -> dict[str, Any]:
    assert (answer["status"], answer["code"]) == (400, code)
    assert answer["detail"]["field"] == field
    detail: dict[str, Any] = answer["detail"]
    return detail


@pytest.fixture
def partner() -> Caller:
    """A mainland service provider."""
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    merchant = Merchant(
        alias="partner",
        mch_id=PARTNER,
        appid=demo.appid,
        mode=Mode.INSTITUTIONAL,
        api=Api.V3,
        api_v3_key=demo.api_v3_key,
        private_key=demo.private_key,
        cert_serial_no=demo.cert_serial_no,
    )
    app = create_app([merchant], clock=lambda: START, deliver=lambda *_: 1 / 0)  # type: ignore[arg-type]
    home = "/v3/pay/partner/transactions"
    return Caller(app, mch_id=PARTNER, home=home, sp_mchid=PARTNER, sub_mchid="1900000120")


@pytest.mark.parametrize(
    ("kind", "name", "shape"),
    [
        ("jsapi", "prepay_id", "wx20260101120000[0-9a-f]{20}"),
        ("app", "prepay_id", "wx20260101120000[0-9a-f]{20}"),
        ("native", "code_url", r"weixin://wxpay/bizpayurl\?pr=[0-9A-Za-z]{7}"),
        ("h5", "h5_url", r"https://wx\.tenpay\.com/cgi-bin/mmpayweb-bin/checkmweb\?.+"),
    ],
)
def test_each_mainland_endpoint_grants_what_its_customer_needs(
    mainland: Caller, partner: Caller, kind: str, name: str, shape: str
) -> None:
    for caller in (mainland, partner):
        answer = caller.place(kind)
        assert answer.keys() == {"status", name}
        assert answer["status"] == 200
        assert re.fullmatch(shape, answer[name])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("jsapi", "prepay_id"), ("app", "prepay_id")),
        *(("native", "code_url"), ("mweb", "mweb_url")),
    ],
)
def test_each_global_endpoint_grants_what_its_customer_needs(
    overseas: Caller, institution: Caller, kind: str, name: str
) -> None:
    for caller in (overseas, institution):
        assert caller.place(kind).keys() == {"status", name}


def payer(name: str = "张三") -> dict[str, Any]:
    """Return a payer whose identity is encrypted anew."""
    texts = {"number": sealed("11010119900101001X"), "name": sealed(name)}
    return {"identity": {"type": "IDCARD", **texts}}


def test_an_order_with_every_documented_member_is_accepted(mainland: Caller) -> None:
    plan = {"subsidy_installment_num": 3, "subsidy_percent": 50}
    order = {
        "settle_info": {"profit_sharing": True, "subsidy_amount": 10},
        "subsidy_info": {"subsidy_detail": [{"subsidy_plan": [plan]}]},
    }

    def place(**payer: Any) -> Answer:
        return post(mainland, f"{mainland.home}/native", mainland.order(**order, **payer))

    assert place(payer=payer())["status"] == 200
    assert place(payer=payer())["status"] == 200
    assert place(payer=payer("李四"))["code"] == "INVALID_REQUEST"
    assert place()["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("member", ["number", "name"])
def test_an_identity_that_is_not_encrypted_is_refused(mainland: Caller, member: str) -> None:
    plain = payer()
    plain["identity"][member] = "QUJD"
    answer = post(mainland, f"{mainland.home}/native", mainland.order(payer=plain))
    assert (answer["status"], answer["code"]) == (400, "PARAM_ERROR")
    assert answer["detail"]["field"] == f"/payer/identity/{member}"
    assert mainland.query()["code"] == "ORDER_NOT_EXIST"


@pytest.mark.parametrize("serial", [None, "", "PUB_KEY_ID_1"])
def test_the_key_of_an_identity_has_to_be_named(mainland: Caller, serial: str | None) -> None:
    order = mainland.order(payer=payer())
    headers = {"Wechatpay-Serial": serial}
    answer = mainland.call("POST", f"{mainland.home}/native", order, headers=headers)
    assert (answer["status"], answer["code"]) == (400, "PARAM_ERROR")
    assert mainland.query()["code"] == "ORDER_NOT_EXIST"


def test_what_is_granted_can_be_paid_on_the_phone(mainland: Caller, app: Simulator) -> None:
    code = mainland.place()["code_url"][-7:]
    page = mainland.session.get(
        f"{mainland.host}/_simulator/phone/{code}", headers={"Accept-Language": "en"}
    )
    assert "¥1.00" in page.text
    assert "tea cup" in page.text
    mainland.session.post(f"{mainland.host}/_simulator/phone/{code}")
    assert mainland.state() == "SUCCESS"


def test_the_ledger_keeps_one_vocabulary(app: Simulator, institution: Caller) -> None:
    institution.place(
        "jsapi",
        sub_appid="wx1111111111111111",
        payer={"sp_openid": OPENID, "sub_openid": SUB_OPENID},
        attach="desk 7",
        time_expire="2026-01-01T05:00:00Z",
        goods_tag="WXG",
        scene_info={"device_id": "POS1"},
    )
    [trade] = app.ledger()["trades"]
    assert (trade["api"], trade["mch_id"], trade["sub_mch_id"]) == ("v3", INSTITUTION, SUB_MCHID)
    assert (trade["body"], trade["total_fee"], trade["fee_type"]) == ("tea cup", 100, "USD")
    assert (trade["trade_type"], trade["notify_url"]) == ("JSAPI", NOTIFY_URL)
    assert (trade["openid"], trade["sub_openid"]) == (OPENID, SUB_OPENID)
    assert (trade["attach"], trade["time_expire"]) == ("desk 7", "20260101130000")


DETAIL = {"goods_detail": [{"merchant_goods_id": "1", "quantity": 1, "unit_price": 100}]}


@pytest.mark.parametrize(
    "members",
    [
        {"attach": "x" * 128, "goods_tag": "WXG", "support_fapiao": True},
        {"time_expire": "2026-01-01T12:01:00+08:00"},
        {"limit_pay": ["no_credit", "no_debit"], "settle_info": {"profit_sharing": False}},
        {"detail": {"cost_price": 1, "invoice_id": "i", **DETAIL}},
        {"amount": {"total": 1}},
        {"scene_info": {"payer_client_ip": "2001:db8::1", "store_info": {"id": "0001"}}},
        {"description": "测试商店-深圳"},
    ],
)
def test_optional_mainland_members_are_taken(mainland: Caller, members: dict[str, Any]) -> None:
    assert mainland.place(**members)["status"] == 200


@pytest.mark.parametrize(
    "members",
    [
        {"limit_pay": "no_credit", "time_start": "2026-01-01T12:00:00+08:00"},
        {
            "detail": {
                "receipt_id": "r",
                "goods_detail": [{"goods_id": "1", "quantity": 1, "price": 1}],
            }
        },
        {"out_trade_no": "1"},
        {"amount": {"total": 100, "currency": "JPY"}},
    ],
)
def test_optional_global_members_are_taken(overseas: Caller, members: dict[str, Any]) -> None:
    assert overseas.place(**members)["status"] == 200


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"appid": None}, "/appid"),
        ({"description": None}, "/description"),
        ({"amount": None}, "/amount"),
        ({"notify_url": None}, "/notify_url"),
        ({"something": "new"}, "/something"),
        ({"trade_type": "NATIVE"}, "/trade_type"),
        ({"sp_mchid": "1", "sub_mchid": "2"}, "/sp_mchid"),
        ({"attach": None, "goods_tag": ""}, "/goods_tag"),
        ({"amount": {"total": "100"}}, "/amount/total"),
        ({"amount": {"total": 1.5}}, "/amount/total"),
        ({"amount": {"total": True}}, "/amount/total"),
        ({"amount": {"total": 0}}, "/amount/total"),
        ({"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
        ({"description": "杯" * 128}, "/description"),
        ({"description": "cup \U0001f375"}, "/description"),
        ({"attach": "\U0001f375"}, "/attach"),
        ({"out_trade_no": "T2026"}, "/out_trade_no"),
        ({"out_trade_no": "T20260101/1"}, "/out_trade_no"),
        ({"notify_url": "https://shop.example/?a=1"}, "/notify_url"),
        ({"limit_pay": "no_credit"}, "/limit_pay"),
        ({"time_expire": "20260101130000"}, "/time_expire"),
        ({"time_expire": "2026-01-01T13:00:00"}, "/time_expire"),
        ({"time_expire": "2026-01-01T12:00:59+08:00"}, "/time_expire"),
        ({"mchid": "1900000109"}, "/mchid"),
    ],
)
def test_a_mainland_order_that_breaks_a_rule_is_refused(
    app: Simulator, mainland: Caller, members: dict[str, Any], field: str
) -> None:
    detail = bad(mainland.place(**members), field)
    assert detail["location"] == "body"
    assert detail["issue"]
    assert app.ledger()["trades"] == []


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"trade_type": None}, "/trade_type"),
        ({"trade_type": "JSAPI"}, "/trade_type"),
        ({"merchant_category_code": None}, "/merchant_category_code"),
        ({"merchant_category_code": 742}, "/merchant_category_code"),
        ({"merchant_category_code": "742"}, "/merchant_category_code"),
        ({"limit_pay": ["no_credit"]}, "/limit_pay"),
        ({"amount": {"total": 100, "currency": "XXX"}}, "/amount/currency"),
        ({"attach": "x" * 128}, "/attach"),
        ({"sub_mchid": SUB_MCHID}, "/sub_mchid"),
    ],
)
def test_a_global_order_that_breaks_a_rule_is_refused(
    overseas: Caller, members: dict[str, Any], field: str
) -> None:
    bad(overseas.place(**members), field)


def test_the_payer_is_asked_for_where_there_is_one(mainland: Caller, institution: Caller) -> None:
    bad(mainland.place("jsapi", payer=None), "/payer")
    bad(mainland.place("native", payer={"openid": OPENID}), "/payer/openid")
    bad(mainland.place("jsapi", payer={"sp_openid": OPENID}), "/payer/openid")
    bad(institution.place("jsapi", payer={"sub_openid": SUB_OPENID}), "/sub_appid")
    bad(mainland.place("h5", scene_info=None), "/scene_info")


def test_never_both_identity_groups(institution: Caller, overseas: Caller) -> None:
    bad(institution.place(mchid=INSTITUTION, appid="wx8888888888888888"), "/mchid")
    bad(overseas.place(sp_mchid=GLOBAL), "/sp_mchid")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"a": 1, "a": 2}', b"\xff", b"NaN"])
def test_a_body_that_is_no_json_object_is_refused(mainland: Caller, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = mainland.call("POST", f"{mainland.home}/native", body, headers=headers)
    bad(answer, "")


@pytest.mark.parametrize("kind", [None, "text/xml", "text/plain; charset=utf-8"])
def test_a_body_says_that_it_is_json(mainland: Caller, kind: str | None) -> None:
    headers = {"Content-Type": kind}
    path = f"{mainland.home}/native"
    answer = mainland.call("POST", path, mainland.order(), headers=headers)
    assert (answer["status"], answer["code"]) == (400, "INVALID_REQUEST")
    assert "Content-Type" in answer["message"]


def test_a_charset_may_be_named(mainland: Caller) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    path = f"{mainland.home}/native"
    assert mainland.call("POST", path, mainland.order(), headers=headers)["status"] == 200


def test_a_query_parameter_on_an_order_is_undocumented(mainland: Caller) -> None:
    path = f"{mainland.home}/native?debug=1"
    response = mainland.send("POST", path, mainland.order())
    assert response.json()["detail"] == {"location": None, "value": ["/query/debug"]}
    assert response.headers["Request-ID"].endswith("-270924358")


def test_the_appid_has_to_be_the_merchants(mainland: Caller, institution: Caller) -> None:
    for caller, name in ((mainland, "appid"), (institution, "sp_appid")):
        answer = caller.place(**{name: "wx0000000000000000"})
        assert (answer["status"], answer["code"]) == (400, "APPID_MCHID_NOT_MATCH")


@pytest.mark.parametrize("home", ["/v3/global/transactions", "/v3/pay/partner/transactions"])
def test_a_mainland_merchant_has_no_other_door(app: Simulator, home: str) -> None:
    identity = {"sp_mchid": MAINLAND, "sub_mchid": "1"} if "partner" in home else {}
    caller = Caller(app, home=home, **identity)
    answer = caller.place()
    assert (answer["status"], answer["code"]) == (403, "NO_AUTH")
    assert caller.query()["code"] == "NO_AUTH"
    assert caller.close()["code"] == "NO_AUTH"


def test_a_global_merchant_has_no_mainland_door(app: Simulator) -> None:
    caller = Caller(app, mch_id=GLOBAL)
    assert caller.place()["code"] == "NO_AUTH"
    assert caller.certificates()["code"] == "NO_AUTH"


def test_an_institutions_sub_merchants_can_be_limited(institution: Caller) -> None:
    app = create_app(options=Options(sub_mch_ids=frozenset({SUB_MCHID})))
    limited = Caller(app, mch_id=INSTITUTION, home=institution.home, **institution.whose)
    assert limited.place()["status"] == 200
    limited.whose["sub_mchid"] = "1900000333"
    for answer in (limited.place(), limited.query(), limited.close()):
        assert (answer["status"], answer["code"]) == (400, "MCH_NOT_EXISTS")
    institution.whose["sub_mchid"] = "sub"
    assert institution.place()["code"] == "MCH_NOT_EXISTS"


def test_the_category_codes_can_be_limited() -> None:
    app = create_app(options=Options(merchant_category_codes=frozenset({"0742"})))
    caller = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    assert caller.place()["status"] == 200
    answer = caller.place(out_trade_no="T20260101000002", merchant_category_code="4111")
    assert bad(answer, "/merchant_category_code")["value"] == "4111"


def test_a_line_of_goods_may_have_what_the_options_name_and_no_more() -> None:
    app = create_app(options=Options(goods_members=frozenset({"origin", "is_gift"})))
    here = {"merchant_goods_id": "G1", "quantity": 1, "unit_price": 100}
    there = {"goods_id": "G1", "quantity": 1, "price": 100}
    callers = [
        (Caller(app), here),
        (Caller(app, mch_id=GLOBAL, home="/v3/global/transactions"), there),
    ]
    for caller, known in callers:
        goods = known | {"origin": "Fujian", "is_gift": False}
        assert caller.place(detail={"goods_detail": [goods]})["status"] == 200
        for name, value in [("category", "x"), ("origin", ["x"]), ("origin", "x" * 1001)]:
            detail = {"goods_detail": [goods | {name: value}]}
            answer = caller.place(out_trade_no="T20260101000003", detail=detail)
            bad(answer, f"/detail/goods_detail/0/{name}")


def test_the_same_order_again_gets_a_fresh_code_and_the_old_one_dies(
    app: Simulator, mainland: Caller
) -> None:
    first, second = mainland.place(), mainland.place()
    assert first["code_url"] != second["code_url"]
    [trade] = app.ledger()["trades"]
    assert [prepay["payable"] for prepay in trade["prepays"]] == [False, True]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", "another cup"),
        ("attach", "x"),
        ("notify_url", "https://shop.example/elsewhere/"),
        ("amount", {"total": 101}),
        ("time_expire", "2026-01-01T13:00:00+08:00"),
        ("detail", DETAIL),
        ("scene_info", {"payer_client_ip": "127.0.0.1", "store_info": {"id": "1"}}),
    ],
)
def test_another_order_under_the_same_number_is_refused(
    mainland: Caller, name: str, value: Any
) -> None:
    mainland.place()
    response = mainland.send("POST", f"{mainland.home}/native", mainland.order(**{name: value}))
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_REQUEST")
    assert response.json()["message"] == f"201 商户订单号重复 ({name})"
    assert response.headers["Request-ID"].endswith("-268498688")


@pytest.mark.parametrize(
    "members",
    [
        {"amount": {"total": 100}},
        {"scene_info": {"payer_client_ip": "127.0.0.2", "device_id": "POS1"}},
    ],
)
def test_circumstances_may_change(mainland: Caller, members: dict[str, Any]) -> None:
    mainland.place()
    assert mainland.place(**members)["status"] == 200


def test_an_order_may_start_later_and_is_the_same(overseas: Caller) -> None:
    overseas.place(time_start="2026-01-01T12:00:00+08:00")
    assert overseas.place(time_start="2026-01-01T12:00:01+08:00")["status"] == 200


def test_a_number_is_used_up_across_endpoints_and_sub_merchants(
    mainland: Caller, institution: Caller
) -> None:
    mainland.place("jsapi")
    answer = mainland.place("native")
    assert (answer["status"], answer["code"]) == (403, "OUT_TRADE_NO_USED")
    institution.place()
    institution.whose["sub_mchid"] = "1900000333"
    assert institution.place()["code"] == "OUT_TRADE_NO_USED"


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        ("SUCCESS", 400, "ORDER_PAID"),
        ("REFUND", 400, "ORDER_PAID"),
        ("CLOSED", 400, "ORDER_CLOSED"),
        ("REVOKED", 403, "OUT_TRADE_NO_USED"),
    ],
)
def test_an_ended_order_is_not_entered_again(
    app: Simulator, mainland: Caller, state: str, status: int, code: str
) -> None:
    mainland.place()
    app.set_state(MAINLAND, NUMBER, state)
    answer = mainland.place()
    assert (answer["status"], answer["code"]) == (status, code)


def test_a_failed_payment_may_be_tried_again(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.set_state(MAINLAND, NUMBER, "PAYERROR")
    assert mainland.place()["status"] == 200
    assert mainland.state() == "NOTPAY"


def test_an_expired_order_is_not_entered_again(app: Simulator, mainland: Caller) -> None:
    mainland.place(time_expire="2026-01-01T12:10:00+08:00")
    app.advance(601)
    answer = mainland.place(time_expire="2026-01-01T12:10:00+08:00")
    assert (answer["status"], answer["code"]) == (400, "ORDER_CLOSED")
