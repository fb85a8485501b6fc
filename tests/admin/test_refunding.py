"""A refund by a person on the page of an order: a form, a question, one refund for each form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import reverse

from django_wxpay import services
from django_wxpay.admin import OrderAdmin
from django_wxpay.admin.refunds.forms import AmountField
from django_wxpay.models import OrderEvent, Refund
from django_wxpay.testing import SimulatedWXPay
from tests.admin import refund_pages as pages
from tests.admin.conftest import ADMIN, ENGLISH
from tests.admin.refund_pages import at, messages, opened, paid, send, text
from tests.factories import OrderFactory, RefundFactory, UserFactory
from tests.wechatpay.v2 import MCH_ID

pytestmark = pytest.mark.django_db
NOT_ENOUGH = ["view_order", "view_order change_order", "add_refund", "view_refund change_refund"]


@pytest.fixture
def wxpay(settings: Any) -> dict[str, Any]:
    settings.WXPAY = pages.merchants()
    return settings.WXPAY


@pytest.fixture
def simulator(wxpay: dict[str, Any]) -> Iterator[SimulatedWXPay]:
    with pages.simulator() as simulated:
        yield simulated


def untouched(simulator: SimulatedWXPay) -> bool:
    """Return whether nothing was refunded, sent or logged."""
    return (
        simulator.requests("refund") == []
        and not Refund.objects.exists()
        and not LogEntry.objects.exists()
    )


# --- who may


@pytest.mark.parametrize("held", NOT_ENOUGH)
def test_to_see_or_to_operate_is_not_to_refund(
    as_holder: Callable[..., Client], simulator: SimulatedWXPay, held: str
) -> None:
    order = paid(simulator)
    fields = opened(as_holder("view_order", "add_refund"), order)
    client = as_holder(*held.split())
    for pk in (order.pk, 999999):
        address = f"{ADMIN}/order/{pk}/refund/"
        assert client.get(address).status_code == 403
        assert client.post(address, fields | {"step": "send"}).status_code == 403
    if "view_order" in held:
        assert at(order, "refund") not in text(client, order)
    assert untouched(simulator)


def test_who_sees_the_order_and_may_refund_is_shown_the_button(
    as_holder: Callable[..., Client], simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    client = as_holder("view_order", "add_refund")
    page = text(client, order)
    assert f'href="{at(order, "refund")}">Refund…</a>' in page
    assert "Ask WeChat Pay" not in page
    answer = send(client, order, opened(client, order))
    # Refunds are not shown to this person, so the order is.
    assert answer.redirect_chain == [(at(order), 302)]
    assert client.get(f"{ADMIN}/order/999999/refund/").status_code == 404
    assert Refund.objects.get().refund_fee == 10_000


def test_a_stranger_and_a_post_without_a_token_refund_nothing(simulator: SimulatedWXPay) -> None:
    order = paid(simulator)
    anonymous = Client().post(at(order, "refund"), {"step": "send"})
    assert anonymous.headers["Location"].startswith(reverse("admin:login"))
    strict = Client(enforce_csrf_checks=True, headers=ENGLISH)
    strict.force_login(UserFactory(is_staff=True, is_superuser=True))
    fields = opened(strict, order)
    assert strict.post(at(order, "refund"), fields | {"step": "send"}).status_code == 403
    assert untouched(simulator)


def test_a_class_of_the_projects_own_decides_who_refunds(
    boss: Client, simulator: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid(simulator)
    monkeypatch.setattr(OrderAdmin, "has_refund_permission", lambda self, request: False)
    assert at(order, "refund") not in text(boss, order)
    assert boss.get(at(order, "refund")).status_code == 403
    assert untouched(simulator)


# --- from the form to the refund


def test_a_refund_is_a_form_a_question_and_only_then_a_call(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    form = text(boss, order, "refund")
    for words in ('value="100.00"', order.out_trade_no, "Amount in CNY", "100.00 CNY"):
        assert words in form, words
    fields = opened(boss, order) | {"refund_fee": "45", "refund_desc": "one cup too many"}
    question = boss.post(at(order, "refund"), fields).content.decode()
    assert "Refund 45.00 CNY?" in question
    sentence = (
        rf"45.00 CNY of order {order.out_trade_no} is paid back to the payer \(openid o\w+…\)\."
    )
    assert re.search(sentence, question)
    assert f'value="{fields["out_refund_no"]}"' in question
    assert untouched(simulator)
    assert (
        'value="45"' in boss.post(at(order, "refund"), fields | {"step": "edit"}).content.decode()
    )
    assert untouched(simulator)

    answer = send(boss, order, fields)
    refund = Refund.objects.get()
    assert answer.redirect_chain == [(at(refund), 302)]
    result = (
        f"{fields['out_refund_no']}: The refund of 45.00 CNY is now “Accepted, being paid back”."
    )
    assert messages(answer) == [("success", result)]
    assert (refund.refund_fee, refund.refund_desc) == (4_500, "one cup too many")
    (made,) = simulator.ledger()["refunds"]
    assert (made["out_refund_no"], made["refund_fee"]) == (fields["out_refund_no"], 4_500)
    asked = f"{fields['out_refund_no']}: refund of 45.00 CNY asked for."
    logged = LogEntry.objects.order_by("id").values_list("object_id", "change_message")
    assert list(logged) == [
        (str(order.pk), asked),
        (str(order.pk), result),
        (str(refund.pk), result),
    ]
    assert "Paid, refund of 45.00 CNY in progress" in text(boss, order)
    assert "Paid, refund of 45.00 CNY in progress" in boss.get(f"{ADMIN}/order/").content.decode()


def test_a_part_is_refunded_then_the_rest_and_then_nothing_is_left(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    first = pages.refund(boss, order, "45.00")
    simulator.advance(60)
    first.refresh_from_db()
    assert first.refund_status == "SUCCESS"
    assert "Paid, 45.00 of 100.00 CNY refunded" in text(boss, order)
    second = opened(boss, order)
    assert second["refund_fee"] == "55.00"
    assert second["out_refund_no"] != first.out_refund_no
    send(boss, order, second | {"refund_fee": "10.5"})
    assert "Paid, 45.00 of 100.00 CNY refunded, 10.50 in progress" in text(boss, order)
    send(boss, order, opened(boss, order))
    simulator.advance(60)
    # A notification of v2 is a hint, and an order is asked for once a minute at most.
    for refund in Refund.objects.filter(refund_status="PROCESSING"):
        boss.post(at(refund, "query"))
    page = text(boss, order)
    assert "Paid, 100.00 CNY refunded" in page
    assert at(order, "refund") not in page
    closed = boss.get(at(order, "refund"), follow=True)
    assert closed.redirect_chain == [(at(order), 302)]
    sentence = f"{order.out_trade_no}: Nothing is left that could be refunded."
    assert messages(closed) == [("error", sentence)]
    assert [row["refund_fee"] for row in simulator.ledger()["refunds"]] == [4_500, 1_050, 4_450]
    assert OrderEvent.objects.filter(kind="REFUND_SETTLED").count() == 3


def test_a_double_click_makes_one_refund(boss: Client, simulator: SimulatedWXPay) -> None:
    order = paid(simulator)
    fields = opened(boss, order)
    send(boss, order, fields)
    again = send(boss, order, fields)
    refund = Refund.objects.get()
    assert again.redirect_chain == [(at(refund), 302)]
    ((level, sentence),) = messages(again)
    assert level == "success"
    assert "asked for before and is not made twice" in sentence
    assert len(simulator.requests("refund")) == 1
    assert len(simulator.ledger()["refunds"]) == 1


def test_a_page_that_has_made_a_refund_makes_no_other(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    fields = opened(boss, order) | {"refund_fee": "45.00"}
    send(boss, order, fields)
    answer = send(boss, order, fields | {"refund_fee": "46.00"})
    assert answer.redirect_chain == [(at(order), 302)]
    assert [level for level, _ in messages(answer)] == ["error"]
    assert "This page has made another refund, so nothing was sent." in messages(answer)[0][1]
    assert Refund.objects.get().refund_fee == 4_500
    assert len(simulator.requests("refund")) == 1


def test_the_button_is_there_while_something_is_left_to_refund(boss: Client) -> None:
    unpaid, paid_order = OrderFactory(), OrderFactory(paid=True, total_fee=1_000)
    assert at(unpaid, "refund") not in text(boss, unpaid)
    assert at(paid_order, "refund") in text(boss, paid_order)
    RefundFactory(order=paid_order, refund_fee=1_000)
    assert at(paid_order, "refund") not in text(boss, paid_order)
    denied = boss.get(at(unpaid, "refund"), follow=True)
    assert denied.redirect_chain == [(at(unpaid), 302)]


# --- what is typed


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("", "This field is required."),
        ("   ", "This field is required."),
        ("0", "Refund at least 0.01 CNY."),
        ("0.00", "Refund at least 0.01 CNY."),
        ("45.001", "CNY has at most 2 decimals."),
        ("100.01", "At most 100.00 CNY is left."),
        ("999999999999", "At most 100.00 CNY is left."),
        *(
            (each, "Write the amount in plain digits, like 45.00.")
            for each in (
                *(
                    "-1",
                    "+1",
                    "1e3",
                    "1E3",
                    "abc",
                    "4,5",
                    "1,000.00",
                    ".5",
                    "5.",
                    "NaN",
                    "Infinity",
                ),
                *("0x10", "１", "٤٥", "1 0", "1_0", "45.00 CNY", "1\n2", "9" * 13, "=1"),
            )
        ),
    ],
)
@pytest.mark.parametrize("step", ["", "send"])
def test_what_is_no_amount_is_an_error_at_its_field(
    boss: Client, simulator: SimulatedWXPay, amount: str, words: str, step: str
) -> None:
    order = paid(simulator)
    fields = opened(boss, order) | {"refund_fee": amount, "step": step}
    answer = boss.post(at(order, "refund"), fields)
    assert answer.status_code == 200
    assert answer.context["form"].errors == {"refund_fee": [words]}
    assert words in answer.content.decode()
    assert f'value="{fields["out_refund_no"]}"' in answer.content.decode()
    assert untouched(simulator)


@pytest.mark.parametrize(
    ("currency", "typed", "amount"),
    [
        ("CNY", "45", 4_500),
        ("CNY", " 45.5 ", 4_550),
        ("CNY", "0.01", 1),
        ("CNY", "0.29", 29),
        ("CNY", "1234567.89", 123_456_789),
        ("JPY", "1250", 1_250),
        ("KWD", "1.234", 1_234),
        ("KWD", "1.2", 1_200),
    ],
)
def test_an_amount_is_read_exactly_in_the_units_of_its_currency(
    currency: str, typed: str, amount: int
) -> None:
    found = AmountField(currency=currency).clean(typed)
    assert (found, type(found)) == (amount, int)


def test_yen_have_no_decimals(boss: Client, simulator: SimulatedWXPay) -> None:
    order = OrderFactory(paid=True, total_fee=1_250, fee_type="JPY")
    fields = opened(boss, order)
    assert fields["refund_fee"] == "1250"
    answer = boss.post(at(order, "refund"), fields | {"refund_fee": "12.50"})
    assert answer.context["form"].errors == {"refund_fee": ["JPY has no decimals."]}
    assert "Refund 1,250 JPY?" in boss.post(at(order, "refund"), fields).content.decode()
    assert untouched(simulator)


@pytest.mark.parametrize("reason", ["x" * 81, "a\0b", "漢" * 81])
def test_a_reason_that_is_too_long_or_cannot_be_stored_is_an_error(
    boss: Client, simulator: SimulatedWXPay, reason: str
) -> None:
    order = paid(simulator)
    fields = opened(boss, order) | {"refund_desc": reason, "step": "send"}
    answer = boss.post(at(order, "refund"), fields)
    assert set(answer.context["form"].errors) == {"refund_desc"}
    assert untouched(simulator)


def test_a_reason_that_wechat_pay_does_not_take_is_an_error(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator, merchant="v3")
    fields = opened(boss, order) | {"refund_desc": "too sweet 🍬", "step": "send"}
    answer = boss.post(at(order, "refund"), fields)
    (sentence,) = answer.context["form"].errors["refund_desc"]
    assert sentence.startswith("WeChat Pay does not take this: ")
    assert simulator.requests("refund") == []
    assert not Refund.objects.exists()


@pytest.mark.parametrize("number", ["", "x" * 65, "a\0b", "a b", "<script>"])
@pytest.mark.parametrize("step", ["", "send"])
def test_a_number_that_is_none_sends_nothing(
    boss: Client, simulator: SimulatedWXPay, number: str, step: str
) -> None:
    order = paid(simulator)
    fields = opened(boss, order) | {"out_refund_no": number, "step": step}
    answer = boss.post(at(order, "refund"), fields)
    assert answer.status_code == 200
    if step == "send":
        assert "This page is damaged, so nothing was sent." in answer.content.decode()
    assert "<script>" not in answer.content.decode()
    assert simulator.requests("refund") == []
    assert not Refund.objects.exists()


def test_the_number_of_another_orders_refund_is_a_conflict(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order, other = paid(simulator), paid(simulator)
    taken = pages.refund(boss, other, "1.00")
    fields = opened(boss, order) | {"out_refund_no": taken.out_refund_no, "refund_fee": "1.00"}
    answer = send(boss, order, fields)
    assert answer.redirect_chain == [(at(order), 302)]
    assert [level for level, _ in messages(answer)] == ["error"]
    assert Refund.objects.get().order == other


# --- what goes wrong


def test_less_that_is_left_meanwhile_is_an_error_at_the_amount(
    boss: Client, simulator: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid(simulator)
    fields = opened(boss, order)
    taken = {"refund_fee": 6_000, "out_refund_no": "R-CLERK-2"}
    create = services.create_refund

    def after_another_clerk(*args: Any, **given: Any) -> Refund:
        create(*args, **taken)
        return create(*args, **given)

    monkeypatch.setattr(services, "create_refund", after_another_clerk)
    answer = boss.post(at(order, "refund"), fields | {"step": "send"})
    assert answer.context["form"].errors == {"refund_fee": ["At most 40.00 CNY is left."]}
    assert dict(answer.context["facts"])["left"] == "40.00 CNY"
    assert Refund.objects.get().out_refund_no == "R-CLERK-2"
    assert len(simulator.requests("refund")) == 1


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("http_502", "WeChat Pay gave no answer; this refund is asked for again by itself."),
        ("reset", "WeChat Pay gave no answer; this refund is asked for again by itself."),
        ("systemerror", "WeChat Pay gave no answer; this refund is asked for again by itself."),
        (
            "bad_signature",
            "WeChat Pay gave no trustworthy answer; this refund is asked for again by itself.",
        ),
    ],
)
def test_no_answer_keeps_the_refund_which_is_asked_for_again(
    boss: Client, simulator: SimulatedWXPay, fault: str, sentence: str
) -> None:
    order = paid(simulator)
    simulator.inject(fault, operation="refund", times=10)
    fields = opened(boss, order)
    answer = send(boss, order, fields)
    refund = Refund.objects.get()
    assert answer.redirect_chain == [(at(refund), 302)]
    assert messages(answer) == [("warning", f"{fields['out_refund_no']}: {sentence}")]
    page = answer.content.decode()
    assert "Sent, no answer yet" in page
    assert "Nothing has to be done: it is asked for again by itself" in page
    assert refund.next_check_at is not None
    assert order.refundable == 0


def test_without_a_client_certificate_nothing_is_sent_and_the_setting_is_named(
    boss: Client, wxpay: dict[str, Any], simulator: SimulatedWXPay, settings: Any
) -> None:
    order = paid(simulator)
    over_tls = pages.V2 | {"HOSTS": ["https://v2.test"]}
    settings.WXPAY = pages.merchants(default=over_tls)
    answer = send(boss, order, opened(boss, order))
    assert answer.redirect_chain == [(at(order), 302)]
    ((level, sentence),) = messages(answer)
    assert level == "error"
    assert "needs CLIENT_CERT and CLIENT_KEY" in sentence
    assert simulator.requests("refund") == []
    assert not Refund.objects.exists()


def test_a_merchant_that_is_gone_is_named(boss: Client, simulator: SimulatedWXPay) -> None:
    order = OrderFactory(paid=True, merchant="gone")
    answer = send(boss, order, opened(boss, order))
    assert 'no merchant "gone"' in messages(answer)[0][1]
    assert not Refund.objects.exists()


def test_a_refusal_is_shown_with_advice_and_sent_again_under_its_number(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    simulator.simulator.set_balance(MCH_ID, 0)
    fields = opened(boss, order) | {"refund_fee": "45.00", "refund_desc": "one cup too many"}
    answer = send(boss, order, fields)
    refund = Refund.objects.get()
    ((level, sentence),) = messages(answer)
    assert level == "error"
    assert "WeChat Pay refused (NOTENOUGH" in sentence
    assert "fund the merchant account and send the same refund number again." in sentence
    page = answer.content.decode()
    assert "Refused: NOTENOUGH" in page
    assert "Once that is done, send this refund again." in page
    assert (refund.refund_status, order.refundable) == ("CLOSED", 10_000)
    assert "Paid<" in text(boss, order)

    simulator.simulator.set_balance(MCH_ID, None)
    question = text(boss, refund, "send")
    assert "Send this refund again?" in question
    assert "45.00 CNY of order" in question
    assert len(simulator.requests("refund")) == 1
    answer = boss.post(at(refund, "send"), {"step": "send"}, follow=True)
    assert answer.redirect_chain == [(at(refund), 302)]
    assert messages(answer)[0][0] == "success"
    (made,) = simulator.ledger()["refunds"]
    assert (made["out_refund_no"], made["refund_fee"]) == (fields["out_refund_no"], 4_500)
    refund.refresh_from_db()
    assert (refund.is_proven, refund.err_code, refund.refund_desc) == (
        True,
        "",
        "one cup too many",
    )
    assert Refund.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_refund_is_made_outside_the_transaction_that_atomic_requests_opens(
    boss: Client, simulator: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid(simulator)
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    refund = pages.refund(boss, order, "45.00")
    assert (refund.is_proven, refund.refund_status) == (True, "PROCESSING")


@pytest.mark.parametrize("merchant", ["default", "v3"])
def test_no_secret_is_in_a_page_or_a_log(
    boss: Client, simulator: SimulatedWXPay, merchant: str, caplog: pytest.LogCaptureFixture
) -> None:
    order = paid(simulator, merchant=merchant)
    fields = opened(boss, order)
    shown = text(boss, order, "refund") + boss.post(at(order, "refund"), fields).content.decode()
    shown += send(boss, order, fields).content.decode()
    assert order.payer_openid
    assert order.payer_openid not in shown + caplog.text
    assert "PRIVATE KEY" not in shown + caplog.text


# --- other sites, and Chinese


@pytest.mark.urls("tests.admin.other_sites")
def test_a_refund_stays_on_the_site_that_it_is_made_on(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    # The site "part" has no page for refunds, so the order is shown again.
    for site, row in (("back", "refund"), ("part", "order")):
        order = paid(simulator)
        address = f"/{site}/django_wxpay/order/{order.pk}"
        root = reverse("backoffice:index").removesuffix("/back/")
        form = boss.get(f"{address}/refund/")
        fields = {field.html_name: field.value() or "" for field in form.context["form"]}
        question = boss.post(f"{address}/refund/", fields)
        for page in (form, question):
            links = re.findall(r'href="([^"#?]+)', page.content.decode())
            inside = [each for each in links if "/django_wxpay/" in each and "static" not in each]
            assert inside
            assert all(each.startswith(f"{root}/{site}/") for each in inside), inside
        answer = boss.post(f"{address}/refund/", fields | {"step": "send"})
        shown = order if row == "order" else Refund.objects.get(order=order)
        assert answer.headers["Location"] == f"{root}/{site}/django_wxpay/{row}/{shown.pk}/change/"


def test_a_refund_can_be_made_in_chinese(boss: Client, simulator: SimulatedWXPay) -> None:
    order = paid(simulator)
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    form = text(boss, order, "refund")
    fields = opened(boss, order) | {"refund_fee": "45.00"}
    question = boss.post(at(order, "refund"), fields).content.decode()
    answer = send(boss, order, fields)
    page = answer.content.decode()
    for english in ("Refund", "Amount", "Reason", "Go on", "Left", "Yes", "paid back", "In prog"):
        assert not re.search(rf">[^<]*\b{english}\b[^<]*<", form + question + page), english
    assert "要退款 45.00 CNY 吗？" in question
    assert "已受理，退款中" in page
    assert "已支付，退款处理中 45.00 CNY" in text(boss, order)
