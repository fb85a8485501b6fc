"""What a v2 notification says, of a payment or of a refund, and when it counts as heard."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.merchants import SignType
from django_wxpay.protocol.times import BEIJING
from django_wxpay.protocol.v2 import decode_xml, encrypt_req_info
from django_wxpay.simulator.notifications.notices import Letter, Notice, Reply
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v2.tampering import ANOTHER_KEY, enclose, write

_HEADERS: Final = {"Content-Type": "text/xml", "User-Agent": "Mozilla/4.0", "Accept": "*/*"}
_REFUND_WORDS: Final = {"SUCCESS": "SUCCESS", "ABNORMAL": "CHANGE", "CLOSED": "REFUNDCLOSE"}


def v2_letter(world: World, notice: Notice, fault: str) -> Letter:
    """Write one attempt at ``notice``, spoiled in the way ``fault`` names."""
    trade, nonce = notice.trade, world.numbers.nonce()
    key = world.accounts[trade.mch_id].api_key
    if notice.refund is not None:
        body = _refund_document(notice.refund, key=key, nonce=nonce, fault=fault)
    else:
        sign_type = SignType(trade.sign_type or SignType.MD5)
        fields = payment_fields(trade, nonce=nonce)
        body = write(fields, key=key, sign_type=sign_type, fault=fault)
    return Letter(body=body, headers=_HEADERS, fault=fault)


def is_heard_v2(reply: Reply) -> bool:
    """Say whether an answer stops the retries: HTTP 200 and an XML ``return_code`` SUCCESS."""
    try:
        return reply.status == 200 and decode_xml(reply.body).get("return_code") == "SUCCESS"
    except MalformedMessage:
        return False


def payment_fields(trade: Trade, *, nonce: str) -> dict[str, str]:
    """Return the unsigned fields of a payment notification (protocol-v2 section 7.2)."""
    terms = trade.terms
    kept = ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info", "version", "attach")
    fields = {name: terms[name] for name in kept if name in terms}
    if trade.sign_type:
        fields["sign_type"] = trade.sign_type
    payment = dict(trade.payment)
    if terms.get("version") != "1.0":
        payment.pop("promotion_detail", None)
    return {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "result_code": "SUCCESS",
        "nonce_str": nonce,
        "out_trade_no": trade.out_trade_no,
        **fields,
        **payment,
    }


def _refund_document(refund: Refund, *, key: str, nonce: str, fault: str) -> bytes:
    """Write a refund notification: not signed, for its key has to open it.

    Source: protocol-v2 section 7.4.
    """
    terms = refund.trade.terms
    kept = ("appid", "mch_id", "sub_appid", "sub_mch_id")
    sealing_key = ANOTHER_KEY if fault == "bad_signature" else key
    fields = {
        "return_code": "SUCCESS",
        **{name: terms[name] for name in kept if name in terms},
        "nonce_str": nonce,
    }
    seal = {} if fault == "unsigned" else {"req_info": _sealed(refund, sealing_key, fault)}
    return enclose(fields | seal, fault)


def _sealed(refund: Refund, key: str, fault: str) -> str:
    trade = refund.trade
    total = int(trade.terms["total_fee"]) + (fault == "wrong_amount")
    told: dict[str, str | int | None] = {
        "transaction_id": trade.transaction_id,
        "out_trade_no": trade.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "total_fee": total,
        "refund_fee": refund.refund_fee,
        "settlement_refund_fee": refund.refund_fee,
        "refund_status": _REFUND_WORDS[refund.status],
        "success_time": _t19(refund.updated_at) if refund.status == "SUCCESS" else "",
        "refund_recv_accout": "支付用户零钱",
        "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
        "refund_request_source": "API",
    }
    return encrypt_req_info(told, key)


def _t19(moment: datetime) -> str:
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M:%S}"
