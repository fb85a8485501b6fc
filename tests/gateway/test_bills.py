"""Bills fetched over v2 and APIv3: whole and hashed in the sink, or not at all."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest

from django_wxpay.exceptions import (
    BadAnswer,
    BadSignature,
    BillNotReady,
    ConfigurationError,
    InvalidParameter,
    OutcomeUnknown,
    Refused,
)
from django_wxpay.gateway import CallRecord, FetchedBill, Transport, V2Gateway
from django_wxpay.gateway import bills as gateway_bills
from django_wxpay.gateway.bills import Download
from django_wxpay.protocol.bills.rows import AccountType, BillKind, BillRequest
from django_wxpay.protocol.merchants import Merchant, Mode, Region, SignType
from django_wxpay.protocol.v2.bills import bill_refusal
from django_wxpay.protocol.v2.signing import verify
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml
from tests.gateway.till import PRIMARY, STANDBY, Till, is_signed_by_us
from tests.protocol.v3.samples import MAINLAND, NOW, OVERSEAS, PARTNER
from tests.protocol.v3.vectors import body, headers
from tests.wechatpay import bills, v2
from tests.wechatpay.transport import HTML, Handler, Host, ScriptedTransport, says
from tests.wechatpay.v3 import probe, refusal, signature, signed

TEXT: Final = bills.text(bills.paid(), bills.refunded()).encode()
PACKED: Final = gzip.compress(TEXT, mtime=0)
SHA1: Final = hashlib.sha1(TEXT, usedforsecurity=False).hexdigest()
DAY: Final = BillRequest(bill_date=date(2024, 4, 30))
FLOW: Final = replace(DAY, kind=BillKind.FUND_FLOW, account_type=AccountType.FEES)
WHOLE: Final = FetchedBill(sha1=SHA1, size=len(TEXT))


class Memory:
    """A sink in memory that counts how often it began anew."""

    def __init__(self) -> None:
        self.data, self.begun = b"", 0

    def write(self, data: bytes) -> None:
        self.data += data

    def restart(self) -> None:
        self.data, self.begun = b"", self.begun + 1

    @property
    def text(self) -> bytes:
        return gzip.decompress(self.data)


# Over v2


class Counter:
    """A v2 gateway between two scripted hosts."""

    def __init__(self, *scripts: Any, now: datetime = NOW, **changes: Any) -> None:
        merchant = Merchant(
            alias="default",
            mch_id=v2.MCH_ID,
            appid=v2.APPID,
            api_key=v2.API_KEY,
            hosts=(PRIMARY, STANDBY),
        )
        self.transport = Transport(sleep=lambda _: None)
        self.hosts = [ScriptedTransport(*script) for script in scripts]
        for url, host in zip((PRIMARY, STANDBY), self.hosts, strict=False):
            self.transport.mount(url, host)
        self.records: list[CallRecord] = []
        self.sink = Memory()
        numbers = itertools.count(1)
        self.gateway = V2Gateway(
            replace(merchant, **changes),
            transport=self.transport,
            now=lambda: now,
            nonce=lambda: f"nonce{next(numbers)}",
            record=self.records.append,
        )

    def fetch(self, request: BillRequest = DAY) -> FetchedBill:
        return self.gateway.fetch_bill(request, self.sink)

    def sent(self) -> dict[str, str]:
        return decode_xml(self.hosts[0].requests[-1].body)


def no(message: str, **fields: str) -> tuple[int, bytes]:
    return 200, encode_xml({"return_code": "FAIL", "return_msg": message} | fields)


@pytest.mark.parametrize(
    "answer", [PACKED, TEXT, b"\xef\xbb\xbf" + TEXT], ids=["gzip", "plain", "bom"]
)
def test_a_bill_arrives_as_gzip_however_it_came(answer: bytes) -> None:
    counter = Counter([(200, answer)])
    text = answer if answer != PACKED else TEXT
    fetched = counter.fetch()
    assert fetched.sha1 == hashlib.sha1(text, usedforsecurity=False).hexdigest()
    assert (fetched.size, counter.sink.text) == (len(text), text)
    (record,) = counter.records
    assert (record.failure, record.return_code, record.http_status) == ("", "SUCCESS", 200)
    assert record.interface_url == f"{PRIMARY}/pay/downloadbill"


def test_a_trade_bill_is_asked_for_as_documented() -> None:
    counter = Counter([(200, PACKED)])
    counter.fetch()
    sent = counter.sent()
    assert verify(sent, v2.API_KEY, SignType.HMAC_SHA256)
    del sent["sign"]
    assert sent == {
        "appid": v2.APPID,
        "mch_id": v2.MCH_ID,
        "bill_date": "20240430",
        "bill_type": "ALL",
        "tar_type": "GZIP",
        "nonce_str": "nonce1",
        "sign_type": "HMAC-SHA256",
    }


def test_an_institution_may_ask_for_one_sub_merchant() -> None:
    counter = Counter([(200, PACKED)], mode=Mode.INSTITUTIONAL)
    counter.fetch(replace(DAY, sub_mch_id="1900000109"))
    assert counter.sent()["sub_mch_id"] == "1900000109"
    counter.fetch()
    assert "sub_mch_id" not in counter.sent()


def test_a_fund_flow_needs_the_client_certificate_and_hmac() -> None:
    counter = Counter([(200, PACKED)], sign_type=SignType.MD5)
    with pytest.raises(ConfigurationError, match="CLIENT_CERT"):
        counter.fetch(FLOW)
    assert counter.hosts[0].requests == []
    plain = Counter([(200, PACKED)], sign_type=SignType.MD5, hosts=("http://primary.test",))
    plain.transport.mount("http://primary.test", plain.hosts[0])
    assert plain.fetch(FLOW) == WHOLE
    sent = plain.sent()
    assert (sent["account_type"], sent["sign_type"]) == ("Fees", "HMAC-SHA256")
    assert verify(sent, v2.API_KEY, SignType.HMAC_SHA256)
    assert plain.hosts[0].calls[0][0] == "/pay/downloadfundflow"


LATE: Final = NOW
# 09:59 in Beijing on the day after.
EARLY: Final = datetime(2024, 5, 1, 1, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "message", ["No Bill Exist", "NO Bill Exist", "no bill exist", "NO_BILL_EXIST"]
)
def test_a_day_without_a_bill_is_empty_once_bills_are_made(message: str) -> None:
    counter = Counter([no(message, error_code="20002")], now=LATE)
    assert counter.fetch() == FetchedBill(is_empty=True)
    assert counter.sink.data == b""
    with pytest.raises(BillNotReady, match="20002"):
        Counter([no(message, error_code="20002")], now=EARLY).fetch()


def test_a_bill_that_is_being_made_is_asked_for_later() -> None:
    with pytest.raises(BillNotReady, match="2024-04-30"):
        Counter([no("Bill Creating")], now=LATE).fetch()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (no("SIGN ERROR"), "SIGNERROR"),
        (no("invalid bill_date"), "PARAM_ERROR"),
        (no("missing parameter"), "LACK_PARAMS"),
        (no("something new", error_code="20099"), "RETURN_FAIL"),
        (
            (
                200,
                encode_xml({"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "NOAUTH"}),
            ),
            "NOAUTH",
        ),
    ],
)
def test_a_refusal_is_found_in_the_table(answer: Any, kind: str) -> None:
    with pytest.raises(Refused) as error:
        Counter([answer]).fetch()
    assert error.value.kind == kind
    assert error.value.advice


def test_a_fund_flow_that_does_not_exist_is_empty() -> None:
    fields = {"result_code": "FAIL", "err_code": "NO_BILL_EXIST", "err_code_des": "bill not exist"}
    counter = Counter([(200, encode_xml(fields))], hosts=("http://primary.test",))
    counter.transport.mount("http://primary.test", counter.hosts[0])
    assert counter.fetch(FLOW).is_empty


def test_a_document_that_is_no_refusal_is_no_answer() -> None:
    counter = Counter([(200, encode_xml({"return_code": "SUCCESS"}))], [(200, PACKED)])
    with pytest.raises(BadAnswer, match="a document came"):
        counter.fetch()
    with pytest.raises(BadAnswer):
        bill_refusal({})


def test_a_busy_gateway_is_asked_once_more() -> None:
    counter = Counter([no("SYSTEMERROR"), (200, PACKED)])
    assert counter.fetch() == WHOLE
    assert (len(counter.records), counter.sink.begun) == (2, 2)


@pytest.mark.parametrize(
    ("broken", "failure"),
    [
        (PACKED[:-1], "UNREADABLE"),
        (PACKED[:40], "UNREADABLE"),
        (PACKED + b"\0", "UNREADABLE"),
        (PACKED + PACKED, "UNREADABLE"),
        (PACKED[:20] + b"\xff\xff\xff" + PACKED[23:], "UNREADABLE"),
        (b"", "UNREADABLE"),
        (HTML, "UNREADABLE"),
        (b"<" + b"x" * 2_000_000, "UNREADABLE"),
        (b" " * 70_000 + HTML, "UNREADABLE"),
        (b"\r\n" * 3, "UNREADABLE"),
        (b" " * 2_000_000, "UNREADABLE"),
    ],
)
def test_a_file_that_did_not_arrive_whole_is_asked_for_at_the_next_host(
    broken: bytes, failure: str
) -> None:
    counter = Counter([(200, broken)], [(200, PACKED)])
    assert counter.fetch() == WHOLE
    assert counter.sink.text == TEXT
    assert [record.failure for record in counter.records] == [failure, ""]
    with pytest.raises(BadAnswer):
        Counter([(200, broken)], [(200, broken)]).fetch()


def test_an_error_of_the_server_is_a_case_for_the_next_host() -> None:
    assert Counter([(502, PACKED)], [(200, PACKED)]).fetch() == WHOLE
    with pytest.raises(OutcomeUnknown):
        Counter([(502, b"")], [(503, b"")]).fetch()


def test_a_day_that_has_no_bill_is_refused_without_a_call() -> None:
    counter = Counter([(200, PACKED)])
    for day in (date(2024, 5, 1), date(2024, 1, 1)):
        with pytest.raises(InvalidParameter):
            counter.fetch(replace(DAY, bill_date=day))
    assert counter.hosts[0].requests == []


def test_a_small_file_that_unpacks_to_more_than_there_can_be_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    assert len(bomb) < 20_000
    download = Download(Memory(), longest=5_000_000)
    tracemalloc.start()
    download.take(200, {}, [bomb])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    with pytest.raises(ValueError, match="longer than 5000000 bytes"):
        download.fetched()
    assert peak < 6_000_000
    plain = Download(Memory(), longest=10)
    plain.take(200, {}, [b"a" * 20])
    with pytest.raises(ValueError, match="longer than 10 bytes"):
        plain.fetched()


def test_a_gzip_file_without_text_does_not_go_on_for_ever() -> None:
    sink = Memory()
    download = Download(sink, longest=50_000)
    packer = zlib.compressobj(wbits=31)
    packer.compress(b"")
    empty_block = packer.flush(zlib.Z_FULL_FLUSH)[-5:]
    begin = PACKED[:10]
    download.take(200, {}, itertools.chain([begin], itertools.repeat(empty_block * 1000)))
    with pytest.raises(ValueError, match="longer than 50000 bytes"):
        download.fetched()
    assert len(sink.data) <= 50_000


def test_blanks_before_a_refusal_make_it_no_bill() -> None:
    message = (200, b" \r\n" * 100 + no("Bill Creating")[1])
    counter = Counter([message])
    with pytest.raises(BillNotReady):
        counter.fetch()
    assert counter.sink.data == b""


@pytest.mark.parametrize("size", [1, 3, 1 << 16])
@pytest.mark.parametrize("answer", [PACKED, TEXT, HTML, b"<"])
def test_pieces_of_any_size_are_the_same_answer(answer: bytes, size: int) -> None:
    sink = Memory()
    download = Download(sink)
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    document = download.take(200, {}, pieces)
    if answer in (PACKED, TEXT):
        assert (document, download.fetched(), sink.text) == (b"", WHOLE, TEXT)
    else:
        assert (document, sink.data) == (answer, b"")


def test_what_follows_a_gzip_file_is_found_in_a_later_piece_too() -> None:
    download = Download(Memory())
    download.take(200, {}, [PACKED, b"x"])
    with pytest.raises(ValueError, match="something follows"):
        download.fetched()


class Nowhere:
    """A sink that forgets."""

    def write(self, data: bytes) -> None: ...

    def restart(self) -> None: ...


def long_file(rows: int) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    line = (bills.line(bills.paid()) + "\n").encode()
    for _ in range(rows // 1000):
        yield packer.compress(line * 1000)
    yield packer.flush()


def test_a_long_file_over_a_socket_takes_constant_memory(host: Callable[..., Host]) -> None:
    def send(handler: Handler) -> None:
        handler.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for piece in long_file(100_000):
            handler.raw(piece)
        handler.hang_up()

    counter = Counter([], hosts=(host(send).url,))
    tracemalloc.start()
    fetched = counter.gateway.fetch_bill(DAY, Nowhere())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fetched.size == len((bills.line(bills.paid()) + "\n").encode()) * 100_000
    # Both ends of the connection are in this process.
    assert peak < 12_000_000 < fetched.size


def test_a_host_that_hangs_up_in_the_middle_is_no_whole_answer(host: Callable[..., Host]) -> None:
    def cut(handler: Handler) -> None:
        handler.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PACKED)}\r\n\r\n".encode())
        handler.raw(PACKED[:30])
        handler.hang_up()

    counter = Counter([], hosts=(host(cut).url, host(says(PACKED)).url))
    assert counter.fetch() == WHOLE
    assert counter.sink.text == TEXT


def test_a_host_that_goes_silent_is_not_waited_for_for_ever(
    host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(handler: Handler) -> None:
        handler.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(PACKED)}\r\n\r\n".encode())
        handler.raw(PACKED[:30])
        handler.server.over.wait(5)

    monkeypatch.setattr("django_wxpay.gateway.v2.bills.DOWNLOAD_TIMEOUT", (1.0, 0.3))
    counter = Counter([], hosts=(host(stop).url, host(says(PACKED)).url))
    assert counter.fetch() == WHOLE


def test_an_error_of_the_sink_is_the_callers_and_no_host_is_blamed() -> None:
    class Full(Memory):
        def write(self, data: bytes) -> None:
            raise RuntimeError("the disk is full")

    counter = Counter([(200, PACKED)], [(200, PACKED)])
    with pytest.raises(RuntimeError, match="disk"):
        counter.gateway.fetch_bill(DAY, Full())
    assert counter.hosts[1].requests == []


# Over APIv3

HERE: Final = replace(MAINLAND, hosts=(PRIMARY, STANDBY))
ABROAD: Final = replace(OVERSEAS, hosts=(PRIMARY, STANDBY))
FILE: Final = "/v3/billdownload/file?token=t0k3n"
STEP: Final = {"hash_type": "SHA1", "hash_value": SHA1, "download_url": f"{PRIMARY}{FILE}"}


def at_step(step: Any, *file: Any, merchant: Merchant = HERE) -> tuple[Till, Memory]:
    till, sink = Till([step, *file], [(200, PACKED)], merchant=merchant), Memory()
    return till, sink


def test_the_first_step_is_signed_and_the_file_is_not() -> None:
    till, sink = at_step(signed(STEP), (200, PACKED))
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE
    assert sink.text == TEXT
    assert till.paths == [
        "/v3/bill/tradebill?bill_date=2024-04-30&bill_type=ALL&tar_type=GZIP",
        FILE,
    ]
    for at, path in enumerate(till.paths):
        authorization = str(till.sent(at=at).headers["Authorization"])
        assert is_signed_by_us("GET", path, b"", authorization)
    assert till.failures == ["", ""]


SUB: Final = "&tar_type=GZIP&sub_mchid=42"


@pytest.mark.parametrize(
    ("request_", "merchant", "path"),
    [
        (
            FLOW,
            HERE,
            "/v3/bill/fundflowbill?bill_date=2024-04-30&account_type=FEES&tar_type=GZIP",
        ),
        (
            replace(FLOW, sub_mch_id="42"),
            replace(PARTNER, hosts=HERE.hosts),
            f"/v3/bill/sub-merchant-fundflowbill?bill_date=2024-04-30&account_type=FEES{SUB}",
        ),
        (
            replace(DAY, sub_mch_id="42"),
            replace(PARTNER, hosts=HERE.hosts),
            f"/v3/bill/tradebill?bill_date=2024-04-30&bill_type=ALL{SUB}",
        ),
    ],
)
def test_each_kind_has_its_own_address(
    request_: BillRequest, merchant: Merchant, path: str
) -> None:
    till, sink = at_step(signed(STEP), (200, PACKED), merchant=merchant)
    assert till.gateway.fetch_bill(request_, sink) == WHOLE
    assert till.paths[0] == path


@pytest.mark.parametrize(
    "address",
    [
        f"https://evil.test{FILE}",
        f"http://primary.test{FILE}",
        f"https://primary.test:444{FILE}",
        f"https://primary.test.evil.test{FILE}",
        f"https://user@primary.test{FILE}",
        f"https://primary.test@evil.test{FILE}",
        f"https://primary.test:x{FILE}",
        "https://[primary.test/v3/billdownload/file",
        "https://primary.test/v3/certificates",
        "https://primary.test/v3/billdownload/../certificates",
        "https://primary.test/v3/billdownload/..",
        "https://primary.test/v3/billdownload/%2E./certificates",
        f"https://primary.test{FILE}#x",
        f"ftp://primary.test{FILE}",
        FILE,
        "",
    ],
)
def test_a_file_is_fetched_from_the_merchants_own_hosts_alone(address: str) -> None:
    till, sink = at_step(signed(STEP | {"download_url": address}))
    with pytest.raises(BadAnswer, match="download_url"):
        till.gateway.fetch_bill(DAY, sink)
    assert till.asked == [1, 0]


def test_a_default_port_is_the_same_host() -> None:
    step = STEP | {"download_url": f"https://primary.test:443{FILE}"}
    till, sink = at_step(signed(step), (200, PACKED))
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE


def test_an_address_without_a_query_is_signed_as_it_is_sent() -> None:
    step = STEP | {"download_url": f"{PRIMARY}/v3/billdownload/file"}
    till, sink = at_step(signed(step), (200, PACKED))
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE
    assert till.paths[-1] == "/v3/billdownload/file"
    sent = till.hosts[0].requests[-1]
    assert is_signed_by_us("GET", sent.path_url, b"", sent.headers["Authorization"])


@pytest.mark.parametrize(
    "changes",
    [{"hash_type": "MD5"}, {"hash_type": None}, {"hash_value": "x" * 40}, {"hash_value": 5}],
)
def test_a_first_step_without_a_digest_is_no_answer(changes: dict[str, Any]) -> None:
    till, sink = at_step(signed(STEP | changes))
    with pytest.raises(BadAnswer):
        till.gateway.fetch_bill(DAY, sink)


def test_a_file_of_another_digest_is_not_taken() -> None:
    till, sink = at_step(signed(STEP | {"hash_value": SHA1[::-1]}), (200, PACKED))
    with pytest.raises(BadAnswer, match="SHA-1"):
        till.gateway.fetch_bill(DAY, sink)


def test_a_digest_in_capitals_is_the_same_digest() -> None:
    till, sink = at_step(signed(STEP | {"hash_value": SHA1.upper()}), (200, PACKED))
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE


@pytest.mark.parametrize("at", [0, 1])
def test_a_refusal_of_either_step_is_one(at: int) -> None:
    script = [signed(STEP), refusal(403, "NO_AUTH")][1 - at :]
    till, sink = at_step(*script)
    with pytest.raises(Refused) as error:
        till.gateway.fetch_bill(DAY, sink)
    assert error.value.kind == "NOAUTH"


def test_a_file_that_is_a_page_is_no_file() -> None:
    till, sink = at_step(signed(STEP), (200, HTML))
    with pytest.raises(BadAnswer):
        till.gateway.fetch_bill(DAY, sink)


@pytest.mark.parametrize("region", Region)
def test_no_statement_is_an_empty_day_or_one_that_is_not_ready(region: Region) -> None:
    merchant = HERE if region is Region.MAINLAND else ABROAD
    till, sink = at_step(refusal(400, "NO_STATEMENT_EXIST"), merchant=merchant)
    assert till.gateway.fetch_bill(DAY, sink).is_empty
    till.now = EARLY
    with pytest.raises(BillNotReady):
        till.gateway.fetch_bill(DAY, sink)
    till, sink = at_step(refusal(400, "STATEMENT_CREATING"), merchant=merchant)
    with pytest.raises(BillNotReady):
        till.gateway.fetch_bill(DAY, sink)


def statement(text: bytes = TEXT, *, sha1: str = "", **changes: str) -> Any:
    digest = sha1 or hashlib.sha1(text, usedforsecurity=False).hexdigest()
    over = json.dumps({"sha1": digest}, separators=(",", ":")).encode()
    signed_by = signature(
        over, serial=changes.pop("serial", MODERN), timestamp=int(NOW.timestamp())
    )
    return 200, text, signed_by | {"Wechatpay-Statement-Sha1": digest} | changes


MODERN: Final = "0C5D1F7A92E3B4680D1C2F3E4A5B6C7D8E9F0A1B"


def test_a_statement_is_signed_over_its_digest() -> None:
    till, sink = at_step(statement(), merchant=ABROAD)
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE
    assert sink.text == TEXT
    assert till.paths == ["/v3/global/statements?date=20240430"]


def test_the_vector_of_a_statement_is_accepted() -> None:
    vector = headers("RES-5")
    till, sink = at_step((200, body("RES-5"), vector), merchant=ABROAD)
    fetched = till.gateway.fetch_bill(DAY, sink)
    assert fetched.sha1 == vector["Wechatpay-Statement-Sha1"]
    assert sink.text == body("RES-5")


@pytest.mark.parametrize(
    "answer",
    [
        statement(sha1=SHA1[::-1]),
        (200, TEXT, statement()[2] | {"Wechatpay-Statement-Sha1": SHA1[::-1]}),
        (200, TEXT, statement()[2] | {"Wechatpay-Statement-Sha1": ""}),
        (200, TEXT, {"Wechatpay-Statement-Sha1": SHA1}),
        (200, TEXT + b"`", statement()[2]),
        (200, TEXT, {}),
    ],
)
def test_a_statement_that_is_not_what_was_signed_is_not_taken(answer: Any) -> None:
    till, sink = at_step(answer, merchant=ABROAD)
    with pytest.raises(BadAnswer):
        till.gateway.fetch_bill(DAY, sink)
    assert till.asked == [1, 0], "no other host is asked about a forgery"


def test_a_statement_that_is_probed_is_asked_for_once_more() -> None:
    till, sink = at_step(probe(statement()), statement(), merchant=ABROAD)
    assert till.gateway.fetch_bill(DAY, sink) == WHOLE
    till, sink = at_step(probe(statement()), probe(statement()), merchant=ABROAD)
    with pytest.raises(BadSignature):
        till.gateway.fetch_bill(DAY, sink)


def test_the_global_api_has_no_fund_flow() -> None:
    till, sink = at_step(statement(), merchant=ABROAD)
    with pytest.raises(InvalidParameter):
        till.gateway.fetch_bill(FLOW, sink)


def test_a_file_may_take_minutes_and_a_payment_may_not() -> None:
    connect, whole = gateway_bills.DOWNLOAD_TIMEOUT
    assert timedelta(seconds=whole) >= timedelta(minutes=5)
    assert connect <= 5
