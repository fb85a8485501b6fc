"""The environment of a call: asked once, and again when it has changed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from django_wxpay.gateway.http.environment import environment_of

ADDRESS = "http://api.test:8080/pay/unifiedorder"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_followed_from_the_moment_it_is_set_until_it_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert environment_of(ADDRESS).proxies == {}
    with monkeypatch.context() as patch:
        patch.setenv(name, "http://proxy.test:3128")
        assert environment_of(ADDRESS).proxies == {name[:-6].lower(): "http://proxy.test:3128"}
    assert environment_of(ADDRESS).proxies == {}


def test_an_exception_from_the_proxy_holds_for_its_host_and_port_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.setenv("no_proxy", "api.test:8080")
    assert environment_of(ADDRESS).proxies == {}
    assert environment_of(ADDRESS.replace("8080", "8081")).proxies != {}
    assert environment_of(ADDRESS.replace("api", "pay")).proxies != {}


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_is_followed_too(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert environment_of(ADDRESS).verify is True
    monkeypatch.setenv(name, "/etc/ca.pem")
    assert environment_of(ADDRESS).verify == "/etc/ca.pem"
    monkeypatch.setenv(name, "")
    assert environment_of(ADDRESS).verify is True


def test_requests_is_asked_once_for_all_calls_to_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ask = requests.Session.merge_environment_settings

    def counted(session: requests.Session, url: str, *rest: Any) -> Any:
        asked.append(url)
        return ask(session, url, *rest)

    monkeypatch.setattr(requests.Session, "merge_environment_settings", counted)
    for path in ("/pay/unifiedorder", "/pay/orderquery", "/pay/closeorder?a=1"):
        environment_of(f"https://once.test{path}")
    assert asked == ["https://once.test"]


def test_the_password_of_a_proxy_is_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://till:proxy-password@proxy.test:3128")
    found = environment_of(ADDRESS.replace("http://", "https://"))
    assert "proxy-password" in found.proxies["https"]
    assert "proxy-password" not in repr(found)
