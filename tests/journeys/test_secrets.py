"""The law of secrets, in one long story: every page and every answer, and not one key in them.

Every other story of this folder ends with the same check; here is also shown that the
check hears a key when one is said.
"""

from __future__ import annotations

import logging

import requests
from django.contrib import admin

from django_wxpay import conf
from tests.journeys.conftest import PASSWORD
from tests.journeys.ears import Ears, stored
from tests.journeys.stage import DIRECT, KEYS, PACE, Keeper, Stage, payment_notice

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def test_no_page_no_answer_no_log_line_and_no_row_holds_a_key(
    stage: Stage,
    keeper: Keeper,
    ears: Ears,
) -> None:
    paid = stage.clerk.placed(version="1.0")
    stage.wechat.pay(paid, coupons=[{"coupon_id": "C1", "coupon_fee": 1}])
    in_trouble = stage.clerk.placed(trade_type="JSAPI", openid=OPENID, product_id=None)
    stage.notify(payment_notice(in_trouble["out_trade_no"], total_fee="1"))
    stage.notify(payment_notice("NOSUCHORDER1"))
    stage.notify(b"<xml>" + DIRECT.appid.encode())
    for fault in ("bad_signature", "html", "systemerror", "timeout", "wrong_appid"):
        stage.wechat.inject(fault, operation="orderquery", seconds=20 * PACE)
        with stage.in_a_hurry():
            stage.clerk.query(in_trouble)
    stage.clerk.close(in_trouble)

    for path in ("orders/", "notifications/", "api-reports/", "api-reports/summary/", "schema/"):
        assert stage.clerk.get(path).status_code == 200
    for row in stage.clerk.get("notifications/").json()["results"]:
        shown = stage.clerk.get(f"notifications/{row['id']}/").json()
        assert OPENID not in shown["body"]
        assert "<total_fee>" in shown["body"]
    pages = admin_pages()
    assert len(pages) >= 12
    for path in pages:
        assert OPENID not in keeper.reads(path), path

    assert len(ears.heard) > 100
    assert ears.told([*KEYS, PASSWORD]) == []


def admin_pages() -> list[str]:
    """Return every list of ours, and every page of a row that has one."""
    pages = []
    for model, owner in admin.site._registry.items():
        if model._meta.app_label == "django_wxpay":
            ours = f"django_wxpay/{model._meta.model_name}/"
            pages.append(ours)
            if any(str(route.name).endswith("_change") for route in owner.get_urls()):
                pages += [f"{ours}{row.pk}/change/" for row in model._default_manager.all()]
    return pages


def test_the_ears_hear_a_key_that_is_logged_answered_or_stored(ears: Ears) -> None:
    logging.getLogger("urllib3.connectionpool").debug("sent %s", "key-in-a-log")
    response = requests.Response()
    response.request = requests.Request("GET", "http://shop/").prepare()
    response.url, response._content = "http://shop/", b"key-in-an-answer"
    ears._hear(response)
    response.headers["X-Debug"] = "key-in-a-header"
    ears._hear(response)

    assert ears.told(["key-in-a-log"]) == ["log urllib3.connectionpool"]
    assert ears.told(["key-in-an-answer"]) == ["GET http://shop/"] * 2
    assert ears.told(["key-in-a-header"]) == ["GET http://shop/"]
    assert ears.told(["key-that-nobody-said"]) == []


def test_the_search_of_the_database_reads_bodies_too(stage: Stage) -> None:
    stage.notify(payment_notice("NOSUCHORDER1", attach="told-in-a-body"))

    assert any("told-in-a-body" in text for text in stored())


def test_a_crash_is_heard(ears: Ears) -> None:
    bug = RuntimeError("a bug")
    logging.getLogger("django.request").error("Internal Server Error: /", exc_info=bug)
    logging.getLogger("django_wxpay.simulator.server").error("failed")

    assert ears.crashes() == ["Internal Server Error: /", "failed"]


def test_the_keys_that_are_searched_for_are_the_ones_in_use(stage: Stage) -> None:
    assert {merchant.api_key.reveal() for merchant in conf.merchants().values()} == set(KEYS)
