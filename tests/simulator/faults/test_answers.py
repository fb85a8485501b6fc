"""Every fault of an answer, seen from the caller."""

from __future__ import annotations

import pytest
import requests

from django_wxpay.protocol import v2
from django_wxpay.simulator import Reply, Simulator, create_app
from tests.simulator.calling import ACKNOWLEDGED, HOST, KEY, MCH_ID, NUMBER, ORDER, Merchant, Shop
from tests.simulator.v2.test_reporting import report


def posted(merchant: Merchant, path: str = "/pay/unifiedorder", **how: float) -> requests.Response:
    return merchant.post(path, merchant.signed(ORDER), **how)


def fields(merchant: Merchant) -> dict[str, str]:
    return v2.decode_xml(posted(merchant).content)


def placed(app: Simulator) -> int:
    return len(app.ledger()["trades"])


@pytest.mark.parametrize("fault", ["reset", "reset_after"])
def test_a_reset_connection(app: Simulator, merchant: Merchant, fault: str) -> None:
    app.inject(fault, operation="unifiedorder")
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        posted(merchant)
    assert placed(app) == (fault == "reset_after")


@pytest.mark.parametrize(("fault", "executed"), [("timeout", 0), ("answered_after_timeout", 1)])
def test_an_answer_that_comes_too_late(
    app: Simulator, merchant: Merchant, fault: str, executed: int
) -> None:
    app.inject(fault)
    with pytest.raises(requests.ReadTimeout, match="read timeout=15"):
        posted(merchant)
    assert placed(app) == executed
    assert merchant.place()["result_code"] == "SUCCESS"


def test_an_answer_is_late_only_for_the_impatient(app: Simulator, merchant: Merchant) -> None:
    app.inject("slow", seconds=3, times=3)
    with pytest.raises(requests.ReadTimeout):
        posted(merchant, timeout=2.9)
    with pytest.raises(requests.ReadTimeout):
        merchant.session.post(HOST + "/pay/orderquery", data=b"x", timeout=(5, 1))
    assert posted(merchant, timeout=3.1).status_code == 200


def test_who_waits_for_ever_is_hung_up_on(app: Simulator, merchant: Merchant) -> None:
    app.inject("timeout")
    with pytest.raises(requests.ConnectionError):
        merchant.session.post(HOST + "/pay/unifiedorder", data=merchant.signed(ORDER))


@pytest.mark.parametrize(("fault", "status"), [("http_500", 500), ("http_502", 502), ("html", 200)])
def test_a_page_instead_of_an_answer(
    app: Simulator, merchant: Merchant, fault: str, status: int
) -> None:
    app.inject(fault)
    response = posted(merchant)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "text/html"
    assert response.text.startswith("<html>")
    assert placed(app) == 0


def test_an_empty_answer(app: Simulator, merchant: Merchant) -> None:
    app.inject("empty")
    response = posted(merchant)
    assert (response.status_code, response.content) == (200, b"")
    assert placed(app) == 1


def test_an_answer_that_breaks_off_on_the_line(app: Simulator, merchant: Merchant) -> None:
    app.inject("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        posted(merchant)
    assert placed(app) == 1


def test_an_answer_that_is_read_piece_by_piece_breaks_off_too(
    app: Simulator, merchant: Merchant
) -> None:
    app.inject("truncated")
    body = merchant.signed(ORDER)
    with merchant.session.post(
        f"{HOST}/pay/unifiedorder", data=body, stream=True, timeout=15
    ) as response:
        assert response.raw.read(5) == b"<xml>"
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            response.iter_content(1024).__next__()
            list(response.iter_content(1024))


def test_half_a_document(app: Simulator, merchant: Merchant) -> None:
    app.inject("half_xml")
    content = posted(merchant).content
    assert content.startswith(b"<xml>")
    assert b"</xml>" not in content


@pytest.mark.parametrize(("fault", "executed"), [("systemerror", 0), ("systemerror_after", 1)])
def test_a_signed_system_error(
    app: Simulator, merchant: Merchant, fault: str, executed: int
) -> None:
    app.inject(fault)
    answer = merchant.place()
    assert (answer["result_code"], answer["err_code"]) == ("FAIL", "SYSTEMERROR")
    assert "prepay_id" not in answer
    assert placed(app) == executed
    assert merchant.place()["result_code"] == "SUCCESS"


def test_a_wrong_signature(app: Simulator, merchant: Merchant) -> None:
    app.inject("bad_signature")
    answer = fields(merchant)
    assert len(answer["sign"]) == 32
    assert not v2.verify(answer, KEY)


def test_no_signature(app: Simulator, merchant: Merchant) -> None:
    app.inject("unsigned")
    answer = fields(merchant)
    assert "sign" not in answer
    assert answer["prepay_id"]


@pytest.mark.parametrize("sign_type", ["MD5", "HMAC-SHA256"])
def test_the_other_algorithm(app: Simulator, sign_type: str) -> None:
    app.inject("hmac_answer")
    answer = fields(Merchant(app, sign_type=sign_type))
    other = {"MD5": "HMAC-SHA256", "HMAC-SHA256": "MD5"}[sign_type]
    assert v2.verify(answer, KEY, other)
    assert not v2.verify(answer, KEY, sign_type)


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        ("wrong_mch_id", "mch_id", "1900009999"),
        ("wrong_appid", "appid", "wx9999999999999999"),
        ("extra_field", "new_field_from_wechat", "x"),
    ],
)
def test_a_signed_answer_that_is_not_as_expected(
    app: Simulator, merchant: Merchant, fault: str, name: str, value: str
) -> None:
    app.inject(fault)
    answer = merchant.place()
    assert answer[name] == value


@pytest.mark.parametrize(("fault", "start"), [("bom", b"\xef\xbb\xbf<xml>"), ("doctype", b"<!DOC")])
def test_something_in_front(app: Simulator, merchant: Merchant, fault: str, start: bytes) -> None:
    app.inject(fault)
    assert posted(merchant).content.startswith(start)


def test_a_spoiled_refusal_is_still_unsigned(app: Simulator, merchant: Merchant) -> None:
    app.inject("bom")
    app.inject("bad_signature")
    answers = [merchant.post("/pay/unifiedorder", b"").content for _ in range(2)]
    assert answers[0].startswith(b"\xef\xbb\xbf<xml><return_code><![CDATA[FAIL]]>")
    assert answers[1] == b"<xml><return_code><![CDATA[FAIL]]></return_code>" + (
        "<return_msg><![CDATA[post数据为空]]></return_msg></xml>".encode()
    )


def test_a_fault_strikes_as_often_as_it_says(app: Simulator, merchant: Merchant) -> None:
    app.inject("http_500", times=2)
    statuses = [posted(merchant).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]


def test_a_fault_strikes_where_it_says(app: Simulator, merchant: Merchant) -> None:
    app.inject("http_500", operation="orderquery")
    assert posted(merchant).status_code == 200
    assert posted(merchant, "/pay/closeorder").status_code == 200
    assert posted(merchant, "/pay/orderquery").status_code == 500


def test_one_host_may_be_dead_while_the_other_lives(app: Simulator, merchant: Merchant) -> None:
    app.inject("reset", host="api.mch.weixin.qq.com", times=9)
    with pytest.raises(requests.ConnectionError):
        merchant.place()
    merchant.host = "https://api2.mch.weixin.qq.com"
    assert merchant.place()["result_code"] == "SUCCESS"


def test_faults_strike_first_come_first_served(app: Simulator, merchant: Merchant) -> None:
    app.inject("http_502")
    app.inject("http_500")
    assert [posted(merchant).status_code for _ in range(2)] == [502, 500]


def test_whether_a_call_is_carried_out_can_be_chosen(app: Simulator, merchant: Merchant) -> None:
    app.inject("http_502", executed=True)
    assert posted(merchant).status_code == 502
    assert placed(app) == 1


def test_reports_are_spared_unless_they_are_meant(app: Simulator, merchant: Merchant) -> None:
    app.inject("http_500")
    assert report(merchant)["return_code"] == "SUCCESS"
    app.inject("systemerror", operation="report")
    assert report(merchant)["result_code"] == "FAIL"
    assert len(app.ledger()["reports"]) == 1
    assert posted(merchant).status_code == 500


def test_the_ledger_says_which_fault_struck(app: Simulator, merchant: Merchant) -> None:
    app.inject("html")
    posted(merchant)
    assert [record["fault"] for record in app.ledger()["requests"]] == ["html"]


def test_a_quick_customer_has_paid_before_the_shop_has_its_answer() -> None:
    happened: list[str] = []

    def message(*_: object) -> Reply:
        happened.append("notified")
        return Reply(200, ACKNOWLEDGED)

    app = create_app(deliver=message)
    merchant = Merchant(app)
    app.inject("before_answer", operation="notify")
    answer = merchant.place()
    happened.append("answered")
    assert happened == ["notified", "answered"]
    assert answer["prepay_id"]
    assert merchant.state() == "SUCCESS"


@pytest.mark.parametrize("operation", ["*", "unifiedorder", "notify"])
def test_quick_thumbs_pay_only_what_was_accepted(
    app: Simulator, merchant: Merchant, shop: Shop, operation: str
) -> None:
    app.inject("before_answer", operation=operation)
    merchant.place(total_fee="0")
    merchant.query()
    assert shop.received == []
    merchant.place()
    assert len(shop.received) == 1
    assert app.ledger()["trades"][0]["out_trade_no"] == NUMBER
    assert app.ledger()["trades"][0]["mch_id"] == MCH_ID


def test_a_lost_notification_is_lost_however_quick_the_customer(
    app: Simulator, merchant: Merchant, shop: Shop
) -> None:
    app.inject("before_answer")
    app.inject("lost", operation="notify")
    merchant.place()
    assert shop.received == []
    assert merchant.state() == "SUCCESS"
