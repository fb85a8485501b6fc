"""The engineer on call asks the doctor, over real HTTP, what is wrong with WeChat Pay tonight."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command

from django_wxpay import conf
from django_wxpay.models import ApiReport
from django_wxpay.services import gateways
from django_wxpay.simulator import Simulator, create_app, running
from example_project.accounts import ACCOUNTS
from tests.conftest import TEST_KEYS
from tests.journeys.ears import Ears
from tests.journeys.stage import DIRECT, KEYS, PACE, Stage

WELL = "Nothing is wrong with default, institution, md5.\n"


def doctor(*arguments: str) -> tuple[int, str]:
    """Return with what code the command exits, and what it prints."""
    out = StringIO()
    code = 0
    try:
        call_command("wxpay_doctor", *arguments, stdout=out, no_color=True)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert not any(key in out.getvalue() for key in (*TEST_KEYS, *KEYS))
    return code, out.getvalue()


def test_on_a_quiet_night_it_says_one_line(stage: Stage) -> None:
    order = stage.clerk.placed()
    assert doctor() == (0, WELL)
    # It asked for orders that nobody has, and left no order and no trade behind.
    asked = stage.wechat.calls("orderquery")
    assert len(asked) == 3
    assert [trade["out_trade_no"] for trade in stage.wechat.ledger()["trades"]] == [
        order["out_trade_no"],
    ]
    probes = ApiReport.objects.filter(interface_url__endswith="/pay/orderquery")
    assert {(row.err_code, row.failure) for row in probes} == {("ORDERNOTEXIST", "")}
    assert doctor() == (0, WELL)


def test_a_wrong_key_is_said_to_be_one_and_whose(stage: Stage) -> None:
    usual = stage.settings.WXPAY
    wrong = usual["MERCHANTS"]["default"] | {"API_KEY": DIRECT.api_key.reveal()[::-1]}
    stage.settings.WXPAY = usual | {"MERCHANTS": usual["MERCHANTS"] | {"default": wrong}}
    code, said = doctor()
    lines = said.splitlines()
    assert code == 1
    assert lines[0] == "default"
    assert lines[1].startswith(
        f"  ERROR keys: {urlsplit(stage.wechat.url).netloc} (API v2) refuses"
    )
    assert "API key" in lines[2]
    assert lines[3:] == ["Nothing is wrong with institution, md5.", "1 error, 0 warnings"]
    assert DIRECT.api_key.reveal()[::-1] not in said


def test_what_was_mended_is_well_again_for_the_doctor_himself_counts_nowhere(stage: Stage) -> None:
    stage.wechat.inject("reset", operation="orderquery", times=1)
    code, said = doctor("--merchant", "default")
    assert (code, "ERROR hosts: " in said) == (1, True)
    assert doctor("--merchant", "default")[0] == 0
    assert stage.clerk.get("api-reports/summary/").json() == {"results": []}
    assert len(stage.clerk.get("api-reports/").json()["results"]) == 2


def test_answers_under_another_key_are_an_error(stage: Stage) -> None:
    stage.wechat.inject("bad_signature", operation="orderquery")
    code, said = doctor("--merchant", "default")
    assert code == 1
    assert "ERROR keys: " in said
    assert "sends an answer that cannot be trusted" in said


def test_calls_that_fail_too_often_are_an_error_with_their_kind(stage: Stage) -> None:
    stage.clerk.placed()
    stage.wechat.inject("reset", operation="unifiedorder", times=3)
    for failed in (1, 2, 3):
        assert stage.clerk.place().status_code == 504
        code, said = doctor("--merchant", "default")
        level = "ERROR" if failed == 3 else "WARNING"
        assert code == int(level == "ERROR")
        assert f"{level} latency: /pay/unifiedorder at " in said
        assert f"failed (limit 5 %): RESET {failed}." in said


def test_calls_that_take_too_long_are_an_error_with_their_figures(stage: Stage) -> None:
    stage.clerk.placed()
    stage.settings.WXPAY = stage.settings.WXPAY | {"LATENCY_LIMITS": {"P95_MS": 600}}
    assert doctor() == (0, WELL)
    stage.wechat.inject("slow", operation="unifiedorder", seconds=25 * PACE)
    stage.clerk.placed()
    code, said = doctor()
    # Of few calls it is a warning.
    assert code == 0
    assert "WARNING latency: /pay/unifiedorder at " in said
    assert " ms (limit 600 ms)." in said
    assert "Nothing is wrong with institution, md5." in said


def test_a_host_that_is_down_is_named_while_the_other_is_well(
    stage: Stage,
    configure: Callable[..., None],
) -> None:
    configure("http://127.0.0.1:9", stage.wechat.url)
    code, said = doctor("--merchant", "default")
    assert code == 1
    assert "ERROR hosts: 127.0.0.1:9 (API v2) gave no trustworthy answer: CONNECT." in said
    assert said.count("ERROR") == 1
    assert len(stage.wechat.calls("orderquery")) == 1


def test_a_host_that_hangs_costs_no_more_than_the_time_out(stage: Stage) -> None:
    stage.wechat.inject("timeout", operation="orderquery", seconds=20 * PACE)
    with stage.in_a_hurry():
        code, said = doctor("--merchant", "default")
    assert code == 1
    assert "gave no trustworthy answer: TIMEOUT." in said


def test_offline_nobody_is_asked(stage: Stage, configure: Callable[..., None]) -> None:
    configure("http://127.0.0.1:9")
    assert doctor("--offline") == (0, WELL)
    assert not ApiReport.objects.exists()


@pytest.fixture
def v3_shop(shop: str, settings: Any, ears: Ears) -> Iterator[Callable[..., Simulator]]:
    """Give the shop two v3 accounts, one for each kind of key of WeChat Pay's."""
    accounts = {"mainland": ACCOUNTS["v3", "mainland"], "global": ACCOUNTS["v3", "global"]}

    def configured(*hosts: str, **changes: Any) -> None:
        entries = {alias: entry | {"HOSTS": list(hosts)} for alias, entry in accounts.items()}
        entries["global"] |= changes
        settings.WXPAY = {"NOTIFY_BASE_URL": shop, "TIMEOUT": (5, 5), "MERCHANTS": entries}

    configured("http://127.0.0.1:9")
    with running(create_app(conf.merchants().values())) as url:
        configured(url)
        yield lambda **changes: configured(url, **changes)
    gateways.platform_keys.cache_clear()
    assert ears.crashes() == []
    assert ears.told(TEST_KEYS) == []


def test_v3_is_well_by_public_key_and_by_certificate(v3_shop: Callable[..., None]) -> None:
    assert doctor() == (0, "Nothing is wrong with global, mainland.\n")
    asked = ApiReport.objects.order_by("merchant", "id")
    assert [(row.merchant, urlsplit(row.interface_url).path) for row in asked] == [
        ("global", "/v3/global/certificates"),
        ("global", "/v3/global/transactions/out-trade-no/{out_trade_no}"),
        ("mainland", "/v3/pay/transactions/out-trade-no/{out_trade_no}"),
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"API_V3_KEY": "TESTONLYapiv3keyTESTONLYapiv3kez"}, "API_V3_KEY does not open"),
        ({"CERT_SERIAL_NO": "0" * 40}, "refuses: SIGN_ERROR"),
    ],
)
def test_a_wrong_key_of_v3_is_said_to_be_one_and_whose(
    v3_shop: Callable[..., None], changes: dict[str, str], said: str
) -> None:
    v3_shop(**changes)
    code, text = doctor()
    assert code == 1
    assert text.startswith("global\n  ERROR keys: ")
    assert said in text
    assert text.splitlines()[-2:] == ["Nothing is wrong with mainland.", "1 error, 0 warnings"]
