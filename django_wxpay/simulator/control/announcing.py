"""Announcing an event of any product, known to this gateway or not, to an address of the shop.

Sent once, in the call: no trade holds it, so it is not repeated, and no fault befalls it.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Api, SignType
from django_wxpay.simulator.control import actions
from django_wxpay.simulator.control.arguments import Arguments, ControlError
from django_wxpay.simulator.notifications.composing import (
    acknowledges,
    other_message_v2,
    other_message_v3,
)
from django_wxpay.simulator.notifications.notices import SignedMessage
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.world import World

_APIS: Final = tuple(api.value for api in Api)
_SIGN_TYPES: Final = tuple(one.value for one in SignType)


def notify(world: World, given: Arguments) -> dict[str, Any]:
    """Send the notification of a paid trade again; with a ``resource``, one of any event."""
    return announce(world, given) if given.holds("resource") else actions.notify(world, given)


def announce(world: World, given: Arguments) -> dict[str, Any]:
    """Notify ``notify_url`` of ``mch_id`` of an event that says ``resource``.

    ``api`` is v3 by default: sealed and signed, with the ``event_type``, the ``id`` (a new one)
    and the ``original_type`` (the event's first word) given. v2 signs ``resource`` as fields, by
    their ``sign_type`` or else MD5, and has no types of events.
    """
    mch_id, url = given.text("mch_id"), given.text("notify_url")
    api, resource = given.text("api", Api.V3.value), given.members("resource")
    names = {name: given.text(name, "") for name in ("event_type", "id", "original_type")}
    given.finish()
    if api not in _APIS:
        raise ControlError("invalid", f"api is one of {', '.join(_APIS)}")
    if api == Api.V2.value:
        _check_fields(resource)
    if api == Api.V2.value and any(names.values()):
        raise ControlError("invalid", "v2 has no event_type, id or original_type")
    account = world.accounts.get(mch_id)
    if account is None:
        raise ControlError("unknown_merchant", f"there is no merchant {mch_id}", status=404)
    if not (account.api_key if api == Api.V2.value else account.api_v3_key):
        raise ControlError("no_key", f"merchant {mch_id} has no key for {api}")
    message = _composed(world, account, Api(api), resource, names)
    return _sent(world, Api(api), url, message, names["event_type"])


def _check_fields(resource: dict[str, Any]) -> None:
    if not all(isinstance(value, str) for value in resource.values()):
        raise ControlError("invalid", "a resource of v2 is fields of text")
    if resource.get("sign_type", "") not in {"", *_SIGN_TYPES}:
        raise ControlError("invalid", f"sign_type is one of {', '.join(_SIGN_TYPES)}")


def _composed(
    world: World, account: Account, api: Api, resource: dict[str, Any], names: dict[str, str]
) -> SignedMessage:
    try:
        with world.lock:
            if api is Api.V2:
                return other_message_v2(world, account, resource)
            return other_message_v3(world, account, resource, names)
    except (TypeError, ValueError, RecursionError, MalformedMessage):
        raise ControlError("invalid", f"resource cannot be written as {api.value}") from None


def _sent(
    world: World, api: Api, url: str, message: SignedMessage, event_type: str
) -> dict[str, Any]:
    status, body, error, is_accepted = None, "", "", False
    try:
        reply = world.deliver(url, message.body, message.headers)
    except OSError as problem:
        error = type(problem).__name__
    else:
        status, body = reply.status, reply.body[:2000].decode("utf-8", "replace")
        is_accepted = acknowledges(api, reply)
    outcome = error or f"HTTP {status}, {'delivered' if is_accepted else 'not acknowledged'}"
    with world.lock:
        world.journal.notification(
            world.clock.now(), url, outcome, event_type or api.value, again_at=None
        )
    return {"accepted": is_accepted, "status": status, "body": body, "error": error}
