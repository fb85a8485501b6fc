"""A refund in the admin: its stage in words, and what can be done about one that is not over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.db import connections
from django.test import Client, override_settings
from django.urls import reverse
from django.views.debug import SafeExceptionReporterFilter

from django_wxpay.models import Refund
from django_wxpay.testing import SimulatedWXPay
from tests.admin import refund_pages as pages
from tests.admin.conftest import ADMIN, ENGLISH
from tests.admin.refund_pages import at, messages, paid, text
from tests.factories import OrderFactory, RefundFactory, UserFactory

pytestmark = pytest.mark.django_db
CARD, NAME = "6222020200112345678", "张三丰"
CARD_FORM = {
    "type": "USER_BANK_CARD",
    "bank_type": "ICBC_DEBIT",
    "bank_account": CARD,
    "real_name": NAME,
}
OWN_ACCOUNT = {"type": "MERCHANT_BANK_CARD"}


@pytest.fixture
def wxpay(settings: Any) -> dict[str, Any]:
    settings.WXPAY = pages.merchants()
    return settings.WXPAY


@pytest.fixture
def simulator(wxpay: dict[str, Any]) -> Iterator[SimulatedWXPay]:
    with pages.simulator() as simulated:
        yield simulated


def stuck(boss: Client, simulator: SimulatedWXPay) -> Refund:
    """Return a refund of the v3 merchant whose money cannot be returned."""
    order = paid(simulator, merchant="v3")
    simulator.inject("refund_abnormal", operation="refund")
    refund = pages.refund(boss, order, "45.00")
    simulator.advance(60)
    refund.refresh_from_db()
    assert refund.refund_status == "ABNORMAL"
    return refund


# --- words


@pytest.mark.parametrize(
    ("stage", "badge", "advice", "buttons"),
    [
        ({"hinted": True}, 'waiting">Hinted at, not confirmed', "without a signature", []),
        ({"unanswered": True}, 'waiting">Sent, no answer yet', "Nothing has to be done", ["send"]),
        (
            {"unanswered": True, "err_code": "BIZERR_NEED_RETRY"},
            'bad">Refused: BIZERR_NEED_RETRY',
            "Nothing has to be done",
            ["send"],
        ),
        ({"refused": True}, 'bad">Refused: NOTENOUGH', "send this refund again", ["send"]),
        ({}, 'quiet">Accepted, being paid back', "", []),
        ({"paid_back": True}, 'good">Paid back', "", []),
        (
            {"refund_status": "CLOSED"},
            'waiting">Closed, nothing paid back',
            "Make a new refund on the page of the order.",
            [],
        ),
        (
            {"refund_status": "ABNORMAL"},
            'bad">Stuck, needs a person',
            "Settle it with the payer on the merchant platform",
            [],
        ),
        (
            {"refund_status": "ABNORMAL", "merchant": "v3"},
            'bad">Stuck, needs a person',
            "Pay it out otherwise, here or on the merchant platform.",
            ["payout"],
        ),
    ],
)
def test_each_stage_has_its_words_its_advice_and_its_buttons(
    boss: Client,
    wxpay: dict[str, Any],
    stage: dict[str, Any],
    badge: str,
    advice: str,
    buttons: list[str],
) -> None:
    order = OrderFactory(paid=True, merchant=stage.pop("merchant", "default"))
    refund = RefundFactory(order=order, **stage)
    page = text(boss, refund)
    shown = f"wxpay-{badge}</span>"
    assert shown in page
    assert shown in boss.get(f"{ADMIN}/refund/").content.decode()
    assert shown in text(boss, order)
    assert ("What to do" in page) == bool(advice)
    assert advice in page
    found = [verb for verb in ("query", "send", "payout") if at(refund, verb) in page]
    assert found == ["query", *buttons]


@pytest.mark.parametrize(
    ("refunds", "words"),
    [
        ([{"refund_status": "CLOSED"}], 'wxpay-good">Paid<'),
        ([{"hinted": True}], 'wxpay-good">Paid<'),
        ([{"unanswered": True}], 'wxpay-good">Paid, refund of 6.25 CNY in progress<'),
        (
            [{"refund_status": "ABNORMAL"}],
            'wxpay-bad">Paid, refund of 6.25 CNY stuck<',
        ),
        (
            [{"paid_back": True, "refund_fee": 100}, {}, {"refund_status": "ABNORMAL"}],
            (
                'wxpay-bad">Paid, 1.00 of 1,250.00 CNY refunded, 6.25 in progress, '
                "refund of 6.25 CNY stuck<"
            ),
        ),
    ],
)
def test_the_state_of_an_order_follows_its_refunds(
    boss: Client, refunds: list[dict[str, Any]], words: str
) -> None:
    order = OrderFactory(paid=True, total_fee=125_000)
    for each in refunds:
        RefundFactory(order=order, **each)
    assert words in text(boss, order)
    assert words in boss.get(f"{ADMIN}/order/").content.decode()
    order.refresh_from_db()
    assert order.trade_state == "SUCCESS"


def test_refunds_that_nothing_is_known_of_leave_the_word_of_wechat_pay(boss: Client) -> None:
    order = OrderFactory(paid=True, trade_state="REFUND")
    assert 'wxpay-good">Paid, with refunds<' in text(boss, order)


def test_a_list_of_refunded_orders_costs_as_many_queries_as_one(
    boss: Client, django_assert_num_queries: Any
) -> None:
    RefundFactory(paid_back=True)
    boss.get(f"{ADMIN}/order/")
    with django_assert_num_queries(6):
        boss.get(f"{ADMIN}/order/")
    for _ in range(19):
        RefundFactory(paid_back=True)
        RefundFactory()
    with django_assert_num_queries(6):
        page = boss.get(f"{ADMIN}/order/").content.decode()
    assert page.count("6.25 of 12.50 CNY refunded") == 20


# --- who may


@pytest.mark.parametrize("verb", ["send", "payout"])
@pytest.mark.parametrize("held", ["view_refund", "view_refund change_refund", "add_refund"])
def test_to_see_or_to_operate_a_refund_is_not_to_pay_back(
    boss: Client,
    as_holder: Callable[..., Client],
    simulator: SimulatedWXPay,
    verb: str,
    held: str,
) -> None:
    refund = stuck(boss, simulator)
    if verb == "send":
        refund = RefundFactory(refused=True, order=refund.order)
    before = len(simulator.requests()), LogEntry.objects.count()
    client = as_holder(*held.split())
    for pk in (refund.pk, 999999):
        assert client.get(f"{ADMIN}/refund/{pk}/{verb}/").status_code == 403
        assert client.post(f"{ADMIN}/refund/{pk}/{verb}/", OWN_ACCOUNT).status_code == 403
    if "view" in held:
        assert at(refund, verb) not in text(client, refund)
    assert (len(simulator.requests()), LogEntry.objects.count()) == before
    holder = as_holder("view_refund", "add_refund")
    assert at(refund, verb) in text(holder, refund)
    assert holder.get(at(refund, verb)).status_code == 200
    assert holder.get(f"{ADMIN}/refund/999999/{verb}/").status_code == 404
    strict = Client(enforce_csrf_checks=True, headers=ENGLISH)
    strict.force_login(UserFactory(is_staff=True, is_superuser=True))
    assert strict.post(at(refund, verb), OWN_ACCOUNT).status_code == 403
    assert len(simulator.requests()) == before[0]


def test_to_ask_takes_the_change_permission(
    as_holder: Callable[..., Client], simulator: SimulatedWXPay
) -> None:
    refund = RefundFactory(order=paid(simulator))
    refunder = as_holder("view_refund", "add_refund")
    assert refunder.post(at(refund, "query")).status_code == 403
    assert at(refund, "query") not in text(refunder, refund)
    assert as_holder("change_refund").get(at(refund, "query")).status_code == 405
    assert simulator.requests("refundquery") == []


# --- ask, and send again


def test_to_ask_settles_what_wechat_pay_says(boss: Client, simulator: SimulatedWXPay) -> None:
    order = paid(simulator)
    simulator.inject("lost", operation="notify", times=10)
    first, second = (pages.refund(boss, order, amount) for amount in ("45.00", "10.00"))
    simulator.advance(3600)
    first.refresh_from_db()
    assert first.refund_status == "PROCESSING"
    answer = boss.post(at(first, "query"), follow=True)
    sentence = f"{first.out_refund_no}: WeChat Pay was asked; the refund is now “Paid back”."
    assert messages(answer)[-1] == ("success", sentence)
    assert LogEntry.objects.latest("id").change_message == sentence
    chosen = {"action": "query_now", "_selected_action": [second.pk]}
    boss.post(f"{ADMIN}/refund/", chosen)
    second.refresh_from_db()
    assert second.refund_status == "SUCCESS"


def test_nobody_waits_for_more_than_fifty_refunds_at_once(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    rows = [RefundFactory() for _ in range(51)]
    chosen = {"action": "query_now", "_selected_action": [row.pk for row in rows]}
    answer = boss.post(f"{ADMIN}/refund/", chosen, follow=True)
    assert "choose at most 50 at once" in messages(answer)[0][1]
    assert simulator.requests("refundquery") == []


def test_what_never_arrived_is_sent_again_and_paid_back_once(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator)
    simulator.inject("http_502", operation="refund", times=10)
    refund = pages.refund(boss, order, "45.00")
    assert simulator.ledger()["refunds"] == []
    simulator.simulator.clear_faults()
    asked = len(simulator.requests("refund"))
    assert messages(boss.post(at(refund, "send"), follow=True))[-1][0] == "success"
    refund.refresh_from_db()
    assert refund.refund_status == "PROCESSING"
    assert len(simulator.requests("refund")) == asked + 1
    (made,) = simulator.ledger()["refunds"]
    assert (made["out_refund_no"], made["refund_fee"]) == (refund.out_refund_no, 4_500)


@pytest.mark.parametrize("stage", [{}, {"paid_back": True}, {"hinted": True}])
def test_what_wechat_pay_has_is_not_sent_again(
    boss: Client, simulator: SimulatedWXPay, stage: dict[str, Any]
) -> None:
    refund = RefundFactory(order=paid(simulator), **stage)
    for answer in (
        boss.get(at(refund, "send"), follow=True),
        boss.post(at(refund, "send"), follow=True),
    ):
        assert answer.redirect_chain == [(at(refund), 302)]
        sentence = f"{refund.out_refund_no}: There is nothing to send again."
        assert messages(answer) == [("error", sentence)]
    assert simulator.requests("refund") == []
    assert not LogEntry.objects.exists()


def test_a_refused_refund_that_no_longer_fits_is_not_sent(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    order = paid(simulator, 1_000)
    refused = RefundFactory(order=order, refused=True, refund_fee=600)
    pages.refund(boss, order, "5.00")
    answer = boss.post(at(refused, "send"), follow=True)
    assert answer.redirect_chain == [(at(refused), 302)]
    sentence = f"{refused.out_refund_no}: At most 5.00 CNY is left."
    assert messages(answer)[-1] == ("error", sentence)
    assert len(simulator.requests("refund")) == 1
    refused.refresh_from_db()
    assert refused.refund_status == "CLOSED"


# --- stuck


@pytest.mark.parametrize("given", [CARD_FORM, OWN_ACCOUNT])
def test_a_stuck_refund_is_paid_out_otherwise(
    boss: Client,
    simulator: SimulatedWXPay,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, str],
) -> None:
    refund = stuck(boss, simulator)
    form = text(boss, refund, "payout")
    assert "Pay out 45.00 CNY otherwise" in form
    assert form.count('autocomplete="off"') >= 4
    answer = boss.post(at(refund, "payout"), given, follow=True)
    assert answer.redirect_chain == [(at(refund), 302)]
    status = "Accepted, being paid back"
    sentence = f"{refund.out_refund_no}: Paid out otherwise; the refund is now “{status}”."
    assert messages(answer)[-1] == ("success", sentence)
    entry = LogEntry.objects.latest("id")
    assert entry.change_message == f"{sentence} ({given['type']})"
    assert len(simulator.requests("abnormalrefund")) == 1
    logged = " ".join(LogEntry.objects.values_list("change_message", flat=True))
    stored = json.dumps(list(Refund.objects.values()), default=str, ensure_ascii=False)
    for private in (CARD, NAME):
        assert private not in answer.content.decode() + caplog.text + logged + stored
    again = boss.post(at(refund, "payout"), given, follow=True)
    assert "cannot be paid out otherwise here" in messages(again)[-1][1]
    assert len(simulator.requests("abnormalrefund")) == 1


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, {"type"}),
        ({"type": "SOMEBODY"}, {"type"}),
        ({"type": "SOMEBODY", "bank_account": CARD}, {"type"}),
        ({"type": "USER_BANK_CARD"}, {"bank_type", "bank_account", "real_name"}),
        (CARD_FORM | {"real_name": " "}, {"real_name"}),
        (CARD_FORM | {"bank_type": ""}, {"bank_type"}),
        (CARD_FORM | {"bank_type": "icbc debit"}, {"bank_type"}),
        (CARD_FORM | {"bank_account": CARD * 9}, {"bank_account"}),
        (CARD_FORM | {"bank_account": f"{CARD}\0"}, {"bank_account"}),
        (CARD_FORM | OWN_ACCOUNT, {"bank_type", "bank_account", "real_name"}),
    ],
)
def test_a_payout_that_is_incomplete_is_not_sent_and_shows_nothing_private(
    boss: Client,
    simulator: SimulatedWXPay,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, str],
    wrong: set[str],
) -> None:
    refund = stuck(boss, simulator)
    answer = boss.post(at(refund, "payout"), given)
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == wrong
    page = answer.content.decode()
    for private in (CARD, NAME):
        assert private not in page + caplog.text
        assert private not in repr(answer.context["form"].cleaned_data)
    assert simulator.requests("abnormalrefund") == []
    refund.refresh_from_db()
    assert refund.refund_status == "ABNORMAL"


def test_no_answer_to_a_payout_says_to_ask_first(
    boss: Client, simulator: SimulatedWXPay, caplog: pytest.LogCaptureFixture
) -> None:
    refund = stuck(boss, simulator)
    simulator.inject("http_502", operation="abnormalrefund", times=10)
    answer = boss.post(at(refund, "payout"), CARD_FORM, follow=True)
    level, sentence = messages(answer)[-1]
    assert level == "warning"
    assert "Ask WeChat Pay about the refund before you try again." in sentence
    assert CARD not in answer.content.decode() + caplog.text


def test_error_reports_leave_out_what_was_typed(
    boss: Client, simulator: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = stuck(boss, simulator)
    seen: list[Any] = []

    def fail(*args: Any, **given: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("django_wxpay.services.apply_abnormal_refund", fail)

    def keep(request: Any, **_: Any) -> None:
        with override_settings(DEBUG=False):
            seen.append(SafeExceptionReporterFilter().get_post_parameters(request))

    got_request_exception.connect(keep)
    boss.raise_request_exception = False
    try:
        answer = boss.post(at(refund, "payout"), CARD_FORM)
    finally:
        got_request_exception.disconnect(keep)
    assert answer.status_code == 500
    (shown,) = seen
    assert shown["type"] == "USER_BANK_CARD"
    assert CARD not in str(shown)
    assert NAME not in str(shown)


@pytest.mark.parametrize(
    ("merchant", "stage"),
    [
        ("default", {"refund_status": "ABNORMAL"}),
        ("gone", {"refund_status": "ABNORMAL"}),
        ("global", {"refund_status": "ABNORMAL"}),
        ("v3", {}),
        ("v3", {"refund_status": "CLOSED"}),
        ("v3", {"hinted": True, "refund_status": "ABNORMAL"}),
    ],
)
def test_only_a_stuck_refund_of_a_mainland_merchant_of_v3_is_paid_out_here(
    boss: Client, settings: Any, merchant: str, stage: dict[str, Any]
) -> None:
    overseas = pages.V3 | {"REGION": "global", "MERCHANT_CATEGORY_CODE": "0742"}
    settings.WXPAY = pages.merchants(**{"global": overseas})
    refund = RefundFactory(order=OrderFactory(paid=True, merchant=merchant), **stage)
    assert at(refund, "payout") not in text(boss, refund)
    for answer in (
        boss.get(at(refund, "payout"), follow=True),
        boss.post(at(refund, "payout"), OWN_ACCOUNT, follow=True),
    ):
        assert answer.redirect_chain == [(at(refund), 302)]
        assert "cannot be paid out otherwise here" in messages(answer)[0][1]
    assert not LogEntry.objects.exists()


def test_a_v2_merchant_with_keys_of_v3_pays_out_over_v3(boss: Client, settings: Any) -> None:
    both = pages.V2 | pages.CERTIFIED | {"API_V3_KEY": pages.V3["API_V3_KEY"]}
    both |= {name: pages.V3[name] for name in ("PRIVATE_KEY", "CERT_SERIAL_NO")}
    both |= {name: pages.V3[name] for name in pages.V3 if name.startswith("WECHATPAY_PUBLIC_KEY")}
    del both["CLIENT_CERT"], both["CLIENT_KEY"]
    settings.WXPAY = pages.merchants(default=both)
    refund = RefundFactory(refund_status="ABNORMAL")
    assert at(refund, "payout") in text(boss, refund)


@pytest.mark.django_db(transaction=True)
def test_every_button_runs_outside_the_transaction_that_atomic_requests_opens(
    boss: Client, simulator: SimulatedWXPay, monkeypatch: pytest.MonkeyPatch
) -> None:
    refund = stuck(boss, simulator)
    refused = RefundFactory(order=refund.order, refused=True, refund_fee=100)
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    for row, verb in ((refund, "query"), (refund, "payout"), (refused, "send")):
        answer = boss.post(at(row, verb), OWN_ACCOUNT, follow=True)
        assert messages(answer)[-1][0] == "success", verb
    chosen = {"action": "query_now", "_selected_action": [refund.pk]}
    answer = boss.post(f"{ADMIN}/refund/", chosen, follow=True)
    assert messages(answer)[-1][0] == "success"


# --- other sites, and Chinese


@pytest.mark.urls("tests.admin.other_sites")
def test_the_buttons_of_a_refund_stay_on_their_site(
    boss: Client, simulator: SimulatedWXPay
) -> None:
    refund = RefundFactory(order=paid(simulator), refused=True)
    root = reverse("backoffice:index").removesuffix("back/")
    address = f"{root}back/django_wxpay/refund/{refund.pk}"
    page = boss.get(f"/back/django_wxpay/refund/{refund.pk}/send/").content.decode()
    assert f'href="{address}/change/"' in page
    assert "/admin/django_wxpay/" not in page
    answer = boss.post(f"/back/django_wxpay/refund/{refund.pk}/send/")
    assert answer.headers["Location"] == f"{address}/change/"


def test_a_stuck_refund_can_be_paid_out_in_chinese(boss: Client, simulator: SimulatedWXPay) -> None:
    refund = stuck(boss, simulator)
    refused = RefundFactory(order=refund.order, refused=True)
    boss.defaults["HTTP_ACCEPT_LANGUAGE"] = "zh-hans"
    form = text(boss, refund, "payout")
    for words in ("改付 45.00 CNY", "付款人的银行卡", "银行卡号", "付款人姓名"):
        assert words in form, words
    page = text(boss, refund)
    assert "改付到其他账户" in page
    assert "请在此处或商户平台改付到其他账户" in page
    assert "要重新提交此退款吗？" in text(boss, refused, "send")
    assert "被拒绝：NOTENOUGH" in text(boss, refused)
