"""Calls to any endpoint of APIv3: what is sent, which answers are taken, what is recorded."""

from __future__ import annotations

import gzip
import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import requests

from django_wxpay.gateway import Busy
from django_wxpay.gateway.v3 import endpoints
from django_wxpay.protocol.errors import (
    BadAnswer,
    BadSignature,
    InvalidParameter,
    MalformedMessage,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.protocol.failures import Failure
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v3.encryption import SealedText, decrypt_field, encrypt_field
from tests.gateway.till import PRIMARY, STANDBY, MemoryStore, Till, is_signed_by_us
from tests.protocol.v3 import keys
from tests.protocol.v3.samples import MAINLAND, NOW
from tests.wechatpay.transport import HTML, Host, RawAnswer, says
from tests.wechatpay.v3 import OLD, REQUEST_ID, probe, refusal, signed, spoilt

HOSTS = (PRIMARY, STANDBY)
MERCHANT = replace(MAINLAND, hosts=HOSTS)
MODERN = replace(
    MERCHANT,
    wechatpay_public_key=keys.WECHATPAY_PUBLIC_KEY,
    wechatpay_public_key_id=keys.PUBLIC_KEY_ID,
)
SHARING = "/v3/profitsharing/orders"
ONE = f"{SHARING}/{{out_order_no}}"
TIMEOUT = requests.ConnectTimeout()
SILENCE = requests.ReadTimeout()
NAMED = {"out_order_no": "P20260101000001"}


def till_of(*scripts: Any, **how: Any) -> Till:
    return Till(*scripts, merchant=how.pop("merchant", MERCHANT), **how)


def test_what_is_sent_is_signed_and_what_comes_back_is_an_object() -> None:
    till = till_of([signed({"order_id": "30", "state": "PROCESSING"})])
    answer = till.gateway.call("POST", SHARING, json={"out_order_no": "P1", "name": "茶"})
    assert answer == {"order_id": "30", "state": "PROCESSING"}
    sent = till.sent()
    assert sent.body == '{"out_order_no":"P1","name":"茶"}'.encode()
    assert sent.headers["Content-Type"] == "application/json"
    assert "Wechatpay-Serial" not in sent.headers
    assert is_signed_by_us("POST", SHARING, sent.body, sent.headers["Authorization"])


def test_a_query_is_counted_by_its_template() -> None:
    till = till_of([signed({})])
    assert till.gateway.call("GET", ONE, params=NAMED | {"transaction_id": 42}) == {}
    target = f"{SHARING}/P20260101000001?transaction_id=42"
    assert till.paths == [target]
    assert is_signed_by_us("GET", target, b"", till.sent().headers["Authorization"])
    (record,) = till.records
    assert record.interface_url == PRIMARY + ONE
    assert (record.api, record.method, record.http_status) == ("v3", "GET", 200)
    assert (record.request_id, record.failure) == (REQUEST_ID, "")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (signed(status=204), {}),
        (signed({"a": [1]}, status=202), {"a": [1]}),
        (signed(b'{"a": 1, "a": 2}'), b'{"a": 1, "a": 2}'),
        (signed(b'["a"]'), b'["a"]'),
        (signed(b"\x89PNG"), b"\x89PNG"),
    ],
)
def test_an_answer_is_an_object_or_octets(answer: RawAnswer, read: object) -> None:
    assert till_of([answer]).gateway.call("POST", SHARING) == read


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, "PARAM_ERROR"), Refused),
        (refusal(404, "RESOURCE_NOT_EXISTS"), Refused),
        (signed({"code": "USERPAYING"}, status=202), OutcomeUnknown),
        (spoilt(signed({}), Wechatpay_Signature=None), BadSignature),
        (spoilt(signed(b""), Wechatpay_Signature=None), BadSignature),
        (spoilt(signed({}), Wechatpay_Timestamp="1"), BadSignature),
        (signed({}, key=keys.MERCHANT_KEY), BadSignature),
    ],
)
def test_an_answer_that_is_no_yes_raises(answer: RawAnswer, error: type[Exception]) -> None:
    till = till_of([answer], [signed({})])
    with pytest.raises(error) as raised:
        till.gateway.call("GET", SHARING)
    assert type(raised.value) is error
    assert till.asked == [1, 0]


def test_a_proxys_page_is_for_the_next_host() -> None:
    till = till_of([(200, HTML)], [signed({"a": "b"})])
    assert till.gateway.call("GET", SHARING) == {"a": "b"}
    assert till.failures == [Failure.UNREADABLE, ""]


@pytest.mark.parametrize(
    ("script", "asked", "error"),
    [
        ([SILENCE], [1, 0], OutcomeUnknown),
        ([(500, b"")], [1, 0], OutcomeUnknown),
        ([refusal(500, "SYSTEM_ERROR")], [1, 0], OutcomeUnknown),
        ([refusal(429, "FREQUENCY_LIMITED")], [1, 0], Busy),
        ([probe(signed({}))], [1, 0], BadSignature),
        ([TIMEOUT], [1, 1], None),
    ],
)
def test_a_call_is_sent_once_unless_nothing_was_sent(
    script: list[Any], asked: list[int], error: type[Exception] | None
) -> None:
    till = till_of(script, [signed({})])
    if error is None:
        assert till.gateway.call("POST", SHARING, json={}) == {}
    else:
        with pytest.raises(error):
            till.gateway.call("POST", SHARING, json={})
    assert till.asked == asked


MAYBE_DONE = "it may have been done: ask for it under its own number"


@pytest.mark.parametrize(
    "answer", [SILENCE, (500, b""), (200, HTML), refusal(429, "FREQUENCY_LIMITED")]
)
def test_nobody_is_told_to_call_again_what_twice_would_be_two_of(answer: Any) -> None:
    with pytest.raises(OutcomeUnknown, match=MAYBE_DONE) as raised:
        till_of([answer], []).gateway.call("POST", SHARING, json={})
    assert "safe" not in str(raised.value)
    for method, says_so in (("POST", True), ("GET", None)):
        with pytest.raises(OutcomeUnknown, match="calling again is safe") as raised:
            till_of([answer], [answer]).gateway.call(method, SHARING, is_repeatable=says_so)
        assert "may have" not in str(raised.value)


def test_where_nothing_was_sent_calling_again_is_safe_whatever_it_is() -> None:
    with pytest.raises(OutcomeUnknown, match="nothing was sent, and calling again is safe"):
        till_of([TIMEOUT], [TIMEOUT]).gateway.call("POST", SHARING, json={})
    with pytest.raises(OutcomeUnknown, match=MAYBE_DONE):
        till_of([TIMEOUT], [SILENCE]).gateway.call("POST", SHARING, json={})


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
@pytest.mark.parametrize("says_so", [None, False, True])
def test_only_what_the_caller_calls_repeatable_is_repeated(
    method: str, says_so: bool | None
) -> None:
    till = till_of([SILENCE], [signed({})])
    if says_so:
        assert till.gateway.call(method, SHARING, is_repeatable=True) == {}
    else:
        with pytest.raises(OutcomeUnknown):
            till.gateway.call(method, SHARING, is_repeatable=says_so)
    assert till.asked == [1, 1 if says_so else 0]


def test_a_get_is_repeated_unless_the_caller_forbids_it() -> None:
    till = till_of([SILENCE], [signed({})])
    assert till.gateway.call("GET", SHARING) == {}
    till = till_of([SILENCE], [signed({})])
    with pytest.raises(OutcomeUnknown):
        till.gateway.call("GET", SHARING, is_repeatable=False)
    assert till.asked == [1, 0]


def test_a_probe_of_a_query_is_asked_for_again() -> None:
    till = till_of([probe(signed({})), signed({"a": "b"})], [])
    assert till.gateway.call("GET", SHARING) == {"a": "b"}


@pytest.mark.parametrize(
    "how",
    [
        {"method": "TRACE"},
        {"path": "/v3/../x"},
        {"params": {"a": 1.5}},
        {"json": {}},
        {"method": "POST", "json": {"a": float("nan")}},
        {"serial": "a\r\nb"},
        {"serial": None},
        {"serial": "x" * 65},
    ],
)
def test_what_cannot_be_sent_is_not(how: dict[str, Any]) -> None:
    till = till_of([signed({})])
    with pytest.raises(InvalidParameter):
        till.gateway.call(**{"method": "GET", "path": SHARING} | how)
    assert till.asked == [0]
    assert till.records == []


# Texts that are sealed


@pytest.mark.parametrize("text", ["张三", Secret("张三")])
def test_a_sealed_text_names_its_key_in_the_request_that_carries_it(text: Any) -> None:
    till = till_of([signed({})], merchant=MODERN)
    sealed = till.gateway.seal(text)
    assert sealed.serial == keys.PUBLIC_KEY_ID
    assert decrypt_field(sealed, private_key=keys.PUBLIC_MODE_KEY) == "张三"
    till = till_of([signed({})])
    till.gateway.call("POST", SHARING, json={"receivers": [{"name": sealed}]})
    assert till.sent().headers["Wechatpay-Serial"] == keys.PUBLIC_KEY_ID
    assert json.loads(till.sent().body or b"")["receivers"] == [{"name": str(sealed)}]


def test_a_key_that_is_replaced_in_between_does_no_harm() -> None:
    till = till_of([signed({})])
    sealed = till.gateway.seal("张三")
    assert sealed.serial == keys.PLATFORM_SERIAL
    # The public key is set, and from now on is the one to seal with.
    modern = till_of([signed({})], merchant=MODERN)
    modern.gateway.call("POST", SHARING, json={"name": sealed})
    assert modern.sent().headers["Wechatpay-Serial"] == keys.PLATFORM_SERIAL
    with pytest.raises(InvalidParameter, match="more than one key"):
        modern.gateway.call(
            "POST", SHARING, json={"name": sealed, "other": modern.gateway.seal("x")}
        )
    assert modern.asked == [1]


def test_a_sealed_text_from_a_queue_is_named_by_the_caller() -> None:
    till = till_of([signed({})])
    kept = pickle.loads(pickle.dumps(till.gateway.seal("x")))  # noqa: S301 - our own octets
    assert (type(kept), kept.serial) == (SealedText, keys.PLATFORM_SERIAL)
    till.gateway.call("POST", SHARING, json={"name": str(kept)}, serial=kept.serial)
    assert till.sent().headers["Wechatpay-Serial"] == keys.PLATFORM_SERIAL
    with pytest.raises(InvalidParameter, match="more than one key"):
        till.gateway.call("POST", SHARING, json={"name": kept}, serial="PUB_KEY_ID_1")


def test_without_a_key_nothing_is_sealed() -> None:
    till = till_of([], store=MemoryStore(claimed_at=NOW))
    with pytest.raises(OutcomeUnknown, match="no key"):
        till.gateway.seal("x")


@pytest.mark.parametrize("text", ["", None, b"x", 7, "x" * 215, "中" * 72])
def test_what_cannot_be_sealed_is_refused(text: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^text: ") as refused:
        till_of([]).gateway.seal(text)
    assert "xxx" not in str(refused.value)


def test_what_is_sealed_for_us_is_opened_with_our_key() -> None:
    gateway = till_of([]).gateway
    sealed = encrypt_field("张三", public_key=keys.MERCHANT_CERTIFICATE)
    assert gateway.unseal(sealed) == "张三"
    for wrong in ("", "x", sealed[:-8], encrypt_field("x", public_key=OLD), "中"):
        with pytest.raises(MalformedMessage):
            gateway.unseal(wrong)
    with pytest.raises(InvalidParameter, match=r"^text: "):
        gateway.unseal(None)


# Files


def test_an_upload_signs_the_meta_alone() -> None:
    till = till_of([signed({"media_id": "H1"})])
    path = "/v3/merchant/media/upload"
    answer = till.gateway.upload(path, filename="a.png", content=b"\x89PNG")
    assert answer == {"media_id": "H1"}
    sent = till.sent()
    meta = json.dumps(
        {"filename": "a.png", "sha256": hashlib.sha256(b"\x89PNG").hexdigest()},
        separators=(",", ":"),
    ).encode()
    assert isinstance(sent.body, bytes)
    assert meta in sent.body
    assert sent.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert is_signed_by_us("POST", path, meta, sent.headers["Authorization"])
    assert till.records[0].interface_url == PRIMARY + path


def test_an_upload_goes_to_the_next_host() -> None:
    till = till_of([SILENCE], [signed({"media_id": "H1"})])
    answer = till.gateway.upload("/v3/x/upload", filename="a.png", content=b"x")
    assert answer == {"media_id": "H1"}


CONTENT = b"`2026-01-01`,100\n" * 9
# Without the time, which would be another in the name of a test.
PACKED = gzip.compress(CONTENT, mtime=0)
SHA1 = hashlib.sha1(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = f"{STANDBY}/v3/billdownload/file?token=a%2Fb"


@pytest.mark.parametrize(
    ("content", "kind", "digest"),
    [
        (CONTENT, "SHA1", SHA1),
        (CONTENT, "sha-256", SHA256.upper()),
        (PACKED, "SHA1", SHA1),
        (PACKED, "SHA256", hashlib.sha256(PACKED).hexdigest()),
        (CONTENT, None, None),
        (b'{"a": 1}', "SHA1", hashlib.sha1(b'{"a": 1}', usedforsecurity=False).hexdigest()),
    ],
)
def test_a_file_is_the_one_whose_digest_was_stated(
    content: bytes, kind: str | None, digest: str | None
) -> None:
    till = till_of([], [(200, content)])
    assert till.gateway.download(URL, hash_type=kind, hash_value=digest) == content
    assert till.asked == [0, 1]
    sent = till.sent(1)
    assert is_signed_by_us("GET", sent.path_url, b"", sent.headers["Authorization"])
    assert till.records[0].interface_url == f"{STANDBY}/v3/billdownload/file"


def test_the_address_of_a_file_arrives_at_a_socket_as_it_was_signed(
    host: Callable[..., Host],
) -> None:
    there = host(says(CONTENT))
    till = Till(merchant=replace(MERCHANT, hosts=(there.url,)))
    till.gateway.download(
        f"{there.url}/v3/billdownload/file?token=a%2fb%2d|c", hash_type="SHA1", hash_value=SHA1
    )
    till.transport.close()
    (came,) = there.requests
    assert came.path == "/v3/billdownload/file?token=a%2Fb-%7Cc"
    assert is_signed_by_us("GET", came.path, b"", came.headers["Authorization"])


@pytest.mark.parametrize(
    "content", [CONTENT + b"x", PACKED[:-9], PACKED + b"x", b"\x1f\x8bnothing", HTML]
)
def test_another_file_is_a_bad_answer(content: bytes) -> None:
    till = till_of([], [(200, content)])
    with pytest.raises(BadAnswer, match="SHA1"):
        till.gateway.download(URL, hash_type="SHA1", hash_value=SHA1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(403, "NO_AUTH"), Refused),
        ((404, b""), BadAnswer),
        ((200, b""), BadAnswer),
        ((302, b"x"), BadAnswer),
        ((400, b"x" * (1024 * 1024 + 1)), BadAnswer),
        ((500, b""), OutcomeUnknown),
    ],
)
def test_no_file_is_no_file(answer: RawAnswer, error: type[Exception]) -> None:
    till = till_of([], [answer])
    with pytest.raises(error):
        till.gateway.download(URL, hash_type=None, hash_value=None)


def test_a_file_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "LARGEST_FILE", 8)
    till = till_of([], [(200, b"x" * 9)])
    with pytest.raises(OutcomeUnknown):
        till.gateway.download(URL, hash_type=None, hash_value=None)
    assert till.failures == [Failure.UNREADABLE]


@pytest.mark.parametrize(
    ("url", "kind", "digest"),
    [
        ("https://elsewhere.test/v3/x", None, None),
        (URL, "MD5", SHA1),
        (URL, None, SHA1),
        (URL, "SHA1", None),
        (URL, "SHA1", SHA256),
        (URL, "SHA256", SHA256[:-1] + "g"),
        (URL, 1, SHA1),
    ],
)
def test_a_file_that_cannot_be_checked_is_not_fetched(url: str, kind: Any, digest: Any) -> None:
    till = till_of([], [(200, CONTENT)])
    with pytest.raises(InvalidParameter):
        till.gateway.download(url, hash_type=kind, hash_value=digest)
    assert till.asked == [0, 0]


Act = Callable[[Till], object]
ACTS: list[Act] = [
    lambda till: till.gateway.call("GET", SHARING),
    lambda till: till.gateway.upload(SHARING, filename="a.png", content=b"x"),
]


@pytest.mark.parametrize("act", ACTS)
def test_certificates_that_are_due_are_fetched_before(act: Act) -> None:
    till = till_of([signed({})], [])
    till.now = NOW + timedelta(days=1)
    with pytest.raises((BadSignature, BadAnswer)):
        act(till)
    assert till.paths[0] == "/v3/certificates"
