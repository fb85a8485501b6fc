"""WeChat Pay's signing keys: certificates that rotate, and the migration to the public key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from django_wxpay.protocol.v3.certificates import read_certificate_list
from django_wxpay.protocol.v3.keys import load_certificate
from django_wxpay.simulator import (
    DEMO_MERCHANTS,
    KeyMaterial,
    Options,
    Simulator,
    create_app,
)
from django_wxpay.simulator.v3.demo_keys import (
    TEST_API_V3_KEY,
    TEST_PUBLIC_KEY,
    TEST_PUBLIC_KEY_ID,
)
from tests.protocol.v3 import keys
from tests.simulator.conftest import START
from tests.simulator.v3.calling import GLOBAL, MAINLAND, NUMBER, Caller, Receiver, signed_by


def listed(app: Simulator) -> list[str]:
    return [one["serial_no"] for one in app.keys()["certificates"]]


def answers_key(caller: Caller, **headers: str) -> str:
    """Return the serial of the key that signs the answer to a query."""
    path = f"{caller.home}/out-trade-no/{NUMBER}?{caller.asking()}"
    response = caller.send("GET", path, headers=headers)
    return signed_by(caller.app, response.headers, response.content)


@pytest.fixture(autouse=True)
def order(overseas: Caller, mainland: Caller) -> None:
    overseas.place()
    mainland.place()


def test_the_list_is_sealed_under_the_merchants_key(app: Simulator, overseas: Caller) -> None:
    response = overseas.send("GET", "/v3/global/certificates")
    [certificate] = read_certificate_list(response.content, TEST_API_V3_KEY)
    assert certificate.serial_no == listed(app)[0] == response.headers["Wechatpay-Serial"]
    assert len(certificate.serial_no) == 40
    assert certificate.not_before == START
    assert certificate.not_after - START == timedelta(days=5 * 365)
    # The list vouches for itself: it is signed with a key that is in it.
    assert signed_by(app, response.headers, response.content) == certificate.serial_no
    entry = response.json()["data"][0]
    assert entry["effective_time"] == "2026-01-01T12:00:00+08:00"
    assert entry["encrypt_certificate"].keys() == {
        *("algorithm", "nonce", "associated_data", "ciphertext")
    }
    assert entry["encrypt_certificate"]["associated_data"] == "certificate"
    name = load_certificate(certificate.pem).subject.rfc4514_string()
    assert "TEST ONLY" in name


@pytest.mark.parametrize("octet", [0x00, 0x0E, 0x0F, 0x7F, 0x80, 0xFF])
def test_serials_have_twenty_bytes_and_begin_with_a_zero_digit(octet: int) -> None:
    # Clients that count bytes fail with nineteen, and Python's hex() drops the digit.
    app = create_app(options=Options(entropy=lambda count: bytes([octet]) * count))
    for serial_no in (listed(app)[0], app.rotate_certificate()["certificates"][1]["serial_no"]):
        assert (len(serial_no), serial_no[0]) == (40, "0")
        assert serial_no[1] != "0"
        assert app.keys()["certificates"][-1]["serial_no"] == serial_no
        number = int(serial_no, 16)
        assert (number.bit_length() + 7) // 8 == 20


def test_two_simulators_have_certificates_of_their_own(app: Simulator) -> None:
    assert listed(app) != listed(create_app())


def test_a_merchant_of_the_public_key_has_no_certificates(mainland: Caller) -> None:
    answer = mainland.certificates()
    assert (answer["status"], answer["code"]) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 200, ""),
        ("?algorithm_type=RSA", 200, ""),
        ("?algorithm_type=ALL", 200, ""),
        ("?algorithm_type=SM2", 404, "RESOURCE_NOT_EXISTS"),
        ("?algorithm_type=DSA", 400, "PARAM_ERROR"),
        ("?mchid=1", 400, "PARAM_ERROR"),
    ],
)
def test_the_mainland_list_knows_one_parameter(
    app: Simulator, mainland: Caller, overseas: Caller, query: str, status: int, code: str
) -> None:
    app.set_key_mode("certificate", mch_id=MAINLAND)
    answer = mainland.call("GET", f"/v3/certificates{query}")
    assert (answer["status"], answer.get("code", "")) == (status, code)
    if query:
        assert overseas.call("GET", f"/v3/global/certificates{query}")["code"] == "PARAM_ERROR"


def test_certificates_rotate_step_by_step(app: Simulator, overseas: Caller) -> None:
    [old] = listed(app)
    assert answers_key(overseas) == old
    app.rotate_certificate()
    [_, new] = listed(app)
    assert answers_key(overseas) == old
    both = read_certificate_list(
        overseas.send("GET", "/v3/global/certificates").content, TEST_API_V3_KEY
    )
    assert [one.serial_no for one in both] == [old, new]
    assert both[0].not_after == START + timedelta(hours=24)
    assert both[1].not_after > both[0].not_after
    app.switch_certificate()
    assert answers_key(overseas) == new
    app.drop_certificate()
    assert listed(app) == [new]
    assert answers_key(overseas) == new


def test_during_a_switch_both_certificates_sign(app: Simulator, overseas: Caller) -> None:
    app.rotate_certificate()
    shown = app.switch_certificate(0.5)["certificates"]
    assert [one["signs"] for one in shown] == [0.5, 0.5]
    signers = [answers_key(overseas) for _ in range(100)]
    assert set(signers) == set(listed(app))
    assert 20 < signers.count(listed(app)[0]) < 80


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        (["switch"], "not_rotating"),
        (["drop"], "not_rotating"),
        (["rotate", "rotate"], "rotating"),
        (["rotate", "drop"], "signing"),
        (["rotate", "migrate"], "rotating"),
        (["migrate", "rotate"], "migrating"),
    ],
)
def test_steps_in_the_wrong_order_are_refused(
    app: Simulator, mainland: Caller, steps: list[str], code: str
) -> None:
    *before, last = steps
    for step in before:
        assert mainland.control("keys", {"action": step}).status_code == 200
    response = mainland.control("keys", {"action": last})
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_in_public_key_mode_every_message_is_signed_with_it(
    app: Simulator, mainland: Caller, receiver: Receiver
) -> None:
    assert app.public_key == (TEST_PUBLIC_KEY_ID, TEST_PUBLIC_KEY)
    assert answers_key(mainland) == TEST_PUBLIC_KEY_ID
    app.pay(MAINLAND, NUMBER)
    assert receiver.serials == [TEST_PUBLIC_KEY_ID]


def test_before_a_migration_asking_for_the_public_key_changes_nothing(
    app: Simulator, overseas: Caller, receiver: Receiver
) -> None:
    asked = {"Wechatpay-Serial": TEST_PUBLIC_KEY_ID}
    assert answers_key(overseas, **asked) == listed(app)[0]
    app.pay(GLOBAL, NUMBER)
    assert receiver.serials == listed(app)


def test_during_a_migration_the_request_chooses_the_answers_key(
    app: Simulator, overseas: Caller
) -> None:
    app.migrate(0, mch_id=GLOBAL)
    assert answers_key(overseas) == listed(app)[0]
    assert answers_key(overseas, **{"Wechatpay-Serial": TEST_PUBLIC_KEY_ID}) == TEST_PUBLIC_KEY_ID
    assert answers_key(overseas, **{"Wechatpay-Serial": listed(app)[0]}) == listed(app)[0]
    assert overseas.certificates()["status"] == 200


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_during_a_migration_callbacks_are_shared_out(
    app: Simulator, overseas: Caller, receiver: Receiver, share: float
) -> None:
    shown = app.migrate(share)["merchants"]
    assert {(one["mode"], one["callback_share"]) for one in shown} == {("migration", share)}
    app.pay(GLOBAL, NUMBER)
    assert receiver.serials == [TEST_PUBLIC_KEY_ID if share else listed(app)[0]]


def test_half_of_the_callbacks_is_about_half() -> None:
    receiver = Receiver()
    app = create_app(clock=lambda: START, deliver=receiver)
    overseas = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    overseas.place()
    app.migrate(0.5)
    app.pay(GLOBAL, NUMBER)
    for _ in range(100):
        app.notify(GLOBAL, NUMBER)
    assert 20 < receiver.serials.count(TEST_PUBLIC_KEY_ID) < 80


def test_a_migration_by_the_calendar_takes_seven_days(app: Simulator) -> None:
    app.migrate(mch_id=GLOBAL)
    shares = []
    for _ in range(9):
        [row] = [one for one in app.keys()["merchants"] if one["mch_id"] == GLOBAL]
        shares.append(row["callback_share"])
        app.advance(86_400)
    assert shares == [0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 1.0, 1.0]


def test_after_a_migration_there_are_no_certificates(app: Simulator, overseas: Caller) -> None:
    app.migrate(1)
    shown = app.set_key_mode("public_key", mch_id=GLOBAL)["merchants"]
    assert {one["mch_id"]: one["mode"] for one in shown}[GLOBAL] == "public_key"
    assert overseas.certificates()["code"] == "RESOURCE_NOT_EXISTS"
    assert answers_key(overseas) == TEST_PUBLIC_KEY_ID


def test_one_merchant_may_go_back_while_another_goes_on(
    app: Simulator, mainland: Caller, overseas: Caller
) -> None:
    app.set_key_mode("migration")
    app.set_key_mode("certificate", mch_id=MAINLAND)
    assert answers_key(mainland) == answers_key(overseas) == listed(app)[0]
    asked = {"Wechatpay-Serial": TEST_PUBLIC_KEY_ID}
    assert answers_key(mainland, **asked) == listed(app)[0]
    assert answers_key(overseas, **asked) == TEST_PUBLIC_KEY_ID


def test_a_reset_returns_to_the_first_certificate(app: Simulator) -> None:
    first = app.keys()
    app.rotate_certificate()
    app.switch_certificate()
    app.drop_certificate()
    app.migrate(0.5)
    app.reset()
    assert app.keys() == first


def test_retries_are_signed_with_the_key_of_their_time(
    app: Simulator, overseas: Caller, receiver: Receiver
) -> None:
    receiver.answers = [OSError("nobody there")]
    app.pay(GLOBAL, NUMBER)
    app.rotate_certificate()
    app.switch_certificate()
    app.advance(15)
    assert receiver.serials == listed(app)
    assert [row["signed_by"] for row in app.ledger()["notifications"]] == listed(app)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"action": "melt"}, 400, "invalid"),
        ({"action": "rotate", "share": 1}, 400, "invalid"),
        ({"action": "migrate", "callback_share": 1.1}, 400, "invalid"),
        ({"action": "migrate", "mch_id": "1"}, 404, "unknown_merchant"),
        ({"action": "mode"}, 400, "invalid"),
        ({"action": "mode", "mode": "none"}, 400, "invalid"),
    ],
)
def test_a_mistake_is_named(mainland: Caller, body: dict[str, Any], status: int, code: str) -> None:
    response = mainland.control("keys", body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert len(mainland.control("keys", method="GET").json()["certificates"]) == 1


def test_the_keys_are_shown_without_their_private_halves(app: Simulator, mainland: Caller) -> None:
    shown = mainland.control("keys", method="GET")
    assert shown.json() == app.keys()
    assert shown.json()["public_key"] == {"id": TEST_PUBLIC_KEY_ID, "pem": TEST_PUBLIC_KEY}
    [one] = shown.json()["certificates"]
    assert one["pem"].startswith("-----BEGIN CERTIFICATE-----")
    assert one["signs"] == 1
    assert "PRIVATE" not in shown.text
    modes = {row["mch_id"]: row["mode"] for row in shown.json()["merchants"]}
    assert modes == {
        MAINLAND: "public_key",
        GLOBAL: "certificate",
        "1900000112": "certificate",
    }


def test_keys_change_from_the_home_page(app: Simulator, mainland: Caller) -> None:
    form = {"action": "migrate", "callback_share": "0.25", "mode": ""}
    url = f"{mainland.host}/_simulator/keys"
    response = mainland.session.post(url, data=form, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (303, "/_simulator/")
    assert app.keys()["merchants"][0]["callback_share"] == 0.25
    page = mainland.session.get(f"{mainland.host}/").text
    assert listed(app)[0] in page
    assert TEST_PUBLIC_KEY_ID in page
    assert "100%" in page


def test_the_keys_can_be_given() -> None:
    material = KeyMaterial(
        public_key_id=keys.PUBLIC_KEY_ID,
        private_key=keys.PUBLIC_MODE_KEY,
        certificate=keys.PLATFORM_CERTIFICATE,
        certificate_key=keys.PLATFORM_KEY,
    )
    merchants = [one for one in DEMO_MERCHANTS if not one.wechatpay_public_key_id]
    app = create_app(merchants, clock=lambda: START, options=Options(material=material))
    assert app.public_key == (keys.PUBLIC_KEY_ID, keys.WECHATPAY_PUBLIC_KEY)
    assert listed(app) == [keys.PLATFORM_SERIAL]
    overseas = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    overseas.place()
    assert answers_key(overseas) == keys.PLATFORM_SERIAL
    app.set_key_mode("public_key")
    assert answers_key(overseas) == keys.PUBLIC_KEY_ID
    assert "PRIVATE" not in repr(material)


def test_the_dates_of_a_certificate_are_its_own(app: Simulator) -> None:
    [one] = app.keys()["certificates"]
    certificate = load_certificate(one["pem"])
    assert certificate.not_valid_before_utc == datetime.fromisoformat(one["effective_time"])
    assert certificate.not_valid_after_utc == datetime.fromisoformat(one["expire_time"])
