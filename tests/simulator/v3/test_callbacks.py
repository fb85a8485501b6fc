"""Notifications of v3: envelope, signature, and what counts as received (protocol-v3 section 6)."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from django_wxpay.protocol.v3.notices import read_notice
from django_wxpay.protocol.v3.signing import is_signed_by, read_signature_headers
from django_wxpay.simulator import DEMO_MERCHANTS, Options, Reply, Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import TEST_API_V3_KEY, TEST_PUBLIC_KEY
from tests.simulator.conftest import START
from tests.simulator.notifications.test_sending import RHYTHM
from tests.simulator.v3.calling import (
    GLOBAL,
    MAINLAND,
    NOT_ACKNOWLEDGED,
    NOTIFY_URL,
    NUMBER,
    OPENID,
    Caller,
    Receiver,
    signed_by,
)


def test_a_mainland_payment_is_notified_at_once(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place("jsapi", attach="door 7")
    paid = app.pay(MAINLAND, NUMBER)
    assert (paid["notification"], receiver.urls) == ("accepted", [NOTIFY_URL])
    [envelope], [resource] = receiver.envelopes, receiver.resources
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", envelope["id"])
    assert envelope["create_time"] == "2026-01-01T12:00:00+08:00"
    assert envelope["event_type"] == "TRANSACTION.SUCCESS"
    assert (envelope["resource_type"], envelope["summary"]) == ("encrypt-resource", "支付成功")
    sealed = envelope["resource"]
    assert (sealed["algorithm"], len(sealed["nonce"])) == ("AEAD_AES_256_GCM", 12)
    assert sealed["associated_data"] == sealed["original_type"] == "transaction"
    answer = mainland.query()
    del answer["status"]
    assert resource == {name: answer[name] for name in answer if name != "promotion_detail"}
    assert resource["payer"] == {"openid": OPENID}
    headers = receiver.headers[0]
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Request-ID"].startswith("08")
    assert signed_by(app, headers, receiver.bodies[0]) == app.public_key[0]


def test_a_global_payment_is_notified_in_english_with_its_id(
    app: Simulator, overseas: Caller, receiver: Receiver
) -> None:
    overseas.place()
    paid = app.pay(GLOBAL, NUMBER)
    assert receiver.envelopes[0]["summary"] == "Payment success"
    assert receiver.resources[0]["id"] == paid["transaction_id"]
    assert receiver.resources[0]["trade_state_desc"] == "Payment successful"
    assert "transaction_id" not in receiver.resources[0]
    assert (
        signed_by(app, receiver.headers[0], receiver.bodies[0])
        == app.keys()["certificates"][0]["serial_no"]
    )


def test_our_own_reader_understands_it(app: Simulator, anyone: Caller, receiver: Receiver) -> None:
    anyone.place("jsapi")
    paid = app.pay(anyone.mch_id, NUMBER)
    notice = read_notice(
        receiver.bodies[0], merchant=replace(DEMO_MERCHANTS[0], api_v3_key=TEST_API_V3_KEY)
    )
    assert notice.fact is not None
    assert (notice.fact.out_trade_no, notice.fact.mch_id) == (NUMBER, anyone.mch_id)
    assert notice.fact.transaction_id == paid["transaction_id"]
    assert notice.fact.total_fee == 100


@pytest.mark.parametrize(
    ("reply", "is_acknowledged"),
    [
        (Reply(200, b""), True),
        (Reply(204, b""), True),
        (Reply(200, b'{"code":"SUCCESS"}'), True),
        (Reply(200, b'{"message": "OK", "code": "SUCCESS"}\n'), True),
        (Reply(200, NOT_ACKNOWLEDGED), False),
        (Reply(200, b"{}"), False),
        (Reply(200, b'["SUCCESS"]'), False),
        (Reply(200, b"success"), False),
        (Reply(200, b"<xml><return_code>SUCCESS</return_code></xml>"), False),
        (Reply(201, b'{"code": "SUCCESS"}'), False),
        (Reply(204, b'{"code": "SUCCESS"}'), False),
        (Reply(302, b""), False),
        (Reply(500, b""), False),
        (OSError("nobody there"), False),
    ],
)
def test_what_counts_as_acknowledged(
    app: Simulator,
    mainland: Caller,
    receiver: Receiver,
    reply: Reply | OSError,
    is_acknowledged: bool,
) -> None:
    mainland.place()
    receiver.answers = [reply]
    message = app.pay(MAINLAND, NUMBER)["notification"]
    assert message == ("accepted" if is_acknowledged else "pending")
    assert app.advance(15) == (0 if is_acknowledged else 1)
    assert app.ledger()["client_failures"] == []


def test_a_shop_that_never_acknowledges_is_notified_in_the_real_rhythm(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    receiver.usually = Reply(500, NOT_ACKNOWLEDGED)
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    assert app.advance(10 * 86_400) == 15
    rows = app.ledger()["notifications"]
    at = [datetime.fromisoformat(row["at"]) for row in rows]
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert gaps == [timedelta(seconds=gap) for gap in RHYTHM]
    assert app.ledger()["trades"][0]["notification"] == "exhausted"
    # The same envelope each time, signed when it is sent.
    assert len(set(receiver.bodies)) == 1
    stamps = [int(headers["Wechatpay-Timestamp"]) for headers in receiver.headers]
    assert stamps == [int(moment.timestamp()) for moment in at]
    assert len({headers["Wechatpay-Nonce"] for headers in receiver.headers}) == 16
    assert len({headers["Wechatpay-Signature"] for headers in receiver.headers}) == 16
    for headers in receiver.headers:
        expected = read_signature_headers(headers)
        assert expected is not None
        assert is_signed_by(expected, receiver.bodies[0], public_key=TEST_PUBLIC_KEY)


def test_each_attempt_can_be_sealed_anew(receiver: Receiver) -> None:
    app = create_app(clock=lambda: START, deliver=receiver, options=Options(reseal=True))
    receiver.usually = Reply(500, b"")
    Caller(app).place()
    app.pay(MAINLAND, NUMBER)
    app.advance(30)
    assert len(set(receiver.bodies)) == 3
    assert len({envelope["id"] for envelope in receiver.envelopes}) == 1
    assert receiver.resources[0] == receiver.resources[1] == receiver.resources[2]


def test_a_payment_notified_again_is_another_envelope_of_the_same_event(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    app.notify(MAINLAND, NUMBER)
    first, second = receiver.envelopes
    assert first["id"] != second["id"]
    assert receiver.resources[0] == receiver.resources[1]


def test_what_is_announced_is_the_payment_whatever_became_of_it(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    receiver.answers = [OSError("nobody there")]
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    app.set_state(MAINLAND, NUMBER, "REFUND")
    app.advance(15)
    assert [message["trade_state"] for message in receiver.resources] == ["SUCCESS", "SUCCESS"]
    assert mainland.state() == "REFUND"


def test_without_an_apiv3_key_no_callback_is_ever_sent(receiver: Receiver) -> None:
    [demo] = [one for one in DEMO_MERCHANTS if one.mch_id == MAINLAND]
    app = create_app([replace(demo, api_v3_key="")], clock=lambda: START, deliver=receiver)
    caller = Caller(app)
    caller.place()
    assert app.pay(MAINLAND, NUMBER)["notification"] == "lost"
    app.advance(86_400)
    assert receiver.bodies == []
    assert caller.state() == "SUCCESS"


def test_the_ledger_shows_every_attempt(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    receiver.answers = [Reply(500, b"oops")]
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    [waiting] = app.ledger()["waiting"]
    assert waiting["event_type"] == "TRANSACTION.SUCCESS"
    app.advance(15)
    first, second = app.ledger()["notifications"]
    assert (first["api"], first["event_type"]) == ("v3", "TRANSACTION.SUCCESS")
    assert first["event_id"] == second["event_id"] == receiver.envelopes[0]["id"]
    assert (first["status"], first["accepted"], first["body"]) == (500, False, "oops")
    assert (second["status"], second["accepted"], second["attempt"]) == (200, True, 2)
    assert json.loads(second["body"])["code"] == "SUCCESS"
    assert first["out_refund_no"] == first["client_failure"] == ""
