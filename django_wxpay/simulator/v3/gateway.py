"""How one v3 call is answered: admitted, carried out, signed, and spoiled where a fault says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Api
from django_wxpay.protocol.v3.authorization import read_authorization
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.reading import optional_text
from django_wxpay.simulator.control.paying import settle
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.faults import CERTIFICATES, PROBE, Fault, arm
from django_wxpay.simulator.faults.network import line_of, page_instead
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import claim, send
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.payments import Manner
from django_wxpay.simulator.state.world import Heard, World
from django_wxpay.simulator.v3.answers import JSON, Said, nothing, refused, respond
from django_wxpay.simulator.v3.authorizing import Call, admit
from django_wxpay.simulator.v3.certificates import certificates
from django_wxpay.simulator.v3.closing import close
from django_wxpay.simulator.v3.keychain import Signer
from django_wxpay.simulator.v3.placing import place
from django_wxpay.simulator.v3.querying import query
from django_wxpay.simulator.v3.refusals import V3Refusal
from django_wxpay.simulator.v3.routes import NoRoute, Route, find_route

_OPERATIONS: Final[Mapping[str, Callable[[World, Call], Said]]] = {
    "unifiedorder": place,
    "orderquery": query,
    "closeorder": close,
    CERTIFICATES: certificates,
}
# Faults that are a proper no, and the code each has.
_REFUSING: Final = {
    "systemerror": "SYSTEM_ERROR",
    "systemerror_after": "SYSTEM_ERROR",
    "rate_limited": "FREQUENCY_LIMITED",
    "unavailable": "SERVICE_UNAVAILABLE",
}
_USERPAYING: Final = Said(
    status=202,
    content={"code": "USERPAYING", "message": "需要用户输入支付密码"},
    code="USERPAYING",
)


_NOTHING_DONE: Final = Said(status=200, content={})


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One call on its way through, and what is known of it so far."""

    route: Route
    request: Request
    fault: Fault | None
    account: Account | None = None
    signer: Signer | None = None

    @property
    def fault_name(self) -> str:
        return "" if self.fault is None else self.fault.name

    @property
    def mch_id(self) -> str:
        """Who calls; of somebody who could not prove it, who they say they are."""
        if self.account is not None:
            return self.account.mch_id
        said = read_authorization(self.request.headers.get("authorization", ""))
        return said.mchid if said else ""

    @property
    def out_trade_no(self) -> str:
        """The number in the path or in the body, as far as either can be read."""
        if self.route.operation != "unifiedorder":
            return self.route.out_trade_no
        try:
            return optional_text(read_object(self.request.body), "out_trade_no")
        except MalformedMessage:
            return ""


def answer_v3(world: World, request: Request) -> Response:
    """Answer one call below ``/v3/`` as the gateway would, or as the scripted fault wants it."""
    try:
        route = find_route(request.method, request.target.partition("?")[0])
    except NoRoute as missing:
        return nothing(missing.status)
    with world.lock:
        exchange = _Exchange(route=route, request=request, fault=_fault(world, route, request))
        said = _said(world, exchange)
        early = _paid_early(world, exchange, said)
        _write_down(world, exchange, said)
    if early is not None:
        send(world, early)
    return _response(world, exchange, said)


def _fault(world: World, route: Route, request: Request) -> Fault | None:
    scripted = world.script.take(Stage.ANSWER, route.operation, api=Api.V3, host=request.host)
    if scripted is None and world.numbers.happens(world.options.probe_share):
        return arm(PROBE)
    return scripted


def _said(world: World, exchange: _Exchange) -> Said:
    try:
        return _carried_out(world, exchange)
    except V3Refusal as refusal:
        return refused(refusal, exchange.request)


def _carried_out(world: World, exchange: _Exchange) -> Said:
    route, request, fault = exchange.route, exchange.request, exchange.fault
    call = admit(route, request, world.accounts, now=world.clock.now())
    exchange.account = call.account
    said = _NOTHING_DONE
    if fault is None or fault.executed:
        said = _OPERATIONS[route.operation](world, call)
    if exchange.fault_name in _REFUSING:
        raise V3Refusal(_REFUSING[exchange.fault_name])
    asked = request.headers.get("wechatpay-serial", "")
    exchange.signer = world.keychain.for_answer(call.account, asked=asked)
    return _USERPAYING if exchange.fault_name == "http_202" else said


def _paid_early(world: World, exchange: _Exchange, said: Said) -> Notice | None:
    """Let a customer with quick thumbs pay before the shop hears that the order is accepted."""
    operation = exchange.route.operation
    if operation != "unifiedorder" or said.status != 200 or not said.content:
        return None
    if world.script.take(Stage.PLACING, operation, api=Api.V3) is None:
        return None
    trade = world.trade(exchange.mch_id, exchange.out_trade_no)
    return claim(world, settle(world, trade, Manner()))


def _write_down(world: World, exchange: _Exchange, said: Said) -> None:
    page = page_instead(exchange.fault_name)
    world.heard.append(
        Heard(
            at=world.clock.now(),
            api=Api.V3,
            operation=exchange.route.operation,
            host=exchange.request.host,
            mch_id=exchange.mch_id,
            out_trade_no=exchange.out_trade_no,
            http_status=said.status if page is None else page.status,
            return_code="SUCCESS",
            result_code="SUCCESS" if said.status < 400 else "FAIL",
            err_code=said.code,
            fault=exchange.fault_name,
            signed_by="" if exchange.signer is None else exchange.signer.serial,
            unknown_fields=(),
        )
    )


def _response(world: World, exchange: _Exchange, said: Said) -> Response:
    fault = exchange.fault_name
    page = page_instead(fault)
    if page is not None:
        return page
    if fault == "empty":
        return Response(body=b"", content_type=JSON, line=line_of(exchange.fault, 0))
    response = respond(
        said,
        exchange.request,
        signer=exchange.signer,
        now=world.clock.now(),
        numbers=world.numbers,
        fault=fault,
    )
    return replace(response, line=line_of(exchange.fault, len(response.body)))
