"""The page of the till, followed word for word in an empty folder, over real HTTP.

Both ports are free ones, since tests run side by side. What one command leaves in its shell, the
next one finds.
"""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest

from tests.docs.markdown import fenced, text_of
from tests.docs.samples import bash, write
from tests.docs.test_tutorial import INSTALLATION, SERVERS, free_ports, running

PAGE: Final = text_of("docs/till.md")


def in_one_shell(folder: Path, text: str) -> str:
    """Run a block as if it were typed after the one before, and return what it prints."""
    shell = folder / "shell"
    before = f"source {shell}" if shell.exists() else ":"
    return bash(
        folder,
        before,
        text,
        f"declare -p TILL OFFICE > {shell} 2> /dev/null || true",
        f"declare -f ask >> {shell} || true",
    )


@pytest.mark.long
def test_a_till_sells_refunds_reverses_and_closes_the_day(tmp_path: Path) -> None:
    site, gateway = free_ports()
    page = PAGE.replace("127.0.0.1:8000", f"127.0.0.1:{site}")
    page = page.replace("127.0.0.1:9100", f"127.0.0.1:{gateway}")
    starting = {
        SERVERS[0]: (f"{SERVERS[0]} --port {gateway}", f"http://127.0.0.1:{gateway}/"),
        SERVERS[1]: (f"{SERVERS[1]} {site} --noreload", f"http://127.0.0.1:{site}/"),
    }
    printed = ""
    answers: list[dict[str, Any]] = []
    with ExitStack() as servers:
        for language, text in fenced(page):
            if language == "python":
                write(tmp_path, text)
            elif language == "json":
                answers.append(json.loads(printed))
                shown = json.loads(text)
                assert {name: answers[-1].get(name) for name in shown} == shown
            elif text.startswith(INSTALLATION):
                # As in the tutorial's test, the environment is that of this run.
                continue
            elif text.strip() in starting:
                servers.enter_context(running(tmp_path, *starting[text.strip()]))
            else:
                printed = in_one_shell(tmp_path, text)
                for fault in re.findall(r"code_\w+", text):
                    assert fault in printed
    (listed,) = [answer["results"] for answer in answers if "next" in answer and answer["results"]]
    assert [order["out_trade_no"] for order in listed] == ["till-3", "till-2", "till-1"]
    refused, kept = answers[2:4]
    assert refused["advice"] == kept["advice"] != ""
