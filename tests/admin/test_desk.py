"""The clerk's desk: the order list sorted, filtered by payment, added up and saved; notes."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_wxpay.admin import base, spreadsheets
from django_wxpay.admin.orders import filters, timeline
from django_wxpay.models import Order, OrderEvent
from django_wxpay.models.choices import Attentions
from django_wxpay.services.attention import cases
from tests.admin.conftest import ADMIN, ENGLISH
from tests.factories import OrderEventFactory, OrderFactory, RefundFactory, UserFactory
from tests.tables import counted
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v2 import granted, refused

pytestmark = pytest.mark.django_db
LIST = f"{ADMIN}/order/"
AMOUNT, CREATED, PAID = "2", "4", "6"


def shown(client: Client, **asked: str) -> list[int]:
    answer = client.get(LIST, asked)
    assert answer.status_code == 200, answer
    return [order.pk for order in answer.context["cl"].result_list]


def head(client: Client, **asked: str) -> str:
    """Return what stands above the list, as words."""
    html = client.get(LIST, asked).content.decode()
    part = html.partition('<div class="wxpay-totals">')[2].partition("<form")[0]
    return " ".join(re.sub("<[^>]*>", " ", part).split())


def at(day: str, clock: str = "12:00") -> datetime:
    """Return a moment of the time zone of the settings."""
    return timezone.make_aware(datetime.fromisoformat(f"{day}T{clock}"))


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at("2026-03-10").astimezone(UTC))


def paid_at(moment: datetime, **fields: Any) -> int:
    order: Order = OrderFactory(paid=True, success_time=moment, **fields)
    return order.pk


def test_the_list_is_sorted_by_amount_and_by_either_time(boss: Client) -> None:
    first = OrderFactory(total_fee=300)
    second = OrderFactory(paid=True, total_fee=100, success_time=at("2026-03-02"))
    third = OrderFactory(paid=True, total_fee=200, success_time=at("2026-03-01"))
    keys = [first.pk, second.pk, third.pk]
    assert shown(boss) == keys[::-1]
    assert shown(boss, o=CREATED) == keys
    assert shown(boss, o=f"-{CREATED}") == keys[::-1]
    assert shown(boss, o=AMOUNT) == [second.pk, third.pk, first.pk]
    assert shown(boss, o=f"-{AMOUNT}") == [first.pk, third.pk, second.pk]
    assert shown(boss, o=PAID) == [third.pk, second.pk]
    assert shown(boss, o=f"-{PAID}") == [second.pk, third.pk]
    assert head(boss, o=PAID).startswith(
        "Sorted by payment: orders without a time of payment are left out."
    )
    # Only the first counts, for no index has two.
    assert shown(boss, o=f"{AMOUNT}.{CREATED}") == [second.pk, third.pk, first.pk]


@pytest.mark.parametrize("order", ["3", "0", "99", "-", "x", "2147483648999999", "²", "5.2"])
def test_no_other_column_sorts(boss: Client, order: str) -> None:
    keys = [OrderFactory(reference=name).pk for name in "cab"]
    assert shown(boss, o=order) == keys[::-1]
    html = boss.get(LIST).content.decode()
    assert len(re.findall(r'class="[^"]*sortable[^"]*column-', html)) == 3


def test_what_is_filtered_is_sorted_while_it_is_few(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [OrderFactory(total_fee=fee).pk for fee in (300, 100, 200)]
    OrderFactory(paid=True, total_fee=1)
    asked = {"trade_state__exact": "NOTPAY", "o": AMOUNT}
    assert shown(boss, **asked) == [keys[1], keys[2], keys[0]]
    assert shown(boss, q="S-", o=f"-{AMOUNT}") == shown(boss, o=f"-{AMOUNT}", q="S-")
    monkeypatch.setattr(base, "FARTHEST", 3)
    assert shown(boss, **asked) == [keys[1], keys[2], keys[0]]
    monkeypatch.setattr(base, "FARTHEST", 2)
    assert shown(boss, **asked) == keys[::-1]
    assert "More than 2 orders: narrow the filter to sort them." in head(boss, **asked)
    Order.objects.update(trade_state="SUCCESS", success_time=at("2026-03-01"))
    unpaid = OrderFactory(trade_state="SUCCESS", success_time=None).pk
    asked = {"trade_state__exact": "SUCCESS", "o": PAID}
    assert unpaid in shown(boss, **asked)
    assert "left out" not in head(boss, **asked)


@pytest.mark.usefixtures("today")
def test_days_of_payment_begin_at_midnight_here(boss: Client) -> None:
    old = paid_at(at("2026-02-28", "23:59"))
    first = paid_at(at("2026-03-01", "00:00"))
    week = paid_at(at("2026-03-03", "00:00"))
    eve = paid_at(at("2026-03-09", "00:00"))
    night = paid_at(at("2026-03-09", "23:59"))
    now = paid_at(at("2026-03-10", "00:00"))
    OrderFactory()
    assert shown(boss, paid="today") == [now]
    assert shown(boss, paid="yesterday") == [night, eve]
    assert shown(boss, paid="week") == [now, night, eve, week]
    assert shown(boss, paid="month") == [now, night, eve, week, first]
    assert shown(boss, paid_from="2026-02-28", paid_to="2026-03-01") == [first, old]
    assert shown(boss, paid_from="2026-03-09", o=PAID) == [eve, night, now]
    assert shown(boss, paid_to="2026-02-28") == [old]
    assert shown(boss, paid_from="2026-03-02", paid_to="2026-03-01") == []
    # A form that is sent empty asks for nothing.
    assert len(shown(boss, paid_from="", paid_to="")) == 7
    # A name goes before a day.
    assert shown(boss, paid="today", paid_from="2026-02-28") == [now]


@pytest.mark.parametrize("text", ["2026-02-30", "yesterday", "20260101", "9999-12-31", "0", "٢٠٢٦"])
def test_what_is_no_day_finds_nothing_and_says_so(boss: Client, text: str) -> None:
    paid_at(at("2026-03-01"))
    assert shown(boss, paid_from=text) == []
    assert f"“{text}” is no day." in head(boss, paid_to=text)


def test_nonsense_finds_nothing(boss: Client) -> None:
    OrderFactory(paid=True)
    assert shown(boss, paid="nonsense") == []
    assert shown(boss, refunded="nonsense") == []


def test_the_form_of_days_keeps_the_other_filters(boss: Client) -> None:
    html = boss.get(
        LIST, {"trade_state__exact": "SUCCESS", "paid_from": "2026-03-01", "p": "1"}
    ).content.decode()
    form = html[html.index('class="wxpay-period"') :].partition("</form>")[0]
    assert '<input type="hidden" name="trade_state__exact" value="SUCCESS">' in form
    assert 'name="paid_from" value="2026-03-01"' in form
    assert 'name="paid_to" value=""' in form
    assert 'name="p"' not in form
    assert "?paid=today&amp;trade_state__exact=SUCCESS" in html


def test_unpaid_is_what_may_still_be_paid(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    states = ("CREATED", "NOTPAY", "USERPAYING", "PAYERROR")
    waiting = [OrderFactory(trade_state=state).pk for state in states]
    for state in ("CLOSED", "REVOKED", "SUCCESS", "REFUND"):
        OrderFactory(trade_state=state)
    assert shown(boss, paid="no") == waiting[::-1]
    assert "newest" not in head(boss, paid="no")
    monkeypatch.setattr(filters, "MOST", 1)
    OrderFactory()
    assert len(shown(boss, paid="no")) == 4
    assert "Only the newest 1 orders of each state are shown." in head(boss, paid="no")


@pytest.mark.usefixtures("today")
def test_refunded_is_what_was_paid_back(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"success_time": at("2026-03-10"), "total_fee": 1000}
    part, whole, twice, asked = (OrderFactory(paid=True, **fields) for _ in range(4))
    RefundFactory(order=part, paid_back=True, refund_fee=999)
    RefundFactory(order=whole, paid_back=True, refund_fee=1000)
    RefundFactory(order=twice, paid_back=True, refund_fee=400)
    RefundFactory(order=twice, paid_back=True, refund_fee=600)
    RefundFactory(order=asked, refund_fee=1000)
    RefundFactory(order=asked, hinted=True, refund_status="SUCCESS")
    RefundFactory(order=OrderFactory(trade_state="REVOKED"), paid_back=True)
    assert shown(boss, refunded="partly") == [part.pk]
    assert shown(boss, refunded="fully") == [twice.pk, whole.pk]
    assert shown(boss, refunded="fully", paid="today") == [twice.pk, whole.pk]
    assert shown(boss, refunded="fully", paid="yesterday") == []
    monkeypatch.setattr(filters, "MOST", 1)
    sentence = "Only the orders of the newest 1 refunds are shown."
    assert sentence in head(boss, refunded="fully")
    assert sentence not in head(boss, refunded="fully", paid="today")
    # As many as cannot be looked through.
    monkeypatch.setattr(base, "FARTHEST", 3)
    assert sentence in head(boss, refunded="fully", paid="today")


@pytest.mark.usefixtures("today")
def test_what_a_filter_leaves_is_added_up(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    tea = OrderFactory(paid=True, success_time=at("2026-03-10"), total_fee=123_456)
    RefundFactory(order=tea, paid_back=True, refund_fee=56)
    paid_at(at("2026-03-10"), fee_type="JPY", total_fee=50, merchant="other")
    OrderFactory(total_fee=5, reference="basket-7")
    both = "CNY 1 1 1,234.56 CNY 0.56 CNY JPY 1 1 50 JPY 0 JPY"
    assert head(boss, paid="today") == f"Currency Orders Payments Paid Refunded {both}"
    for asked in (
        {"q": "basket-7"},
        {"created_at__gte": "2025-01-01T00:00:00Z"},
        {"refunded": "partly"},
    ):
        assert head(boss, **asked).startswith("Currency")
    # What may be most of the table is added up when somebody asks.
    assert head(boss) == "Add up"
    assert head(boss, merchant="other") == "Add up"
    html = boss.get(LIST, {"merchant": "other"}).content.decode()
    assert 'href="?add_up=yes&amp;merchant=other"' in html
    assert head(boss, merchant="other", add_up="yes").endswith("JPY 1 1 50 JPY 0 JPY")
    monkeypatch.setattr(base, "FARTHEST", 1)
    sentence = "More than 1 orders: narrow the filter to add them up."
    assert head(boss, add_up="yes") == sentence
    assert head(boss, paid="today") == sentence
    # Nothing is nothing, and no table.
    assert head(boss, paid="yesterday") == ""


def test_totals_cost_the_same_for_many_orders_as_for_two(boss: Client) -> None:
    moment = datetime.now(UTC)
    for _ in range(2):
        RefundFactory(order__success_time=moment, paid_back=True)
    with counted() as few:
        boss.get(LIST, {"paid": "week"})
    for _ in range(20):
        RefundFactory(order__success_time=moment, paid_back=True)
    with counted() as many:
        boss.get(LIST, {"paid": "week"})
    assert len(many) == len(few)


def saved(client: Client, address: str, **asked: str) -> list[list[str]]:
    answer = client.get(address, asked)
    assert answer.status_code == 200
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_orders_are_saved_as_filtered(boss: Client) -> None:
    tea = OrderFactory(
        paid=True,
        total_fee=1250,
        success_time=at("2026-03-10", "08:05"),
        reference="=1+1",
        body='茶, "fine"',
    )
    RefundFactory(order=tea, paid_back=True, refund_fee=250)
    yen = paid_at(at("2026-03-10", "09:00"), fee_type="JPY", total_fee=50)
    OrderFactory()
    header, *rows = saved(boss, reverse("admin:django_wxpay_order_csv"), paid_from="2026-03-10")
    assert len(rows) == 2
    last = dict(zip(header, rows[1], strict=True))
    assert (last["amount"], last["refunded"], last["currency"]) == ("12.50", "2.50", "CNY")
    assert last["reference"] == "'=1+1"
    assert last["description"] == '茶, "fine"'
    assert last["merchant order number"] == f"'{tea.out_trade_no}"
    assert last["paid at"] == at("2026-03-10", "08:05").isoformat(timespec="seconds")
    assert re.fullmatch(r".*T08:05:00[+-]\d\d:\d\d", last["paid at"])
    first = dict(zip(header, rows[0], strict=True))
    assert (first["amount"], first["refunded"]) == ("50", "0")
    assert first["merchant order number"].endswith(Order.objects.get(pk=yen).out_trade_no)
    assert len(saved(boss, reverse("admin:django_wxpay_order_csv"))) == 4


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@A1", "\t1", "\rx", " =1"])
def test_nothing_in_a_file_runs(boss: Client, cell: str) -> None:
    OrderFactory(reference=cell, body=cell)
    header, row = saved(boss, reverse("admin:django_wxpay_order_csv"))
    values = dict(zip(header, row, strict=True))
    assert values["reference"] == values["description"] == f"'{cell}"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("foo;=1+1", "foo;'=1+1"),
        ("x\t=cmd", "x\t'=cmd"),
        ("a; @b;-1", "a; '@b;'-1"),
        ("a\t ＝1", "a\t '＝1"),
        ("\t=1", "'\t'=1"),
        ("0042", "'0042"),
        ("12e5", "'12e5"),
        ("1.5E+10", "'1.5E+10"),
        ("4200001234202611", "'4200001234202611"),
        ("a;b, c=1", "a;b, c=1"),
        ("0", "0"),
        ("123456789012345", "123456789012345"),
        ("12ea", "12ea"),
    ],
)
def test_nothing_in_a_file_runs_or_changes_whatever_divides_its_cells(
    boss: Client, text: str, cell: str
) -> None:
    OrderFactory(reference=text, body=text)
    header, row = saved(boss, reverse("admin:django_wxpay_order_csv"))
    values = dict(zip(header, row, strict=True))
    assert values["reference"] == values["description"] == cell
    answer = boss.get(reverse("admin:django_wxpay_order_csv"))
    lines = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert lines.startswith('\ufeff"')
    assert lines.count('"') == 4 * 14


def test_a_file_is_made_in_slices_and_holds_each_row_once(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "_AT_ONCE", 3)
    moment = at("2026-03-10")
    # Some at the same moment, on both sides of the end of a slice.
    keys = [OrderFactory(created_at=moment, paid=True, success_time=moment).pk for _ in range(6)]
    keys += [OrderFactory(paid=True, success_time=moment, created_at=moment).pk]
    for asked in ({}, {"paid_from": "2026-03-10"}):
        rows = saved(boss, reverse("admin:django_wxpay_order_csv"), **asked)[1:]
        numbers = list(Order.objects.order_by("-pk").values_list("out_trade_no", flat=True))
        assert [row[5].strip("'") for row in rows] == numbers
        assert len(numbers) == len(keys)


def test_a_file_speaks_the_language_of_who_asks(boss: Client) -> None:
    OrderFactory()
    address = reverse("admin:django_wxpay_order_csv")
    answer = boss.get(address, headers={"accept-language": "zh-hans"})
    # Another request is answered before the file is made.
    boss.get(LIST, headers=ENGLISH)
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert "未支付" in text


def test_the_ticked_orders_are_saved_and_no_others(as_holder: Callable[..., Client]) -> None:
    client = as_holder("view_order")
    orders = [OrderFactory() for _ in range(3)]
    chosen = [orders[0].pk, orders[2].pk]
    answer = client.post(LIST, {"action": "save_csv", "_selected_action": chosen})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[arg-type]
    assert text.count("\r\n") == 3
    assert orders[1].out_trade_no not in text


def test_who_may_not_look_saves_nothing(as_holder: Callable[..., Client]) -> None:
    OrderFactory()
    for model, other in (("order", "refund"), ("refund", "order")):
        client = as_holder(f"view_{other}")
        assert client.get(reverse(f"admin:django_wxpay_{model}_csv")).status_code == 403


@pytest.mark.parametrize(
    "asked", [{"created_at__gte": "9999999-01-01"}, {"nonsense": "1"}, {"q": "\0"}]
)
def test_a_file_of_what_no_row_can_have_is_none(boss: Client, asked: dict[str, str]) -> None:
    answer = boss.get(reverse("admin:django_wxpay_order_csv"), asked)
    assert answer.status_code == 302
    assert answer.url.startswith(LIST)  # type: ignore[attr-defined]


def test_a_filter_that_does_not_find_all_makes_no_file(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST", 1)
    OrderFactory()
    answer = boss.get(reverse("admin:django_wxpay_order_csv"), {"paid": "no"}, follow=True)
    assert answer.redirect_chain == [(f"{LIST}?paid=no", 302)]
    (message,) = map(str, answer.context["messages"])
    assert message.startswith("No file was made")
    assert "Only the newest 1 orders of each state are shown." in message


def test_sorting_by_payment_takes_nothing_from_the_file_and_the_totals(boss: Client) -> None:
    paid_at(at("2026-03-10"), total_fee=100, reference="basket-7")
    # What WeChat Pay gave no time for, and what is not paid.
    OrderFactory(paid=True, success_time=None, total_fee=50, reference="basket-7")
    OrderFactory(reference="basket-7")
    for order in (PAID, f"-{PAID}"):
        asked = {"q": "basket-7", "o": order}
        assert len(shown(boss, **asked)) == 1
        assert "Refunded CNY 3 2 1.50 CNY 0.00 CNY" in head(boss, **asked)
        assert len(saved(boss, reverse("admin:django_wxpay_order_csv"), **asked)) == 4


def test_what_is_not_paid_has_no_day_of_payment(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheets, "_AT_ONCE", 2)
    for _ in range(5):
        OrderFactory()
    asked = {"paid": "no", "paid_from": "2026-03-01"}
    assert len(shown(boss, **asked)) == 5
    assert len(saved(boss, reverse("admin:django_wxpay_order_csv"), **asked)) == 6


def test_saving_all_of_a_list_is_its_file(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ticked = RefundFactory().order
    for model in ("order", "refund"):
        asked = {"action": "save_csv", "select_across": "1", "_selected_action": [ticked.pk]}
        answer = boss.post(f"{ADMIN}/{model}/?merchant=default", asked)
        assert answer.status_code == 302
        file = reverse(f"admin:django_wxpay_{model}_csv")
        assert answer.url == f"{file}?merchant=default"  # type: ignore[attr-defined]
    monkeypatch.setattr(filters, "MOST", 1)
    OrderFactory()
    asked = {"action": "save_csv", "select_across": "1", "_selected_action": [ticked.pk]}
    answer = boss.post(f"{LIST}?paid=no", asked, follow=True)
    (message,) = map(str, answer.context["messages"])
    assert message.startswith("No file was made")


def test_refunds_are_saved_too(boss: Client) -> None:
    refund = RefundFactory(paid_back=True, refund_fee=625, refund_desc="@home")
    RefundFactory(hinted=True)
    header, *rows = saved(boss, reverse("admin:django_wxpay_refund_csv"), refund_status="SUCCESS")
    (row,) = rows
    values = dict(zip(header, row, strict=True))
    assert values["amount"] == "6.25"
    assert values["reason"] == "'@home"
    assert values["merchant order number"].strip("'") == refund.order.out_trade_no
    assert reverse("admin:django_wxpay_refund_csv") in boss.get(f"{ADMIN}/refund/").content.decode()


def test_attention_says_that_it_shows_so_many_alone(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "MOST", 2)
    for _ in range(2):
        OrderEventFactory(conflict=True)
    html = head(boss, attention=Attentions.CONFLICT.value)
    assert html.startswith("Only 200 of these orders are shown")
    assert "Only" not in head(boss, attention=Attentions.OVERDUE.value)


def page(client: Client, order: Order) -> str:
    return client.get(reverse("admin:django_wxpay_order_change", args=[order.pk])).content.decode()


def moments(client: Client, order: Order) -> list[str]:
    """Return the entries of the timeline, as words."""
    html = page(client, order)
    timeline = html[html.index('class="wxpay-timeline"') :].partition("</ol>")[0]
    return [" ".join(re.sub("<[^>]*>", " ", each).split()) for each in timeline.split("<li>")[1:]]


def test_a_note_is_kept_and_stands_in_the_history(boss: Client) -> None:
    order = OrderFactory(paid=True)
    address = reverse("admin:django_wxpay_order_note", args=[order.pk])
    assert f'formaction="{address}"' in page(boss, order)
    answer = boss.post(address, {"note": " <b>She has called.</b> "}, follow=True)
    assert "The note is kept." in answer.content.decode()
    event = OrderEvent.objects.get()
    assert event.note == "<b>She has called.</b>"
    assert "&lt;b&gt;She has called.&lt;/b&gt;" in page(boss, order)
    (entry,) = moments(boss, order)
    assert f"By {event.detail['by']}" in entry
    on_event = boss.get(reverse("admin:django_wxpay_orderevent_change", args=[event.pk]))
    html = on_event.content.decode()
    assert "&lt;b&gt;She has called.&lt;/b&gt;" in html
    assert "Deliver again" not in html


@pytest.mark.parametrize("note", ["", "  ", "x" * 501])
def test_a_note_that_cannot_be_kept_is_asked_for_again(boss: Client, note: str) -> None:
    order = OrderFactory()
    address = reverse("admin:django_wxpay_order_note", args=[order.pk])
    answer = boss.post(address, {"note": note})
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode()
    assert note.strip() in answer.content.decode()
    assert not OrderEvent.objects.exists()
    assert boss.get(address).status_code == 200


def test_a_note_needs_the_permission_and_a_token(as_holder: Callable[..., Client]) -> None:
    order = OrderFactory()
    address = reverse("admin:django_wxpay_order_note", args=[order.pk])
    client = as_holder("view_order")
    assert client.post(address, {"note": "x"}).status_code == 403
    assert "wxpay-note" not in page(client, order).partition("<body")[2].replace('wxpay-note"', "")
    strict = Client(headers=ENGLISH, enforce_csrf_checks=True)
    strict.force_login(UserFactory(is_staff=True, permissions=("change_order",)))
    assert strict.post(address, {"note": "x"}).status_code == 403
    assert not OrderEvent.objects.exists()
    assert client.post(reverse("admin:django_wxpay_order_note", args=[0])).status_code == 403


def test_who_did_what_stands_between_the_events(boss: Client, gateway: ScriptedTransport) -> None:
    order = OrderFactory(created_at=datetime.now(UTC) - timedelta(days=2))
    OrderEventFactory(order=order, conflict=True, created_at=order.created_at)
    gateway.answers["/pay/closeorder"] = {}
    boss.post(reverse("admin:django_wxpay_order_close", args=[order.pk]), {"confirmed": "yes"})
    entries = moments(boss, order)
    closed, by_whom = sorted(entries[:2], key=lambda each: "By " in each)
    assert "Closed" in closed
    assert "The order is now “Closed”." in by_whom
    assert order.out_trade_no not in by_whom
    assert "Conflict" in entries[-1]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z+-]", entries[0])


def test_the_timeline_costs_the_same_however_much_was_done(boss: Client) -> None:
    order = OrderFactory(paid=True)
    note = reverse("admin:django_wxpay_order_note", args=[order.pk])
    boss.post(note, {"note": "x"})
    page(boss, order)
    with counted() as few:
        page(boss, order)
    for _ in range(30):
        boss.post(note, {"note": "x"})
    page(boss, order)
    with counted() as many:
        assert len(moments(boss, order)) == base.NEWEST
    assert len(many) == len(few)


def test_an_order_without_an_answer_says_so_and_is_placed_again(
    boss: Client, gateway: ScriptedTransport
) -> None:
    now = datetime.now(UTC)
    order = OrderFactory(created=True, placed_at=now, next_check_at=now)
    address = reverse("admin:django_wxpay_order_place", args=[order.pk])
    html = page(boss, order)
    assert "the outcome is unknown" in html
    assert address in html
    question = boss.get(address).content.decode()
    assert "Place this order again?" in question
    assert gateway.requests == []
    gateway.answers["/pay/unifiedorder"] = granted
    answer = boss.post(address, {"confirmed": "yes"}, follow=True)
    assert "WeChat Pay has accepted the order; it is now “Not paid”." in answer.content.decode()
    assert len(gateway.requests) == 1
    order.refresh_from_db()
    assert order.trade_state == "NOTPAY"
    # A second press, of a page that still stands there, calls nobody.
    again = boss.post(address, {"confirmed": "yes"}, follow=True)
    assert "There is nothing to place again." in again.content.decode()
    assert len(gateway.requests) == 1
    assert address not in page(boss, order)


@pytest.mark.parametrize(
    ("is_asked_for", "trade_type", "advice"),
    [
        (True, "NATIVE", "or place it again under the same number"),
        (False, "NATIVE", "WeChat Pay was asked and does not know this order"),
        (True, "MICROPAY", "The worker asks too, and reverses what is not paid."),
        (False, "MICROPAY", "so nothing was charged"),
    ],
)
def test_an_order_without_an_outcome_says_what_can_be_done(
    boss: Client, is_asked_for: bool, trade_type: str, advice: str
) -> None:
    now = datetime.now(UTC)
    asked_at = now if is_asked_for else None
    fields = {"placed_at": now, "next_check_at": asked_at, "trade_type": trade_type}
    html = page(boss, OrderFactory(created=True, **fields))
    assert advice in html
    assert ("outcome is unknown" in html) is is_asked_for
    assert ("lace it again" in html) is (trade_type == "NATIVE")


def test_a_sale_that_is_late_is_not_to_be_placed_again(boss: Client) -> None:
    now = datetime.now(UTC)
    early = now - timedelta(minutes=10)
    fields = {"placed_at": early, "next_check_at": now, "trade_type": "MICROPAY"}
    html = page(boss, OrderFactory(created=True, **fields))
    assert "wxpay-banner" in html
    assert "or reverse the sale" in html
    assert "place the order again" not in html


def test_what_was_never_sent_and_what_was_refused_say_other_things(
    boss: Client, gateway: ScriptedTransport
) -> None:
    never = OrderFactory(created=True)
    html = page(boss, never)
    assert "was never sent to WeChat Pay" in html
    address = reverse("admin:django_wxpay_order_place", args=[never.pk])
    assert "Place this order?" in boss.get(address).content.decode()
    gateway.answers["/pay/unifiedorder"] = refused("NOTENOUGH")
    answer = boss.post(address, {"confirmed": "yes"}, follow=True).content.decode()
    assert "WeChat Pay refused (NOTENOUGH" in answer
    assert "the outcome is unknown" not in answer
    assert address in answer


@pytest.mark.parametrize(
    "fields", [{"created": True, "trade_type": "MICROPAY"}, {}, {"paid": True}, {"closed": True}]
)
def test_nothing_else_is_placed_again(boss: Client, fields: dict[str, Any]) -> None:
    order = OrderFactory(**fields)
    address = reverse("admin:django_wxpay_order_place", args=[order.pk])
    assert address not in page(boss, order)
    assert boss.post(address, {"confirmed": "yes"}).status_code == 302


def test_placing_again_needs_the_permission(as_holder: Callable[..., Client]) -> None:
    order = OrderFactory(created=True)
    client = as_holder("view_order")
    address = reverse("admin:django_wxpay_order_place", args=[order.pk])
    assert client.post(address).status_code == 403
    assert client.get(address).status_code == 403
    assert address not in page(client, order)


def test_every_time_has_its_seconds_and_its_zone(boss: Client) -> None:
    order = OrderFactory(paid=True, success_time=at("2026-11-29", "17:03"))
    zone = timezone.localtime(order.success_time).tzname()
    for language in ("en", "zh-hans"):
        headers = {"accept-language": language}
        for address in (LIST, reverse("admin:django_wxpay_order_change", args=[order.pk])):
            html = boss.get(address, headers=headers).content.decode()
            assert f"2026-11-29 17:03:00 {zone}" in html


def test_the_history_looks_at_the_newest_of_the_log_and_links_the_rest(
    boss: Client, gateway: ScriptedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answers["/pay/closeorder"] = {}
    orders = [OrderFactory() for _ in range(3)]
    for order in orders:
        boss.post(reverse("admin:django_wxpay_order_close", args=[order.pk]), {"confirmed": "yes"})
    assert "Older actions in the admin" not in page(boss, orders[0])
    monkeypatch.setattr(timeline, "LOOKED_AT", 2)
    assert any("By " in each for each in moments(boss, orders[2]))
    assert not any("By " in each for each in moments(boss, orders[0]))
    html = page(boss, orders[0])
    address = reverse("admin:django_wxpay_order_history", args=[orders[0].pk])
    assert f'<a href="{address}">Older actions in the admin</a>' in html
    assert "The order is now" in boss.get(address).content.decode()
