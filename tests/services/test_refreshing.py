"""Certificates renewed in the background: each merchant in its turn, none stopping the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from django_wxpay.exceptions import InsideTransaction, OutcomeUnknown
from django_wxpay.models import CertificateDownload, PlatformCertificate
from django_wxpay.services import certificates, clock, gateways
from django_wxpay.services.certificates import refresh_certificates
from tests.protocol.v3 import keys
from tests.services.platform import (
    PUBLIC_KEY_MODE,
    V3_MERCHANT,
    ScriptedPlatform,
    certificates_answer,
)

pytestmark = pytest.mark.django_db

PATH = "/v3/certificates"
V2 = {"APPID": "wx1", "MCH_ID": "1900000100", "API_KEY": "TESTKEYtestkeyTESTKEYtestkey0000"}
PINNED = V3_MERCHANT | {"PLATFORM_CERTIFICATES": [keys.PLATFORM_CERTIFICATE]}


@pytest.fixture
def platform(settings: Any) -> Iterator[ScriptedPlatform]:
    settings.WXPAY = {
        "NOTIFY_BASE_URL": "https://shop.example.com",
        "MERCHANTS": {
            "default": PINNED,
            "plain": V2,
            "second": PINNED | {"MCH_ID": "1900000110"},
            "modern": V3_MERCHANT | PUBLIC_KEY_MODE | {"MCH_ID": "1900000111"},
        },
    }
    scripted = ScriptedPlatform()
    scripted.serial = keys.PLATFORM_SERIAL
    scripted.answers[PATH] = certificates_answer
    gateways.mount("http://v3.test", scripted)
    yield scripted
    gateways.unmount("http://v3.test")


def another_process() -> None:
    gateways.platform_keys.cache_clear()


def test_every_merchant_that_uses_certificates_has_its_own_renewed_and_no_other(
    platform: ScriptedPlatform,
) -> None:
    assert refresh_certificates() == 2
    assert platform.paths() == [PATH, PATH]
    kept = PlatformCertificate.objects.values_list("mch_id", flat=True)
    assert sorted(kept) == ["1900000109", "1900000110"]


def test_they_are_not_asked_for_again_before_it_is_time_whichever_process_asks(
    platform: ScriptedPlatform,
) -> None:
    refresh_certificates()
    assert refresh_certificates() == 0
    another_process()
    assert refresh_certificates() == 0
    assert len(platform.calls) == 2

    another_process()
    CertificateDownload.objects.update(claimed_at=clock.now() - timedelta(hours=11))
    assert refresh_certificates() == 2
    assert len(platform.calls) == 4


def test_the_trouble_of_one_merchant_is_told_when_all_have_had_their_turn(
    platform: ScriptedPlatform,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # A busy gateway is asked once more.
    answers = [(500, {"code": "SYSTEM_ERROR", "message": "x"})] * 2
    platform.answers[PATH] = lambda: answers.pop() if answers else certificates_answer()
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(OutcomeUnknown, match=r"not renewed: default$"),
    ):
        refresh_certificates()
    assert [row.mch_id for row in PlatformCertificate.objects.all()] == ["1900000110"]
    assert "certificates of merchant default not renewed" in caplog.text
    assert keys.API_V3_KEY not in caplog.text

    sent = len(platform.calls)
    with pytest.raises(OutcomeUnknown):
        refresh_certificates()
    assert len(platform.calls) == sent, "a failure stays visible, and costs no further call"


def test_a_database_in_trouble_over_one_merchant_does_not_stop_the_next(
    platform: ScriptedPlatform,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refresh = gateways.refresh_platform_keys

    def down_for_one(alias: str) -> bool:
        if alias == "default":
            raise DatabaseError("down")
        return refresh(alias)

    monkeypatch.setattr(certificates.gateways, "refresh_platform_keys", down_for_one)
    with pytest.raises(OutcomeUnknown, match=r"not renewed: default$"):
        refresh_certificates()
    assert len(platform.calls) == 1


def test_stopped_it_ends_between_two_merchants(platform: ScriptedPlatform) -> None:
    assert refresh_certificates(stop=lambda: bool(platform.calls)) == 1
    assert len(platform.calls) == 1
    assert refresh_certificates(stop=lambda: True) == 0


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_run_inside_a_transaction(platform: ScriptedPlatform) -> None:
    with transaction.atomic(), pytest.raises(InsideTransaction):
        refresh_certificates()
    assert platform.calls == []
