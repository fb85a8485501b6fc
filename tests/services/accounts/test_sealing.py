"""Keys of merchants in the database are sealed, rotate with their sealing keys, and open here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import CommandError, call_command

from django_wxpay import conf
from django_wxpay.exceptions import ConfigurationError
from django_wxpay.merchants import save_account
from django_wxpay.models import MerchantAccount
from django_wxpay.protocol.secrets import Secret
from django_wxpay.services.accounts import sealing
from django_wxpay.services.accounts.sealing import CannotOpen, reseal, seal, unseal
from tests.accounts import (
    API_KEY,
    NEXT_SEALING_KEY,
    SEALING_KEY,
    THIRD_SEALING_KEY,
    V3,
    V3_KEYS,
    a_second_later,
    kept,
    secrets,
    wxpay,
)
from tests.frames import of_error, watched

pytestmark = pytest.mark.django_db
TEA = {"alias": "tea", "name": "API_KEY"}
# The half of it that vouches is the other one's, and the half that hides is not.
TWIN_OF_SEALING_KEY = SEALING_KEY.replace("MDA=", "MTE=")


def test_a_sealed_key_opens_again_and_shows_nothing_of_itself() -> None:
    sealed = seal(Secret(API_KEY), **TEA)
    assert unseal(sealed, **TEA) == Secret(API_KEY)
    assert API_KEY not in sealed
    assert seal(Secret(API_KEY), **TEA) != sealed


@pytest.mark.parametrize(
    "other", [{"alias": "coffee"}, {"name": "API_V3_KEY"}, {"alias": "te", "name": "a\0API_KEY"}]
)
def test_it_opens_in_no_other_row_and_no_other_column(other: dict[str, str]) -> None:
    sealed = seal(Secret(API_KEY), **TEA)
    with pytest.raises(CannotOpen, match="something else"):
        unseal(sealed, **{**TEA, **other})


def test_a_lost_sealing_key_a_changed_text_and_nonsense_do_not_open(settings: Any) -> None:
    sealed = seal(Secret(API_KEY), **TEA)
    for text in (sealed[:-4], "nonsense", "schlüssel"):
        with pytest.raises(CannotOpen, match='merchant "tea": no key in SEALING_KEYS'):
            unseal(text, **TEA)
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    with pytest.raises(CannotOpen, match="API_KEY") as raised:
        unseal(sealed, **TEA)
    assert raised.value.__context__ is None


def test_a_key_that_vouches_for_what_another_sealed_does_not_stand_in_its_way(
    settings: Any,
) -> None:
    settings.WXPAY = wxpay(TWIN_OF_SEALING_KEY)
    box = Fernet(SEALING_KEY)
    twin = Fernet(TWIN_OF_SEALING_KEY)
    # The padding of one in 256 fits the other key; which ones, only chance knows.
    sealed = next(text for text in _sealed_again_and_again(box) if _opens(twin, text))
    with pytest.raises(CannotOpen, match="something else"):
        unseal(sealed, **TEA)
    settings.WXPAY = wxpay(TWIN_OF_SEALING_KEY, SEALING_KEY)
    assert unseal(sealed, **TEA) == Secret(API_KEY)


def _sealed_again_and_again(box: Fernet) -> Iterator[str]:
    for _ in range(100_000):
        yield box.encrypt(f"tea\0API_KEY\0{API_KEY}".encode()).decode()


def _opens(box: Fernet, text: str) -> bool:
    try:
        box.decrypt(text)
    except InvalidToken:
        return False
    return True


def test_all_keys_open_and_the_first_seals(settings: Any) -> None:
    before = seal(Secret(API_KEY), **TEA)
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    assert unseal(before, **TEA) == Secret(API_KEY)
    after = seal(Secret(API_KEY), **TEA)
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    assert unseal(after, **TEA) == Secret(API_KEY)


def test_without_sealing_keys_nothing_is_sealed_or_opened(settings: Any) -> None:
    settings.WXPAY = wxpay() | {"SEALING_KEYS": []}
    with pytest.raises(ConfigurationError, match="holds no key"):
        seal(Secret(API_KEY), **TEA)
    with pytest.raises(ConfigurationError, match="holds no key"):
        reseal()
    with pytest.raises(CommandError, match="holds no key"):
        call_command("wxpay_reseal")


def test_resealing_lets_an_old_sealing_key_go(settings: Any) -> None:
    kept("tea")
    kept("coffee", V3_KEYS, **{**V3, "mch_id": "1900000110"})
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    out = io.StringIO()
    call_command("wxpay_reseal", stdout=out)
    assert "sealed anew: 2, not opened: 0" in out.getvalue()
    assert reseal().sealed == 0
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    assert conf.merchant("tea").api_key == Secret(API_KEY)
    assert conf.merchant("coffee").api_v3_key == Secret(V3_KEYS["API_V3_KEY"])


def test_a_save_beside_resealing_does_not_bring_the_old_seal_back(settings: Any) -> None:
    kept("tea")
    loaded = MerchantAccount.objects.get()
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    assert reseal().sealed == 1
    loaded.appid = "wx9"
    save_account(loaded)
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    assert conf.merchant("tea").api_key == Secret(API_KEY)


def test_resealing_goes_on_past_what_does_not_open(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_BATCH", 1)
    kept("lost")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY)
    kept("tea")
    settings.WXPAY = wxpay(THIRD_SEALING_KEY, NEXT_SEALING_KEY)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("wxpay_reseal", stdout=out)
    assert "sealed anew: 1, not opened: 1" in out.getvalue()
    assert "lost: no key" in out.getvalue()
    assert MerchantAccount.objects.get(alias="tea").sealing_key == sealing.sealing_key_ids()[0]


def test_a_row_that_is_gone_or_sealed_meanwhile_is_passed_over(settings: Any) -> None:
    account = kept("tea")
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    newest = sealing.sealing_key_ids()[0]
    assert sealing._reseal_one(account.pk, newest) == ""
    assert sealing._reseal_one(account.pk, newest) is None
    assert sealing._reseal_one(account.pk + 1, newest) is None


def test_the_command_says_what_is_wrong_with_the_settings(settings: Any) -> None:
    settings.WXPAY = {}
    with pytest.raises(CommandError, match="check"):
        call_command("wxpay_reseal")


def test_rotation_is_seen_without_a_restart_and_merchants_stay(settings: Any) -> None:
    kept("tea")
    before = conf.merchant("tea")
    reseal()
    a_second_later()
    assert conf.merchant("tea") is before


def test_no_frame_on_the_way_of_a_key_holds_it(settings: Any) -> None:
    given = secrets(V3_KEYS)
    needles = [*V3_KEYS.values(), V3_KEYS["PRIVATE_KEY"].splitlines()[1], SEALING_KEY]
    with watched(needles) as watch:
        save_account(MerchantAccount(alias="tea", **V3), keys=given)
        conf.merchant("tea")
    # To change settings in a test is to hand them to whoever listens.
    settings.WXPAY = wxpay(NEXT_SEALING_KEY, SEALING_KEY)
    with watched(needles) as later:
        reseal()
    assert watch.found | later.found == set()
    assert watch.functions & later.functions >= {"sealing.seal", "sealing.unseal"}


def test_no_frame_of_an_error_holds_a_key(settings: Any) -> None:
    sealed = seal(Secret(API_KEY), **TEA)
    with pytest.raises(CannotOpen) as raised:
        unseal(sealed, alias="coffee", name="API_KEY")
    assert of_error(raised.value, [API_KEY, SEALING_KEY]) == []
