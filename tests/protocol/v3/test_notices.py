"""Callbacks: what they announce, how they are known again, and what is no callback."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol.errors import MessageTooLarge
from django_wxpay.protocol.facts import RefundFact, RefundStatus, TradeFact, TradeState
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.notices import Notice
from django_wxpay.protocol.v3.documents import LARGEST_BODY
from django_wxpay.protocol.v3.notices import SUCCESS_REPLY, failure_reply, read_notice
from tests.protocol.samples import MERCHANT
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import OPENID, envelope, octets, sealed, text, without
from tests.protocol.v3.test_refunds import NOTICE as REFUND
from tests.protocol.v3.test_trades import COMMON, DOMESTIC, INSTITUTIONAL

PAID = "TRANSACTION.SUCCESS"


def read(body: bytes, *, alias: str = "default", api_v3_key: str = keys.API_V3_KEY) -> Notice:
    return read_notice(body, merchant=replace(MERCHANT, alias=alias, api_v3_key=api_v3_key))


@pytest.mark.parametrize("resource", [COMMON, INSTITUTIONAL, DOMESTIC])
def test_a_payment_becomes_a_fact(resource):
    notice = read(envelope(PAID, resource))

    assert (notice.fact.source, notice.fact.trade_state) == ("v3.notice", TradeState.SUCCESS)
    assert notice.fact.out_trade_no == resource["out_trade_no"]
    assert isinstance(notice.fact, TradeFact)
    assert (notice.api, notice.doubt) == (Api.V3, None)
    assert (notice.event_type, notice.event_id) == (PAID, ENVELOPE["id"])
    assert (notice.out_trade_no, notice.transaction_id) == (
        resource["out_trade_no"],
        notice.fact.transaction_id,
    )


@pytest.mark.parametrize(
    ("event_type", "word", "status"),
    [
        ("REFUND.SUCCESS", "SUCCESS", RefundStatus.SUCCESS),
        ("REFUND.ABNORMAL", "ABNORMAL", RefundStatus.ABNORMAL),
        ("REFUND.CLOSED", "CLOSED", RefundStatus.CLOSED),
        ("REFUND.CLOSED", "REFUNDCLOSE", RefundStatus.CLOSED),
    ],
)
def test_a_refund_becomes_a_fact(event_type, word, status):
    notice = read(envelope(event_type, REFUND | {"refund_status": word}))

    assert isinstance(notice.fact, RefundFact)
    assert (notice.fact.source, notice.fact.refund_status) == ("v3.notice", status)
    assert notice.doubt is None


@pytest.mark.parametrize("event_type", ["COUPON.USE", "TRANSACTION.PAY_BACK", "REFUNDS", "x"])
def test_another_products_event_is_neither_and_is_no_error(event_type):
    notice = read(envelope(event_type, {"anything": 1}))

    assert (notice.event_type, notice.fact) == (event_type, None)
    assert (notice.out_trade_no, notice.transaction_id) == ("", "")


def test_personal_data_stays_out_of_the_repr():
    assert OPENID not in repr(replace(read(envelope(PAID, COMMON)), fact=None))


def test_the_same_notice_has_the_same_fingerprint_however_it_is_wrapped():
    first = read(envelope(PAID, COMMON))
    again = read(envelope(PAID, dict(reversed(COMMON.items())), id="another-envelope"))

    assert first.event_id != again.event_id
    assert first.fingerprint == again.fingerprint
    assert len(first.fingerprint) == 64


@pytest.mark.parametrize(
    "again",
    [
        COMMON | {"amount": dict(reversed(COMMON["amount"].items()))},
        json.dumps(COMMON, ensure_ascii=True, indent=1).encode(),
        json.dumps(COMMON, separators=(",", ":")).encode(),
    ],
)
def test_the_order_of_inner_members_blanks_and_escapes_say_nothing(again):
    assert read(envelope(PAID, again)).fingerprint == read(envelope(PAID, COMMON)).fingerprint


def test_values_that_only_look_alike_make_other_statements():
    values = [1, 1.0, True, "1", [1], {"1": 1}, None, "true", "null", {}, []]
    notices = [read(envelope(PAID, COMMON | {"new": value})) for value in values]

    assert len({notice.fingerprint for notice in notices}) == len(values)


def test_a_resource_as_deep_as_the_parser_reads_has_a_fingerprint_too():
    depths = range(900, 1010, 2)
    notices = [read(envelope(PAID, b'{"a":' * n + b"1" + b"}" * n)) for n in depths]

    assert all(notice.unreadable for notice in notices)
    assert len({notice.fingerprint for notice in notices}) > 1


def test_the_same_statement_to_another_alias_has_another_fingerprint():
    body = envelope(PAID, COMMON)

    assert read(body).fingerprint != read(body, alias="other").fingerprint


def test_a_refund_that_names_no_order_is_unreadable():
    notice = read(envelope("REFUND.SUCCESS", REFUND | {"out_trade_no": ""}))

    assert (notice.kind, notice.unreadable) == ("refund", "out_trade_no is missing")


@pytest.mark.parametrize(
    ("event_type", "resource"),
    [
        (PAID, COMMON | {"id": "4200"}),
        (PAID, COMMON | {"mchid": "1900000108"}),
        # Judged otherwise, so known again otherwise: each may be what the order waits for.
        (PAID, COMMON | {"amount": COMMON["amount"] | {"total": 1}}),
        (PAID, COMMON | {"out_trade_no": "ORDER2"}),
        (PAID, COMMON | {"attach": "other"}),
        (PAID, COMMON | {"trade_state": "REFUND"}),
        ("REFUND.SUCCESS", REFUND),
        ("REFUND.SUCCESS", REFUND | {"refund_id": "503"}),
        ("REFUND.CLOSED", REFUND | {"refund_status": "CLOSED"}),
        ("OTHER", COMMON),
    ],
)
def test_another_notice_has_another_fingerprint(event_type, resource):
    others = [envelope(PAID, COMMON), envelope("REFUND.SUCCESS", REFUND | {"sp_mchid": "1"})]

    here = read(envelope(event_type, resource)).fingerprint
    assert here not in {read(body).fingerprint for body in others}


def test_a_notice_of_no_content_is_known_by_its_envelope():
    one, two = envelope("OTHER", {}), envelope("OTHER", {}, id="two")

    assert read(one).fingerprint == read(one).fingerprint != read(two).fingerprint


@pytest.mark.parametrize("create_time", [None, "", "yesterday", 5])
def test_nothing_hangs_on_the_envelopes_time(create_time):
    notice = read(envelope(PAID, COMMON, create_time=create_time))

    assert notice.fact.total_fee == 888


def test_what_may_be_missing_may_be_missing():
    bare = without(json.loads(envelope(PAID, COMMON)), "create_time", "resource_type")
    bare["resource"] = without(bare["resource"], "original_type")

    assert read(text(bare).encode()).fact.total_fee == 888


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"<xml></xml>",
        b"\xff\xfe",
        b'{"id":NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}",
        envelope(PAID, COMMON, resource=None),
        envelope(PAID, COMMON, resource="x"),
        envelope(PAID, COMMON, resource=[]),
        envelope(PAID, COMMON, resource=sealed(COMMON) | {"algorithm": "AEAD_SM4_128_GCM"}),
        envelope(PAID, COMMON, resource=sealed(COMMON) | {"nonce": "short"}),
        envelope(PAID, COMMON, resource=sealed(b"[]")),
        envelope(PAID, COMMON, resource=sealed(b"[" * 100_000)),
        envelope(PAID, without(COMMON, "trade_state")),
        envelope(PAID, COMMON | {"trade_state": "ACCEPT"}),
        envelope(PAID, COMMON | {"out_trade_no": "T" * 33}),
        envelope(PAID, COMMON | {"id": "4200\ud83c"}),
        envelope(PAID, COMMON | {"amount": {"total": 888.0, "currency": "CNY"}}),
        envelope(PAID, {"mchid": "1"}),
        envelope("REFUND.SUCCESS", {"mchid": "1"}),
        envelope("REFUND.BRAND_NEW", REFUND | {"refund_status": "BRAND_NEW"}),
        envelope(None, {"mchid": "1"}),
    ],
)
def test_what_cannot_be_read_says_why_and_is_known_again(body):
    notice = read(body)

    assert (notice.fact, notice.product) == (None, "")
    assert notice.unreadable
    assert read(body).fingerprint == notice.fingerprint
    assert read(body, alias="other").fingerprint != notice.fingerprint


def test_what_cannot_be_read_names_its_order_where_that_is_whole():
    notice = read(envelope(PAID, COMMON | {"amount": 5}))

    assert (notice.kind, notice.unreadable) == ("payment", "amount is not an object")
    assert notice.out_trade_no == COMMON["out_trade_no"]
    assert read(envelope(PAID, COMMON | {"out_trade_no": "T" * 33})).out_trade_no == ""


def test_without_an_id_a_repeat_is_known_by_what_is_sealed():
    unpaid = COMMON | {"trade_state": "NOBODY_KNOWS"}
    one, again = (read(envelope(PAID, unpaid, id=None)) for _ in range(2))
    other = read(envelope(PAID, unpaid | {"attach": "x"}, id=None))

    assert one.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": 5},
        {"id": "x" * 65},
        {"id": "\ud83c"},
        {"event_type": ""},
        {"event_type": None},
        {"event_type": ["x"]},
        {"event_type": "\0"},
        {"event_type": "x" * 65},
        {"summary": "half a cup \ud83c"},
        {"resource_type": 5},
    ],
)
def test_the_envelope_only_describes_so_the_payment_in_it_counts(changes):
    body = octets(ENVELOPE | changes)

    assert read(body).fact.total_fee == 888


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body.replace(b'{"id"', b'{"id":"twice","id"', 1),
        lambda body: body.replace(b'{"id"', b'{"new":NaN,"id"', 1),
        lambda body: body.replace(b'{"id"', b'{"new":"\xe6\xb5","id"', 1),
        lambda body: body.replace(b'{"id"', b'{"new":' + b"9" * 5000 + b',"id"', 1),
    ],
)
def test_what_parsers_do_not_read_alike_marks_its_member_alone(change):
    assert read(change(envelope(PAID, COMMON))).fact.total_fee == 888
    inside = change(json.dumps({"id": "x"} | COMMON).encode())
    if b"twice" not in inside:
        assert read(envelope(PAID, inside)).fact.total_fee == 888
    else:
        assert read(envelope(PAID, inside)).unreadable == "id occurs more than once"


PRODUCTS = [
    (PAID, "profitsharing", {"mchid": "1", "order_id": "3008", "out_order_no": "P1"}),
    (PAID, None, {"mchid": "1", "order_id": "3008", "transaction_id": "4200"}),
    (PAID, "transaction", {"combine_out_trade_no": "C1", "combine_mchid": "1", "sub_orders": []}),
    (PAID, "transaction", {"out_trade_no": "T1", "trade_state": "SUCCESS", "sub_orders": []}),
    ("PAYSCORE.USER_PAID", "payscore", {"out_order_no": "S1", "state": "DONE"}),
    ("DISCOUNT_CARD.USER_PAID", "discount_card", {"out_card_code": "D1"}),
    ("COUPON.USE", "coupon", {"stock_id": "9", "consume_information": {"transaction_id": "4"}}),
    ("COMPLAINT.CREATE", "complaint", {"complaint_id": "1"}),
    ("MCHTRANSFER.BILL.FINISHED", "mch_payment", {"out_bill_no": "B1", "state": "SUCCESS"}),
    ("REFUND.SUCCESS", "profitsharing_return", {"out_return_no": "R1", "result": "SUCCESS"}),
    ("REFUND.SUCCESS", None, {"refund_note": "x"}),
    ("REFUNDS", "refund", {"anything": 1}),
    ("TRANSACTION.PAY_BACK", "transaction", {"anything": 1}),
    (None, "coupon", {"coupon_id": "1"}),
]


def of_type(original_type, resource):
    whole = sealed(resource) | {"original_type": original_type}
    return whole if original_type else without(whole, "original_type")


@pytest.mark.parametrize(("event_type", "original_type", "resource"), PRODUCTS)
def test_another_products_event_names_its_type_and_is_never_unreadable(
    event_type, original_type, resource
):
    notice = read(envelope(event_type, {}, resource=of_type(original_type, resource)))

    assert (notice.fact, notice.unreadable) == (None, "")
    assert (event_type or original_type) in notice.product


@pytest.mark.parametrize("original_type", ["transaction", "Transaction", None, "", 5])
def test_a_trade_of_no_other_type_is_a_payment(original_type):
    notice = read(envelope(PAID, {}, resource=of_type(original_type, COMMON)))

    assert (notice.kind, notice.product, notice.fact.total_fee) == ("payment", "", 888)


@pytest.mark.parametrize(
    ("event_type", "original_type", "resource", "kind"),
    [
        ("TRANSACTION.PAY_BACK", "transaction", COMMON, "payment"),
        (PAID, "brand_new", COMMON, "payment"),
        ("BRAND.NEW", "refund", REFUND, "refund"),
    ],
)
def test_a_fact_under_another_products_name_is_read_and_has_a_row_of_its_own(
    event_type, original_type, resource, kind
):
    notice = read(envelope(event_type, {}, resource=of_type(original_type, resource)))
    plain = read(envelope({"payment": PAID, "refund": "REFUND.SUCCESS"}[kind], resource))

    assert (notice.kind, notice.fact) == (kind, plain.fact)
    assert (event_type in notice.product, plain.product) == (True, "")
    assert notice.fingerprint != plain.fingerprint


@pytest.mark.parametrize(("resource", "kind"), [(COMMON, "payment"), (REFUND, "refund")])
def test_a_fact_of_another_product_is_read_past_a_member_that_cannot_be_handed_on(resource, kind):
    twice = json.dumps(resource).encode()[:-1] + b', "new": {"a": 1, "a": 2}}'
    notice = read(envelope(PAID, {}, resource=of_type("brand_new", twice)))

    assert (notice.kind, notice.unreadable, notice.resource) == (kind, "", {})
    assert notice.fact == read(envelope(PAID, resource)).fact
    assert notice.incomplete == "a member of the resource occurs more than once"


def test_the_content_decides_between_a_payment_and_a_refund():
    assert read(envelope("REFUND.SUCCESS", COMMON)).kind == "payment"
    assert read(envelope(PAID, REFUND)).kind == "refund"


def test_one_octet_more_than_a_mebibyte_is_too_large():
    padding = LARGEST_BODY - len(envelope(PAID, COMMON, summary=""))
    whole = envelope(PAID, COMMON, summary="x" * padding)

    assert len(whole) == LARGEST_BODY == 1024 * 1024
    assert read(whole).fact.total_fee == 888
    with pytest.raises(MessageTooLarge):
        read(whole + b" ")


def test_a_key_of_ours_that_does_not_open_it_is_named_and_not_shown():
    other = keys.API_V3_KEY[::-1]
    shut = read(envelope(PAID, COMMON), api_v3_key=other)
    none = read(envelope("REFUND.SUCCESS", REFUND), api_v3_key="")

    assert "API_V3_KEY does not open it" in shut.unreadable
    assert "API_V3_KEY is not 32 bytes long" in none.unreadable
    assert (shut.kind, none.kind) == ("payment", "refund")
    assert (shut.event_id, shut.event_type) == (ENVELOPE["id"], PAID)
    assert other not in repr(shut)


def test_success_is_said_in_exactly_these_octets():
    assert SUCCESS_REPLY == b'{"code": "SUCCESS", "message": "OK"}'


def test_failure_is_said_with_its_reason():
    assert json.loads(failure_reply("no such order")) == {
        "code": "FAIL",
        "message": "no such order",
    }


@given(st.binary())
def test_no_octets_whatever_raise_anything(body):
    assert read(body).unreadable
    assert read(envelope(PAID, body)).fact is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)
ENVELOPE = json.loads(envelope(PAID, COMMON))


@given(st.dictionaries(st.sampled_from(sorted(ENVELOPE)), JSON))
def test_no_envelope_whatever_raises_anything(changes):
    notice = read(json.dumps(ENVELOPE | changes).encode())

    assert len(notice.fingerprint) == 64
    assert bool(notice.fact) or bool(notice.unreadable) or bool(notice.product)


@given(
    st.sampled_from([(PAID, COMMON), (PAID, DOMESTIC), ("REFUND.SUCCESS", REFUND)]),
    st.data(),
)
def test_no_member_whatever_raises_anything(sample, data):
    event_type, resource = sample
    name = data.draw(st.sampled_from(sorted(resource)))
    notice = read(envelope(event_type, resource | {name: data.draw(JSON)}))

    assert bool(notice.fact) != bool(notice.unreadable)
    assert notice.product == ""
