"""Changes of WeChat Pay's keys, and their public halves as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.simulator.control.arguments import Arguments, ControlError
from django_wxpay.simulator.state.accounts import KeyMode
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.keychain import Keychain


def keys(world: World) -> dict[str, Any]:
    """Return the listed certificates, the public key, and each merchant's key mode."""
    with world.lock:
        keychain = world.keychain
        public_key_id, pem = keychain.public_key
        return {
            "public_key": {"id": public_key_id, "pem": pem},
            "certificates": _listed(keychain),
            "merchants": [
                {
                    "mch_id": account.mch_id,
                    "serials": list(account.certificates),
                    "mode": keychain.mode(account).value,
                    "callback_share": keychain.callback_share(account),
                }
                for account in world.accounts.values()
                if account.certificates
            ],
        }


def change_keys(world: World, given: Arguments) -> dict[str, Any]:
    """Do an ``action``: rotate, switch, drop, migrate or mode; return what ``keys`` does.

    ``switch`` takes the ``share`` that the new certificate signs, by default all; ``migrate``
    the ``callback_share`` that the public key signs, by default the one that grows in seven
    days; ``mode`` a ``mode``. The last two are for one ``mch_id`` or for all.
    """
    action = _ACTIONS.get(name := given.text("action"))
    if action is None:
        raise ControlError("invalid", f"{name} is no action; there are: {', '.join(_ACTIONS)}")
    with world.lock:
        action(world, given)
    return keys(world)


def _rotate(world: World, given: Arguments) -> None:
    given.finish()
    world.keychain.rotate()


def _switch(world: World, given: Arguments) -> None:
    share = given.number("share", 1, most=1)
    given.finish()
    world.keychain.switch(1 if share is None else share)


def _drop(world: World, given: Arguments) -> None:
    given.finish()
    world.keychain.drop()


def _migrate(world: World, given: Arguments) -> None:
    share = given.number("callback_share", most=1)
    mch_ids = _merchants(world, given)
    given.finish()
    world.keychain.migrate(mch_ids, share=share)


def _set_mode(world: World, given: Arguments) -> None:
    name, mch_ids = given.text("mode"), _merchants(world, given)
    given.finish()
    try:
        mode = KeyMode(name)
    except ValueError:
        raise ControlError("invalid", f"mode is one of {', '.join(KeyMode)}") from None
    world.keychain.set_mode(mch_ids, mode)


_ACTIONS: Final[Mapping[str, Callable[[World, Arguments], None]]] = {
    "rotate": _rotate,
    "switch": _switch,
    "drop": _drop,
    "migrate": _migrate,
    "mode": _set_mode,
}
ACTIONS: Final = tuple(_ACTIONS)


def _merchants(world: World, given: Arguments) -> Iterable[str]:
    mch_id = given.text("mch_id", "")
    if mch_id and mch_id not in world.accounts:
        raise ControlError("unknown_merchant", f"there is no merchant {mch_id}", status=404)
    return [mch_id] if mch_id else list(world.accounts)


def _listed(keychain: Keychain) -> list[dict[str, Any]]:
    certificates = keychain.certificates()
    newest = keychain.newest_share
    shares = (1.0,) if len(certificates) == 1 else (1 - newest, newest)
    return [
        {
            "serial_no": one.serial_no,
            "effective_time": to_rfc3339(one.effective_at),
            "expire_time": to_rfc3339(one.expires_at),
            "signs": share,
            "pem": one.pem,
        }
        for one, share in zip(certificates, shares, strict=True)
    ]
