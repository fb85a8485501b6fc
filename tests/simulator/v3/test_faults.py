"""Every fault of a v3 answer or callback, seen from the merchant."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from django_wxpay.protocol import v3
from django_wxpay.protocol.errors import NotAuthentic
from django_wxpay.protocol.v3.signing import (
    is_fresh,
    is_signed_by,
    read_signature_headers,
)
from django_wxpay.simulator import ControlError, Options, Reply, Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import TEST_API_V3_KEY, TEST_PUBLIC_KEY
from tests.simulator.calling import Merchant
from tests.simulator.conftest import START
from tests.simulator.v3.calling import (
    ACKNOWLEDGED,
    INSTITUTION,
    MAINLAND,
    NOT_ACKNOWLEDGED,
    NUMBER,
    Caller,
    Receiver,
    signed_by,
)

OTHER = "T20260101000002"


def placed(caller: Caller, **how: Any) -> requests.Response:
    return caller.send("POST", f"{caller.home}/native", caller.order(), **how)


def trades(app: Simulator) -> int:
    return len(app.ledger()["trades"])


@pytest.mark.parametrize(
    ("fault", "status", "code", "executed"),
    [
        ("systemerror", 500, "SYSTEM_ERROR", 0),
        ("systemerror_after", 500, "SYSTEM_ERROR", 1),
        ("rate_limited", 429, "FREQUENCY_LIMITED", 0),
        ("unavailable", 503, "SERVICE_UNAVAILABLE", 0),
    ],
)
def test_a_proper_error(
    app: Simulator, mainland: Caller, fault: str, status: int, code: str, executed: int
) -> None:
    app.inject(fault)
    answer = mainland.place()
    assert (answer["status"], answer["code"]) == (status, code)
    assert answer["message"]
    assert trades(app) == executed
    assert mainland.place()["status"] == 200


def test_an_accepted_is_signed_and_nothing_is_done(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.inject("http_202", operation="closeorder")
    answer = mainland.close()
    assert (answer["status"], answer["code"]) == (202, "USERPAYING")
    assert mainland.state() == "NOTPAY"
    assert app.ledger()["requests"][1]["http_status"] == 202


@pytest.mark.parametrize(("fault", "status"), [("http_500", 500), ("http_502", 502), ("html", 200)])
def test_a_page_instead_of_an_answer(
    app: Simulator, mainland: Caller, fault: str, status: int
) -> None:
    app.inject(fault)
    response = placed(mainland)
    assert (response.status_code, response.headers["Content-Type"]) == (status, "text/html")
    assert "Wechatpay-Signature" not in response.headers
    assert trades(app) == 0
    assert app.ledger()["requests"][0]["http_status"] == status


def test_an_empty_answer(app: Simulator, mainland: Caller) -> None:
    app.inject("empty")
    response = placed(mainland)
    assert (response.status_code, response.content) == (200, b"")
    assert "Wechatpay-Signature" not in response.headers
    assert trades(app) == 1


@pytest.mark.parametrize("fault", ["reset", "reset_after", "timeout", "answered_after_timeout"])
def test_no_answer(app: Simulator, mainland: Caller, fault: str) -> None:
    app.inject(fault)
    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        placed(mainland)
    assert trades(app) == fault.endswith(("reset_after", "after_timeout"))


def test_an_answer_that_breaks_off(app: Simulator, mainland: Caller) -> None:
    app.inject("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        placed(mainland)
    assert trades(app) == 1


def test_half_an_answer_has_the_signature_of_the_whole(app: Simulator, mainland: Caller) -> None:
    app.inject("half_xml")
    response = placed(mainland)
    assert response.content.startswith(b'{"code_url"')
    assert not response.content.endswith(b"}")
    assert not signed_by(app, response.headers, response.content)


@pytest.mark.parametrize("fault", ["bad_signature", "other_body", "wrong_serial", "signtest"])
def test_an_answer_whose_signature_is_wrong(app: Simulator, mainland: Caller, fault: str) -> None:
    app.inject(fault)
    response = placed(mainland)
    expected = read_signature_headers(response.headers)
    assert expected is not None
    assert is_fresh(expected.timestamp, int(START.timestamp()))
    assert not is_signed_by(expected, response.content, public_key=TEST_PUBLIC_KEY) or (
        fault == "wrong_serial"
    )
    assert expected.is_probe is (fault == "signtest")
    assert not signed_by(app, response.headers, response.content)
    assert response.json()["code_url"]
    assert mainland.place()["status"] == 200


def test_probes_are_sometimes_no_base64(app: Simulator, mainland: Caller) -> None:
    app.inject("signtest", times=40)
    lengths = {len(placed(mainland).headers["Wechatpay-Signature"]) for _ in range(40)}
    assert lengths == {343, 344}


@pytest.mark.parametrize(("fault", "off"), [("stale_timestamp", -600), ("future_timestamp", 600)])
def test_an_answer_of_another_time_has_a_valid_signature(
    app: Simulator, mainland: Caller, fault: str, off: int
) -> None:
    app.inject(fault)
    response = placed(mainland)
    expected = read_signature_headers(response.headers)
    assert expected is not None
    assert int(expected.timestamp) == int(START.timestamp()) + off
    assert is_signed_by(expected, response.content, public_key=TEST_PUBLIC_KEY)


def test_an_answer_without_a_signature(app: Simulator, mainland: Caller) -> None:
    app.inject("unsigned")
    response = placed(mainland)
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("Wechatpay")]


def test_an_answer_that_does_not_name_the_algorithm(app: Simulator, mainland: Caller) -> None:
    app.inject("no_signature_type")
    response = placed(mainland)
    assert "Wechatpay-Signature-Type" not in response.headers
    assert signed_by(app, response.headers, response.content)


@pytest.mark.parametrize("fault", ["extra_member", "extra_field"])
def test_unknown_members(app: Simulator, mainland: Caller, fault: str) -> None:
    app.inject(fault)
    answer = mainland.place()
    assert answer["new_member_from_wechat"] == {"x": 1}
    assert answer["code_url"]


def test_a_byte_order_mark_is_signed_too(app: Simulator, mainland: Caller) -> None:
    app.inject("bom")
    response = placed(mainland)
    assert response.content.startswith(b"\xef\xbb\xbf{")
    assert signed_by(app, response.headers, response.content)


def test_the_members_may_come_in_another_order(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    usual = mainland.query()
    app.inject("shuffled_members", operation="orderquery")
    shuffled = mainland.query()
    assert usual == shuffled
    assert list(usual)[1:] == list(reversed(list(shuffled)[1:]))


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("wrong_mch_id", "mchid", "1900009999"),
        ("wrong_appid", "appid", "wx9999999999999999"),
        ("unknown_trade_state", "trade_state", "SOMETHING_NEW"),
    ],
)
def test_a_signed_answer_that_is_not_as_expected(
    app: Simulator, mainland: Caller, fault: str, name: str, value: str
) -> None:
    mainland.place()
    app.inject(fault, operation="orderquery")
    assert mainland.query()[name] == value
    assert mainland.query()[name] != value


def test_an_institutions_identity_is_changed_by_its_own_names(
    app: Simulator, institution: Caller
) -> None:
    institution.place()
    app.inject("wrong_mch_id")
    answer = institution.query()
    assert (answer["sp_mchid"], answer["sub_mchid"]) == ("1900009999", "1900000113")


def test_a_204_can_be_spoiled_too(app: Simulator, mainland: Caller) -> None:
    mainland.place()
    app.inject("extra_member", operation="closeorder")
    assert mainland.close() == {"status": 204}
    app.inject("signtest", operation="closeorder")
    response = mainland.send("POST", f"{mainland.home}/out-trade-no/{NUMBER}/close", mainland.whose)
    assert (response.status_code, response.content) == (204, b"")
    assert not signed_by(app, response.headers, b"")


def test_what_is_not_carried_out_has_nothing_to_say(app: Simulator, mainland: Caller) -> None:
    app.inject("extra_member", executed=False)
    assert mainland.place() == {"status": 200, "new_member_from_wechat": {"x": 1}}
    assert trades(app) == 0


def test_a_fault_waits_for_its_protocol(app: Simulator, mainland: Caller) -> None:
    app.inject("hmac_answer")
    app.inject("wrong_serial")
    response = placed(mainland)
    assert not signed_by(app, response.headers, response.content)
    assert waiting(mainland) == ["hmac_answer"]
    old = Merchant(app)
    old.post("/pay/unifiedorder", old.signed({}))
    assert waiting(mainland) == []


def waiting(caller: Caller) -> list[str]:
    rows = caller.control("faults", method="GET").json()["waiting"]
    return [row["fault"] for row in rows]


def test_certificates_are_spared_unless_they_are_meant(app: Simulator, overseas: Caller) -> None:
    app.inject("systemerror")
    assert overseas.certificates()["status"] == 200
    app.inject("rate_limited", operation="certificates")
    assert overseas.certificates()["status"] == 429
    assert placed(overseas).status_code == 500


@pytest.mark.parametrize(
    ("fault", "operation"),
    [
        ("hmac_answer", "certificates"),
        ("doctype", "certificates"),
        ("wrong_serial", "report"),
        ("tampered_ciphertext", "orderquery"),
        ("unknown_trade_state", "notify"),
    ],
)
def test_a_fault_that_cannot_befall_is_refused(app: Simulator, fault: str, operation: str) -> None:
    with pytest.raises(ControlError, match="affects only"):
        app.inject(fault, operation=operation)


def test_the_catalogue_says_which_protocols_a_fault_befalls(mainland: Caller) -> None:
    rows = mainland.control("faults", method="GET").json()["catalogue"]
    apis = {row["fault"]: row["apis"] for row in rows}
    assert apis["hmac_answer"] == ["v2"]
    assert apis["signtest"] == ["v3"]
    assert apis["slow"] == ["v2", "v3"]


def test_a_quick_customer_pays_before_the_answer(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    app.inject("before_answer")
    assert mainland.place(amount={"total": 0})["status"] == 400
    assert mainland.query()["status"] == 404
    assert receiver.bodies == []
    assert mainland.place()["status"] == 200
    assert len(receiver.bodies) == 1
    assert mainland.state() == "SUCCESS"


def test_a_share_of_answers_and_callbacks_can_be_probes(receiver: Receiver) -> None:
    options = Options(probe_share=1.0)
    app = create_app(clock=lambda: START, deliver=receiver, options=options)
    caller = Caller(app)
    assert not signed_by(app, (sent := placed(caller)).headers, sent.content)
    receiver.answers = [Reply(401, NOT_ACKNOWLEDGED)]
    assert app.pay(MAINLAND, NUMBER)["notification"] == "accepted"
    probe, genuine = app.ledger()["notifications"]
    assert (probe["fault"], probe["accepted"], probe["status"]) == ("signtest", False, 401)
    assert (genuine["fault"], genuine["accepted"], genuine["status"]) == ("", True, 200)
    assert app.ledger()["client_failures"] == []


def test_v2_is_never_probed(receiver: Receiver) -> None:
    app = create_app(clock=lambda: START, deliver=receiver, options=Options(probe_share=1.0))
    merchant = Merchant(app)
    merchant.place()
    app.pay("1900000109", "T20260101000001")
    assert len(receiver.bodies) == 1


def test_a_probe_that_is_taken_is_the_shops_failure_and_the_genuine_one_follows(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("signtest", operation="notify")
    app.pay(MAINLAND, NUMBER)
    probe, genuine = receiver.headers
    assert probe["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    assert not signed_by(app, probe, receiver.bodies[0])
    assert signed_by(app, genuine, receiver.bodies[1])
    assert receiver.bodies[0] != receiver.bodies[1]
    assert receiver.envelopes[0]["id"] == receiver.envelopes[1]["id"]
    [failure] = app.ledger()["client_failures"]
    assert failure["client_failure"] == "accepted what cannot be verified (signtest)"
    assert (failure["accepted"], failure["fault"]) == (False, "signtest")
    assert app.ledger()["trades"][0]["notification"] == "accepted"


def test_a_probe_alone_does_not_end_the_retries(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("signtest", operation="notify")
    receiver.answers = [Reply(200, ACKNOWLEDGED), Reply(503, NOT_ACKNOWLEDGED)]
    assert app.pay(MAINLAND, NUMBER)["notification"] == "pending"
    assert app.advance(15) == 1
    assert [row["attempt"] for row in app.ledger()["notifications"]] == [1, 1, 2]


def test_a_probe_goes_before_all_copies(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("concurrent", count=3)
    app.inject("signtest", operation="notify")
    app.pay(MAINLAND, NUMBER)
    faults = [row["fault"] for row in app.ledger()["notifications"]]
    assert faults == ["signtest", "", "", ""]
    assert len(set(receiver.bodies[1:])) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *("bad_signature", "other_body", "wrong_serial", "unsigned"),
        *("stale_timestamp", "future_timestamp"),
    ],
)
def test_a_callback_that_cannot_be_verified(
    app: Simulator, mainland: Caller, receiver: Receiver, fault: str
) -> None:
    mainland.place()
    app.inject(fault, operation="notify")
    receiver.answers = [Reply(401, NOT_ACKNOWLEDGED)]
    app.pay(MAINLAND, NUMBER)
    app.advance(15)
    assert signed_by(app, receiver.headers[0], receiver.bodies[0], ago_s=15) == ""
    assert signed_by(app, receiver.headers[1], receiver.bodies[1])
    assert app.ledger()["client_failures"] == []


@pytest.mark.parametrize(
    "fault", ["bad_signature", "unsigned", "wrong_serial", "tampered_ciphertext"]
)
def test_a_shop_that_takes_anybodys_word_has_failed(
    app: Simulator, mainland: Caller, fault: str
) -> None:
    mainland.place()
    app.inject(fault, operation="notify")
    app.pay(MAINLAND, NUMBER)
    assert [row["fault"] for row in app.ledger()["client_failures"]] == [fault]


def test_a_ciphertext_that_does_not_open_has_a_valid_signature(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("tampered_ciphertext")
    app.pay(MAINLAND, NUMBER)
    assert signed_by(app, receiver.headers[0], receiver.bodies[0])
    with pytest.raises(NotAuthentic):
        v3.decrypt_resource(receiver.envelopes[0]["resource"], TEST_API_V3_KEY)


def test_associated_data_may_be_missing(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("missing_associated_data")
    app.pay(MAINLAND, NUMBER)
    assert "associated_data" not in receiver.envelopes[0]["resource"]
    assert receiver.resources[0]["out_trade_no"] == NUMBER
    assert signed_by(app, receiver.headers[0], receiver.bodies[0])


def test_an_envelope_may_be_bare(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    mainland.place()
    app.inject("bare_envelope")
    app.pay(MAINLAND, NUMBER)
    assert "summary" not in receiver.envelopes[0]
    assert "original_type" not in receiver.envelopes[0]["resource"]
    assert receiver.resources[0]["out_trade_no"] == NUMBER


def test_an_event_of_another_product(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    mainland.place()
    app.inject("unknown_event")
    app.pay(MAINLAND, NUMBER)
    assert receiver.envelopes[0]["event_type"] == "COUPON.USE"
    assert signed_by(app, receiver.headers[0], receiver.bodies[0])
    assert app.ledger()["client_failures"] == []


def test_new_members_inside_and_outside(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("extra_member", operation="notify")
    app.pay(MAINLAND, NUMBER)
    assert receiver.envelopes[0]["new_member_from_wechat"] == {"x": 1}
    assert receiver.resources[0]["new_member_from_wechat"] == {"x": 1}


def test_members_in_another_order(app: Simulator, mainland: Caller, receiver: Receiver) -> None:
    mainland.place()
    app.inject("shuffled_members", operation="notify")
    app.pay(MAINLAND, NUMBER)
    assert next(iter(receiver.envelopes[0])) == "resource"
    assert list(receiver.envelopes[0])[-1] == "id"


def test_a_callback_with_a_byte_order_mark(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("bom", operation="notify")
    app.pay(MAINLAND, NUMBER)
    assert receiver.bodies[0].startswith(b"\xef\xbb\xbf{")
    assert signed_by(app, receiver.headers[0], receiver.bodies[0])
    with pytest.raises(json.JSONDecodeError):
        json.loads(receiver.bodies[0].decode())


@pytest.mark.parametrize(
    ("fault", "path", "value"),
    [
        ("wrong_amount", ("amount", "total"), 101),
        ("wrong_currency", ("amount", "currency"), "EUR"),
        ("wrong_mch_id", ("sp_mchid",), "1900009999"),
        ("wrong_appid", ("sp_appid",), "wx9999999999999999"),
    ],
)
def test_a_signed_callback_that_is_not_as_expected(
    app: Simulator,
    institution: Caller,
    receiver: Receiver,
    fault: str,
    path: tuple[str, ...],
    value: object,
) -> None:
    institution.place()
    app.inject(fault, operation="notify")
    receiver.answers = [Reply(500, b"")]
    app.pay(INSTITUTION, NUMBER)
    app.advance(15)
    message: Any
    for index, message in enumerate(receiver.resources):
        for name in path:
            message = message[name]  # noqa: PLW2901
        assert (message == value) is (index == 0)
    assert signed_by(app, receiver.headers[1], receiver.bodies[1])


def test_a_refunds_amount_can_be_wrong_too(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    for fault in ("wrong_amount", "wrong_currency"):
        app.inject(fault, operation="notify")
        app.refund_notice(MAINLAND, NUMBER, f"R-{fault}")
    assert receiver.resources[1]["amount"]["total"] == 101
    assert receiver.resources[2]["amount"]["currency"] == "USD"


def test_duplicates_are_signed_one_by_one(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.inject("duplicate", count=3)
    app.pay(MAINLAND, NUMBER)
    assert len(set(receiver.bodies)) == 1
    assert len({headers["Wechatpay-Signature"] for headers in receiver.headers}) == 3


def test_a_reordered_callback_comes_after_the_next(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    mainland.place(out_trade_no=OTHER)
    app.inject("reordered")
    app.pay(MAINLAND, NUMBER)
    app.refund_notice(MAINLAND, NUMBER, "R1")
    events = [envelope["event_type"] for envelope in receiver.envelopes]
    assert events == ["REFUND.SUCCESS", "TRANSACTION.SUCCESS"]
