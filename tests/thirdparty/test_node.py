"""Clients in JavaScript, unmodified, with their hard-coded hosts, through the simulator's proxy.

They are installed by ``nox -s clients``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.thirdparty.conftest import API_KEY, API_V3_KEY, MERCHANTS, Simulated

HERE = Path(__file__).parent
NODE = shutil.which("node")
MODULES = HERE / "node_modules"

pytestmark = [
    pytest.mark.skipif(NODE is None, reason="there is no node on this machine"),
    pytest.mark.skipif(
        NODE is not None and not MODULES.is_dir(),
        reason="tests/thirdparty/node_modules is missing: nox -s clients installs it",
    ),
]


PUBLIC_KEY_MODE, CERTIFICATE_MODE = MERCHANTS
# For a client that knows nothing of HTTPS_PROXY: Node itself reads it only from version 24 on.
THROUGH_PROXY = ("--require", "global-agent/bootstrap")


def run(
    simulated: Simulated, script: str, mch_id: str, *options: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run one client to its end."""
    return subprocess.run(
        ["node", *options, script],
        cwd=HERE,
        env=simulated.environment(
            WXPAY_URL=simulated.url,
            WXPAY_FOLDER=str(simulated.folder),
            WXPAY_MCH_ID=mch_id,
            WXPAY_API_KEY=API_KEY,
            WXPAY_API_V3_KEY=API_V3_KEY,
            WXPAY_SERIAL=simulated.serial(mch_id),
            WXPAY_TODAY=simulated.today().isoformat(),
            WXPAY_PUBLIC_KEY_ID=simulated.public_key_id,
            GLOBAL_AGENT_HTTPS_PROXY=simulated.url,
            GLOBAL_AGENT_NO_PROXY="127.0.0.1",
            **more,
        ),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def story(simulated: Simulated, script: str, mch_id: str, *options: str) -> dict[str, Any]:
    """Run one client, and return the results of its steps."""
    done = run(simulated, script, mch_id, *options)
    assert done.stdout, done.stderr
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert "error" not in results, results["error"]
    return results


def test_wechatpay_axios_plugin(simulated: Simulated) -> None:
    told = story(simulated, "axios_plugin.js", PUBLIC_KEY_MODE)
    assert told["place"]["code_url"].startswith("weixin://")
    assert (told["query"]["trade_state"], told["close"]) == ("NOTPAY", 204)
    paid = told["notification"]
    assert (paid["verified"], paid["event_type"]) == (True, "TRANSACTION.SUCCESS")
    assert paid["resource"] | {"promotion_detail": []} == told["paid"]
    assert told["paid"]["amount"]["total"] == 12_850
    assert told["refund"]["status"] == "PROCESSING"
    refunded = told["refund_notification"]
    assert (refunded["verified"], refunded["event_type"]) == (True, "REFUND.SUCCESS")
    assert refunded["resource"]["refund_id"] == told["query_refund"]["refund_id"]
    assert told["query_refund"]["status"] == "SUCCESS"
    assert told["bill_file"]["sha1"] == told["bill"]["hash_value"]
    numbers = [row["商户订单号"] for row in told["bill_file"]["rows"]]
    assert numbers.count("axios-plugin-1") == 2


def test_wechatpay_axios_plugin_of_v2(simulated: Simulated) -> None:
    told = story(simulated, "axios_plugin_v2.js", PUBLIC_KEY_MODE)
    assert told["place"]["result_code"] == "SUCCESS"
    assert told["close"]["result_code"] == "SUCCESS"
    assert told["notification"] == {"verified": True, "out_trade_no": "axios-plugin-v2"}
    assert told["query"]["trade_state"] == "SUCCESS"
    assert told["uncertified"] == 400
    assert told["refund"]["refund_fee"] == "40"
    assert told["query_refund"]["out_refund_no_0"] == "axios-plugin-v2-R1"


def test_wechatpay_node_v3(simulated: Simulated) -> None:
    told = story(simulated, "node_v3.js", CERTIFICATE_MODE, *THROUGH_PROXY)
    # It writes a serial in small letters, which is the same number.
    assert told["serial"] == told["serial"].lower() != simulated.serial(CERTIFICATE_MODE)
    assert len(told["certificates"]) == 1
    assert told["place"]["data"]["code_url"].startswith("weixin://")
    assert told["query"]["data"]["trade_state"] == "NOTPAY"
    assert told["close"]["status"] == 204
    paid = told["notification"]
    assert (paid["verified"], paid["event_type"]) == (True, "TRANSACTION.SUCCESS")
    assert paid["resource"] | {"promotion_detail": []} == told["paid"]["data"]
    assert told["refund"]["data"]["status"] == "PROCESSING"
    refunded = told["refund_notification"]
    assert (refunded["verified"], refunded["event_type"]) == (True, "REFUND.SUCCESS")
    assert refunded["resource"]["refund_id"] == told["query_refund"]["data"]["refund_id"]
    assert told["query_refund"]["data"]["status"] == "SUCCESS"
    file = told["bill_file"]["data"]
    assert file.count("`node-v3-1,") == 2
    assert (
        hashlib.sha1(file.encode(), usedforsecurity=False).hexdigest()
        == told["bill"]["data"]["hash_value"]
    )
    assert told["jsapi"]["data"]["package"].startswith("prepay_id=wx")


def test_tenpay(simulated: Simulated) -> None:
    told = story(simulated, "tenpay.js", PUBLIC_KEY_MODE, *THROUGH_PROXY)
    assert told["place"]["code_url"].startswith("weixin://")
    assert (told["query"]["trade_state"], told["paid"]["trade_state"]) == ("NOTPAY", "SUCCESS")
    assert told["close"]["result_code"] == "SUCCESS"
    paid = told["notification"]
    assert (paid["accepted"], paid["fields"]["total_fee"]) == (True, "12850")
    assert paid["fields"]["transaction_id"] == told["paid"]["transaction_id"]
    assert told["refund"]["refund_fee"] == "2850"
    refunded = told["refund_notification"]
    assert refunded["accepted"]
    assert refunded["fields"]["req_info"]["refund_id"] == told["refund"]["refund_id"]
    assert told["query_refund"]["refund_status_0"] == "SUCCESS"
    titles = told["bill"]["list_title"]
    numbers = [row[titles.index("商户订单号")] for row in told["bill"]["list_data"]]
    assert numbers.count("tenpay-1") == 2
    assert len(told["fund_flow"]["list_data"]) == int(float(told["fund_flow"]["total_data"][0])) > 0
    assert (told["sale"]["trade_type"], told["reverse"]["recall"]) == ("MICROPAY", "N")


def test_a_client_that_does_not_trust_the_ca_says_so(simulated: Simulated) -> None:
    trusts_nothing = {"NODE_EXTRA_CA_CERTS": "", "SSL_CERT_FILE": ""}
    done = run(simulated, "axios_plugin.js", PUBLIC_KEY_MODE, **trusts_nothing)
    assert done.returncode == 1
    assert "unable to" in done.stdout or "self-signed" in done.stdout
