"""What a v3 callback says, how it is sealed and signed, and when it counts as heard.

Each attempt is signed anew; the envelope keeps its id. Source: protocol-v3 section 6, and
section 12, item 8.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.documents import read_object, write_object
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.simulator.notifications.notices import Letter, Notice, Reply
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.trades import SUCCESS
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.keychain import Signer
from django_wxpay.simulator.v3.order_objects import order_object
from django_wxpay.simulator.v3.refund_objects import refund_object
from django_wxpay.simulator.v3.tampering import changed, signature_headers, written

_HEADERS: Final = {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "Mozilla/4.0",
    "Accept": "*/*",
}
_SUMMARIES: Final = {
    "TRANSACTION.SUCCESS": ("支付成功", "Payment success"),
    "REFUND.SUCCESS": ("退款成功", "Refund success"),
    "REFUND.ABNORMAL": ("退款异常", "Refund abnormal"),
    "REFUND.CLOSED": ("退款关闭", "Refund closed"),
}
# Another product's: our signature, our key, and nothing that we sell.
_ANOTHER_EVENT: Final = "COUPON.USE"


def v3_letter(world: World, notice: Notice, fault: str) -> Letter:
    """Write one attempt at ``notice``, spoiled in the way ``fault`` names; lock held."""
    account = world.accounts[notice.trade.mch_id]
    resource = changed(_resource(world, notice, account), fault)
    sealed = _sealed(world, notice, account, resource, fault)
    body = written(changed(_envelope(notice, account, sealed, fault), _outside(fault)), fault)
    signer = world.keychain.for_callback(account)
    return Letter(
        body=body,
        headers=_HEADERS | _signed(world, body, signer, fault),
        signed_by=signer.serial,
        fault=fault,
    )


def is_heard_v3(reply: Reply) -> bool:
    """Say whether an answer stops the retries: 200 or 204 and empty, or 200 with SUCCESS."""
    if not reply.body:
        return reply.status in {200, 204}
    try:
        return reply.status == 200 and read_object(reply.body).get("code") == "SUCCESS"
    except MalformedMessage:
        return False


def _resource(world: World, notice: Notice, account: Account) -> dict[str, Any]:
    if notice.refund is not None:
        return refund_object(notice.refund, account)
    return order_object(
        notice.trade,
        account,
        contribution=world.options.contribution_spelling,
        is_english=account.region is Region.GLOBAL,
        # What is announced is the payment, whatever became of it since.
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
        nonce=world.numbers.seal_nonce() if anew else notice.seal_nonce,
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


def _outside(fault: str) -> str:
    """Return the fault if it concerns the envelope as well as what is sealed in it."""
    return fault if fault in {"extra_member", "extra_field", "shuffled_members"} else ""


def _signed(world: World, body: bytes, signer: Signer, fault: str) -> dict[str, str]:
    signed = signature_headers(
        body, signer=signer, now=world.clock.now(), numbers=world.numbers, fault=fault
    )
    return {"Request-ID": world.numbers.request_id(0), **signed}


def _flipped(ciphertext: str) -> str:
    octets = bytearray(base64.b64decode(ciphertext))
    octets[0] ^= 1
    return base64.b64encode(octets).decode()
