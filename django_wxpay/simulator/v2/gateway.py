"""How one call is answered: admitted, carried out, signed, and spoiled where a fault says so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.request_fields import Field
from django_wxpay.protocol.v2.fields import CLOSEORDER_RULES, ORDERQUERY_RULES, UNIFIEDORDER_RULES
from django_wxpay.simulator.control.paying import settle
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.faults import REPORT, Fault
from django_wxpay.simulator.faults.network import line_of, page_instead
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import claim, send
from django_wxpay.simulator.state.payments import Manner
from django_wxpay.simulator.state.world import Heard, World
from django_wxpay.simulator.v2.admission import Call, admit, read
from django_wxpay.simulator.v2.answers import accepted, document, refused, report_answer
from django_wxpay.simulator.v2.closing import closeorder
from django_wxpay.simulator.v2.placing import unifiedorder
from django_wxpay.simulator.v2.querying import orderquery
from django_wxpay.simulator.v2.refusals import BusinessError, GatewayError
from django_wxpay.simulator.v2.reporting import BATCH_RULES, REPORT_RULES, report

logger = logging.getLogger("django_wxpay.simulator.gateway")

_SYSTEM_ERRORS: Final = frozenset({"systemerror", "systemerror_after"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One path of the gateway: what carries it out, and the fields it knows."""

    name: str
    carry_out: Callable[[World, Call], dict[str, str]]
    rules: Mapping[str, Field] = field(repr=False)


OPERATIONS: Final[dict[str, Operation]] = {
    "/pay/unifiedorder": Operation("unifiedorder", unifiedorder, UNIFIEDORDER_RULES),
    "/pay/orderquery": Operation("orderquery", orderquery, ORDERQUERY_RULES),
    "/pay/closeorder": Operation("closeorder", closeorder, CLOSEORDER_RULES),
    "/payitil/report": Operation(REPORT, report, REPORT_RULES | BATCH_RULES),
}


@dataclass(slots=True)
class _Exchange:
    """One call on its way through, and what is known of it so far."""

    operation: Operation
    request: Request
    fault: Fault | None
    fields: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None
    placed: bool = False
    err_code: str = ""

    @property
    def fault_name(self) -> str:
        return "" if self.fault is None else self.fault.name


def answer(world: World, operation: Operation, request: Request) -> Response:
    """Answer one call as the gateway would, or as the scripted fault wants it."""
    with world.lock:
        fault = world.script.take(Stage.ANSWER, operation.name, api=Api.V2, host=request.host)
        exchange = _Exchange(operation, request, fault)
        fields = _answered(world, exchange)
        early = _paid_early(world, exchange)
        _write_down(world, exchange, fields)
    if early is not None:
        send(world, early)
    return _response(exchange, fields)


def _answered(world: World, exchange: _Exchange) -> dict[str, str]:
    nonce = world.numbers.nonce()
    try:
        call, told = _carried_out(world, exchange)
        fields = accepted(call, told, nonce=nonce)
    except GatewayError as error:
        exchange.err_code = error.code
        documented = world.options.error_shape == "documented"
        fields = refused(exchange.call, error, nonce=nonce, documented=documented)
    return report_answer(fields) if exchange.operation.name == REPORT else fields


def _carried_out(world: World, exchange: _Exchange) -> tuple[Call, dict[str, str]]:
    exchange.fields = read(exchange.request)
    call = exchange.call = admit(
        exchange.fields,
        world.accounts,
        origin=exchange.request.origin,
        sub_mch_ids=world.options.sub_mch_ids,
        needs_appid=exchange.operation.name != REPORT,
    )
    told: dict[str, str] = {}
    if exchange.fault is None or exchange.fault.executed:
        told = exchange.operation.carry_out(world, call)
    if exchange.fault_name in _SYSTEM_ERRORS:
        raise BusinessError("SYSTEMERROR")
    exchange.placed = "prepay_id" in told
    return call, told


def _paid_early(world: World, exchange: _Exchange) -> Notice | None:
    """Let a customer with quick thumbs pay before the shop hears that the order is accepted."""
    if not exchange.placed:
        return None
    if world.script.take(Stage.PLACING, exchange.operation.name, api=Api.V2) is None:
        return None
    trade = world.trade(exchange.fields["mch_id"], exchange.fields["out_trade_no"])
    return claim(world, settle(world, trade, Manner()))


def _write_down(world: World, exchange: _Exchange, fields: Mapping[str, str]) -> None:
    unknown = tuple(sorted(exchange.fields.keys() - exchange.operation.rules.keys()))
    if unknown:
        logger.info("%s has fields nobody knows: %s", exchange.operation.name, ", ".join(unknown))
    page = page_instead(exchange.fault_name)
    world.heard.append(
        Heard(
            at=world.clock.now(),
            api=Api.V2,
            operation=exchange.operation.name,
            host=exchange.request.host,
            mch_id=exchange.fields.get("mch_id", ""),
            out_trade_no=exchange.fields.get("out_trade_no", ""),
            http_status=200 if page is None else page.status,
            return_code=fields["return_code"],
            result_code=fields.get("result_code", ""),
            err_code=exchange.err_code,
            fault=exchange.fault_name,
            signed_by="",
            unknown_fields=unknown,
        )
    )


def _response(exchange: _Exchange, fields: dict[str, str]) -> Response:
    name = exchange.fault_name
    page = page_instead(name)
    if page is not None:
        return page
    body = b"" if name == "empty" else document(exchange.call, fields, fault=name)
    return Response(body=body, line=line_of(exchange.fault, len(body)))
