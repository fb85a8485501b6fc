"""A terminal's sales, many in one report (protocol-v2 section 8.5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_wxpay.protocol import v2
from django_wxpay.protocol.errors import InvalidOrder
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.times import parse_t14
from django_wxpay.protocol.v2.batch_reports import (
    BATCH_PATH,
    LARGEST_BATCH,
    SaleState,
    TerminalSale,
    batch_report_fields,
    batches,
    trades_text,
)
from django_wxpay.protocol.v2.reports import Reporter
from tests.protocol.v2.vectors import K1

SALE = TerminalSale(
    out_trade_no="T20260101000001",
    begin_at=datetime(2025, 12, 31, 16, 0, 0, tzinfo=UTC),
    end_at=datetime(2025, 12, 31, 16, 0, 5, tzinfo=UTC),
    state=SaleState.OK,
)
TERMINAL = Reporter(
    appid="wxd930ea5d5a258f4f",
    mch_id="10000100",
    interface_url=f"https://api.mch.weixin.qq.com{BATCH_PATH}",
    user_ip="127.0.0.1",
)
# M20 of protocol-v2 section 2.2, word for word.
M20 = {
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "nonce_str": "ibuaiVcKdpRxkhJA",
    "interface_url": "https://api.mch.weixin.qq.com/pay/batchreport/micropay/total",
    "user_ip": "127.0.0.1",
    "trades": (
        '[{"out_trade_no":"T20260101000001","begin_time":"20260101000000",'
        '"end_time":"20260101000005","state":"OK","err_msg":""}]'
    ),
}
NAMES = {"out_trade_no", "begin_time", "end_time", "state", "err_msg"}

moments = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - the zone is drawn beside it
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=8))]),
)
letters = st.characters(codec="utf-8")
sales = st.builds(
    TerminalSale,
    out_trade_no=st.text("0123456789ABCxyz_-|*", min_size=6, max_size=32),
    begin_at=moments,
    end_at=moments,
    state=st.sampled_from(SaleState),
    err_msg=st.one_of(
        st.text(max_size=40),
        st.text(letters, max_size=40),
        # Long enough to be cut, of characters that JSON writes in one to four bytes.
        st.tuples(st.text('a余"\\\n😀', min_size=1, max_size=7), st.integers(100, 700)).map(
            lambda drawn: drawn[0] * drawn[1]
        ),
    ),
)


def size(batch: tuple[TerminalSale, ...]) -> int:
    return len(trades_text(batch).encode())


def told(
    *batch: TerminalSale,
    terminal: Reporter = TERMINAL,
    mode: Mode = Mode.COMMON,
    sign_type: SignType = SignType.MD5,
) -> dict[str, str]:
    return batch_report_fields(
        batch or (SALE,),
        reporter=terminal,
        mode=mode,
        sign_type=sign_type,
        key=K1,
        nonce="ibuaiVcKdpRxkhJA",
    )


def test_the_batch_of_the_sheet_is_written_and_signed_as_the_sheet_has_it() -> None:
    assert told() == M20 | {"sign": "6CD70B80FAA205C011556FE6C67377B5"}


def test_nothing_of_the_per_call_form_is_told() -> None:
    assert not {"execute_time_", "return_code", "result_code", "time"} & told().keys()


def test_a_sign_type_that_is_not_md5_is_named_and_signed() -> None:
    sent = told(sign_type=SignType.HMAC_SHA256)
    assert sent["sign_type"] == "HMAC-SHA256"
    assert v2.verify(sent, K1)


def test_only_an_institution_names_its_sub_merchant() -> None:
    terminal = replace(TERMINAL, sub_appid="wx1111111111111111", sub_mch_id="10000200")
    assert not {"sub_appid", "sub_mch_id"} & told(terminal=terminal).keys()
    sent = told(terminal=terminal, mode=Mode.INSTITUTIONAL)
    assert (sent["sub_appid"], sent["sub_mch_id"]) == ("wx1111111111111111", "10000200")


def test_who_reports_is_cut_to_the_width_of_the_sheet() -> None:
    sent = told(
        terminal=replace(
            TERMINAL, device_info="收银台" * 9, interface_url="https://" + "x" * 130, user_ip="::1"
        )
    )
    assert sent["device_info"] == ("收银台" * 9)[:10]
    assert len(sent["interface_url"]) == 127
    assert sent["user_ip"] == "0.0.0.0"


def test_the_three_words_are_those_of_the_wire() -> None:
    said = [json.loads(trades_text([replace(SALE, state=state)]))[0] for state in SaleState]
    assert [sale["state"] for sale in said] == ["OK", "FAIL", "CANCLE"]


def test_a_clock_that_went_back_took_no_time() -> None:
    backwards = replace(SALE, end_at=SALE.begin_at - timedelta(seconds=3))
    (said,) = json.loads(trades_text([backwards]))
    assert said["begin_time"] == said["end_time"] == "20260101000000"


def test_ordinary_sales_go_out_by_the_seven() -> None:
    usual = replace(SALE, out_trade_no="2" * 32, state=SaleState.CANCELLED)
    assert [len(batch) for batch in batches([usual] * 20)] == [7, 7, 6]


def test_nothing_is_no_batch() -> None:
    assert list(batches([])) == []


def test_a_batch_may_be_full_to_the_last_byte() -> None:
    room = LARGEST_BATCH - size((SALE,))
    full = replace(SALE, err_msg="x" * room)
    assert size((full,)) == LARGEST_BATCH
    assert trades_text([replace(SALE, err_msg="x" * (room + 1))]) == trades_text([full])
    half = replace(SALE, err_msg="x" * ((room - size((SALE,)) + 1) // 2))
    pair = replace(half, err_msg=half.err_msg + "x" * (LARGEST_BATCH - size((half, half))))
    assert size((half, pair)) == LARGEST_BATCH
    assert [len(batch) for batch in batches([half, pair])] == [2]
    assert [len(batch) for batch in batches([half, replace(pair, err_msg=pair.err_msg + "x")])] == [
        1,
        1,
    ]


@pytest.mark.parametrize(
    ("character", "bytes_in_json"), [("a", 1), ("é", 2), ("余", 3), ("😀", 4), ('"', 2), ("\\", 2)]
)
def test_a_text_is_cut_where_a_batch_of_its_own_is_full(character: str, bytes_in_json: int) -> None:
    endless = replace(SALE, err_msg=character * 5000)
    (said,) = json.loads(trades_text([endless]))
    room = LARGEST_BATCH - size((SALE,))
    assert said["err_msg"] == character * (room // bytes_in_json)


def test_what_xml_cannot_hold_is_left_out_and_the_rest_arrives() -> None:
    odd = replace(SALE, err_msg="余额\x00\x1b\ud800不足]]>\r\n\ufffe<b>&")
    sent = told(odd)
    assert v2.decode_xml(v2.encode_xml(sent)) == sent
    (said,) = json.loads(sent["trades"])
    assert said["err_msg"] == "余额不足]]>\r\n<b>&"


@pytest.mark.parametrize("batch", [(), (SALE,) * 30])
def test_none_and_too_many_are_refused_before_they_are_signed(
    batch: tuple[TerminalSale, ...],
) -> None:
    with pytest.raises(InvalidOrder, match="trades"):
        batch_report_fields(
            batch,
            reporter=TERMINAL,
            mode=Mode.COMMON,
            sign_type=SignType.MD5,
            key=K1,
            nonce="n",
        )


@given(st.lists(sales, max_size=25))
def test_nothing_is_lost_and_the_order_is_kept(given_: list[TerminalSale]) -> None:
    assert [sale for batch in batches(given_) for sale in batch] == given_


@given(st.lists(sales, max_size=25))
def test_every_batch_fits_and_one_sale_more_would_not(given_: list[TerminalSale]) -> None:
    made = list(batches(given_))
    for batch in made:
        assert batch != ()
        assert size(batch) <= LARGEST_BATCH
    for batch, following in pairwise(made):
        assert size((*batch, following[0])) > LARGEST_BATCH


@given(st.lists(sales, min_size=1, max_size=12))
def test_every_batch_arrives_and_says_what_was_put_in(given_: list[TerminalSale]) -> None:
    for batch in batches(given_):
        sent = told(*batch)
        assert v2.decode_xml(v2.encode_xml(sent)) == sent
        assert v2.verify(sent, K1)
        said = json.loads(sent["trades"])
        assert len(said) == len(batch)
        for sale, trade in zip(batch, said, strict=True):
            assert trade.keys() == NAMES
            assert trade["out_trade_no"] == sale.out_trade_no
            assert trade["state"] == sale.state
            begin, end = sale.begin_at, max(sale.begin_at, sale.end_at)
            assert parse_t14(trade["begin_time"]) == begin.replace(microsecond=0)
            assert parse_t14(trade["end_time"]) == end.replace(microsecond=0)


@given(sales)
def test_a_text_is_cut_only_where_it_must_be(sale: TerminalSale) -> None:
    whole = v2.decode_xml(v2.encode_xml(told(sale)))["trades"]
    (said,) = json.loads(whole)
    writable = "".join(c for c in sale.err_msg if v2_holds(c))
    assert writable.startswith(said["err_msg"])
    if said["err_msg"] != writable:
        following = writable[len(said["err_msg"])]
        more = len(json.dumps(following, ensure_ascii=False).encode()) - 2
        assert len(whole.encode()) + more > LARGEST_BATCH


def v2_holds(character: str) -> bool:
    """Say whether XML 1.0 can write ``character``."""
    code = ord(character)
    return (
        character in "\t\n\r" or 0x20 <= code <= 0xD7FF or (code >= 0xE000 and code & ~1 != 0xFFFE)
    )
