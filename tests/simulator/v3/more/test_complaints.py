"""Complaints, replies and pictures; the security echo."""

from __future__ import annotations

from typing import Any

import pytest

from django_wxpay.protocol.endpoints.bodies import upload_of
from django_wxpay.protocol.v3.encryption import decrypt_field, encrypt_field
from django_wxpay.simulator import ControlError, Simulator, running
from django_wxpay.simulator.v3.demo_keys import TEST_MERCHANT_PRIVATE_KEY, TEST_PUBLIC_KEY
from tests.simulator.v3.calling import APPID, GLOBAL, MAINLAND, NUMBER, Answer, Caller
from tests.simulator.v3.more.calling import OTHER_SUB, PARTNER, SERIAL, SUB, code_of, post, sealed

HOME = "/v3/merchant-service/complaints-v2"
DAYS = "begin_date=2026-01-01&end_date=2026-01-01"
UPLOAD = "/v3/merchant/media/upload"
ECHO = "/v3/security/echo"
WHOSE = {"complainted_mchid": MAINLAND}


@pytest.fixture
def complaint(app: Simulator, mainland: Caller) -> str:
    mainland.place()
    app.pay(MAINLAND, NUMBER)
    return str(
        app.complain(MAINLAND, NUMBER, detail="too cold", phone="13800138000")["complaint_id"]
    )


def upload(
    caller: Caller, content: bytes = b"\x89PNG", filename: str = "a.png", **how: Any
) -> Answer:
    file = upload_of(filename, content)
    headers = {"Content-Type": how.pop("content_type", file.content_type)}
    body = how.pop("body", file.body)
    return caller.call("POST", UPLOAD, body, headers=headers, signs={"body": file.meta} | how)


def test_a_complaint_is_read_answered_and_done(mainland: Caller, complaint: str) -> None:
    (found,) = mainland.call("GET", f"{HOME}?{DAYS}")["data"]
    assert (found["complaint_id"], found["complaint_state"]) == (complaint, "PENDING")
    assert found["complaint_order_info"][0]["out_trade_no"] == NUMBER
    key = TEST_MERCHANT_PRIVATE_KEY
    assert decrypt_field(found["payer_phone"], private_key=key) == "13800138000"
    media_id = upload(mainland)["media_id"]
    reply = WHOSE | {"response_content": "sorry", "response_images": [media_id]}
    assert post(mainland, f"{HOME}/{complaint}/response", reply)["status"] == 204
    one = mainland.call("GET", f"{HOME}/{complaint}")
    assert (one["complaint_state"], one["complaint_full_refunded"]) == ("PROCESSING", False)
    assert one["payer_openid"]
    for _ in range(2):
        assert post(mainland, f"{HOME}/{complaint}/complete", WHOSE)["status"] == 204
    assert code_of(post(mainland, f"{HOME}/{complaint}/response", reply)) == (
        400,
        "INVALID_REQUEST",
    )
    assert mainland.call("GET", f"{HOME}/{complaint}")["complaint_state"] == "PROCESSED"


def test_a_complaint_whose_money_is_back_says_so(
    app: Simulator, mainland: Caller, complaint: str
) -> None:
    app.refund(MAINLAND, NUMBER)
    assert mainland.call("GET", f"{HOME}/{complaint}")["complaint_full_refunded"] is True


def test_complaints_come_page_by_page(app: Simulator, mainland: Caller, complaint: str) -> None:
    for _ in range(11):
        app.complain(MAINLAND, NUMBER)
    first = mainland.call("GET", f"{HOME}?{DAYS}")
    assert (len(first["data"]), first["total_count"], first["limit"]) == (10, 12, 10)
    last = mainland.call("GET", f"{HOME}?{DAYS}&limit=5&offset=10&complainted_mchid={MAINLAND}")
    assert (len(last["data"]), last["offset"]) == (2, 10)
    later = mainland.call("GET", f"{HOME}?begin_date=2026-01-02&end_date=2026-01-03")
    assert later["data"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", (400, "PARAM_ERROR")),
        ("begin_date=2026-01-01", (400, "PARAM_ERROR")),
        ("begin_date=20260101&end_date=x", (400, "PARAM_ERROR")),
        (f"{DAYS}&limit=51", (400, "PARAM_ERROR")),
        (f"{DAYS}&limit=0", (400, "PARAM_ERROR")),
        (f"{DAYS}&offset=-1", (400, "PARAM_ERROR")),
        (f"{DAYS}&complainted_mchid=1", (403, "NO_AUTH")),
        (f"{DAYS}&state=PENDING", (400, "PARAM_ERROR")),
    ],
)
def test_a_query_that_breaks_a_rule_is_refused(
    mainland: Caller, query: str, code: tuple[int, str]
) -> None:
    assert code_of(mainland.call("GET", f"{HOME}?{query}")) == code


@pytest.mark.parametrize(
    ("path", "changes", "code"),
    [
        ("response", {"response_content": None}, (400, "PARAM_ERROR")),
        ("response", {"complainted_mchid": "1"}, (403, "NO_AUTH")),
        ("response", {"response_images": ["none"]}, (400, "PARAM_ERROR")),
        ("response", {"mini_program_jump_info": {"appid": APPID}}, (400, "PARAM_ERROR")),
        ("complete", {"complainted_mchid": "1", "response_content": None}, (403, "NO_AUTH")),
        ("complete", {}, (400, "PARAM_ERROR")),
    ],
)
def test_a_reply_that_breaks_a_rule_is_refused(
    mainland: Caller, complaint: str, path: str, changes: dict[str, Any], code: tuple[int, str]
) -> None:
    body = WHOSE | {"response_content": "sorry"}
    assert code_of(post(mainland, f"{HOME}/{complaint}/{path}", body, **changes)) == code
    assert mainland.call("GET", f"{HOME}/{complaint}")["complaint_state"] == "PENDING"


def test_a_complaint_is_about_a_payment_of_the_merchants_own(
    app: Simulator, mainland: Caller
) -> None:
    with pytest.raises(ControlError):
        app.complain(MAINLAND, NUMBER)
    mainland.place()
    with pytest.raises(ControlError, match="not been paid"):
        app.complain(MAINLAND, NUMBER)
    app.pay(MAINLAND, NUMBER)
    made = mainland.control("complaint", {"mch_id": MAINLAND, "out_trade_no": NUMBER}).json()
    assert mainland.call("GET", f"{HOME}/{made['complaint_id']}")["status"] == 200
    assert code_of(mainland.call("GET", f"{HOME}/1")) == (404, "RESOURCE_NOT_EXISTS")
    abroad = Caller(app, mch_id=GLOBAL, home="/v3/global/transactions")
    assert code_of(abroad.call("GET", f"{HOME}/{made['complaint_id']}")) == (403, "NO_AUTH")


def test_a_providers_complaint_is_about_the_sub_merchant_that_sold(
    marketplace: Simulator, partner: Caller
) -> None:
    partner.place()
    marketplace.pay(PARTNER, NUMBER)
    complaint_id = marketplace.complain(PARTNER, NUMBER)["complaint_id"]
    (found,) = partner.call("GET", f"{HOME}?{DAYS}")["data"]
    assert found["complainted_mchid"] == SUB
    assert partner.call("GET", f"{HOME}/{complaint_id}")["complainted_mchid"] == SUB
    of_it = partner.call("GET", f"{HOME}?{DAYS}&complainted_mchid={SUB}")
    assert of_it["total_count"] == 1
    of_another = partner.call("GET", f"{HOME}?{DAYS}&complainted_mchid={OTHER_SUB}")
    assert (of_another["data"], of_another["total_count"]) == ([], 0)
    for whose in (PARTNER, OTHER_SUB):
        reply = {"complainted_mchid": whose, "response_content": "sorry"}
        refused = post(partner, f"{HOME}/{complaint_id}/response", reply)
        assert code_of(refused) == (403, "NO_AUTH")
    reply = {"complainted_mchid": SUB, "response_content": "sorry"}
    assert post(partner, f"{HOME}/{complaint_id}/response", reply)["status"] == 204
    done = post(partner, f"{HOME}/{complaint_id}/complete", {"complainted_mchid": SUB})
    assert done["status"] == 204


# Pictures


def test_an_upload_is_signed_over_its_meta(mainland: Caller) -> None:
    assert upload(mainland)["status"] == 200
    assert upload(mainland, bytes(range(256)) * 4096)["status"] == 200
    file = upload_of("a.png", b"x")
    assert code_of(upload(mainland, b"x", body=file.body, method="PUT")) == (401, "SIGN_ERROR")
    whole = mainland.call("POST", UPLOAD, file.body, headers={"Content-Type": file.content_type})
    assert code_of(whole) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (2 * 1024 * 1024, (200, "")),
        (2 * 1024 * 1024 + 1, (400, "PARAM_ERROR")),
        (5 * 1024 * 1024, (400, "PARAM_ERROR")),
        (6 * 1024 * 1024, (401, "SIGN_ERROR")),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_picture_has_the_same_limit_over_http(
    app: Simulator, size: int, code: tuple[int, str], is_chunked: bool
) -> None:
    file = upload_of("a.png", bytes(size))
    with running(app) as url:
        answer = Caller(app, host=url).call(
            "POST",
            UPLOAD,
            file.body,
            headers={
                "Content-Type": file.content_type,
                **({"Content-Length": None, "Transfer-Encoding": "chunked"} if is_chunked else {}),
            },
            signs={"body": file.meta},
        )
    assert code_of(answer) == code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"content": b"y", "body": upload_of("a.png", b"x").body}, (401, "SIGN_ERROR")),
        ({"content": bytes(2 * 1024 * 1024 + 1)}, (400, "PARAM_ERROR")),
        ({"filename": "a.txt"}, (400, "PARAM_ERROR")),
        ({"content_type": "multipart/form-data; boundary=none"}, (401, "SIGN_ERROR")),
        ({"content_type": "application/json"}, (401, "SIGN_ERROR")),
    ],
)
def test_an_upload_that_is_none_is_refused(
    mainland: Caller, how: dict[str, Any], code: tuple[int, str]
) -> None:
    assert code_of(upload(mainland, **how)) == code


def raw_upload(caller: Caller, meta: bytes, *parts: tuple[str, bytes]) -> Answer:
    pieces = [(b'name="meta"', meta), *((name.encode(), octets) for name, octets in parts)]
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + name + b"\r\n\r\n" + octets + b"\r\n"
        for name, octets in pieces
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return caller.call("POST", UPLOAD, body + b"--b--\r\n", headers=headers, signs={"body": meta})


FILE = ('name="file"; filename="a.png"', b"x")
DIGEST = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


@pytest.mark.parametrize(
    ("meta", "parts", "code"),
    [
        (f'{{"filename":"a.png","sha256":"{DIGEST}"}}', [FILE], (200, "")),
        (f'{{"filename":"b.png","sha256":"{DIGEST}"}}', [FILE], (400, "PARAM_ERROR")),
        ('{"filename":"a.png","sha256":"00"}', [FILE], (400, "PARAM_ERROR")),
        ("[]", [FILE], (400, "PARAM_ERROR")),
        ("{", [FILE], (400, "PARAM_ERROR")),
        (f'{{"filename":"a.png","sha256":"{DIGEST}"}}', [], (400, "INVALID_REQUEST")),
        ("{}", [FILE, ('name="more"', b"x")], (400, "INVALID_REQUEST")),
    ],
)
def test_the_meta_is_held_against_the_file(
    mainland: Caller, meta: str, parts: list[tuple[str, bytes]], code: tuple[int, str]
) -> None:
    assert code_of(raw_upload(mainland, meta.encode(), *parts)) == code


# The security echo


def test_an_echo_is_sealed_for_the_merchant(mainland: Caller) -> None:
    answer = post(mainland, ECHO, {"echo_message": "a"}, encrypted_echo_message=sealed("茶"))
    assert (answer["status"], answer["echo_message"]) == (200, "a")
    opened = decrypt_field(answer["encrypted_echo_message"], private_key=TEST_MERCHANT_PRIVATE_KEY)
    assert opened == "茶"
    assert post(mainland, ECHO, {"echo_message": "a"}) == {"status": 200, "echo_message": "a"}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"echo_message": "a"}, {}),
        ({"echo_message": "a", "encrypted_echo_message": sealed("a")}, {}),
        (
            {"echo_message": "a", "encrypted_echo_message": sealed("a")},
            {"Wechatpay-Serial": "PUB_KEY_ID_1"},
        ),
        ({"echo_message": "a", "encrypted_echo_message": "eHh4"}, SERIAL),
        ({"encrypted_echo_message": sealed("a")}, SERIAL),
        ({"echo_message": "a", "more": "b"}, SERIAL),
    ],
)
def test_an_echo_that_breaks_a_rule_is_refused(
    mainland: Caller, body: dict[str, Any], headers: dict[str, str]
) -> None:
    answer = mainland.call("POST", ECHO, body, headers=headers)
    assert code_of(answer) == (400, "PARAM_ERROR")
    assert encrypt_field("a", public_key=TEST_PUBLIC_KEY) != sealed("a")
