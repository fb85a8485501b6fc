"""``python -m django_wxpay.simulator``, as a person without a Django project runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from django_wxpay.protocol.v3.certificates import read_certificate
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.protocol.v3.keys import load_private_key
from django_wxpay.simulator import DEMO_MERCHANTS, Folder, running
from django_wxpay.simulator import __main__ as command
from django_wxpay.simulator.v3.demo_keys import TEST_MERCHANT_PRIVATE_KEY, TEST_PUBLIC_KEY_ID
from tests.laws.source import ROOT
from tests.simulator.calling import MCH_ID, NUMBER, Merchant

API_KEY = "TESTONLYapikeyTESTONLYapikey0000"
CONFIG = {
    "merchants": [{"mch_id": "1900000001", "appids": ["wx8888888888888888"], "api_key": API_KEY}]
}
COMMAND = [sys.executable, "-m", "django_wxpay.simulator"]
SEES = """
import sys, threading
from django.conf import settings
from django_wxpay.simulator import __main__ as command

command.serve = lambda app, host, port, ready, **_: ready("http://127.0.0.1:9100")
command.main(sys.argv[1:])
absent = {"rest_framework", "django_wxpay.models", "django_wxpay.conf"}
from django.apps import apps
print("SEEN", settings.configured, apps.ready, absent & sys.modules.keys())
"""


@pytest.fixture
def anybodys(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has no project."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DJANGO")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def test_it_needs_no_project(tmp_path: Path, anybodys: dict[str, str]) -> None:
    (tmp_path / "merchants.json").write_text(json.dumps(CONFIG))
    done = subprocess.run(
        [sys.executable, "-c", SEES, "--config", "merchants.json"],
        cwd=tmp_path,
        env=anybodys,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "SEEN False False set()"
    assert API_KEY not in done.stdout


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_stopped(
    tmp_path: Path, anybodys: dict[str, str], stop: signal.Signals
) -> None:
    (tmp_path / "merchants.json").write_text(json.dumps(CONFIG))
    with subprocess.Popen(
        [*COMMAND, "--config", "merchants.json", "--port", "0", "--folder", str(tmp_path / "keys")],
        cwd=tmp_path,
        env=anybodys,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - nothing has been started here yet
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        url = first.split()[-1]
        with requests.Session() as session:
            session.trust_env = False
            ledger = session.get(f"{url}/_simulator/ledger", timeout=5).json()
        process.send_signal(stop)
        rest = process.stdout.read()
        assert process.wait(timeout=10) == 0
    assert [merchant["mch_id"] for merchant in ledger["merchants"]] == ["1900000001"]
    assert "Traceback" not in rest


def _listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


Served = list[tuple[Any, str, int, ssl.SSLContext | None, ssl.SSLContext | None]]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all of these find their keys in, for making them takes longest."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    calls: Served = []

    def serve(
        app: Any,
        host: str,
        port: int,
        *,
        ready: Callable[[str], None],
        tls: ssl.SSLContext | None,
        proxy: ssl.SSLContext | None,
    ) -> None:
        calls.append((app, host, port, tls, proxy))
        ready(f"{'https' if tls else 'http'}://{host}:{port}")
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "serve", serve)
    return calls


@pytest.fixture
def run(keys: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    """Run it with a few arguments; return its exit code and all that it says."""
    before = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            code = command.main(["--folder", str(keys), *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out + said.err

    yield run
    signal.signal(signal.SIGTERM, before)


def test_it_listens_where_it_is_told(served: Served, run: Callable[..., tuple[int, str]]) -> None:
    code, said = run("--host", "0.0.0.0", "--port", "9200")
    assert (code, served[0][1:]) == (0, ("0.0.0.0", 9200, None, None))
    assert "WeChat Pay simulator at http://0.0.0.0:9200" in said
    assert "HTTPS_PROXY" not in said
    assert "stopped" in said


def test_without_a_config_it_has_merchants_of_its_own(
    served: Served, run: Callable[..., tuple[int, str]]
) -> None:
    code, said = run()
    assert (code, "demonstration" in said) == (0, True)
    assert Merchant(served[0][0]).place()["result_code"] == "SUCCESS"


def test_the_demonstration_has_what_its_clients_need(
    served: Served, run: Callable[..., tuple[int, str]], keys: Path
) -> None:
    _, said = run("--proxy")
    app = served[0][0]
    public_key = (keys / "wechatpay_public_key.pem").read_text()
    assert app.public_key == (TEST_PUBLIC_KEY_ID, public_key)
    [certificate] = app.keys()["certificates"]
    assert certificate["pem"] == (keys / "wechatpay_cert.pem").read_text()
    for merchant in DEMO_MERCHANTS:
        pem = (keys / merchant.mch_id / "apiclient_cert.pem").read_text()
        serial = read_certificate(pem).serial_no
        assert f"Merchant {merchant.mch_id}: serial {serial}\n" in said
        assert pem in app.client_certificates
        if merchant.cert_serial_no:
            assert serial == key_name(merchant.cert_serial_no)
    published = load_private_key((keys / "1900000110" / "apiclient_key.pem").read_bytes())
    assert published.private_numbers() == (
        load_private_key(TEST_MERCHANT_PRIVATE_KEY).private_numbers()
    )
    assert "PRIVATE" not in said


def test_the_demonstration_refunds_over_v2_through_the_proxy(
    served: Served, run: Callable[..., tuple[int, str]], keys: Path
) -> None:
    run("--proxy")
    [(app, _, _, _, proxy)] = served
    refund = {"out_trade_no": NUMBER, "out_refund_no": "R1"}
    refund |= {"total_fee": "100", "refund_fee": "40"}
    with running(app, proxy=proxy) as url, requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": url}
        session.verify = str(keys / "ca.pem")
        merchant = Merchant(app)
        merchant.session = session
        merchant.place()
        app.pay(MCH_ID, NUMBER)
        body = merchant.signed(refund)
        assert merchant.post("/secapi/pay/refund", body).status_code == 400
        pair = [str(keys / MCH_ID / f"apiclient_{name}.pem") for name in ("cert", "key")]
        session.close()
        session.cert = (pair[0], pair[1])
        assert merchant.call("/secapi/pay/refund", refund)["result_code"] == "SUCCESS"


def test_a_key_of_ones_own_in_a_merchant_of_the_demonstration_is_named(
    tmp_path: Path, served: Served, run: Callable[..., tuple[int, str]]
) -> None:
    own = Folder(tmp_path, now=datetime.now(UTC))
    own.merchant("1900000110")
    before = (tmp_path / "1900000110" / "apiclient_key.pem").read_bytes()
    code, said = run("--folder", str(tmp_path))
    assert (code, served) == (2, [])
    assert f"{tmp_path / '1900000110' / 'apiclient_key.pem'}: is another key" in said
    assert (tmp_path / "1900000110" / "apiclient_key.pem").read_bytes() == before


def test_what_a_client_needs_is_printed(
    served: Served, run: Callable[..., tuple[int, str]], keys: Path
) -> None:
    _, said = run("--tls", "--proxy")
    [(app, _, _, tls, proxy)] = served
    assert tls is not None
    assert tls is proxy
    assert "HTTPS_PROXY=http://127.0.0.1:9100" in said
    assert str(keys / "ca.pem") in said
    assert app.public_key[0] in said


def test_the_printed_ca_is_that_of_the_server(
    served: Served, run: Callable[..., tuple[int, str]], keys: Path
) -> None:
    run("--tls", "--allowed-host", "Pay.Internal")
    app, _, _, tls, _ = served[0]
    with running(app, tls=tls) as url, requests.Session() as session:
        session.trust_env = False
        session.verify = str(keys / "ca.pem")
        named = session.get(f"{url}/_simulator/", headers={"Host": "pay.internal"}, timeout=5)
    assert named.status_code == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--port", "-1"), "not a port"),
        (("--port", "65536"), "not a port"),
        (("--port", "x"), "not a port"),
        (("--unknown",), "unrecognized arguments"),
        (("--config", "/nowhere/merchants.json"), "cannot be read: No such file"),
        (("--folder", "/dev/null/keys"), "/dev/null/keys/ca-key.pem: Not a directory"),
        (("--allowed-host", "päy"), "server.pem"),
    ],
)
def test_wrong_usage_is_named_and_ends_with_2(
    served: Served, run: Callable[..., tuple[int, str]], arguments: tuple[str, ...], words: str
) -> None:
    code, said = run(*arguments)
    assert (code, words in said, served) == (2, True, [])
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_named(run: Callable[..., tuple[int, str]]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = run("--port", str(port))
    assert (code, f"cannot listen on 127.0.0.1 port {port}" in said) == (2, True)
    assert said.rstrip().endswith("choose another one with --port")


def test_each_call_is_a_line_unless_it_is_quiet(
    served: Served,
    run: Callable[..., tuple[int, str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments, lines in (((), 1), (("--quiet",), 0)):
        run(*arguments)
        Merchant(served[-1][0]).place()
        assert capsys.readouterr().out.count("POST /pay/unifiedorder 200") == lines


def test_a_termination_is_a_clean_exit() -> None:
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(SystemExit) as stopped:
        command._stop(signal.SIGTERM, None)
    assert stopped.value.code == 0
