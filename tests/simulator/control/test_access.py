"""The pages and the control plane, asked by other sites and under other names."""

from __future__ import annotations

import pytest
import requests

from django_wxpay.simulator import Options, Simulator, create_app, running
from django_wxpay.simulator.http.adapter import call, environment
from tests.simulator.calling import MCH_ID, NUMBER, ORDER, Merchant, Shop

HOSTS = ("127.0.0.1", "localhost", "shop.localhost", "[::1]", "LOCALHOST.", "127.0.0.2")
EVIL = "http://evil.example"
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def ask(
    app: Simulator,
    path: str,
    *,
    method: str = "POST",
    host: str = "127.0.0.1:9100",
    server: str = "127.0.0.1",
    body: bytes = b"{}",
    **headers: str,
) -> tuple[int, str]:
    """Ask as a server on 127.0.0.1 hands it on; return the status and the body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    called = call(
        app,
        environment(
            method=method,
            scheme="http",
            target=path,
            server=(server, 9100),
            headers={"Host": host, **named},
            body=body,
        ),
    )
    return called.status, called.body.decode()


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("port", ["", ":9100", ":80"])
def test_a_loopback_name_is_the_simulators_own(app: Simulator, host: str, port: str) -> None:
    assert ask(app, "/_simulator/reset", host=host + port)[0] == 200
    assert ask(app, "/_simulator/", method="GET", host=host + port)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example:9100",
        "evil.example:127",
        "localhost.evil.example",
        "evillocalhost",
        "evilmch.weixin.qq.com",
        "192.0.2.7:9100",
        "0.0.0.0:9100",
        "a@evil.example",
        ":9100",
        "[::1",
        "localhost, evil.example",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_simulator/pay"),
        ("POST", "/_simulator/reset"),
        ("DELETE", "/_simulator/faults"),
        ("GET", "/_simulator/ledger"),
        ("GET", "/_simulator/keys"),
        ("GET", "/_simulator/"),
        ("GET", "/_simulator/phone/CODE"),
        ("POST", "/_simulator/phone/CODE"),
        ("GET", "/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=x"),
    ],
)
def test_under_another_name_nothing_is_shown_or_done(
    app: Simulator, merchant: Merchant, host: str, method: str, path: str
) -> None:
    merchant.place()
    status, body = ask(app, path, method=method, host=host)
    assert (status, "unknown_host" in body, NUMBER in body) == (403, True, False)
    assert merchant.state() == "NOTPAY"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": "http://localhost:9100"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": EVIL},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:9100]"},
        {"Sec-Fetch-Site": "cross-site", **LINK},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null", **LINK},
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_a_page_of_another_site_drives_nothing(
    app: Simulator, merchant: Merchant, shop: Shop, headers: dict[str, str], form: bool
) -> None:
    merchant.place()
    if form:
        body = f"mch_id={MCH_ID}&out_trade_no={NUMBER}".encode()
        headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
    else:
        body = f'{{"mch_id": "{MCH_ID}", "out_trade_no": "{NUMBER}"}}'.encode()
    status, text = ask(app, "/_simulator/pay", body=body, **headers)
    assert (status, "cross_origin" in text) == (403, True)
    code = merchant.control("ledger", method="GET").json()["trades"][0]["page"]
    assert ask(app, code, body=b"", **headers)[0] == 403
    assert (merchant.state(), shop.received) == ("NOTPAY", [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "iframe",
        },
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": EVIL},
    ],
)
def test_a_page_of_another_site_reads_nothing(app: Simulator, headers: dict[str, str]) -> None:
    for path in ("ledger", "keys", ""):
        assert ask(app, f"/_simulator/{path}", method="GET", **headers)[0] == 403


def test_a_shops_link_leads_to_the_phone_and_its_form_pays(
    app: Simulator, merchant: Merchant
) -> None:
    merchant.place()
    page = merchant.control("ledger", method="GET").json()["trades"][0]["page"]
    from_the_shop = {"Sec-Fetch-Site": "same-site", **LINK}
    assert ask(app, page, method="GET", **from_the_shop)[0] == 200
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:9100", **LINK}
    assert ask(app, page, body=b"", **own)[0] == 303
    assert merchant.state() == "SUCCESS"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:9100"},
        # Behind a proxy that ends TLS, and from a page that hides its referrer.
        {"Origin": "https://127.0.0.1:9100"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_programs_and_its_own_pages_may_do_everything(
    app: Simulator, headers: dict[str, str]
) -> None:
    assert ask(app, "/_simulator/reset", **headers)[0] == 200


def test_further_names_are_configured(shop: Shop) -> None:
    options = Options(own_hosts=frozenset({"simulator"}), h5_origin="http://pay.test:9100")
    app = create_app(deliver=shop, options=options)
    for host in ("simulator:9100", "SIMULATOR", "pay.test:9100"):
        assert ask(app, "/_simulator/reset", host=host)[0] == 200
    assert ask(app, "/_simulator/reset", host="simulator.evil.example")[0] == 403


@pytest.mark.parametrize(
    "host", ["api.mch.weixin.qq.com", "apihk.mch.weixin.qq.com", "wx.tenpay.com"]
)
def test_wechat_pays_own_names_are_own_names(app: Simulator, host: str) -> None:
    assert ask(app, "/_simulator/reset", host=host)[0] == 200


def test_the_gateway_answers_any_client_under_any_name(app: Simulator, merchant: Merchant) -> None:
    body = merchant.signed(ORDER)
    status, text = ask(
        app,
        "/pay/unifiedorder",
        body=body,
        host="gateway.test",
        Origin=EVIL,
        Sec_Fetch_Site="cross-site",
    )
    assert (status, "prepay_id" in text) == (200, True)


def test_the_address_that_is_served_at_is_an_own_name() -> None:
    app = create_app()
    with running(app, host="0.0.0.0") as url:
        port = url.rpartition(":")[2]
        # Any loopback address reaches it; the one that was called is its name, and no other is.
        at = f"http://127.0.0.9:{port}/_simulator/clock"
        assert requests.get(at, timeout=5).status_code == 200
        named = requests.get(at, headers={"Host": f"evil.example:{port}"}, timeout=5)
        assert (named.status_code, named.json()["code"]) == (403, "unknown_host")
    assert ask(app, "/_simulator/reset", host="192.0.2.7:9100", server="192.0.2.7")[0] == 200
