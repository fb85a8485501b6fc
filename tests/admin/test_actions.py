"""What may be asked for in the admin: query, close, replay, tell; each in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import reverse

from django_wxpay import services
from django_wxpay.admin import notifications
from django_wxpay.admin.orders import calls, events
from django_wxpay.admin.refunds import admin as refunds
from django_wxpay.models import Notification, Order, OrderEvent
from django_wxpay.services.orders.leases import take_lease
from django_wxpay.signals import order_paid
from tests.admin.conftest import ADMIN
from tests.factories import (
    ApiReportFactory,
    NotificationFactory,
    OrderEventFactory,
    OrderFactory,
    PrepayFactory,
    RefundFactory,
    UserFactory,
)
from tests.tables import counted
from tests.wechatpay.quick_pay import CERTIFICATE
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import PAID, payment_notice, refused, standing

pytestmark = pytest.mark.django_db
BUTTONS = [
    ("order", "query", OrderFactory),
    ("order", "close", OrderFactory),
    ("order", "reverse", OrderFactory),
    ("notification", "replay", NotificationFactory),
    ("orderevent", "tell", OrderEventFactory),
]


def said(answer: Any) -> list[tuple[str, str]]:
    """Return the messages of the page that the answer led to."""
    return [(message.level_tag, str(message)) for message in answer.context["messages"]]


def press(client: Client, model: str, row: Any, verb: str) -> list[tuple[str, str]]:
    answer = client.post(f"{ADMIN}/{model}/{row.pk}/{verb}/", follow=True)
    assert answer.redirect_chain == [(f"{ADMIN}/{model}/{row.pk}/change/", 302)]
    return said(answer)


def act(client: Client, model: str, action: str, rows: list[Any], **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(f"{ADMIN}/{model}/", chosen, follow=True)


@pytest.mark.parametrize(("model", "verb", "factory"), BUTTONS)
def test_a_verb_takes_the_change_permission(
    as_holder: Callable[..., Client],
    gateway: ScriptedTransport,
    model: str,
    verb: str,
    factory: Any,
) -> None:
    row = factory()
    viewer = as_holder(f"view_{model}")
    assert viewer.post(f"{ADMIN}/{model}/{row.pk}/{verb}/").status_code == 403
    assert viewer.post(f"{ADMIN}/{model}/999999/{verb}/").status_code == 403
    act(viewer, model, {"query": "query_now"}.get(verb, verb), [row], confirmed="yes")
    assert gateway.calls == []
    assert not LogEntry.objects.exists()
    assert as_holder(f"change_{model}").post(f"{ADMIN}/{model}/999999/{verb}/").status_code == 404
    anonymous = Client().post(f"{ADMIN}/{model}/{row.pk}/{verb}/")
    assert anonymous.headers["Location"].startswith(reverse("admin:login"))


@pytest.mark.parametrize(("model", "verb", "factory"), BUTTONS)
def test_a_button_is_a_post_with_a_token(
    boss: Client,
    gateway: ScriptedTransport,
    model: str,
    verb: str,
    factory: Any,
) -> None:
    row = factory()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert strict.post(f"{ADMIN}/{model}/{row.pk}/{verb}/").status_code == 403
    asked = boss.get(f"{ADMIN}/{model}/{row.pk}/{verb}/")
    assert asked.status_code == (200 if verb in {"close", "reverse"} else 405)
    assert gateway.calls == []


def test_query_now_settles_what_wechat_pay_says(boss: Client, gateway: ScriptedTransport) -> None:
    order = OrderFactory(total_fee=100)
    gateway.answers["/pay/orderquery"] = standing("SUCCESS", **PAID)
    assert "Ask WeChat Pay" in boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    sentence = f"{order.out_trade_no}: WeChat Pay was asked; the order is now “Paid”."
    assert press(boss, "order", order, "query") == [("success", sentence)]
    assert Order.objects.get().trade_state == "SUCCESS"
    assert LogEntry.objects.get().change_message == sentence


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (refused("NOAUTH", "try later"), "error", "NOAUTH: try later). "),
        (refused("SYSTEMERROR", "try later"), "warning", "No answer came from WeChat Pay"),
        (refused("ORDERNOTEXIST"), "error", "(ORDERNOTEXIST). WeChat Pay knows no such order"),
        (refused("BRAND_NEW_CODE"), "error", "BRAND_NEW_CODE"),
        (b"<html></html>", "warning", "WeChat Pay gave no trustworthy answer"),
        (requests.ReadTimeout("slow"), "warning", "No answer came from WeChat Pay"),
    ],
)
def test_what_went_wrong_is_told_in_plain_words(
    boss: Client,
    gateway: ScriptedTransport,
    answer: Any,
    level: str,
    words: str,
) -> None:
    order = OrderFactory()
    gateway.answers["/pay/orderquery"] = answer
    messages = press(boss, "order", order, "query")
    assert [tag for tag, _ in messages] == [level]
    assert words in messages[0][1]
    assert Order.objects.get().trade_state == "NOTPAY"


def test_settings_that_are_wrong_are_told_too(boss: Client, settings: Any) -> None:
    order = OrderFactory(merchant="gone")
    messages = press(boss, "order", order, "query")
    assert messages == [
        ("error", f'{order.out_trade_no}: no merchant "gone" in WXPAY["MERCHANTS"]'),
    ]


def test_query_now_asks_for_each_order_chosen(boss: Client, gateway: ScriptedTransport) -> None:
    orders = [OrderFactory() for _ in range(3)]
    gateway.answers["/pay/orderquery"] = standing("NOTPAY")
    answer = act(boss, "order", "query_now", orders[:2])
    assert {tag for tag, _ in said(answer)} == {"success"}
    asked = {fields["out_trade_no"] for _, fields in gateway.calls}
    assert asked == {order.out_trade_no for order in orders[:2]}


@pytest.mark.parametrize(
    ("model", "action", "factory"),
    [
        ("order", "query_now", OrderFactory),
        ("order", "close", OrderFactory),
        ("notification", "replay", NotificationFactory),
        ("orderevent", "tell", OrderEventFactory),
    ],
)
def test_nobody_waits_for_more_than_fifty_at_once(
    boss: Client,
    gateway: ScriptedTransport,
    model: str,
    action: str,
    factory: Any,
) -> None:
    rows = [factory() for _ in range(51)]
    answer = act(boss, model, action, rows, confirmed="yes", select_across="1")
    assert "choose at most 50 at once" in said(answer)[0][1]
    assert gateway.calls == []
    assert not LogEntry.objects.exists()


def test_closing_asks_first_and_then_closes(boss: Client, gateway: ScriptedTransport) -> None:
    order = OrderFactory()
    gateway.answers["/pay/closeorder"] = {}
    question = boss.get(f"{ADMIN}/order/{order.pk}/close/").content.decode()
    assert "Close this order?" in question
    assert "12.50 CNY" in question
    assert f"{ADMIN}/order/{order.pk}/change/" in question
    assert gateway.calls == []
    sentence = f"{order.out_trade_no}: The order is now “Closed”."
    assert press(boss, "order", order, "close") == [("success", sentence)]
    assert Order.objects.get().trade_state == "CLOSED"
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert "Close the order" not in page


def by_code(**values: Any) -> Any:
    return OrderFactory(trade_type="MICROPAY", product_id="", **values)


@pytest.fixture
def may_reverse(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    merchants = settings.WXPAY["MERCHANTS"]
    default = merchants["default"] | CERTIFICATE
    settings.WXPAY = settings.WXPAY | {"MERCHANTS": merchants | {"default": default}}


def test_reversing_asks_first_and_then_sends_the_money_back(
    boss: Client, gateway: ScriptedTransport, may_reverse: None
) -> None:
    order = by_code(paid=True)
    gateway.answers |= {"/secapi/pay/reverse": {"recall": "N"}}
    gateway.answers["/pay/orderquery"] = standing("REVOKED")
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert "Reverse, money back" in page
    assert "Close the order" not in page
    question = boss.get(f"{ADMIN}/order/{order.pk}/reverse/").content.decode()
    assert "Reverse this payment?" in question
    assert "The whole amount goes back" in question
    assert "12.50 CNY" in question
    assert gateway.calls == []
    sentence = f"{order.out_trade_no}: The order is now “Reversed”."
    assert press(boss, "order", order, "reverse") == [("success", sentence)]
    assert Order.objects.get().trade_state == "REVOKED"
    assert gateway.paths() == ["/secapi/pay/reverse", "/pay/orderquery"]
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert f"/order/{order.pk}/reverse/" not in page


def test_an_undecided_sale_can_be_reversed_and_not_closed(boss: Client) -> None:
    order = by_code(trade_state="USERPAYING")
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert f"/order/{order.pk}/reverse/" in page
    assert "Reverse, money back" not in page
    assert f"/order/{order.pk}/close/" not in page
    question = boss.get(f"{ADMIN}/order/{order.pk}/reverse/").content.decode()
    assert "The sale ends" in question


def test_a_sale_that_another_call_works_on_was_not_asked_for(
    boss: Client, gateway: ScriptedTransport
) -> None:
    order = by_code(trade_state="USERPAYING")
    assert take_lease(order)
    ((level, sentence),) = press(boss, "order", order, "reverse")
    assert level == "warning"
    assert "WeChat Pay was not asked" in sentence
    assert gateway.calls == []


def test_another_order_is_not_reversed_whoever_asks(
    boss: Client, gateway: ScriptedTransport
) -> None:
    order = OrderFactory(paid=True)
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert f"/order/{order.pk}/reverse/" not in page
    ((level, sentence),) = press(boss, "order", order, "reverse")
    assert level == "error"
    assert "only a payment by code is reversed" in sentence
    assert gateway.calls == []


def test_closing_several_asks_once_and_tells_of_each(
    boss: Client,
    gateway: ScriptedTransport,
) -> None:
    paid, waiting = OrderFactory(paid=True), OrderFactory()
    gateway.answers["/pay/closeorder"] = {}
    question = act(boss, "order", "close", [paid, waiting]).content.decode()
    assert "Close these orders?" in question
    assert gateway.calls == []
    answer = act(boss, "order", "close", [paid, waiting], confirmed="yes")
    told = dict(said(answer))
    assert told["success"] == f"{waiting.out_trade_no}: The order is now “Closed”."
    assert told["error"].startswith(f"{paid.out_trade_no}: WeChat Pay refused (ORDERPAID).")
    assert gateway.paths() == ["/pay/closeorder"]


@pytest.mark.django_db(transaction=True)
def test_verbs_run_outside_the_transaction_that_atomic_requests_opens(
    boss: Client,
    gateway: ScriptedTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    order = OrderFactory()
    gateway.answers |= {"/pay/orderquery": standing("NOTPAY"), "/pay/closeorder": {}}
    assert press(boss, "order", order, "query")[0][0] == "success"
    assert said(act(boss, "order", "query_now", [order]))[0][0] == "success"
    assert press(boss, "order", order, "close")[0][0] == "success"


def test_a_replay_judges_a_failed_notification_again(boss: Client) -> None:
    order = OrderFactory(total_fee=100)
    number, order.out_trade_no = order.out_trade_no, "elsewhere-0001"
    order.save()
    services.receive_notification("default", "payment", {}, payment_notice(number))
    stored = Notification.objects.get()
    subject = f"Payment {number}"
    missing = press(boss, "notification", stored, "replay")
    assert missing == [("error", f"{subject}: not settled: no such order")]
    order.out_trade_no = number
    order.save()
    found = said(act(boss, "notification", "replay", [stored]))
    assert found == [("success", f"{subject}: processed again: Applied")]
    assert Order.objects.get().trade_state == "SUCCESS"
    assert OrderEvent.objects.filter(kind="PAID").count() == 1


def test_a_stored_body_that_proves_nothing_any_more_moves_nothing(boss: Client) -> None:
    notification = NotificationFactory(order=OrderFactory())
    messages = press(boss, "notification", notification, "replay")
    assert messages[0][0] == "error"
    assert "it is not authentic" in messages[0][1]
    assert Order.objects.get().trade_state == "NOTPAY"


@pytest.fixture
def receiver() -> Iterator[list[int]]:
    """A shop's receiver that raises the first time; returns the orders it was told of."""
    told: list[int] = []
    troubles = [ValueError("the stock is gone")]

    def listen(order: Order, **_: Any) -> None:
        if troubles:
            raise troubles.pop()
        told.append(order.pk)

    order_paid.connect(listen)
    yield told
    order_paid.disconnect(listen)


def test_the_shop_is_told_of_what_is_left_and_of_nothing_twice(
    boss: Client,
    receiver: list[int],
) -> None:
    event = OrderEventFactory(untold=True)
    subject = f"{event.order} Paid"
    assert "Deliver again" in boss.get(f"{ADMIN}/orderevent/{event.pk}/change/").content.decode()
    first = press(boss, "orderevent", event, "tell")
    trouble = "not delivered to your code: ValueError: the stock is gone"
    assert first == [("error", f"{subject}: {trouble}")]
    assert receiver == []
    assert press(boss, "orderevent", event, "tell") == [
        ("success", f"{subject}: delivered to your code")
    ]
    assert receiver == [event.order_id]
    again = said(act(boss, "orderevent", "tell", [event]))
    assert again == [("success", f"{subject}: already delivered, and not delivered twice")]
    assert receiver == [event.order_id]


def test_an_order_page_tells_the_whole_story(boss: Client) -> None:
    order = OrderFactory(
        paid=True,
        foreign=True,
        total_fee=123456,
        coupon_fee=200,
        err_code="SYSTEMERROR",
        err_code_des="系统错误",
        attach="table 7",
    )
    PrepayFactory(order=order, live=True)
    OrderEventFactory(order=order, kind="MOVED", from_state="CREATED", to_state="NOTPAY")
    OrderEventFactory(order=order, untold=True, dispatch_error="", dispatch_attempts=0)
    OrderEventFactory(order=order, untold=True, dispatch_error="", dispatch_attempts=1)
    OrderEventFactory(order=order, conflict=True, source="bill")
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    for words in (
        "1,234.56 HKD",
        "2.00 HKD",
        "0.8 SETTLEMENT_RATE",
        "系统错误",
        "支付成功",
        "oUpF…",
        "table 7",
        "not delivered to your code yet",
        "a try that began at",
        "amount: expected 12.50 HKD, received 0.01 HKD",
        "delivered to your code at",
        "by a notification",
        "wxpay-badge wxpay-good",
        "What to do",
    ):
        assert words in page, words
    live = boss.get(f"{ADMIN}/prepay/").content.decode()
    assert "Live" in live
    assert "Expired" not in live


def test_an_order_page_is_silent_of_what_never_was(boss: Client) -> None:
    order = OrderFactory(trade_state_desc="等待付款")
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    for words in (
        "What to do",
        "Exchange rate",
        "History</h2>",
        "Payment limits",
        "Sub-merchant number",
    ):
        assert words not in page, words
    assert "等待付款" in page


def test_a_paid_order_shows_no_row_for_a_fact_that_there_is_not(boss: Client) -> None:
    order = OrderFactory(paid=True, payer_total=None, payer_openid="", bank_type="", reference="")
    page = boss.get(f"{ADMIN}/order/{order.pk}/change/").content.decode()
    assert '<div class="readonly">-</div>' not in page
    assert '<div class="readonly"></div>' not in page
    for name in ("payer", "payer_total_shown", "bank_type", "reference", "coupon_fee_shown"):
        assert f"field-{name}" not in page, name
    assert "field-cash_fee_shown" in page


def test_a_refused_order_says_so_in_the_list(boss: Client) -> None:
    OrderFactory(refused=True)
    OrderFactory(created=True)
    page = boss.get(f"{ADMIN}/order/").content.decode()
    assert page.count('<span class="wxpay-badge wxpay-bad">Refused</span>') == 1
    assert page.count('<span class="wxpay-badge wxpay-quiet">Created</span>') == 1


def test_a_call_without_an_order_leads_nowhere(boss: Client) -> None:
    ApiReportFactory(out_trade_no="")
    ApiReportFactory(err_code="SYSTEMERROR", result_code="FAIL")
    page = boss.get(f"{ADMIN}/apireport/").content.decode()
    assert page.count("/order/?out_trade_no=") == 1
    assert '<span class="wxpay-badge wxpay-waiting">SYSTEMERROR</span>' in page


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("UNREADABLE", "update django-wxpay"),
        ("UNKNOWN_ORDER", "Correct what the reason names"),
    ],
)
def test_a_notification_that_failed_names_the_next_step(boss: Client, code: str, step: str) -> None:
    failed = NotificationFactory(unknown=True, reason_code=code)
    page = boss.get(f"/admin/django_wxpay/notification/{failed.pk}/change/").content.decode()
    assert step in page
    done = NotificationFactory()
    page = boss.get(f"/admin/django_wxpay/notification/{done.pk}/change/").content.decode()
    assert "next step" in page.lower()
    assert step not in page


@pytest.mark.parametrize("model", ["order", "refund", "notification", "orderevent"])
def test_to_choose_a_whole_list_counts_no_further_than_a_person_may(
    boss: Client, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    for _ in range(2):
        refund = RefundFactory()
        NotificationFactory(order=refund.order)
        OrderEventFactory(order=refund.order)
    action = {"notification": "replay", "orderevent": "tell"}.get(model, "query_now")
    for place in (calls, refunds, notifications, events):
        monkeypatch.setattr(place, "MOST_AT_ONCE", 1)
    asked = {"action": action, "select_across": "1", "_selected_action": ["1"]}
    with counted() as queries:
        answer = boss.post(f"{ADMIN}/{model}/", asked)
    assert answer.status_code == 302
    counts = [one["sql"] for one in queries if "COUNT(*)" in one["sql"]]
    assert counts
    assert all("LIMIT" in sql for sql in counts)
