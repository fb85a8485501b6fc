"""``python -m django_wxpay.simulator`` as anybody runs it, for clients of other makers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import requests

from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v3.certificates import read_certificate
from tests.laws.source import ROOT

API_KEY = "TESTONLYapikeyTESTONLYapikey0000"
API_V3_KEY = "TESTONLYapiv3keyTESTONLYapiv3key"
APPID = "wx8888888888888888"
COMMAND = "django_wxpay.simulator --config merchants.json --folder keys --proxy --port 0"
# One whose messages are signed with WeChat Pay's public key, one with platform certificates.
MERCHANTS = {
    "1900000001": {"key_mode": "public_key"},
    "1900000002": {"key_mode": "certificate"},
}


@dataclass(frozen=True)
class Simulated:
    """A simulator in a process of its own, and the folder of its keys."""

    url: str
    folder: Path
    public_key_id: str

    def serial(self, mch_id: str) -> str:
        pem = (self.folder / mch_id / "apiclient_cert.pem").read_text()
        return read_certificate(pem).serial_no

    def control(self, name: str, **members: object) -> None:
        """Do something at the control plane."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.url}/_simulator/{name}", json=members, timeout=10)
        assert answer.status_code == 200, answer.text

    def today(self) -> date:
        """Return the simulated day in Beijing, of which a minute is left at least."""
        with requests.Session() as session:
            session.trust_env = False
            told = session.get(f"{self.url}/_simulator/clock", timeout=10).json()["now"]
        now = datetime.fromisoformat(told).astimezone(BEIJING)
        left_s = 86_400 - (now - now.replace(hour=0, minute=0, second=0)).total_seconds()
        if left_s > 60:
            return now.date()
        self.control("clock", advance_s=left_s)
        return now.date() + timedelta(days=1)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that lead a client here, beside those that are set already."""
        kept = {name: text for name, text in os.environ.items() if "proxy" not in name.lower()}
        ca = str(self.folder / "ca.pem")
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"), ca)
        here = {"HTTPS_PROXY": self.url, "NO_PROXY": "127.0.0.1"}
        return {**kept, **trust, **here, **more}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """Start it with a proxy, and the bills of today."""
    home = tmp_path_factory.mktemp("anybody")
    merchants = [
        {"mch_id": mch_id, "appids": [APPID], "api_key": API_KEY, "api_v3_key": API_V3_KEY, **more}
        for mch_id, more in MERCHANTS.items()
    ]
    config = {"merchants": merchants, "options": {"bills_at_once": True}}
    (home / "merchants.json").write_text(json.dumps(config))
    variables = {name: text for name, text in os.environ.items() if not name.startswith("DJANGO")}
    process = subprocess.Popen(
        [sys.executable, "-m", *COMMAND.split()],
        cwd=home,
        env={**variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    while "Stop with Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    try:
        yield Simulated(
            url=re.findall(r"http://127\.0\.0\.1:\d+", said)[0],
            folder=home / "keys",
            public_key_id=re.findall(r"PUB_KEY_ID_\w+", said)[0],
        )
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in rest
    assert not any(key in said + rest for key in (API_KEY, API_V3_KEY))
