"""The tutorial, followed word for word in an empty folder, over real HTTP.

Three things differ from the page. Nothing is installed: the commands use the environment of this
run. Both ports are free ones, since tests run side by side. And where there is no ``curl``, its
request is sent by this test.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
import requests

from tests.docs.markdown import blocks, fenced, text_of
from tests.docs.samples import bash, codes, environment, write

PAGE: Final = text_of("docs/tutorial.md")
CHINESE: Final = text_of("docs/tutorial.zh-CN.md")
INSTALLATION: Final = ("python3 -m venv ", "pip install ")
SERVERS: Final = ("python manage.py wxpay_simulator", "python manage.py runserver")
PATIENCE_S: Final = 120


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@contextmanager
def running(folder: Path, line: str, address: str) -> Iterator[None]:
    """Run a command line until the block ends; wait until it answers at ``address``."""
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {line}"],
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(address):
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        # The whole group: runserver has a child that reloads it.
        subprocess.run(["kill", "--", f"-{server.pid}"], check=False)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGKILL)
            server.wait(10)


def answers(address: str) -> bool:
    try:
        requests.get(address, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def run(folder: Path, line: str) -> str:
    """Run a printed command line, and return what it prints."""
    if line.startswith("curl ") and not shutil.which("curl"):
        address, body = re.fullmatch(r"curl (\S+) -d '(.*)'", line).groups()  # type: ignore[union-attr]
        return requests.post(address, json=json.loads(body), timeout=10).text
    return bash(folder, line)


@pytest.mark.long
def test_a_reader_who_follows_it_has_a_paid_order(tmp_path: Path) -> None:
    site, gateway = free_ports()
    page = PAGE.replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    page = page.replace("127.0.0.1:9100", f"127.0.0.1:{gateway}")
    shop = f"http://127.0.0.1:{site}/baskets/A-17"
    starting = {
        SERVERS[0]: (f"{SERVERS[0]} --port {gateway}", f"http://127.0.0.1:{gateway}/"),
        SERVERS[1]: (f"{SERVERS[1]} {site}", f"http://127.0.0.1:{site}/admin/"),
    }
    printed: dict[str, str] = {}
    with ExitStack() as servers:
        for language, text in fenced(page):
            if language in {"python", "html"}:
                write(tmp_path, text)
            elif language == "text":
                # What the last command has printed.
                assert list(printed.values())[-1].splitlines()[-1:] == text.splitlines()
            for line in text.splitlines() if language == "bash" else ():
                if line in starting:
                    servers.enter_context(running(tmp_path, *starting[line]))
                elif not line.startswith(INSTALLATION):
                    if line.startswith("curl "):
                        assert b"<svg" in requests.get(f"{shop}/pay/", timeout=10).content
                        assert requests.get(f"{shop}/status/", timeout=10).json()["status"] == (
                            "waiting"
                        )
                    printed[line] = run(tmp_path, line)
        assert requests.get(f"{shop}/status/", timeout=10).json()["status"] == "paid"
        # Who opens the page of a paid basket again is led on.
        again = requests.get(f"{shop}/pay/", timeout=10)
        assert again.url == f"{shop}/thanks/"
        assert again.text == "Thank you. Parcels packed: 1"
        assert again.text in page
        assert "basket-A-17" in admin_page(f"http://127.0.0.1:{site}/admin/django_wxpay/order/")
    assert codes(printed["python manage.py check"]) == ["W002"]


def admin_page(address: str) -> str:
    """Return a page of the admin, as the login that the page makes."""
    session = requests.Session()
    form = session.get(address, timeout=10)
    answer = session.post(
        form.url,
        data={
            "username": "clerk",
            "password": "tea-for-two",
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        },
        timeout=10,
    )
    return answer.text


@pytest.mark.parametrize("language", ["bash", "text", "html"])
def test_the_chinese_page_has_the_same_commands_and_files(language: str) -> None:
    latin = [re.sub(r">[^<>]*<", "><", each) for each in blocks(PAGE, language)]
    assert [re.sub(r">[^<>]*<", "><", each) for each in blocks(CHINESE, language)] == latin


def test_the_chinese_page_has_the_same_code() -> None:
    ours, theirs = (
        [(text.splitlines()[0].partition(",")[0], ast.dump(ast.parse(text))) for text in found]
        for found in (blocks(PAGE, "python"), blocks(CHINESE, "python"))
    )
    assert ours == theirs


def test_the_chinese_page_has_the_same_chapters() -> None:
    assert len(re.findall(r"^## ", CHINESE, re.MULTILINE)) == len(
        re.findall(r"^## ", PAGE, re.MULTILINE)
    )
