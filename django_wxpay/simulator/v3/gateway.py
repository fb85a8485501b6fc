"""The v3 gateway: a call is admitted, executed, answered, signed, and changed by a fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Api, Region
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.authorization import read_authorization
from django_wxpay.protocol.v3.documents import read_object
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.protocol.v3.reading import optional_text
from django_wxpay.simulator.control.paying import PaymentDetails, take_payment
from django_wxpay.simulator.faults.catalogue import Stage
from django_wxpay.simulator.faults.script import (
    ABNORMAL_REFUND,
    BILLFILE,
    CERTIFICATES,
    DOWNLOADBILL,
    DOWNLOADFUNDFLOW,
    MICROPAY,
    PROBE,
    REFUND,
    REFUNDQUERY,
    REVERSE,
    Fault,
    network_fault_of,
    new_fault,
    page_instead,
)
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.notifications.notices import Notice
from django_wxpay.simulator.notifications.sending import claim, send, settle_due_refunds
from django_wxpay.simulator.state.accounts import Account, KeyMode
from django_wxpay.simulator.state.world import RequestRecord, World
from django_wxpay.simulator.v3.admission import Call, admit, check_permission, checked_parameters
from django_wxpay.simulator.v3.answers import (
    JSON,
    Answer,
    V3Refusal,
    empty_answer,
    refused,
    respond,
    wrong,
)
from django_wxpay.simulator.v3.bills import bill_file, download_bill, download_fund_flow
from django_wxpay.simulator.v3.keychain import Certificate, Signer
from django_wxpay.simulator.v3.more import combining, complaints, returning, sharing, transfers
from django_wxpay.simulator.v3.orders import close, place, query
from django_wxpay.simulator.v3.payment_codes import pay_by_code, reverse
from django_wxpay.simulator.v3.refunds import apply_abnormal_refund, query_refunds, refund
from django_wxpay.simulator.v3.routes import UPLOAD_OPERATION, NoRoute, Route, find_route
from django_wxpay.simulator.v3.sealed import echo

# Faults that are regular refusals, and their codes.
_REFUSING: Final = {
    "systemerror": "SYSTEM_ERROR",
    "systemerror_after": "SYSTEM_ERROR",
    "rate_limited": "FREQUENCY_LIMITED",
    "unavailable": "SERVICE_UNAVAILABLE",
}
_USERPAYING: Final = Answer(
    status=202,
    content={"code": "USERPAYING", "message": "需要用户输入支付密码"},
    code="USERPAYING",
)


_NOTHING_DONE: Final = Answer(status=200, content={})


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """One call in progress, and what is known of it so far."""

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
        """The merchant that calls; if it is not verified, the one that it claims to be."""
        if self.account is not None:
            return self.account.mch_id
        claimed = read_authorization(self.request.headers.get("authorization", ""))
        return claimed.mchid if claimed else ""

    @property
    def out_trade_no(self) -> str:
        """The number in the path or in the body, as far as either can be read."""
        return self.route.out_trade_no or self._in_body("out_trade_no")

    @property
    def out_refund_no(self) -> str:
        """The refund's number in the path or in the body, as far as either can be read."""
        return self.route.out_refund_no or self._in_body("out_refund_no")

    def _in_body(self, name: str) -> str:
        try:
            return optional_text(read_object(self.request.body), name)
        except MalformedMessage:
            return ""


def answer_v3(world: World, request: Request) -> Response:
    """Answer one call below ``/v3/`` as the gateway would, or as the scripted fault wants it."""
    try:
        route = find_route(request.method, request.target.partition("?")[0])
    except NoRoute as missing:
        with world.lock:
            now = world.clock.now()
            world.journal.call(now, request.method, request.path, missing.status)
        return empty_answer(missing.status)
    with world.lock:
        settle_due_refunds(world)
        exchange = _Exchange(route=route, request=request, fault=_fault(world, route, request))
        answer = _answer(world, exchange)
        early = _paid_early(world, exchange, answer)
        _record(world, exchange, answer)
    if early is not None:
        send(world, early)
    return _response(world, exchange, answer)


def _fault(world: World, route: Route, request: Request) -> Fault | None:
    scripted = world.script.take(Stage.ANSWER, route.operation, api=Api.V3, host=request.host)
    if scripted is None and world.identifiers.happens(world.options.probe_share):
        return new_fault(PROBE)
    return scripted


def _answer(world: World, exchange: _Exchange) -> Answer:
    try:
        return _executed(world, exchange)
    except V3Refusal as refusal:
        return refused(refusal, exchange.request)


def _executed(world: World, exchange: _Exchange) -> Answer:
    route, request, fault = exchange.route, exchange.request, exchange.fault
    call = admit(route, request, world.accounts, now=world.clock.now())
    exchange.account = call.account
    answer = _NOTHING_DONE
    if fault is None or fault.executed:
        answer = _OPERATIONS[route.operation](world, call)
    if exchange.fault_name in _REFUSING:
        raise V3Refusal(_REFUSING[exchange.fault_name])
    asked = request.headers.get("wechatpay-serial", "")
    exchange.signer = world.keychain.for_answer(call.account, asked=asked)
    return _USERPAYING if exchange.fault_name == "http_202" else answer


def _paid_early(world: World, exchange: _Exchange, answer: Answer) -> Notice | None:
    """Let the customer pay before the answer to the shop, if the fault ``before_answer`` is set."""
    operation = exchange.route.operation
    if operation != "unifiedorder" or answer.status != 200 or not answer.content:
        return None
    if world.script.take(Stage.PLACING, operation, api=Api.V3) is None:
        return None
    trade = world.trade(exchange.mch_id, exchange.out_trade_no)
    return claim(world, take_payment(world, trade, PaymentDetails()))


def _record(world: World, exchange: _Exchange, answer: Answer) -> None:
    page = page_instead(exchange.fault_name)
    world.record(
        exchange.request,
        RequestRecord(
            at=world.clock.now(),
            api=Api.V3,
            operation=exchange.route.operation,
            host=exchange.request.host,
            mch_id=exchange.mch_id,
            out_trade_no=exchange.out_trade_no,
            out_refund_no=exchange.out_refund_no,
            http_status=answer.status if page is None else page.status,
            return_code="SUCCESS",
            result_code="SUCCESS" if answer.status < 400 else "FAIL",
            err_code=answer.code,
            fault=exchange.fault_name,
            signed_by="" if exchange.signer is None else exchange.signer.serial,
            unknown_fields=(),
        ),
    )


def _response(world: World, exchange: _Exchange, answer: Answer) -> Response:
    fault = exchange.fault_name
    page = page_instead(fault)
    if page is not None:
        return page
    if fault == "empty":
        return Response(
            body=b"", content_type=JSON, network_fault=network_fault_of(exchange.fault, 0)
        )
    response = respond(
        answer,
        exchange.request,
        signer=exchange.signer,
        now=world.clock.now(),
        identifiers=world.identifiers,
        fault=fault,
    )
    return replace(response, network_fault=network_fault_of(exchange.fault, len(response.body)))


_ALGORITHM: Final = "algorithm_type"
_SEALED_NAME: Final = "certificate"


def _certificates(world: World, call: Call) -> Answer:
    """Return the list of platform certificates, sealed with the APIv3 key; lock held.

    Source: protocol-v3 section 2.6.
    """
    known = {_ALGORITHM} if call.route.region is Region.MAINLAND else set()
    algorithm = checked_parameters(call, known).get(_ALGORITHM, "RSA")
    if algorithm not in {"RSA", "SM2", "ALL"}:
        raise wrong(_ALGORITHM, "not RSA, SM2 or ALL", value=algorithm, location="query")
    check_permission(call)
    if not call.account.api_v3_key:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="商户尚未设置APIv3密钥",
            english="The merchant has not set an APIv3 key.",
        )
    if world.keychain.mode(call.account) is KeyMode.PUBLIC_KEY or algorithm == "SM2":
        raise V3Refusal("RESOURCE_NOT_EXISTS")
    listed = [
        _certificate_entry(world, one, call.account.api_v3_key)
        for one in world.keychain.certificates()
    ]
    return Answer(status=200, content={"data": listed})


def _certificate_entry(
    world: World, certificate: Certificate, api_v3_key: Secret
) -> dict[str, Any]:
    sealed = encrypt_resource(
        certificate.pem.encode(),
        api_v3_key=api_v3_key,
        nonce=world.identifiers.seal_nonce(),
        associated_data=_SEALED_NAME,
        original_type=_SEALED_NAME,
    )
    del sealed["original_type"]
    return {
        "serial_no": certificate.serial_no,
        "effective_time": to_rfc3339(certificate.effective_at),
        "expire_time": to_rfc3339(certificate.expires_at),
        "encrypt_certificate": sealed,
    }


_OPERATIONS: Final[Mapping[str, Callable[[World, Call], Answer]]] = {
    "unifiedorder": place,
    "orderquery": query,
    "closeorder": close,
    MICROPAY: pay_by_code,
    REVERSE: reverse,
    REFUND: refund,
    REFUNDQUERY: query_refunds,
    ABNORMAL_REFUND: apply_abnormal_refund,
    CERTIFICATES: _certificates,
    DOWNLOADBILL: download_bill,
    DOWNLOADFUNDFLOW: download_fund_flow,
    BILLFILE: bill_file,
    "echo": echo,
    UPLOAD_OPERATION: complaints.upload,
    "addreceiver": sharing.add_receiver,
    "deletereceiver": sharing.delete_receiver,
    "share": sharing.share,
    "unfreeze": sharing.unfreeze,
    "sharequery": sharing.query_share,
    "sharereturn": returning.take_back,
    "sharereturnquery": returning.query_return,
    "unsplitamount": sharing.unsplit_amount,
    "transfer": transfers.transfer,
    "transferquery": transfers.query_transfer,
    "transfercancel": transfers.cancel_transfer,
    "combine": combining.combine,
    "combinequery": combining.query_combined,
    "combineclose": combining.close_combined,
    "complaints": complaints.list_complaints,
    "complaint": complaints.query_complaint,
    "complaintresponse": complaints.reply,
    "complaintcomplete": complaints.complete,
}
