"""WeChat Pay's desk for reports, which takes whatever comes."""

from __future__ import annotations

import pytest

from tests.wechatpay.transport import ScriptedTransport

PATH = "/payitil/report"
YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"
NO = b"<xml><return_code>FAIL</return_code><return_msg>no</return_msg></xml>"


@pytest.fixture
def desk(gateway: ScriptedTransport) -> ScriptedTransport:
    gateway.answers[PATH] = YES
    return gateway
