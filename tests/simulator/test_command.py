"""``manage.py wxpay_simulator``, run as a person runs it."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from django.core.management import CommandError, call_command
from django.test import override_settings

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.management.commands import wxpay_simulator
from django_wxpay.merchants import save_account
from django_wxpay.simulator import DEMO_MERCHANTS, TEST_KEYS, Simulator, create_app
from django_wxpay.simulator.v3.demo_keys import TEST_PUBLIC_KEY
from tests import accounts
from tests.simulator.calling import APPID, MCH_ID, NUMBER, Merchant
from tests.waiting import until

COMMAND = [sys.executable, "-m", "django", "wxpay_simulator", "--port", "0"]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_the_projects_merchants_until_it_is_stopped(stop: signal.Signals) -> None:
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings")
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        COMMAND,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - nothing has been started here yet
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = re.findall(r"http://127\.0\.0\.1:\d+", first)[0]
        ledger = requests.get(f"{url}/_simulator/ledger", timeout=5).json()
        process.send_signal(stop)
        rest = process.stdout.read()
        assert process.wait(timeout=10) == 0
    assert [merchant["mch_id"] for merchant in ledger["merchants"]] == ["1900000109"]
    assert f'"HOSTS": ["{url}"]' in rest
    assert f"curl {url}/_simulator/pay" in rest
    assert "TESTKEY" not in first + rest


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start the command with options; give its process and the address that it prints."""
    processes: list[subprocess.Popen[str]] = []

    def start(*options: str) -> tuple[subprocess.Popen[str], str]:
        settings = os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings")
        process = subprocess.Popen(
            [*COMMAND, *options],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return process, re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=10)


def pays_an_order(url: str) -> str:
    """Place an order, let it be paid, and return its notify_url, at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        notify_url = f"http://127.0.0.1:{closed.getsockname()[1]}/wxpay/notify/"
    merchant = Merchant(create_app(), host=url)
    assert merchant.place(notify_url=notify_url)["result_code"] == "SUCCESS"
    merchant.query(out_trade_no="T20260101000009")
    merchant.control("pay", {"mch_id": MCH_ID, "out_trade_no": NUMBER})
    until(lambda: merchant.control("ledger", method="GET").json()["notifications"])
    merchant.session.close()
    return notify_url


def test_each_call_and_each_notification_is_a_line(
    started: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    process, url = started()
    notify_url = pays_an_order(url)
    process.terminate()
    said = process.communicate(timeout=10)[0]
    lines = [line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert [line[9:] for line in lines[:2]] == [
        f"POST /pay/unifiedorder 200 {NUMBER}",
        "POST /pay/orderquery 200 T20260101000009 ORDERNOTEXIST",
    ]
    others = sorted(line[9:] for line in lines[2:])
    assert len(others) == 2
    assert others[0] == f"POST /_simulator/pay 200 {NUMBER}"
    refused = rf"notified {notify_url}: connection refused; next try [\d: -]+ \({NUMBER}\)"
    assert re.fullmatch(refused, others[1])
    assert "<xml>" not in said
    assert "TESTKEY" not in said


@pytest.mark.long
def test_with_verbosity_0_there_is_no_line(
    started: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    process, url = started("--verbosity", "0")
    pays_an_order(url)
    process.terminate()
    said = process.communicate(timeout=10)[0]
    assert re.findall(r"\d\d:\d\d:\d\d", said) == []
    assert "line here" not in said


def _listen_to_ctrl_c() -> None:
    """Undo what a shell does to a run in its background, whose children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Simulator, str, int]]:
    calls: list[tuple[Simulator, str, int]] = []

    def serve(
        app: Simulator,
        host: str,
        port: int,
        *,
        ready: Callable[[str], None],
        tls: ssl.SSLContext | None,
    ) -> None:
        calls.append((app, host, port))
        ready(f"http://{host}:{port}")
        raise KeyboardInterrupt

    monkeypatch.setattr(wxpay_simulator, "serve", serve)
    return calls


def run(**options: object) -> str:
    out = io.StringIO()
    before = signal.getsignal(signal.SIGTERM)
    try:
        call_command("wxpay_simulator", stdout=out, **options)
    finally:
        signal.signal(signal.SIGTERM, before)
    return out.getvalue()


def test_it_listens_on_the_address_given(served: list[tuple[Simulator, str, int]]) -> None:
    expected = run(host="0.0.0.0", port=9200)
    run()
    assert [call[1:] for call in served] == [("0.0.0.0", 9200), ("127.0.0.1", 9100)]
    assert "WeChat Pay simulator at http://0.0.0.0:9200" in expected
    assert "stopped" in expected


def test_without_settings_it_has_merchants_of_its_own(
    served: list[tuple[Simulator, str, int]], settings: object
) -> None:
    with override_settings():
        del settings.WXPAY  # type: ignore[attr-defined]
        expected = run()
    assert "demonstration merchants" in expected
    [(app, _, _)] = served
    known = [merchant["mch_id"] for merchant in app.ledger()["merchants"]]
    assert known == [merchant.mch_id for merchant in DEMO_MERCHANTS]
    assert Merchant(app).place()["result_code"] == "SUCCESS"


def test_settings_that_are_wrong_are_named(
    served: list[tuple[Simulator, str, int]], settings: object
) -> None:
    settings.WXPAY = {"MERCHANTS": {}}  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match=r"manage\.py check"):
        run()
    assert served == []


def test_keys_that_are_another_wechat_pays_are_named(
    served: list[tuple[Simulator, str, int]], settings: object
) -> None:
    merchant = settings.WXPAY["MERCHANTS"]["default"]  # type: ignore[attr-defined]
    changed = {
        **merchant,
        "WECHATPAY_PUBLIC_KEY_ID": "PUB_KEY_ID_1",
        "WECHATPAY_PUBLIC_KEY": TEST_PUBLIC_KEY,
    }
    settings.WXPAY = {**settings.WXPAY, "MERCHANTS": {"default": changed}}  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match=r"verifies with PUB_KEY_ID_1.*TEST_KEYS"):
        run()
    assert served == []


def test_with_the_test_keys_over_its_own_any_v3_account_is_known(
    served: list[tuple[Simulator, str, int]], settings: object
) -> None:
    tea = {"API": "v3", "APPID": "wx1", "MCH_ID": "1900000555", "WECHATPAY_PUBLIC_KEY_ID": "PUB_1"}
    merchants = {"tea": tea | TEST_KEYS, "far": tea | TEST_KEYS | {"REGION": "global"}}
    merchants["far"] |= {"MCH_ID": "1900000556", "MERCHANT_CATEGORY_CODE": "0742"}
    settings.WXPAY = {**settings.WXPAY, "MERCHANTS": merchants}  # type: ignore[attr-defined]
    assert [each for each in conf.problems() if each.code.startswith("E")] == []
    run()
    [(app, _, _)] = served
    assert len(app.ledger()["merchants"]) == 2


@pytest.mark.django_db
def test_merchants_of_the_database_are_followed(
    served: list[tuple[Simulator, str, int]],
    settings: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.WXPAY = accounts.wxpay()  # type: ignore[attr-defined]
    said = io.StringIO()
    call_command("wxpay_simulator", stdout=said)
    [(app, _, _)] = served
    shop = Merchant(app)
    assert shop.place()["return_code"] == "FAIL"
    tea = accounts.kept("tea", mch_id=MCH_ID, appid=APPID)
    accounts.a_second_later()
    assert shop.place()["result_code"] == "SUCCESS"
    tea.is_enabled = False
    save_account(tea)
    accounts.a_second_later()
    # WeChat Pay does not know that a shop has closed.
    assert shop.query()["trade_state"] == "NOTPAY"
    accounts.kept("one", mch_id="1900000600")
    accounts.kept("two", {"API_KEY": accounts.NEXT_API_KEY}, mch_id="1900000600")
    accounts.a_second_later()
    assert shop.query()["trade_state"] == "NOTPAY"
    assert "1900000600 has two different API keys" in said.getvalue()
    assert accounts.API_KEY not in said.getvalue()

    def fails(*_: object) -> None:
        raise ConfigurationError("the source of merchants has not answered yet")

    monkeypatch.setattr(conf.Directory, "generation", fails)
    assert shop.query()["trade_state"] == "NOTPAY"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1 port {port}: .*--port"):
            run(port=port)


def test_it_may_run_beside_the_main_thread(served: list[tuple[Simulator, str, int]]) -> None:
    thread = threading.Thread(target=call_command, args=("wxpay_simulator",))
    thread.start()
    thread.join(10)
    assert len(served) == 1


def test_a_termination_is_a_clean_exit() -> None:
    with pytest.raises(SystemExit) as stopped:
        wxpay_simulator._stop(signal.SIGTERM, None)
    assert stopped.value.code == 0
