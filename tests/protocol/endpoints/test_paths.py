"""Addresses of any endpoint: what is sent, what it is counted by, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import Url, parse_url

from django_wxpay.protocol.endpoints.paths import (
    LONGEST_TARGET,
    own_file,
    signed_address,
    v2_path,
    v3_endpoint,
)
from django_wxpay.protocol.errors import InvalidParameter

HOSTS = ("https://api.mch.weixin.qq.com", "http://127.0.0.1:8999")
FILE = "https://api.mch.weixin.qq.com/v3/billdownload/file?token=x"


@pytest.mark.parametrize(
    ("path", "params", "target", "interface"),
    [
        ("/v3/profitsharing/orders", None, "/v3/profitsharing/orders", "/v3/profitsharing/orders"),
        ("/hk/v3/statements", {"date": "20260101"}, "/hk/v3/statements?date=20260101", None),
        (
            "/v3/profitsharing/orders/{out_order_no}",
            {"out_order_no": "P2026|1*", "transaction_id": "42 ü&=", "left": None, "n": 0},
            "/v3/profitsharing/orders/P2026%7C1*?transaction_id=42%20%C3%BC%26%3D&n=0",
            "/v3/profitsharing/orders/{out_order_no}",
        ),
        ("/v3/x/{id}", {"id": "中文 %"}, "/v3/x/%E4%B8%AD%E6%96%87%20%25", "/v3/x/{id}"),
        # Encoded more than it has to be, as requests would send it: what is signed is what is sent.
        ("/v3/x/%41%2d%7E", None, "/v3/x/A-~", "/v3/x/{number}"),
        ("/v3/x/P20260101", None, "/v3/x/P20260101", "/v3/x/{number}"),
        ("/v3/x/p20260101", None, "/v3/x/p20260101", "/v3/x/{number}"),
        ("/v3/x/" + "a" * 49, None, None, "/v3/x/{number}"),
        ("/v3/merchant-service/complaints-v2", None, None, "/v3/merchant-service/complaints-v2"),
        ("/v3/marketing/favor/media/image_upload.v1", {}, None, None),
    ],
)
def test_a_path_is_filled_and_counted_by_its_template(
    path: str, params: Any, target: str | None, interface: str | None
) -> None:
    endpoint = v3_endpoint("get", path, params)
    assert endpoint.method == "GET"
    assert endpoint.target == (target or path)
    assert endpoint.interface == (interface or path)


BAD_PATHS = [
    "",
    "v3/x",
    "https://evil.example/v3/x",
    "//evil.example/v3/x",
    "/v3/x://y",
    "/v3//x",
    "/v3/x/",
    "/v3/./x",
    "/v3/../secapi/pay/refund",
    "/v3/%2e%2E/x",
    "/v3/.%2e/x",
    "/v3/%252e%252e/x",
    "/v3/x%2Fy",
    "/v3/x%252fy",
    "/v3/x%5Cy",
    "/v3/x\\y",
    "/v3/x?y=1",
    "/v3/x#y",
    "/v3/x y",
    "/v3/x\n",
    "/v3/x%0A",
    "/v3/x%00",
    "/v3/x%zz",
    "/v3/x%",
    "/v3/x%ff",
    "/v3/中文",
    "/v3/{x",
    "/v3/a{x}",
    "/v3/{X}",
    "/v3/{}",
    "/v4/x",
    "/pay/unifiedorder",
    "/V3/x",
    None,
    b"/v3/x",
    7,
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(InvalidParameter) as refused:
        v3_endpoint("GET", path)
    assert refused.value.field == "path"


@pytest.mark.parametrize("method", ["", "HEAD", "CONNECT", "GET ", None, 1, b"GET"])
def test_a_method_that_is_not_known_is_refused(method: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"^method: is not known \(rule: GET, POST,"):
        v3_endpoint(method, "/v3/x")


@pytest.mark.parametrize(
    "params",
    [
        {"id": ""},
        {"id": "."},
        {"id": ".."},
        {"id": "%2e%2e"},
        {"id": "a/b"},
        {"id": "a%2Fb"},
        {"id": "a\\b"},
        {"id": "a\nb"},
        {"id": "a\x9fb"},
        {"id": "\ud800"},
        {"id": True},
        {"id": 1.5},
        {"id": None},
        {"id": b"x"},
        {"id": 10**5000},
        {},
        None,
        {"id": "x", "q": "a\tb"},
        {"id": "x", "q": ["a"]},
        {"id": "x", 7: "a"},
        {"id": "x", "n ü": "a"},
        {"id": "x", "q": "x" * LONGEST_TARGET},
        [("id", "x")],
        "id=x",
    ],
)
def test_a_parameter_that_cannot_be_sent_is_refused(params: Any) -> None:
    with pytest.raises(InvalidParameter) as refused:
        v3_endpoint("GET", "/v3/x/{id}", params)
    assert refused.value.field == "params"


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(value=_TEXTS, query=_TEXTS)
def test_what_is_signed_is_what_the_library_sends(value: str, query: str) -> None:
    try:
        endpoint = v3_endpoint("GET", "/v3/x/{id}/y", {"id": value, "q": query})
    except InvalidParameter:
        return
    prepared = requests.Request("GET", f"https://h.test{endpoint.target}").prepare()
    assert prepared.path_url == endpoint.target
    assert re.fullmatch("[!-~]+", endpoint.target)
    assert endpoint.target.count("/") == 4
    assert endpoint.interface == "/v3/x/{id}/y"


@pytest.mark.parametrize(
    ("given_as", "sent_as"),
    [
        ("token=a%2fb%2D%7e", "token=a%2Fb-~"),
        ("token=a|b^c`d", "token=a%7Cb%5Ec%60d"),
        ('a[]={1}&b=\\"<>', "a%5B%5D=%7B1%7D&b=%5C%22%3C%3E"),
        ("a=%252f", "a=%252f"),
        ("a='!$()*,;:@/?+", "a='!$()*,;:@/?+"),
    ],
)
def test_the_address_of_a_file_is_signed_as_the_library_sends_it(
    given_as: str, sent_as: str
) -> None:
    address = f"{HOSTS[0]}/v3/billdownload/%66ile?{given_as}"
    target = f"/v3/billdownload/file?{sent_as}"
    assert signed_address(address, HOSTS) == (HOSTS[0], target)
    assert own_file(address, HOSTS)[1] == target
    assert requests.Request("GET", address).prepare().path_url == target


@given(query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20))
def test_any_query_of_a_file_is_signed_as_it_is_sent_or_refused(query: str) -> None:
    try:
        _, target = signed_address(f"{HOSTS[0]}/v3/x?{query}", HOSTS)
    except ValueError:
        return
    once = requests.Request("GET", f"{HOSTS[0]}{target}").prepare().path_url
    # What urllib3 makes of it on its way to the socket.
    assert Url(path=once.partition("?")[0], query=once.partition("?")[2] or None).url == once
    assert parse_url(once).request_uri == once == target


def test_a_path_of_v2_has_no_places() -> None:
    assert v2_path("/secapi/pay/profitsharing") == "/secapi/pay/profitsharing"
    for path in ("/v3/x", "/hk/v3/x", "/pay/{id}", "/pay/../x", "pay/x", "/", "/pay?x=1"):
        with pytest.raises(InvalidParameter) as refused:
            v2_path(path)
        assert refused.value.field == "path"


def test_a_file_is_on_a_host_of_the_merchants_own() -> None:
    assert own_file(FILE, HOSTS) == (
        HOSTS[0],
        "/v3/billdownload/file?token=x",
        "/v3/billdownload/file",
    )
    local = "http://127.0.0.1:8999/v3/merchant-service/images/Zm9v"
    assert own_file(local, HOSTS) == (
        HOSTS[1],
        "/v3/merchant-service/images/Zm9v",
        "/v3/merchant-service/images/{number}",
    )


@pytest.mark.parametrize(
    "url",
    [
        FILE.replace("api.mch", "api.evil"),
        FILE.replace("https", "http"),
        FILE.replace("https://", "https://user@"),
        FILE.replace(".com/", ".com:444/"),
        FILE.replace(".com/", ".com:port/"),
        FILE + "#part",
        FILE + "%",
        FILE + "%zz",
        FILE + " ",
        FILE + "中",
        FILE.replace("/file", "/../file"),
        FILE.replace("/file", "/%2e%2e/file"),
        FILE.replace("/v3/", "/pay/"),
        FILE + "x" * LONGEST_TARGET,
        "/v3/billdownload/file",
        "http://[::1",
        "",
        None,
        b"x",
    ],
)
def test_a_file_elsewhere_is_refused(url: Any) -> None:
    with pytest.raises(InvalidParameter):
        own_file(url, HOSTS)
