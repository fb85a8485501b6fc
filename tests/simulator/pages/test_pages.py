"""The phone page and the home page, as a browser gets them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest

from django_wxpay.simulator import Simulator, create_app
from django_wxpay.simulator.pages.messages import MESSAGES, messages_for
from tests.simulator.calling import HOST, INSTITUTION, MCH_ID, NUMBER, OPENID, Merchant, Shop
from tests.simulator.v2.test_unifiedorder import H5

SHOP_PAGE = "https://shop.example/"


class Balanced(HTMLParser):
    """Fails on an element that is not closed, or closed in the wrong place."""

    EMPTY = frozenset({"meta", "link", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """An element that closes itself is balanced."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(merchant: Merchant, path: str, *, language: str = "en", status: int = 200) -> str:
    response = merchant.get(path, Accept_Language=language)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert "unsafe" not in policy
    text = response.text
    Balanced(text)
    assert "style=" not in text
    scripts = re.findall("<script.*?</script>", text, re.DOTALL)
    assert scripts in ([], ['<script src="/_simulator/static/simulator.js" defer></script>'])
    assert text.count("<script") == len(scripts)
    assert "MISSING" not in text
    assert re.findall(r'(?:src|href)="(?!/|https://shop\.example)', text) == []
    return text


def code(granted: dict[str, str]) -> str:
    return granted["code_url"].removeprefix("weixin://wxpay/bizpayurl?pr=")


def test_the_phone_page_says_what_is_to_be_paid(merchant: Merchant) -> None:
    text = page(merchant, f"/_simulator/phone/{code(merchant.place(total_fee='128050'))}")
    assert "Merchant 1900000109" in text
    assert "¥1,280.50" in text
    assert "Pay ¥1,280.50" in text
    assert "tea cup" in text
    assert NUMBER in text
    assert "2026-01-01 14:00" in text
    assert '<html lang="en">' in text


def test_the_phone_page_speaks_chinese(merchant: Merchant) -> None:
    text = page(
        merchant, f"/_simulator/phone/{code(merchant.place())}", language="zh-CN,zh;q=0.9,en;q=0.8"
    )
    assert '<html lang="zh-Hans">' in text
    assert "立即支付 ¥1.00" in text
    assert "Merchant" not in text


def test_pressing_the_button_pays(merchant: Merchant, shop: Shop) -> None:
    path = f"/_simulator/phone/{code(merchant.place())}"
    [action] = re.findall('action="([^"]+)"', page(merchant, path))
    response = merchant.session.post(HOST + action, allow_redirects=False)
    assert response.status_code == 303
    assert len(shop.received) == 1
    assert merchant.state() == "SUCCESS"
    done = page(merchant, response.headers["Location"])
    assert "Payment successful" in done
    assert shop.received[0]["transaction_id"] in done
    assert "2026-01-01 12:00" in done


def test_pressing_twice_pays_once(merchant: Merchant, shop: Shop) -> None:
    path = HOST + f"/_simulator/phone/{code(merchant.place())}"
    places = [merchant.session.post(path, allow_redirects=False).headers["Location"]]
    places += [merchant.session.post(path, allow_redirects=False).headers["Location"]]
    assert places[0].endswith("?paid=1")
    assert "paid" not in places[1]
    assert len(shop.received) == 1
    assert "Already paid" in page(merchant, places[1])


@pytest.mark.parametrize("trade_type", ["JSAPI", "APP"])
def test_orders_without_a_code_are_paid_by_prepay_id(merchant: Merchant, trade_type: str) -> None:
    granted = merchant.place(trade_type=trade_type, openid=OPENID)
    assert "Pay ¥1.00" in page(merchant, f"/_simulator/phone/{granted['prepay_id']}")


def test_the_mweb_url_opens_the_phone_page_and_leads_back(merchant: Merchant) -> None:
    granted = merchant.place(trade_type="MWEB", scene_info=H5)
    back = "https://shop.example/done?order=1&x=2"
    start = (
        granted["mweb_url"].removeprefix("https://wx.tenpay.com")
        + "&"
        + urlencode({"redirect_url": back})
    )
    merchant.session.headers["Referer"] = SHOP_PAGE
    text = page(merchant, start)
    assert "2026-01-01 12:05" in text
    [action] = re.findall('action="([^"]+)"', text)
    paid = merchant.session.post(HOST + action.replace("&amp;", "&"), allow_redirects=False)
    done = page(merchant, paid.headers["Location"])
    assert "Payment successful" in done
    assert '<a class="primary" href="https://shop.example/done?order=1&amp;x=2">' in done


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//shop.example", "http://[", "x"])
def test_only_a_web_address_leads_back(app: Simulator, merchant: Merchant, url: str) -> None:
    granted = merchant.place()
    app.pay(MCH_ID, NUMBER)
    text = page(merchant, f"/_simulator/phone/{code(granted)}?{urlencode({'redirect_url': url})}")
    assert "Back to the shop" not in text
    assert "javascript" not in text


def test_the_mweb_url_wants_to_see_the_page_that_it_was_opened_from(merchant: Merchant) -> None:
    granted = merchant.place(trade_type="MWEB", scene_info=H5)
    path = granted["mweb_url"].removeprefix("https://wx.tenpay.com")
    text = page(merchant, path)
    assert ("No Referer came along" in text, "<button" in text) == (True, False)
    assert "商家参数格式有误，请联系商家解决" in page(merchant, path, language="zh-CN")
    merchant.session.headers["Referer"] = SHOP_PAGE
    text = page(merchant, path)
    assert ("No Referer came along" in text, "<button" in text) == (False, True)


def test_an_unknown_page(merchant: Merchant) -> None:
    assert "No such code" in page(merchant, "/_simulator/phone/XXXXXXX", status=404)
    assert "No such code" in page(merchant, "/cgi-bin/mmpayweb-bin/checkmweb", status=404)


def test_pages_that_cannot_be_paid_say_why(app: Simulator, merchant: Merchant) -> None:
    first = merchant.place(time_expire="20260101150000")
    second = merchant.place(time_expire="20260101150000")
    paths = [f"/_simulator/phone/{code(granted)}" for granted in (first, second)]
    assert "There is a newer code" in page(merchant, paths[0])
    app.advance(7200)
    assert "This code has expired" in page(merchant, paths[1])
    app.advance(3601)
    assert "Too late to pay" in page(merchant, paths[1])
    merchant.close()
    assert "Order closed" in page(merchant, paths[1])
    closed = page(merchant, paths[1], language="zh")
    assert "订单已关闭" in closed
    response = merchant.session.post(HOST + paths[1], allow_redirects=False)
    assert response.headers["Location"] == paths[1]
    assert merchant.state() == "CLOSED"


def test_pay_before_is_whichever_comes_first(merchant: Merchant) -> None:
    granted = merchant.place(time_expire="20260101123000")
    assert "2026-01-01 12:30" in page(merchant, f"/_simulator/phone/{code(granted)}")


def test_other_currencies_are_named(merchant: Merchant) -> None:
    granted = merchant.place(fee_type="JPY", total_fee="1250000")
    assert "1,250,000 JPY" in page(merchant, f"/_simulator/phone/{code(granted)}")


def test_an_institutions_page_names_the_sub_merchant(institution: Merchant) -> None:
    granted = institution.place(sub_mch_id="1900000333")
    assert "Merchant 1900000333" in page(institution, f"/_simulator/phone/{code(granted)}")


def test_what_a_shop_sends_is_text_and_never_markup(app: Simulator, merchant: Merchant) -> None:
    evil = '<script>alert("1")</script>'
    granted = merchant.place(body=evil)
    for path in (f"/_simulator/phone/{code(granted)}", "/_simulator/"):
        text = page(merchant, path)
        assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;" in text
    app.pay(MCH_ID, NUMBER)
    assert "&lt;script&gt;" in page(merchant, f"/_simulator/phone/{code(granted)}")


def test_a_template_word_in_a_name_is_not_replaced(merchant: Merchant) -> None:
    granted = merchant.place(body="a $title that costs $5")
    assert "a $title that costs $5" in page(merchant, f"/_simulator/phone/{code(granted)}")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_pages_have_few_methods(merchant: Merchant, method: str) -> None:
    granted = merchant.place()
    for path in (
        "/_simulator/",
        f"/_simulator/phone/{code(granted)}",
        "/_simulator/static/simulator.css",
    ):
        response = merchant.session.request(method, HOST + path)
        assert (response.status_code, response.json()["code"]) == (405, "not_allowed")
    assert merchant.state() == "NOTPAY"


def test_head_is_get_without_a_body(merchant: Merchant) -> None:
    response = merchant.session.head(f"{HOST}/_simulator/")
    assert (response.status_code, response.content) == (200, b"")
    assert int(response.headers["Content-Length"]) > 1000


def test_the_home_page_before_anything_happened(merchant: Merchant) -> None:
    text = page(merchant, "/_simulator/")
    assert "WeChat Pay simulator" in text
    assert "No orders yet" in text
    assert "None: everything works." in text
    for word in (MCH_ID, INSTITUTION, "wx8888888888888888", "2026-01-01 12:00:00 UTC+8"):
        assert word in text


def test_the_home_page_lists_trades_and_leads_to_their_phone_pages(
    app: Simulator, merchant: Merchant
) -> None:
    granted = merchant.place()
    merchant.place(out_trade_no="T20260101000002")
    app.pay(MCH_ID, NUMBER)
    app.inject("slow", operation="orderquery")
    text = page(merchant, "/_simulator/")
    assert f'href="/_simulator/phone/{code(granted)}"' in text
    assert text.index("T20260101000002") < text.index(NUMBER)
    assert text.count("NOTPAY") == 2
    assert "delivered" in text
    assert "<code>slow</code> · orderquery · ×1" in text
    assert "暂无" not in text


def test_the_home_page_speaks_chinese(app: Simulator, merchant: Merchant) -> None:
    app.inject("slow")
    text = page(merchant, "/_simulator/", language="zh-TW")
    assert "微信支付模拟器" in text
    assert "<code>slow</code> · 任意 · ×1" in text


def test_the_home_page_stays_short(merchant: Merchant) -> None:
    for number in range(60):
        merchant.place(out_trade_no=f"T{number:06d}")
    text = page(merchant, "/_simulator/")
    assert text.count('class="order"') == 50
    assert "T000059" in text
    assert "T000009" not in text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/_simulator/static/simulator.css", "text/css; charset=utf-8"),
        ("/_simulator/static/icon.svg", "image/svg+xml"),
    ],
)
def test_the_pages_bring_their_own_style(merchant: Merchant, path: str, kind: str) -> None:
    response = merchant.get(path)
    assert (response.status_code, response.headers["Content-Type"]) == (200, kind)
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_style_knows_the_dark_and_fetches_nothing(merchant: Merchant) -> None:
    style = merchant.get("/_simulator/static/simulator.css").text
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
    assert "@import" not in style


def test_both_languages_say_the_same_things() -> None:
    assert MESSAGES["en"].keys() == MESSAGES["zh"].keys()
    assert all(MESSAGES["en"].values())
    assert all(MESSAGES["zh"].values())


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("*", "en"),
        ("fr", "en"),
        ("zh", "zh-Hans"),
        ("ZH-cn", "zh-Hans"),
        ("en-GB,zh;q=0.9", "en"),
        ("en;q=0.1, zh-Hans;q=0.2", "zh-Hans"),
        ("fr, zh;q=0.5", "zh-Hans"),
        ("zh;q=0, en;q=0.1", "en"),
        ("zh;q=much", "en"),
        ("zh;level=1", "zh-Hans"),
    ],
)
def test_the_browser_chooses_the_language(header: str, language: str) -> None:
    assert messages_for(header)["lang"] == language


def test_in_a_page_the_customer_pays_live(shop: Shop) -> None:
    merchant = Merchant(create_app(deliver=shop))
    granted = merchant.place()
    merchant.session.post(f"{HOST}/_simulator/phone/{code(granted)}")
    assert merchant.state() == "SUCCESS"
