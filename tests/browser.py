"""Looking at a page in a real browser: Chromium, driven over a pipe in its own protocol.

Needs nothing but Chromium itself; where there is none, a test is skipped and says so.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
OPTIONS: Final = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
)
# Chromium reads commands from file 3 and writes answers to file 4; Python may use both itself.
SHIM: Final = "import os, sys; a = sys.argv; os.dup2(int(a[1]), 3); os.dup2(int(a[2]), 4)"
PATIENCE_S: Final = 60

# Asked for before a page's own scripts run, so that no violation of its policy is missed.
WITNESS: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
    window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


class DidNotStart(Exception):
    """There is a Chromium, and it does not run here."""


class Browser:
    """A running Chromium; ``complaints`` are what its console has said since the last look."""

    def __init__(self, program: str, profile: Path) -> None:
        reads, self._to = _pipe()
        self._from, writes = _pipe()
        line = [program, *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        shim = f"{SHIM}; os.execv(a[3], a[3:])"
        self._process = subprocess.Popen(
            [sys.executable, "-c", shim, str(reads), str(writes), *line],
            pass_fds=(reads, writes),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reads)
        os.close(writes)
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        self.complaints: list[str] = []

    def open_tab(self) -> None:
        """Open the one page that everything is looked at in, with no cookies from before."""
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        page = {"url": "about:blank", "browserContextId": context}
        target = self.ask("Target.createTarget", **page)["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.addScriptToEvaluateOnNewDocument", source=WITNESS)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        answer = self._wait(lambda each: each.get("id") == self._number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        found: dict[str, Any] = answer["result"]
        return found

    def look_at(self, address: str) -> None:
        """Go to a page and wait until it has loaded, deferred scripts included."""
        self._events.clear()
        self.ask("Page.navigate", url=address)
        loaded = any(each.get("method") == "Page.loadEventFired" for each in self._events)
        if not loaded:
            self._wait(lambda each: each.get("method") == "Page.loadEventFired")
        # Two frames later the charts stand.
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, script: str) -> None:
        """Run a JavaScript statement that leads to another page, and wait until that has loaded."""
        self._events.clear()
        self.ask("Runtime.evaluate", expression=f"setTimeout(() => {{ {script} }})")
        if not any(each.get("method") == "Page.loadEventFired" for each in self._events):
            self._wait(lambda each: each.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Return what a JavaScript expression comes to."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.ask("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def appear(self, *, width: int, scheme: str = "light", language: str = "en") -> None:
        """Be a screen so wide, of somebody who prefers that scheme and reads that language."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.ask("Emulation.setEmulatedMedia", features=features)
        self.ask("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    def picture(self, path: Path) -> bytes:
        """Write the whole page as a PNG, and return it."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        png = base64.b64decode(shot["data"])
        path.write_bytes(png)
        return png

    def close(self) -> None:
        """End it, and only it."""
        with suppress(OSError, AssertionError, DidNotStart):
            self.ask("Browser.close")
            self._process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, 9)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _wait(self, is_it: Any) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = self._next(deadline)
            self._note(message)
            if is_it(message):
                return message

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            left = max(0, deadline - time.monotonic())
            ready, _, _ = select.select([self._from], [], [], left)
            piece = os.read(self._from, 1 << 20) if ready else b""
            if not piece:
                raise DidNotStart("Chromium ended" if ready else "Chromium does not answer")
            self._unread += piece
        text, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        self._events.append(message)
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning"}:
                self.complaints.append(json.dumps(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                entry = params["entry"]
                # Browsers ask for it of their own accord.
                if not entry.get("url", "").endswith("/favicon.ico"):
                    self.complaints.append(f"{entry['text']} {entry.get('url', '')}")


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start Chromium with a page, or skip the test that wants one, and say why."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"nobody looked at the page: no Chromium here ({', '.join(NAMES)})")
    browser = Browser(program, profile)
    try:
        try:
            browser.open_tab()
        except (DidNotStart, OSError) as error:
            pytest.skip(f"nobody looked at the page: {program} does not run here ({error})")
        yield browser
    finally:
        browser.close()


def _pipe() -> tuple[int, int]:
    """Return the two ends of a pipe, on numbers that are neither 3 nor 4."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
