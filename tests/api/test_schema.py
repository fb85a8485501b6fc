"""The OpenAPI document: complete, valid, and made without a complaint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from tests.api.conftest import API

pytestmark = pytest.mark.django_db


@pytest.fixture
def document() -> dict[str, Any]:
    answer = APIClient().get(f"{API}/schema/?format=json")
    assert answer.status_code == 200
    return dict(json.loads(answer.content))


def test_every_route_is_in_it_where_this_site_serves_it(document: dict[str, Any]) -> None:
    routes = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert routes == {
        ("get", f"{API}/orders/"),
        ("post", f"{API}/orders/"),
        ("get", f"{API}/orders/{{id}}/"),
        ("get", f"{API}/orders/{{id}}/parameters/"),
        ("get", f"{API}/orders/{{id}}/qr.svg"),
        ("post", f"{API}/orders/{{id}}/query/"),
        ("post", f"{API}/orders/{{id}}/close/"),
        ("get", f"{API}/refunds/"),
        ("get", f"{API}/refunds/{{id}}/"),
        ("get", f"{API}/notifications/"),
        ("get", f"{API}/notifications/{{id}}/"),
        ("post", f"{API}/notifications/{{id}}/replay/"),
        ("get", f"{API}/api-reports/"),
        ("get", f"{API}/api-reports/summary/"),
    }
    assert document["info"]["title"] == "WeChat Pay"


def test_it_is_valid_and_was_made_without_warnings(document: dict[str, Any]) -> None:
    validate_schema(document)
    assert GENERATOR_STATS._warn_cache == {}
    assert GENERATOR_STATS._error_cache == {}


def test_it_says_what_may_be_posted_and_what_comes_back(document: dict[str, Any]) -> None:
    place = document["paths"][f"{API}/orders/"]["post"]
    posted = document["components"]["schemas"]["WXPayOrderInput"]
    assert list(place["requestBody"]["content"]) == ["application/json"]
    assert set(place["responses"]) == {"200", "201", "400", "409", "422", "502", "504"}
    assert set(posted["required"]) == {"trade_type", "body", "total_fee"}
    assert posted["properties"]["total_fee"]["minimum"] == 1
    assert "notify_url" not in posted["properties"]
    refusal = document["components"]["schemas"]["WXPayCallError"]
    assert set(refusal["properties"]) >= {"err_code", "err_code_des", "advice", "kind"}
    filters = {row["name"] for row in document["paths"][f"{API}/orders/"]["get"]["parameters"]}
    assert filters >= {"trade_state", "created_after", "cursor", "page_size", "reference"}


def test_it_says_over_what_a_query_may_be_asked_and_that_nothing_need_be(
    document: dict[str, Any],
) -> None:
    query = document["paths"][f"{API}/orders/{{id}}/query/"]["post"]
    asked = document["components"]["schemas"]["WXPayQueryInput"]
    assert list(query["requestBody"]["content"]) == ["application/json"]
    assert "required" not in query["requestBody"]
    assert "required" not in asked
    assert list(asked["properties"]) == ["api"]
    assert set(query["responses"]) == {"200", "400", "404", "422", "502", "504"}


def test_it_comes_as_yaml_too() -> None:
    answer = APIClient().get(f"{API}/schema/")
    assert answer.headers["Content-Type"].startswith("application/vnd.oai.openapi")
    assert answer.content.startswith(b"openapi: 3.")
