"""Renewal of certificates: each merchant in turn, and none stops the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, InterfaceError

from django_wxpay.exceptions import InsideTransaction, OutcomeUnknown
from django_wxpay.models import CertificateDownload, PlatformCertificate
from django_wxpay.services import clock, gateways
from django_wxpay.services.certificates import refresh_certificates
from tests.protocol.v3 import keys
from tests.selling import V3_HOST, mounted
from tests.tables import atomic
from tests.wechatpay.transport import ScriptedTransport
from tests.wechatpay.v3 import CERTIFICATES, PUBLIC_KEY_MODE, V3_MERCHANT, scripted_v3

pytestmark = pytest.mark.django_db

PATH = "/v3/certificates"
V2 = {"APPID": "wx1", "MCH_ID": "1900000100", "API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}
PINNED = V3_MERCHANT | {"PLATFORM_CERTIFICATES": [keys.PLATFORM_CERTIFICATE]}


@pytest.fixture
def platform(settings: Any) -> Iterator[ScriptedTransport]:
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": PINNED,
            "plain": V2,
            "second": PINNED | {"MCH_ID": "1900000110"},
            "modern": V3_MERCHANT | PUBLIC_KEY_MODE | {"MCH_ID": "1900000111"},
        },
    }
    scripted = scripted_v3()
    scripted.dialect.serial = keys.PLATFORM_SERIAL
    scripted.answers[PATH] = CERTIFICATES
    with mounted(scripted, V3_HOST):
        yield scripted


def refresh(**options: Any) -> int:
    # Looked up at each call, so that a test may put another one in its place.
    return refresh_certificates(gateways.refresh_platform_keys, **options)


def another_process() -> None:
    gateways.platform_keys.cache_clear()


def test_every_merchant_that_uses_certificates_has_its_own_renewed_and_no_other(
    platform: ScriptedTransport,
) -> None:
    assert refresh() == 2
    assert platform.paths() == [PATH, PATH]
    kept = PlatformCertificate.objects.values_list("mch_id", flat=True)
    assert sorted(kept) == ["1900000109", "1900000110"]


def test_they_are_not_asked_for_again_before_it_is_time_whichever_process_asks(
    platform: ScriptedTransport,
) -> None:
    refresh()
    assert refresh() == 0
    another_process()
    assert refresh() == 0
    assert len(platform.calls) == 2

    another_process()
    CertificateDownload.objects.update(claimed_at=clock.now() - timedelta(hours=11))
    assert refresh() == 2
    assert len(platform.calls) == 4


def test_the_error_of_one_merchant_is_raised_after_the_last(
    platform: ScriptedTransport,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A busy gateway is asked once more.
    answers = [(500, {"code": "SYSTEM_ERROR", "message": "x"})] * 2
    platform.answers[PATH] = lambda _: answers.pop() if answers else CERTIFICATES
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(OutcomeUnknown, match=r"not renewed: default$"),
    ):
        refresh()
    assert [row.mch_id for row in PlatformCertificate.objects.all()] == ["1900000110"]
    assert "certificates of merchant default not renewed" in caplog.text
    assert keys.API_V3_KEY not in caplog.text

    sent = len(platform.calls)
    with pytest.raises(OutcomeUnknown):
        refresh()
    assert len(platform.calls) == sent, "a failure stays visible, and costs no further call"


@pytest.mark.parametrize("error", [DatabaseError, InterfaceError])
def test_a_database_in_trouble_over_one_merchant_does_not_stop_the_next(
    platform: ScriptedTransport, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    refresh_keys = gateways.refresh_platform_keys

    def down_for_one(alias: str) -> bool:
        if alias == "default":
            raise error("down")
        return refresh_keys(alias)

    monkeypatch.setattr(gateways, "refresh_platform_keys", down_for_one)
    with pytest.raises(OutcomeUnknown, match=r"not renewed: default$"):
        refresh()
    assert len(platform.calls) == 1


def test_stopped_it_ends_between_two_merchants(platform: ScriptedTransport) -> None:
    assert refresh(stop=lambda: bool(platform.calls)) == 1
    assert len(platform.calls) == 1
    assert refresh(stop=lambda: True) == 0


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_a_transaction(platform: ScriptedTransport) -> None:
    with atomic(), pytest.raises(InsideTransaction):
        refresh()
    assert platform.calls == []
