"""``POST orders/``: what is placed, what is refused, and that asking again is always safe."""

from __future__ import annotations

import bz2
import json
from typing import Any

import pytest
import requests
from django.db import connections
from rest_framework.parsers import JSONParser
from rest_framework.test import APIClient

from django_wxpay.models import ApiReport, Order, Prepay
from tests.api.conftest import API, NATIVE, is_chinese
from tests.factories import OrderFactory
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, refused, standing

pytestmark = pytest.mark.django_db

ORDERS = f"{API}/orders/"
ORDER_KEYS = [
    "id",
    "merchant",
    "mch_id",
    "appid",
    "sub_appid",
    "sub_mch_id",
    "reference",
    "out_trade_no",
    "trade_type",
    "body",
    "total_fee",
    "fee_type",
    "attach",
    "openid",
    "trade_state",
    "trade_state_desc",
    "is_paid",
    "refunded",
    "refundable",
    "err_code",
    "err_code_des",
    "advice",
    "transaction_id",
    "success_time",
    "bank_type",
    "created_at",
    "updated_at",
    "prepay",
    "payment",
    "attention",
]


def test_a_posted_order_is_placed_and_shown_with_what_its_client_needs(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    answer = clerk.post(ORDERS, NATIVE | {"reference": "S-1", "out_trade_no": "shop-000001"})
    assert answer.status_code == 201
    shown = answer.json()
    assert list(shown) == [*ORDER_KEYS, "parameters"]
    assert shown["merchant"] == "default"
    assert shown["mch_id"] == "1900000109"
    assert shown["appid"] == "wx8888888888888888"
    assert shown["reference"] == "S-1"
    assert shown["out_trade_no"] == "shop-000001"
    assert shown["trade_state"] == "NOTPAY"
    assert shown["total_fee"] == 100
    assert shown["fee_type"] == "CNY"
    assert shown["success_time"] is None
    assert shown["payment"] is None
    assert (shown["is_paid"], shown["refunded"], shown["refundable"]) == (False, 0, 0)
    assert (shown["err_code"], shown["err_code_des"], shown["advice"]) == ("", "", "")
    assert shown["transaction_id"] == ""
    assert list(shown["prepay"]) == ["prepay_id", "code_url", "mweb_url", "expires_at"]
    assert shown["prepay"]["code_url"] == "weixin://wxpay/bizpayurl?pr=TEST123"
    assert shown["parameters"] == {"code_url": "weixin://wxpay/bizpayurl?pr=TEST123"}
    assert gateway.paths() == ["/pay/unifiedorder"]


def test_the_same_request_again_gets_the_same_prepay_and_no_second_call(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    wanted = NATIVE | {"out_trade_no": "shop-000001"}
    first = clerk.post(ORDERS, wanted)
    again = clerk.post(ORDERS, wanted)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert gateway.paths() == ["/pay/unifiedorder"]
    assert Prepay.objects.count() == 1


def test_a_repeat_with_other_parameters_is_a_conflict_and_sends_nothing(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    clerk.post(ORDERS, NATIVE | {"out_trade_no": "shop-000001"})
    answer = clerk.post(ORDERS, NATIVE | {"out_trade_no": "shop-000001", "total_fee": 101})
    assert answer.status_code == 409
    assert answer.json() == {
        "code": "order_conflict",
        "detail": "order shop-000001 exists with other parameters: total_fee differ",
        "out_trade_no": "shop-000001",
        "fields": ["total_fee"],
    }
    assert Order.objects.get().total_fee == 100
    assert gateway.paths() == ["/pay/unifiedorder"]


def test_after_no_answer_the_order_is_named_and_the_same_request_succeeds(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    place = gateway.answers["/pay/unifiedorder"]
    gateway.answers["/pay/unifiedorder"] = requests.ReadTimeout("too slow")
    wanted = NATIVE | {"out_trade_no": "shop-000001"}
    lost = clerk.post(ORDERS, wanted)
    assert lost.status_code == 504
    assert lost.json() == {
        "code": "outcome_unknown",
        "detail": "No answer came from WeChat Pay. The order may or may not exist; ask again.",
        "id": Order.objects.get().pk,
        "out_trade_no": "shop-000001",
    }
    assert Order.objects.get().trade_state == "CREATED"
    gateway.answers["/pay/unifiedorder"] = place
    found = clerk.post(ORDERS, wanted)
    assert found.status_code == 200
    assert found.json()["id"] == lost.json()["id"]


def test_a_refusal_is_told_with_its_words_and_advice_and_is_not_repeated(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("NOAUTH", "no right to do this")
    answer = clerk.post(ORDERS, NATIVE)
    order = Order.objects.get()
    assert answer.status_code == 422
    told = answer.json()
    assert told["code"] == "refused"
    assert told["detail"] == (
        "NOAUTH: no right to do this. The merchant account lacks this product. "
        "Apply for it on the merchant platform."
    )
    assert (told["err_code"], told["kind"]) == ("NOAUTH", "NOAUTH")
    assert told["err_code_des"] == "no right to do this"
    assert len(told["advice"]) > 20
    assert (told["id"], told["out_trade_no"]) == (order.pk, order.out_trade_no)
    assert (order.trade_state, order.err_code) == ("CREATED", "NOAUTH")
    assert gateway.paths() == ["/pay/unifiedorder"]


def test_orderpaid_is_followed_by_a_query_and_the_order_stands_as_paid(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    gateway.answers["/pay/unifiedorder"] = refused("ORDERPAID", "paid already")
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    answer = clerk.post(ORDERS, NATIVE)
    assert answer.status_code == 422
    assert answer.json()["err_code"] == "ORDERPAID"
    assert gateway.paths() == ["/pay/unifiedorder", "/pay/orderquery"]
    shown = clerk.get(f"{ORDERS}{answer.json()['id']}/").json()
    assert shown["trade_state"] == "SUCCESS"


@pytest.mark.parametrize(
    "answered",
    [b"<html>gateway</html>", b"", b"<xml><return_code>SUCC"],
    ids=["html", "empty", "truncated"],
)
def test_an_answer_that_cannot_be_read_is_a_bad_answer(
    clerk: APIClient,
    gateway: ScriptedTransport,
    answered: bytes,
) -> None:
    gateway.answers["/pay/unifiedorder"] = answered
    answer = clerk.post(ORDERS, NATIVE)
    order = Order.objects.get()
    assert answer.status_code == 502
    assert answer.json()["code"] == "bad_answer"
    assert (answer.json()["id"], order.trade_state) == (order.pk, "CREATED")
    assert not Prepay.objects.exists()


def test_an_answer_with_another_merchants_name_is_a_bad_answer(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    gateway.answers["/pay/unifiedorder"] = {
        "mch_id": "1900000999",
        "prepay_id": "wx1",
        "trade_type": "NATIVE",
        "code_url": "weixin://x",
    }
    assert clerk.post(ORDERS, NATIVE).status_code == 502
    assert not Prepay.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total_fee", True),
        ("total_fee", 1.0),
        ("total_fee", 1.5),
        ("total_fee", "100"),
        ("total_fee", 0),
        ("total_fee", -1),
        ("total_fee", None),
        ("total_fee", 10**30),
        ("total_fee", [100]),
        ("out_trade_no", "x" * 33),
        ("out_trade_no", ""),
        ("out_trade_no", None),
        ("out_trade_no", 1234567),
        ("out_trade_no", "semi;colon"),
        ("notify_url", "https://evil.example.com/"),
        ("mch_id", "1900000109"),
        ("sign", "ABC"),
        ("sign_type", "MD5"),
        ("nonce_str", "abc"),
        ("colour", "red"),
        ("appid", "wx0000000000000000"),
        ("merchant", "nobody"),
        ("merchant", 7),
        ("trade_type", "CASH"),
        ("trade_type", "MICROPAY"),
        ("body", ""),
        ("body", 5),
        ("body", "x" * 129),
        ("body", "half \ud800"),
        ("body", "nul \x00"),
        ("reference", "x" * 129),
        ("fee_type", "XXX"),
        ("product_id", ""),
        ("detail", "not json"),
        ("detail", 7),
        ("detail", ["x"]),
        ("detail", {"x": "\ud800"}),
        ("detail", {"x": 1}),
        ("scene_info", True),
        ("time_expire", "tomorrow"),
        ("time_expire", "20269901000000"),
        ("time_expire", "2031-01-01T00:00:00"),
        ("time_expire", 20310101000000),
        ("time_expire", "0001-01-01T00:00:00+08:00"),
        ("time_expire", "2031-13-01T00:00:00+08:00"),
        ("limit_pay", "all_credit"),
        ("spbill_create_ip", "localhost"),
        ("sub_mch_id", "1900000200"),
    ],
)
def test_bad_input_is_a_400_keyed_by_its_field_and_neither_written_nor_sent(
    clerk: APIClient,
    gateway: ScriptedTransport,
    field: str,
    value: Any,
) -> None:
    document = json.dumps(NATIVE | {field: value})
    answer = clerk.post(ORDERS, data=document, content_type="application/json")
    assert answer.status_code == 400
    told = answer.json()
    assert told["code"] == "invalid"
    assert set(told) == {"code", "detail", "errors", field}
    assert told["detail"] == f"Refused because of: {field}."
    assert list(told["errors"]) == [field]
    assert isinstance(told["errors"][field], list)
    if field != "detail":
        assert told[field] == told["errors"][field]
    said = clerk.post(
        ORDERS,
        data=document,
        content_type="application/json",
        headers={"accept-language": "zh-hans"},
    ).json()
    assert is_chinese(*said["errors"][field], said["detail"])
    assert not Order.objects.exists()
    assert not ApiReport.objects.exists()
    assert gateway.calls == []


@pytest.mark.parametrize("field", ["trade_type", "body", "total_fee"])
def test_what_is_missing_is_named(clerk: APIClient, field: str) -> None:
    wanted = {name: value for name, value in NATIVE.items() if name != field}
    answer = clerk.post(ORDERS, wanted)
    assert answer.status_code == 400
    assert answer.json()[field] == ["This field is required."]


def test_every_wrong_field_is_named_at_once(clerk: APIClient) -> None:
    wrong = {"total_fee": "1", "sign": "x", "code": "y", "errors": "z", "detail": 7}
    answer = clerk.post(ORDERS, NATIVE | wrong)
    unknown, number = ["There is no such field."], ["A valid integer is required."]
    document = ["This is neither a JSON object nor the text of one."]
    assert answer.json() == {
        "code": "invalid",
        "detail": "Refused because of: sign, code, errors, total_fee, detail.",
        "errors": {
            "sign": unknown,
            "code": unknown,
            "errors": unknown,
            "total_fee": number,
            "detail": document,
        },
        "sign": unknown,
        "total_fee": number,
    }


def test_of_many_unknown_fields_the_first_few_are_named(clerk: APIClient) -> None:
    answer = clerk.post(ORDERS, NATIVE | {f"x{n}": 1 for n in range(5000)})
    told = answer.json()
    assert (answer.status_code, len(answer.content) < 1000) == (400, True)
    assert list(told["errors"]) == ["x0", "x1", "x2", "x3", "x4", "non_field_errors"]
    assert told["non_field_errors"] == ["There are more names like these."]


@pytest.mark.parametrize(
    ("document", "status", "code"),
    [
        ("{" + ",".join(f'"x{n}":1' for n in range(100_000)) + "}", 413, "too_large"),
        (f'{{"body": "{"x" * 131_072}"}}', 413, "too_large"),
        ("[" + "1," * 10_000 + "1]", 400, "invalid"),
        ('{"detail":' + "[" * 10_000 + "]" * 10_000 + "}", 400, "invalid"),
        ('{"detail":' + "[" * 33 + "]" * 33 + "}", 400, "invalid"),
        ('{"detail":' + '{"x":' * 33 + "1" + "}" * 33 + "}", 400, "invalid"),
    ],
    ids=["members", "text", "list", "deep", "lists", "objects"],
)
def test_more_than_an_order_can_be_is_refused_shortly(
    clerk: APIClient, document: str, status: int, code: str
) -> None:
    answer = clerk.post(ORDERS, data=document, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(answer.content) < 300
    assert not Order.objects.exists()


def test_what_is_refused_for_its_size_is_not_parsed(
    clerk: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[object] = []
    monkeypatch.setattr(JSONParser, "parse", lambda *given: parsed.append(given))
    for document in ("[" + "1," * 10_000 + "1]", " " * 131_073):
        answer = clerk.post(ORDERS, data=document, content_type="application/json")
        assert answer.status_code in {400, 413}
    assert parsed == []


def test_an_order_as_large_as_one_may_be_is_taken(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    line = {"goods_id": "T1", "quantity": 1, "price": 1}
    lines = [line | {"goods_name": "," * 256}] * 15 + [line | {"goods_name": "茶" * 100}]
    detail = json.dumps({"goods_detail": lines}, ensure_ascii=False, separators=(",", ":"))
    answer = clerk.post(ORDERS, NATIVE | {"detail": detail})
    assert answer.status_code == 201
    assert json.loads(gateway.calls[0][1]["detail"])["goods_detail"] == lines
    document = json.dumps(NATIVE | {"detail": {"goods_detail": lines, "x": "," * 500}})
    assert clerk.post(ORDERS, data=document, content_type="application/json").status_code == 201


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "utf-16"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_charset_of_a_request_is_believed(clerk: APIClient, charset: str, method: str) -> None:
    order = OrderFactory()
    address = f"{ORDERS}{order.pk}/query/" if method == "post" else f"{ORDERS}?reference=%2B2AA-"
    sent = clerk.generic(
        method,
        address,
        "api=%2B2AA-" if method == "post" else "",
        content_type=f"application/x-www-form-urlencoded; charset={charset}",
    )
    assert sent.status_code == (400 if method == "post" else 200)


def test_djangos_own_limits_are_answered_in_json(clerk: APIClient, settings: Any) -> None:
    order = OrderFactory()
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    answer = clerk.post(ORDERS, NATIVE | {"attach": "x" * 100})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 3
    for sent in (
        clerk.get(f"{ORDERS}?a=1&b=1&c=1&d=1"),
        clerk.post(
            f"{ORDERS}{order.pk}/query/",
            "a=1&b=1&c=1&d=1",
            content_type="application/x-www-form-urlencoded",
        ),
    ):
        assert (sent.status_code, sent.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "document",
    ["[1, 2]", "5", "null", "{", "", '{"total_fee": NaN}', "[" * 100_000],
    ids=["list", "number", "null", "broken", "empty", "nan", "deep"],
)
def test_a_body_that_is_no_object_is_a_400(clerk: APIClient, document: str) -> None:
    answer = clerk.post(ORDERS, data=document, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert isinstance(answer.json()["detail"], str)
    assert not Order.objects.exists()


def test_the_name_of_an_unknown_field_may_be_anything(clerk: APIClient) -> None:
    document = json.dumps(NATIVE | {"\ud800" + "x" * 100: 1})
    answer = clerk.post(ORDERS, data=document, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["?" + "x" * 63] == ["There is no such field."]


def test_a_form_is_not_taken_because_it_has_no_integers(clerk: APIClient) -> None:
    answer = clerk.post(ORDERS, data=NATIVE, format="multipart")
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize("as_text", [False, True])
def test_detail_and_scene_info_may_be_objects_or_text(
    clerk: APIClient,
    gateway: ScriptedTransport,
    as_text: bool,
) -> None:
    detail = {"goods_detail": [{"goods_id": "T1", "goods_name": "茶", "quantity": 1, "price": 100}]}
    scene = {"store_info": {"id": "SZTX001"}}
    sent = [json.dumps(part, ensure_ascii=False) if as_text else part for part in (detail, scene)]
    answer = clerk.post(ORDERS, NATIVE | {"detail": sent[0], "scene_info": sent[1]})
    assert answer.status_code == 201
    _, wire = gateway.calls[0]
    assert json.loads(wire["detail"]) == detail
    assert json.loads(wire["scene_info"]) == scene


@pytest.mark.parametrize(
    "moment",
    ["20310101080000", "2031-01-01T08:00:00+08:00", "2031-01-01T00:00:00Z"],
)
def test_times_may_be_iso_or_beijing_digits(
    clerk: APIClient,
    gateway: ScriptedTransport,
    moment: str,
) -> None:
    assert clerk.post(ORDERS, NATIVE | {"time_expire": moment}).status_code == 201
    assert gateway.calls[0][1]["time_expire"] == "20310101080000"


def test_null_for_what_may_be_absent_is_absent(
    clerk: APIClient, gateway: ScriptedTransport
) -> None:
    absent = {"detail": None, "scene_info": None, "time_start": None, "time_expire": None}
    assert clerk.post(ORDERS, NATIVE | absent).status_code == 201
    assert not absent.keys() & gateway.calls[0][1].keys()


def test_the_callers_address_stands_in_for_the_payers(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    clerk.post(ORDERS, NATIVE, REMOTE_ADDR="203.0.113.7")
    clerk.post(ORDERS, NATIVE | {"spbill_create_ip": "203.0.113.9"}, REMOTE_ADDR="203.0.113.7")
    clerk.post(ORDERS, NATIVE, REMOTE_ADDR="")
    sent = [fields["spbill_create_ip"] for _, fields in gateway.calls]
    assert sent == ["203.0.113.7", "203.0.113.9", "127.0.0.1"]


@pytest.mark.parametrize(
    ("remote", "sent"),
    [
        ("203.0.113.7:5678", "203.0.113.7"),
        ("203.0.113.7:", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("[2001:db8::7]:5678", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("unix:", "127.0.0.1"),
        ("unix:/run/shop.sock", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
        (" ", "127.0.0.1"),
        ("@", "127.0.0.1"),
        ("[", "127.0.0.1"),
        ("[]:80", "127.0.0.1"),
        ("%eth0", "127.0.0.1"),
        ("999.0.113.7:1", "127.0.0.1"),
        ("203.0.113.7, 10.0.0.1", "127.0.0.1"),
        (None, "127.0.0.1"),
    ],
)
def test_the_callers_address_is_read_however_a_server_writes_it(
    clerk: APIClient, gateway: ScriptedTransport, remote: str | None, sent: str
) -> None:
    assert clerk.post(ORDERS, NATIVE, REMOTE_ADDR=remote).status_code == 201
    assert gateway.calls[0][1]["spbill_create_ip"] == sent


@pytest.mark.parametrize("given", [{}, {"spbill_create_ip": ""}])
def test_the_callers_address_is_not_the_phones(
    clerk: APIClient, gateway: ScriptedTransport, given: dict[str, str]
) -> None:
    scene = {"h5_info": {"type": "Wap", "wap_url": "https://shop.example.com", "wap_name": "Shop"}}
    mweb = {"trade_type": "MWEB", "body": "Tea", "total_fee": 100, "scene_info": scene}
    answer = clerk.post(ORDERS, mweb | given, REMOTE_ADDR="203.0.113.7")
    assert answer.status_code == 400
    assert answer.json()["spbill_create_ip"] == ["is missing (MWEB needs the address of the phone)"]
    assert gateway.calls == []
    assert clerk.post(ORDERS, mweb | {"spbill_create_ip": "203.0.113.9"}).status_code == 201
    assert gateway.calls[0][1]["spbill_create_ip"] == "203.0.113.9"


def test_another_appid_of_the_merchant_may_be_named(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    answer = clerk.post(ORDERS, NATIVE | {"appid": "wx9999999999999999"})
    assert (answer.status_code, answer.json()["appid"]) == (201, "wx9999999999999999")


def test_spaces_in_a_text_are_the_callers_own(clerk: APIClient, gateway: ScriptedTransport) -> None:
    assert clerk.post(ORDERS, NATIVE | {"body": " Tea  "}).json()["body"] == " Tea  "


def test_who_the_payer_must_be_is_taken_and_never_shown(
    clerk: APIClient,
    gateway: ScriptedTransport,
) -> None:
    private = {"user_type": "IDCARD", "user_creid": "110101199003070000", "user_truename": "张三"}
    answer = clerk.post(ORDERS, NATIVE | private)
    assert answer.status_code == 201
    assert gateway.calls[0][1]["user_truename"] == "张三"
    text = answer.content.decode() + clerk.get(ORDERS).content.decode()
    assert "110101199003070000" not in text
    assert "张三" not in text


def test_a_merchant_that_left_the_settings_is_a_503_and_not_a_crash(
    clerk: APIClient,
    gateway: ScriptedTransport,
    settings: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = clerk.post(ORDERS, NATIVE)
    settings.WXPAY = {
        **settings.WXPAY,
        "MERCHANTS": {"other": settings.WXPAY["MERCHANTS"]["default"]},
    }
    asked = clerk.post(f"{ORDERS}{answer.json()['id']}/query/")
    assert asked.status_code == 503
    assert asked.json()["code"] == "misconfigured"
    assert "MERCHANTS" not in asked.content.decode()
    assert 'no merchant "default"' in caplog.text


def test_broken_settings_are_a_503_and_not_a_crash(clerk: APIClient, settings: Any) -> None:
    settings.WXPAY = {}
    answer = clerk.get(ORDERS)
    assert (answer.status_code, answer.json()["code"]) == (503, "misconfigured")


@pytest.mark.django_db(transaction=True)
def test_orders_are_placed_outside_the_transaction_that_atomic_requests_opens(
    clerk: APIClient,
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    placed = clerk.post(ORDERS, NATIVE)
    assert placed.status_code == 201
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    asked = clerk.post(f"{ORDERS}{placed.json()['id']}/query/")
    assert (asked.status_code, asked.json()["trade_state_desc"]) == (200, "in NOTPAY")


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("charset", ["bz2", "utf-16", "nonsense"])
def test_json_is_utf_8_whichever_charset_is_named(clerk: APIClient, charset: str) -> None:
    """A charset may name any codec, such as one that unpacks a small body without end."""
    named = f"application/json; charset={charset}"
    body = json.dumps(NATIVE).encode()

    assert clerk.generic("POST", ORDERS, body, content_type=named).status_code == 201
    packed = clerk.generic("POST", ORDERS, bz2.compress(body), content_type=named)
    assert (packed.status_code, packed.json()["code"]) == (400, "invalid")
