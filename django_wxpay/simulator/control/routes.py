"""Routes of the control plane: JSON or a form in, JSON out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django_wxpay.simulator.control import (
    actions,
    announcing,
    keys,
    ledger,
    product_actions,
    refund_actions,
)
from django_wxpay.simulator.control.arguments import (
    Arguments,
    ControlError,
    is_form,
    read_arguments,
)
from django_wxpay.simulator.http.messages import (
    HOME,
    Request,
    Response,
    json_response,
    see_other,
)
from django_wxpay.simulator.state.world import World

Show = Callable[[World], Any]
Verb = Callable[[World, Arguments], dict[str, Any]]

_SHOWS: Final[Mapping[str, Show]] = {
    "/_simulator/ledger": ledger.ledger,
    "/_simulator/merchants": ledger.merchants,
    "/_simulator/faults": ledger.faults,
    "/_simulator/clock": ledger.clock,
    "/_simulator/keys": keys.keys,
}
_VERBS: Final[Mapping[str, Mapping[str, Verb]]] = {
    "/_simulator/pay": {"POST": actions.pay},
    "/_simulator/codes": {"POST": actions.show_code},
    "/_simulator/trade": {"POST": actions.set_state},
    "/_simulator/notify": {"POST": announcing.notify},
    "/_simulator/clock": {"POST": actions.move_clock},
    "/_simulator/faults": {"POST": actions.inject, "DELETE": actions.clear_faults},
    "/_simulator/refund": {"POST": refund_actions.refund},
    "/_simulator/refunds": {"POST": refund_actions.settle_refund},
    "/_simulator/refund-notice": {"POST": refund_actions.refund_notice},
    "/_simulator/balance": {"POST": refund_actions.set_balance},
    "/_simulator/keys": {"POST": keys.change_keys},
    "/_simulator/complaint": {"POST": product_actions.complain},
    "/_simulator/transfer": {"POST": product_actions.settle_transfer},
    "/_simulator/combined": {"POST": product_actions.pay_combined},
    "/_simulator/reset": {"POST": actions.reset},
}


def control(world: World, request: Request) -> Response:
    """Answer a request below ``/_simulator/``; mistakes are 400, 404 or 405, with a reason."""
    show = _SHOWS.get(request.path)
    verbs = _VERBS.get(request.path, {})
    if show is None and not verbs:
        return error_response(ControlError("not_found", "there is no such page", status=404))
    if show is not None and request.method in {"GET", "HEAD"}:
        return json_response(show(world))
    verb = verbs.get(request.method)
    if verb is None:
        allowed = (*(("GET", "HEAD") if show else ()), *verbs)
        return not_allowed(allowed)
    try:
        value = verb(world, read_arguments(request))
    except ControlError as error:
        answer, number = error_response(error), error.code
    else:
        answer = see_other(HOME) if is_form(request) else json_response(value)
        number = value.get("out_trade_no", "")
    write_line(world, request, answer, number)
    return answer


def write_line(world: World, request: Request, answer: Response, *details: str) -> None:
    """Write the line of one call of the control plane, or of a button on a page."""
    with world.lock:
        now = world.clock.now()
        world.journal.call(now, request.method, request.path, answer.status, *details)


def error_response(error: ControlError) -> Response:
    """Return ``error`` as an answer."""
    return json_response({"code": error.code, "detail": error.detail}, status=error.status)


def not_allowed(allowed: tuple[str, ...]) -> Response:
    """Return the answer to a method that a path does not have."""
    detail = f"this path takes {', '.join(allowed)}"
    return json_response({"code": "not_allowed", "detail": detail}, status=405, allow=allowed)
