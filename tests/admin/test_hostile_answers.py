"""What a hostile or garbled answer leaves behind: text, on every page and in every report."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from django_wxpay import services
from django_wxpay.exceptions import Refused
from django_wxpay.models import ApiReport
from tests.admin.conftest import ADMIN
from tests.wechatpay.transport import ScriptedTransport

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>]]><b>"
YES = b"<xml><return_code>SUCCESS</return_code><result_code>SUCCESS</result_code></xml>"


def test_markup_and_endless_words_are_kept_shown_and_reported_as_text(
    gateway: ScriptedTransport,
    as_holder: Callable[..., Client],
) -> None:
    gateway.answers["/payitil/report"] = YES
    gateway.answers["/pay/unifiedorder"] = {
        "return_msg": EVIL,
        "result_code": "FAIL",
        "err_code": "NOAUTH",
        "err_code_des": EVIL + "很长" * 500,
    }
    with pytest.raises(Refused):
        services.checkout(trade_type="NATIVE", body="Tea", total_fee=100, product_id="P1")

    row = ApiReport.objects.get()
    assert (row.return_msg, row.err_code_des) == (EVIL, (EVIL + "很长" * 500)[:128])
    reader = as_holder("view_apireport")
    for address in ("", f"{row.pk}/change/"):
        page = reader.get(f"{ADMIN}/apireport/{address}").content.decode()
        assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;]]&gt;&lt;b&gt;" in page
    assert services.send_reports().sent == 1
    ((_, told),) = [call for call in gateway.calls if call[0] == "/payitil/report"]
    assert told["return_msg"] == EVIL
    assert told["err_code_des"] == EVIL + "很长" * 16  # 128 bytes
