"""The demonstration, started as a person starts it: by its command, in a process of its own."""

from __future__ import annotations

import html
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from django_wxpay import conf
from django_wxpay.services.worker import jobs
from django_wxpay.services.worker.jobs import JOBS
from django_wxpay.simulator import Simulator, create_app, running
from example_project.shop.rehearsal import DidNotHappen, rehearse
from example_project.shop.serving import serving
from tests.laws.source import ROOT

MANAGE = (sys.executable, "-W", "error", "manage.py")


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*MANAGE, *arguments),
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def test_once_pays_one_order_and_says_each_step(tmp_path: Path) -> None:
    usual = tmp_path / "usual.sqlite3"
    done = manage("demo", "--once", EXAMPLE_DATABASE=str(usual))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line[:14].strip() for line in lines] == [
        "merchant",
        "order",
        "QR link",
        "payment",
        "notification",
        "query",
        "receipt",
        "worker",
        "done",
    ]
    assert re.search(r"order +[0-9A-Z]{20}, Dragon Well, 68\.00 CNY, NOTPAY$", lines[1])
    assert re.search(r"weixin://wxpay/bizpayurl\?pr=\w+$", lines[2])
    assert "APPLIED" in lines[4]
    assert re.search(r"query +SUCCESS, transaction \d{28}$", lines[5])
    assert re.fullmatch(r"worker +2 calls reported, 2 calls rolled up", lines[7])
    assert not usual.exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "api", "mch_id"),
    [
        (["--api", "v3"], "v3", "1900000110"),
        (["--region", "global"], "v3", "1900000111"),
        (["--api", "v2", "--region", "global"], "v2", "1900000109"),
    ],
)
def test_once_does_the_same_over_every_protocol_and_in_every_region(
    arguments: list[str], api: str, mch_id: str
) -> None:
    done = manage("demo", "--once", *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert "APPLIED" in done.stdout
    assert (f"{api}," in done.stdout, mch_id in done.stdout) == (True, True)


@pytest.mark.long
def test_once_reaches_this_machine_although_a_proxy_is_set() -> None:
    done = manage(
        "demo", "--once", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["--shop-port", "--simulator-port"])
def test_a_port_that_is_taken_is_named_in_a_plain_sentence(option: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"--shop-port": free_port(), "--simulator-port": free_port()} | {option: port}
        arguments = [f"{name}={number}" for name, number in ports.items()]
        done = manage("demo", *arguments, EXAMPLE_DATABASE=str(tmp_path / "shop.sqlite3"))
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"CommandError: Cannot listen on port {port} (Address already in use): "
        f"choose another one with {option}."
    )
    assert not (tmp_path / "shop.sqlite3").exists()


@pytest.mark.long
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_demonstration_prints_its_addresses_and_serves_all_three(
    tmp_path: Path,
    stop: signal.Signals,
) -> None:
    shop, phone = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    ports = [f"--shop-port={shop[17:]}", f"--simulator-port={phone[17:]}"]
    environment = {
        **os.environ,
        "EXAMPLE_DATABASE": str(tmp_path / "shop.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
    }
    with subprocess.Popen(
        (*MANAGE, "demo", *ports),
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = _read_until(process, "Ctrl-C")
            for address in (f"{shop}/", f"{phone}/", f"{shop}/admin/"):
                assert address in said
                assert requests.get(address, timeout=10).status_code == 200
            assert "admin, password admin" in said
            assert _a_person_buys(shop) == f"{shop}/receipt/"
            assert _jobs_done(tmp_path / "shop.sqlite3") == {job.name for job in JOBS}
        finally:
            process.send_signal(stop)
            rest = process.communicate(timeout=20)[0]
            assert "Stopped." in rest
    assert re.search(r"^\d\d:\d\d:\d\d POST /pay/unifiedorder 200 \w+$", rest, re.MULTILINE)
    assert re.search(
        rf"^[\d:]+ notified {shop}/\S+: HTTP 200, delivered \(\w+\)$", rest, re.MULTILINE
    )
    assert process.returncode == 0


def _read_until(process: subprocess.Popen[str], word: str) -> str:
    said, deadline = "", time.monotonic() + 40
    while word not in said and time.monotonic() < deadline:
        said += process.stdout.readline()
    return said


def _jobs_done(path: Path) -> set[str]:
    """Return the jobs that the worker has done, once these are all of them or time is up."""
    deadline, done = time.monotonic() + 20, set[str]()
    while len(done) < len(JOBS) and time.monotonic() < deadline:
        with closing(sqlite3.connect(path)) as database:
            query = "SELECT name FROM django_wxpay_backgroundjob WHERE succeeded_at IS NOT NULL"
            done = {name for (name,) in database.execute(query)}
    return done


def _a_person_buys(shop: str) -> str:
    """Buy, follow the link to the phone, pay there, wait; return where the pay page ends."""
    person = requests.Session()
    person.get(f"{shop}/", timeout=10)
    form = {"way": "NATIVE", "csrfmiddlewaretoken": person.cookies["csrftoken"]}
    page = person.post(f"{shop}/buy/puer/", data=form, timeout=10)
    link = html.unescape(re.search(r'href="([^"]+/_simulator/phone/[^"]+)"', page.text)[1])
    assert "¥88.00" in person.get(link, timeout=10).text
    assert page.url in person.post(link, timeout=10).text
    deadline = time.monotonic() + 20
    while person.get(f"{page.url}state/", timeout=10).json()["status"] != "paid":
        assert time.monotonic() < deadline
    return person.get(page.url, timeout=10).url.removesuffix(page.url.rsplit("/", 2)[1] + "/")


def broken_shop(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"broken"]


def test_a_rehearsal_of_a_broken_shop_stops_with_a_sentence() -> None:
    with serving(broken_shop) as shop, pytest.raises(DidNotHappen, match=r"/ answered 500\.$"):
        next(rehearse(shop=shop, simulator="http://127.0.0.1:1"))


def test_a_rehearsal_stops_at_a_job_that_fails(
    live_server: Any,
    simulator: tuple[str, Simulator],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(jobs, "roll_up", broken)
    with pytest.raises(DidNotHappen, match=r"worker failed: latency: RuntimeError: a bug\.$"):
        dict(rehearse(shop=live_server.url, simulator=simulator[0]))


@pytest.fixture
def simulator(live_server: Any, settings: Any) -> Iterator[tuple[str, Simulator]]:
    """A simulated WeChat Pay on a port, which the shop on its own port talks to."""
    app = create_app(conf.merchants().values())
    with running(app) as url:
        merchant = settings.WXPAY["MERCHANTS"]["default"] | {"HOSTS": [url]}
        settings.WXPAY = {"NOTIFY_BASE_URL": live_server.url, "MERCHANTS": {"default": merchant}}
        yield url, app


def test_a_rehearsal_ends_on_the_receipt(
    live_server: Any,
    simulator: tuple[str, Simulator],
) -> None:
    steps = dict(rehearse(shop=live_server.url, simulator=simulator[0]))
    assert list(steps) == [
        "merchant",
        "order",
        "QR link",
        "payment",
        "notification",
        "query",
        "receipt",
        "worker",
    ]
    assert steps["worker"] == "2 calls reported, 2 calls rolled up"


def test_a_notification_that_never_comes_stops_the_rehearsal_in_time(
    live_server: Any,
    simulator: tuple[str, Simulator],
) -> None:
    url, app = simulator
    app.inject("lost")
    with pytest.raises(DidNotHappen, match=r"^No notification arrived within 1 s\.$"):
        dict(rehearse(shop=live_server.url, simulator=url, patience_s=1))
