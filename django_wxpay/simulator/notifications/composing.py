"""Notifications as the shop receives them: their fields, seals and signatures.

v2 sends a signed XML document, and a refund sealed with the API key (protocol-v2 section 7).
v3 sends a sealed resource in an envelope; each attempt is signed anew, and the envelope keeps
its id (protocol-v3 section 6, and protocol-v3 section 12, item 8).
"""

from __future__ import annotations

import base64
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Api, Region, SignType
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v2 import decode_xml, encrypt_req_info
from django_wxpay.protocol.v3.documents import read_object, write_object
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.simulator.faults.script import PROBE
from django_wxpay.simulator.notifications.delivery import Reply
from django_wxpay.simulator.notifications.notices import Notice, SignedMessage
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import SUCCESS, Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.refund_fields import notified_fields
from django_wxpay.simulator.v2.tampering import ANOTHER_KEY, enclose, write
from django_wxpay.simulator.v3.objects import order_object
from django_wxpay.simulator.v3.refund_objects import refund_object
from django_wxpay.simulator.v3.tampering import changed, signature_headers, written

# A shop that accepts one of these accepts anybody's message.
_NOT_AUTHENTIC: Final = frozenset(
    {
        *("bad_signature", "unsigned", "hmac_answer", "other_body", "wrong_serial", PROBE),
        *("stale_timestamp", "future_timestamp", "tampered_ciphertext"),
    }
)
_V2_HEADERS: Final = {"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0", "Accept": "*/*"}
_V3_HEADERS: Final = _V2_HEADERS | {"Content-Type": "application/json; charset=utf-8"}
_IDENTITY: Final = ("appid", "mch_id", "sub_appid", "sub_mch_id")
_SUMMARIES: Final = {
    "TRANSACTION.SUCCESS": ("支付成功", "Payment success"),
    "REFUND.SUCCESS": ("退款成功", "Refund success"),
    "REFUND.ABNORMAL": ("退款异常", "Refund abnormal"),
    "REFUND.CLOSED": ("退款关闭", "Refund closed"),
}
# An event of another product, with a valid signature.
_ANOTHER_EVENT: Final = "COUPON.USE"


def compose(world: World, notice: Notice, fault: str) -> list[SignedMessage]:
    """Return what one attempt sends: a probe, if that is the fault, and the copies; lock held.

    Duplicates are composed one by one; concurrent copies are the same octets.
    """
    copies, notice.copies = notice.copies, 1
    # A probe is followed by the genuine message, which no fault changes (protocol-v3 section 2.3).
    probes = [_message(world, notice, PROBE)] if fault == PROBE else []
    rest = "" if probes else fault
    if notice.at_once:
        return probes + [_message(world, notice, rest)] * copies
    return probes + [_message(world, notice, rest) for _ in range(copies)]


def is_acknowledged(notice: Notice, message: SignedMessage, reply: Reply) -> bool:
    """Say whether ``reply`` ends the retries; the one to a probe never does."""
    return message.fault != PROBE and acknowledges(notice.api, reply)


def client_failure(notice: Notice, message: SignedMessage, reply: Reply) -> str:
    """Return the mistake of a shop that answers ``message`` like this, "" for none."""
    if message.fault not in _NOT_AUTHENTIC or not acknowledges(notice.api, reply):
        return ""
    return f"accepted what cannot be verified ({message.fault})"


def acknowledges(api: Api, reply: Reply) -> bool:
    """Say whether ``reply`` is success in the words of ``api``."""
    if api is Api.V3 and not reply.body:
        return reply.status in {200, 204}
    try:
        if api is Api.V3:
            return reply.status == 200 and read_object(reply.body).get("code") == "SUCCESS"
        return reply.status == 200 and decode_xml(reply.body).get("return_code") == "SUCCESS"
    except MalformedMessage:
        return False


def other_message_v2(world: World, account: Account, fields: dict[str, str]) -> SignedMessage:
    """Return a signed notification that holds ``fields``; lock held (protocol-v2 section 7.5).

    Raises ``ValueError`` for a ``sign_type`` that is none of v2's.
    """
    common = {"return_code": "SUCCESS", "result_code": "SUCCESS", "mch_id": account.mch_id}
    whole = common | {"nonce_str": world.identifiers.nonce()} | fields
    # A receiver knows of no other signature than the one that the fields name.
    sign_type = SignType(fields.get("sign_type") or SignType.MD5)
    body = write(whole, key=account.api_key, sign_type=sign_type)
    return SignedMessage(body=body, headers=_V2_HEADERS, fault="")


def other_message_v3(
    world: World, account: Account, resource: dict[str, Any], names: dict[str, str]
) -> SignedMessage:
    """Return a sealed and signed notification that says ``resource``; lock held.

    ``names``: ``event_type``, ``id`` and ``original_type``; "" for the two last is a new id, and
    the first word of the type (protocol-v3 section 6.1).
    """
    event_type = names["event_type"]
    kind = names["original_type"] or event_type.partition(".")[0].lower()
    envelope = {
        "id": names["id"] or world.identifiers.event_id(),
        "create_time": to_rfc3339(world.clock.now()),
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": event_type,
        "resource": encrypt_resource(
            write_object(resource),
            api_v3_key=account.api_v3_key,
            nonce=world.identifiers.seal_nonce(),
            associated_data=kind,
            original_type=kind,
        ),
    }
    return _signed_v3(world, account, write_object(envelope), "")


def _message(world: World, notice: Notice, fault: str) -> SignedMessage:
    compose_one = _v3_message if notice.api is Api.V3 else _v2_message
    return compose_one(world, notice, fault)


def _v2_message(world: World, notice: Notice, fault: str) -> SignedMessage:
    trade, nonce = notice.trade, world.identifiers.nonce()
    account = world.accounts[trade.mch_id]
    key = account.api_key
    if notice.refund is not None:
        body = _v2_refund_document(notice, notice.refund, key=key, nonce=nonce, fault=fault)
    else:
        sign_type = SignType(trade.sign_type or SignType.MD5)
        fields = _v2_payment_fields(trade, account, nonce=nonce)
        body = write(fields, key=key, sign_type=sign_type, fault=fault)
    return SignedMessage(body=body, headers=_V2_HEADERS, fault=fault)


def _v2_payment_fields(trade: Trade, account: Account, *, nonce: str) -> dict[str, str]:
    """Return the unsigned fields of a payment notification (protocol-v2 section 7.2).

    A mainland one has neither ``return_msg`` nor the currency of an order
    that is priced and paid in CNY.
    """
    terms = trade.terms
    kept = (*_IDENTITY, "device_info", "version", "attach")
    fields = {name: terms[name] for name in kept if name in terms}
    if trade.sign_type:
        fields["sign_type"] = trade.sign_type
    payment = dict(trade.payment)
    if terms.get("version") != "1.0":
        payment.pop("promotion_detail", None)
    if account.mainland and payment["fee_type"] == payment["cash_fee_type"] == "CNY":
        del payment["cash_fee_type"]
    return {
        "return_code": "SUCCESS",
        **({} if account.mainland else {"return_msg": "OK"}),
        "result_code": "SUCCESS",
        "nonce_str": nonce,
        "out_trade_no": trade.out_trade_no,
        **fields,
        **payment,
    }


def _v2_refund_document(
    notice: Notice, refund: Refund, *, key: Secret, nonce: str, fault: str
) -> bytes:
    """Return a refund notification.

    It has no signature: that its ``req_info`` opens with the API key is the proof
    (protocol-v2 section 7.4).
    """
    terms = refund.trade.terms
    sealing_key = ANOTHER_KEY if fault == "bad_signature" else key
    fields: dict[str, str] = {
        "return_code": "SUCCESS",
        **{name: terms[name] for name in _IDENTITY if name in terms},
        "nonce_str": nonce,
    }
    seal = (
        {} if fault == "unsigned" else {"req_info": _req_info(notice, refund, sealing_key, fault)}
    )
    return enclose(fields | seal, fault)


def _req_info(notice: Notice, refund: Refund, key: Secret, fault: str) -> str:
    fields: dict[str, str | int | None] = {**notified_fields(refund, notice.refund_status)}
    if fault == "wrong_amount":
        fields["total_fee"] = int(refund.trade.terms["total_fee"]) + 1
    return encrypt_req_info(fields, key)


def _v3_message(world: World, notice: Notice, fault: str) -> SignedMessage:
    account = world.accounts[notice.trade.mch_id]
    resource = changed(_resource(world, notice, account), fault)
    sealed = _sealed(world, notice, account, resource, fault)
    # Of the faults that change members, these change the envelope as well as the resource.
    outside = fault if fault in {"extra_member", "extra_field", "shuffled_members"} else ""
    body = written(changed(_envelope(notice, account, sealed, fault), outside), fault)
    return _signed_v3(world, account, body, fault)


def _signed_v3(world: World, account: Account, body: bytes, fault: str) -> SignedMessage:
    signer = world.keychain.for_callback(account)
    signature = signature_headers(
        body, signer=signer, now=world.clock.now(), identifiers=world.identifiers, fault=fault
    )
    request_id = {"Request-ID": world.identifiers.request_id(0)}
    return SignedMessage(
        body=body,
        headers=_V3_HEADERS | request_id | signature,
        signed_by=signer.serial,
        fault=fault,
    )


def _resource(world: World, notice: Notice, account: Account) -> dict[str, Any]:
    if notice.refund is not None:
        return refund_object(notice.refund, account, notice.refund_status)
    return order_object(
        notice.trade,
        account,
        contribution=world.options.contribution_spelling,
        is_english=account.region is Region.GLOBAL,
        # The event is the payment, whatever has happened to the order since.
        state=SUCCESS,
    )


def _sealed(
    world: World, notice: Notice, account: Account, resource: dict[str, Any], fault: str
) -> dict[str, str]:
    kind = "transaction" if notice.refund is None else "refund"
    anew = bool(fault) or world.options.reseal
    sealed = encrypt_resource(
        write_object(resource),
        api_v3_key=account.api_v3_key,
        nonce=world.identifiers.seal_nonce() if anew else notice.seal_nonce,
        associated_data="" if fault == "missing_associated_data" else kind,
        original_type=kind,
    )
    if fault == "missing_associated_data":
        del sealed["associated_data"]
    if fault == "bare_envelope":
        del sealed["original_type"]
    if fault == "tampered_ciphertext":
        sealed["ciphertext"] = _flipped(sealed["ciphertext"])
    return sealed


def _envelope(
    notice: Notice, account: Account, sealed: dict[str, str], fault: str
) -> dict[str, Any]:
    chinese, english = _SUMMARIES[notice.event_type]
    envelope = {
        "id": notice.event_id,
        "create_time": to_rfc3339(notice.created_at),
        "resource_type": "encrypt-resource",
        "event_type": _ANOTHER_EVENT if fault == "unknown_event" else notice.event_type,
        "summary": english if account.region is Region.GLOBAL else chinese,
        "resource": sealed,
    }
    if fault == "bare_envelope":
        del envelope["summary"]
    return envelope


def _flipped(ciphertext: str) -> str:
    octets = bytearray(base64.b64decode(ciphertext))
    octets[0] ^= 1
    return base64.b64encode(octets).decode()
