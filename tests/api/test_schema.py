"""The OpenAPI document: complete, valid, and made without a complaint."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.validation import validate_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from django_wxpay.api.schema import RouteGenerator, rendered
from tests.api.conftest import API

pytestmark = pytest.mark.django_db

ANYWHERE = {"400", "401", "403", "406", "429", "503"}


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
        ("post", f"{API}/orders/pay-by-code/"),
        ("post", f"{API}/orders/{{id}}/reverse/"),
        ("post", f"{API}/orders/{{id}}/refunds/"),
        ("post", f"{API}/refunds/{{id}}/query/"),
        ("post", f"{API}/refunds/{{id}}/apply-abnormal-refund/"),
        ("get", f"{API}/refunds/"),
        ("get", f"{API}/refunds/{{id}}/"),
        ("get", f"{API}/notifications/"),
        ("get", f"{API}/notifications/{{id}}/"),
        ("post", f"{API}/notifications/{{id}}/replay/"),
        ("get", f"{API}/bills/"),
        ("post", f"{API}/bills/"),
        ("get", f"{API}/bills/{{id}}/"),
        ("get", f"{API}/bills/{{id}}/download/"),
        ("post", f"{API}/bills/{{id}}/reconcile/"),
        ("get", f"{API}/discrepancies/"),
        ("get", f"{API}/discrepancies/{{id}}/"),
        ("post", f"{API}/discrepancies/{{id}}/resolve/"),
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
    of_a_call = {"200", "201", "409", "422", "502", "504"}
    assert set(place["responses"]) == of_a_call | ANYWHERE | {"413", "415"}
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
    of_a_call = {"200", "404", "422", "502", "504"}
    assert set(query["responses"]) == of_a_call | ANYWHERE | {"413", "415"}


def test_it_says_what_a_list_may_be_asked_and_what_a_key_is(document: dict[str, Any]) -> None:
    for route in ("orders", "refunds", "notifications", "api-reports"):
        asked = document["paths"][f"{API}/{route}/"]["get"]
        assert set(asked["responses"]) == {"200"} | ANYWHERE
        named = {row["name"]: row["schema"] for row in asked["parameters"]}
        bounds = {"minimum": 1, "maximum": 200, "default": 50}
        assert named["page_size"] == {"type": "integer"} | bounds
        assert named["merchant"]["maxLength"] == 256
    shown = document["paths"][f"{API}/orders/{{id}}/"]["get"]
    assert set(shown["responses"]) == {"200", "404"} | ANYWHERE
    assert shown["parameters"][0]["schema"]["maximum"] == 2**63 - 1
    picture = document["paths"][f"{API}/orders/{{id}}/qr.svg"]["get"]["responses"]
    assert list(picture["200"]["content"]) == ["image/svg+xml"]
    assert list(picture["404"]["content"]) == ["application/json"]
    bill = document["paths"][f"{API}/bills/{{id}}/download/"]["get"]["responses"]
    assert list(bill["200"]["content"]) == ["application/gzip"]
    assert list(bill["503"]["content"]) == ["application/json"]
    fetched = document["paths"][f"{API}/bills/"]["post"]["responses"]
    assert set(fetched) == {"200", "201", "409", "422", "502", "504"} | ANYWHERE | {"413", "415"}


def test_a_second_request_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [
        (f"{API}/schema/?format=json", "en"),
        (f"{API}/schema/", "en"),
        (f"{API}/schema/?format=json", "zh-hans"),
    ]
    client = APIClient()
    first = [client.get(each, HTTP_ACCEPT_LANGUAGE=language) for each, language in asked]
    assert len({answer.content for answer in first}) == 3
    monkeypatch.setattr(RouteGenerator, "get_schema", None)
    monkeypatch.setattr(JSONRenderer, "render", None)
    second = [client.get(each, HTTP_ACCEPT_LANGUAGE=language) for each, language in asked]
    assert [answer.content for answer in second] == [answer.content for answer in first]
    assert [each.headers["Content-Type"] for each in second] == [
        each.headers["Content-Type"] for each in first
    ]


def test_each_mount_has_its_own_paths() -> None:
    for mount in ("", "/shop-a", "/shop-b", ""):
        answer = APIClient().get(f"{API}/schema/?format=json", SCRIPT_NAME=mount)
        paths = json.loads(answer.content)["paths"]
        assert f"{mount}{API}/orders/" in paths
        assert len([path for path in paths if path.startswith(f"{mount}{API}/")]) == len(paths)


def test_what_is_kept_is_bounded_however_many_prefixes_there_are() -> None:
    most = rendered.cache_parameters()["maxsize"]
    assert most is not None
    assert most <= 64


def test_it_costs_no_query_and_asks_for_no_login(django_assert_num_queries: Any) -> None:
    client = APIClient()
    client.cookies["sessionid"] = "0" * 32
    with django_assert_num_queries(0):
        answer = client.get(f"{API}/schema/", HTTP_AUTHORIZATION="Basic nonsense")
    assert answer.status_code == 200


def test_it_comes_as_yaml_too() -> None:
    answer = APIClient().get(f"{API}/schema/")
    assert answer.headers["Content-Type"].startswith("application/vnd.oai.openapi")
    assert answer.content.startswith(b"openapi: 3.")


def test_a_column_of_choices_that_may_be_empty_may_be_so_in_the_document(
    document: dict[str, Any],
) -> None:
    rows = document["components"]["schemas"]
    for row, name in (("WXPayNotification", "reason_code"), ("WXPayDiscrepancy", "resolution")):
        either = rows[row]["properties"][name]["oneOf"]
        assert {"$ref": "#/components/schemas/BlankEnum"} in either, name
