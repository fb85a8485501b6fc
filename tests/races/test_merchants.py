"""Merchants of the database while their rows change: another thread's look-up at each moment."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from django_wxpay import conf
from django_wxpay.exceptions import UnknownMerchant
from django_wxpay.merchants import save_account
from django_wxpay.protocol.secrets import Secret
from tests.accounts import API_KEY, NEXT_API_KEY, a_second_later, kept, secrets, wxpay
from tests.races.running import at_once
from tests.tables import atomic

pytestmark = pytest.mark.races

_LONGEST_S = 10.0


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.WXPAY = wxpay()


def test_a_look_up_beside_an_uncommitted_change_does_not_keep_the_old_key_for_ever() -> None:
    tea = kept("tea")
    assert conf.merchant("tea").api_key == Secret(API_KEY)
    is_seen, is_looked_up = threading.Event(), threading.Event()

    def change() -> list[Secret]:
        with atomic():
            save_account(tea, keys=secrets({"API_KEY": NEXT_API_KEY}))
            kept("coffee", mch_id="1900000110")
            a_second_later()
            seen = [conf.merchant(alias).api_key for alias in ("tea", "coffee")]
            is_seen.set()
            assert is_looked_up.wait(_LONGEST_S)
        return seen

    def look_up() -> list[Secret]:
        assert is_seen.wait(_LONGEST_S)
        try:
            with pytest.raises(UnknownMerchant):
                conf.merchant("coffee")
            return [conf.merchant("tea").api_key]
        finally:
            is_looked_up.set()

    assert at_once(change, look_up) == [
        [Secret(NEXT_API_KEY), Secret(API_KEY)],
        [Secret(API_KEY)],
    ]
    a_second_later()
    assert conf.merchant("tea").api_key == Secret(NEXT_API_KEY)
    assert conf.merchant("coffee").api_key == Secret(API_KEY)
