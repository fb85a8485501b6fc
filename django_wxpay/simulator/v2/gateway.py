"""The v2 gateway: a call is admitted, executed, answered, signed, and changed by a fault."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.request_fields import Field
from django_wxpay.protocol.v2 import encode_xml
from django_wxpay.protocol.v2.fields import (
    AUTHCODETOOPENID_RULES,
    CLOSEORDER_RULES,
    MICROPAY_RULES,
    ORDERQUERY_RULES,
    REFUND_RULES,
    REFUNDQUERY_RULES,
    REVERSE_RULES,
    UNIFIEDORDER_RULES,
)
from django_wxpay.simulator.bills.making import MadeBill
from django_wxpay.simulator.control.paying import PaymentDetails, take_payment
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.script import (
    AUTHCODETOOPENID,
    DOWNLOADBILL,
    DOWNLOADFUNDFLOW,
    MICROPAY,
    REFUND,
    REFUNDQUERY,
    REPORT,
    REVERSE,
    Fault,
    network_fault_of,
    page_instead,
)
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import claim, send, settle_due_refunds
from django_wxpay.simulator.state.world import RequestRecord, World
from django_wxpay.simulator.v2.admission import Call, admit, read, uncertified
from django_wxpay.simulator.v2.bills import downloadbill, downloadfundflow, refused_fields
from django_wxpay.simulator.v2.orders import closeorder, orderquery, unifiedorder
from django_wxpay.simulator.v2.payment_codes import authcodetoopenid, micropay, reverse
from django_wxpay.simulator.v2.refunds import refund, refundquery
from django_wxpay.simulator.v2.refusals import BusinessError, GatewayError, ProtocolError
from django_wxpay.simulator.v2.reporting import BATCH_RULES, REPORT_RULES, report
from django_wxpay.simulator.v2.tampering import spoil, write

logger = logging.getLogger("django_wxpay.simulator.gateway")

_BILLS: Final = frozenset({DOWNLOADBILL, DOWNLOADFUNDFLOW})
_SYSTEM_ERRORS: Final = frozenset({"systemerror", "systemerror_after"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One path of the gateway: the function that executes it, and the fields it knows.

    ``rules`` are None where any field may occur.
    """

    name: str
    execute: Callable[[World, Call], dict[str, str] | MadeBill]
    rules: Mapping[str, Field] | None = field(repr=False)
    needs_appid: bool = True


OPERATIONS: Final[dict[str, Operation]] = {
    "/pay/unifiedorder": Operation("unifiedorder", unifiedorder, UNIFIEDORDER_RULES),
    "/pay/orderquery": Operation("orderquery", orderquery, ORDERQUERY_RULES),
    "/pay/closeorder": Operation("closeorder", closeorder, CLOSEORDER_RULES),
    "/pay/micropay": Operation(MICROPAY, micropay, MICROPAY_RULES),
    "/secapi/pay/reverse": Operation(REVERSE, reverse, REVERSE_RULES),
    "/tools/authcodetoopenid": Operation(
        AUTHCODETOOPENID, authcodetoopenid, AUTHCODETOOPENID_RULES
    ),
    "/secapi/pay/refund": Operation(REFUND, refund, REFUND_RULES),
    "/pay/refundquery": Operation(REFUNDQUERY, refundquery, REFUNDQUERY_RULES),
    "/pay/downloadbill": Operation(DOWNLOADBILL, downloadbill, None),
    "/pay/downloadfundflow": Operation(DOWNLOADFUNDFLOW, downloadfundflow, None),
    "/payitil/report": Operation(REPORT, report, REPORT_RULES | BATCH_RULES, needs_appid=False),
}


def operation_at(path: str) -> Operation:
    """Return the operation of ``path``.

    One that the simulator lacks is one that no merchant of it may use: the request is admitted
    as every other, and then refused with NOAUTH.
    """
    return OPERATIONS.get(path) or Operation(path, _not_allowed, None, needs_appid=False)


def _not_allowed(_world: World, _call: Call) -> dict[str, str]:
    raise BusinessError("NOAUTH")


@dataclass(slots=True)
class _Exchange:
    """One call in progress, and what is known of it so far."""

    operation: Operation
    request: Request
    fault: Fault | None
    fields: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None
    placed: bool = False
    err_code: str = ""
    bill: MadeBill | None = None

    @property
    def fault_name(self) -> str:
        return "" if self.fault is None else self.fault.name


def answer(world: World, operation: Operation, request: Request) -> Response:
    """Answer one call as the gateway would, or as the scripted fault wants it."""
    with world.lock:
        settle_due_refunds(world)
        refusal = uncertified(
            request, world.accounts, is_required=world.options.requires_client_certificate
        )
        if refusal is not None:
            _record(world, _Exchange(operation, request, None), {}, status=refusal.status)
            return refusal
        fault = world.script.take(Stage.ANSWER, operation.name, api=Api.V2, host=request.host)
        exchange = _Exchange(operation, request, fault)
        fields = _answered(world, exchange)
        early = _paid_early(world, exchange)
        _record(world, exchange, fields)
    if early is not None:
        send(world, early)
    return _response(exchange, fields)


def _answered(world: World, exchange: _Exchange) -> dict[str, str]:
    nonce = world.identifiers.nonce()
    try:
        call, added = _executed(world, exchange)
        fields = _accepted(call, added, nonce=nonce)
    except GatewayError as error:
        exchange.err_code = error.code
        documented = world.options.error_shape == "documented"
        if exchange.operation.name in _BILLS:
            is_fund_flow = exchange.operation.name == DOWNLOADFUNDFLOW
            return refused_fields(error, is_fund_flow=is_fund_flow)
        fields = _refused(exchange.call, error, nonce=nonce, documented=documented)
    return _report_answer(fields) if exchange.operation.name == REPORT else fields


def _executed(world: World, exchange: _Exchange) -> tuple[Call, dict[str, str]]:
    exchange.fields = read(exchange.request)
    call = exchange.call = admit(
        exchange.fields,
        world.accounts,
        origin=exchange.request.origin,
        sub_mch_ids=world.options.sub_mch_ids,
        needs_appid=exchange.operation.needs_appid,
    )
    added: dict[str, str] = {}
    if exchange.fault is None or exchange.fault.executed:
        result = exchange.operation.execute(world, call)
        if isinstance(result, MadeBill):
            exchange.bill = result
        else:
            added = result
    if exchange.fault_name == "recall":
        added = {"recall": "Y"}
    if exchange.fault_name in _SYSTEM_ERRORS:
        raise BusinessError("SYSTEMERROR")
    exchange.placed = "prepay_id" in added
    return call, added


def _paid_early(world: World, exchange: _Exchange) -> Notice | None:
    """Let the customer pay before the answer to the shop, if the fault ``before_answer`` is set."""
    if not exchange.placed:
        return None
    if world.script.take(Stage.PLACING, exchange.operation.name, api=Api.V2) is None:
        return None
    trade = world.trade(exchange.fields["mch_id"], exchange.fields["out_trade_no"])
    return claim(world, take_payment(world, trade, PaymentDetails()))


def _record(
    world: World, exchange: _Exchange, fields: Mapping[str, str], *, status: int = 200
) -> None:
    rules = exchange.operation.rules
    unknown = () if rules is None else tuple(sorted(exchange.fields.keys() - rules.keys()))
    if unknown:
        logger.info("%s has unknown fields: %s", exchange.operation.name, ", ".join(unknown))
    page = page_instead(exchange.fault_name)
    world.record(
        exchange.request,
        RequestRecord(
            at=world.clock.now(),
            api=Api.V2,
            operation=exchange.operation.name,
            host=exchange.request.host,
            mch_id=exchange.fields.get("mch_id", ""),
            out_trade_no=exchange.fields.get("out_trade_no", ""),
            out_refund_no=exchange.fields.get("out_refund_no", ""),
            http_status=status if page is None else page.status,
            return_code=fields.get("return_code", ""),
            result_code=fields.get("result_code", ""),
            err_code=exchange.err_code,
            fault=exchange.fault_name,
            signed_by="",
            unknown_fields=unknown,
        ),
    )


def _response(exchange: _Exchange, fields: dict[str, str]) -> Response:
    name = exchange.fault_name
    page = page_instead(name)
    if page is not None:
        return page
    if exchange.bill is not None and name != "empty":
        body = exchange.bill.body
        fault = network_fault_of(exchange.fault, len(body))
        return Response(body=body, content_type="text/plain", network_fault=fault)
    body = b"" if name == "empty" else _document(exchange.call, fields, fault=name)
    return Response(body=body, network_fault=network_fault_of(exchange.fault, len(body)))


_ECHOED: Final = ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info")


def _accepted(call: Call, added: Mapping[str, str], *, nonce: str) -> dict[str, str]:
    """Return the unsigned fields of a success."""
    return _envelope(call, nonce) | {"result_code": "SUCCESS"} | dict(added)


def _refused(
    call: Call | None, error: GatewayError, *, nonce: str, documented: bool
) -> dict[str, str]:
    """Return the unsigned fields of a refusal, at its level (protocol-v2 section 3.7).

    An invalid request fails at ``return_code``, unless ``documented``: then at ``err_code``,
    with a ``return_code`` FAIL only if there is no key to sign with.
    """
    error_fields = {"err_code": error.code, "err_code_des": error.text}
    if isinstance(error, ProtocolError) and not documented:
        return {"return_code": "FAIL", "return_msg": error.text}
    if call is None:
        return {"return_code": "FAIL", "return_msg": error.text} | error_fields
    return _envelope(call, nonce) | {"result_code": "FAIL"} | error_fields


def _report_answer(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the answer of payitil/report: codes without signature (protocol-v2 section 8.3)."""
    names = ("return_code", "return_msg", "result_code")
    return {name: fields[name] for name in names if name in fields}


def _document(call: Call | None, fields: dict[str, str], *, fault: str) -> bytes:
    """Return an answer, signed by the request's algorithm unless it is a FAIL or a report's."""
    if call is None or "nonce_str" not in fields:
        return spoil(encode_xml(fields), fault)
    return write(fields, key=call.account.api_key, sign_type=call.sign_type, fault=fault)


def _envelope(call: Call, nonce: str) -> dict[str, str]:
    echoed = {name: call.fields[name] for name in _ECHOED if name in call.fields}
    return {"return_code": "SUCCESS", "return_msg": "OK", **echoed, "nonce_str": nonce}
