"""The way out of a refund that is stuck: the money goes to another account (APIv3, mainland)."""

from __future__ import annotations

from django_wxpay import conf
from django_wxpay.models import Refund
from django_wxpay.protocol.errors import InvalidRefund
from django_wxpay.protocol.facts import RefundStatus
from django_wxpay.protocol.refunds import AbnormalRefundTerms, PayeeAccount
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.sentences import sentence as _
from django_wxpay.services import gateways
from django_wxpay.services.refunds.querying import apply
from django_wxpay.services.transactions import require_no_transaction


@conf.same_account()
def apply_abnormal_refund(
    refund: Refund,
    *,
    type: str,  # noqa: A002 - WeChat Pay's word
    bank_type: str = "",
    bank_account: str | Secret = "",
    real_name: str | Secret = "",
) -> Refund:
    """Have a refund that is ABNORMAL paid out otherwise, and return it up to date.

    ``type`` is USER_BANK_CARD, which needs ``bank_type`` (such as ICBC_DEBIT), ``bank_account``
    and ``real_name``, or MERCHANT_BANK_CARD, after which the merchant pays the customer. The
    payer's data is encrypted for WeChat Pay, and neither kept nor logged. Needs the keys of APIv3.
    Raises ``InvalidRefund`` naming the field, and what ``query_refund`` raises. Source:
    protocol-v3 section 4.4.
    """
    require_no_transaction("apply_abnormal_refund")
    refund.refresh_from_db()
    if refund.refund_status != RefundStatus.ABNORMAL:
        raise InvalidRefund("refund_status", _("the refund is not stuck"), "ABNORMAL")
    terms = AbnormalRefundTerms(
        refund=refund.ref(),
        refund_id=refund.refund_id,
        type=_type(type),
        bank_type=bank_type,
        bank_account=Secret.of(bank_account),
        real_name=Secret.of(real_name),
    )
    fact = gateways.v3_gateway(refund.merchant).apply_abnormal_refund(terms)
    apply(refund.order, fact, asked_in=RefundStatus.ABNORMAL)
    refund.refresh_from_db()
    return refund


def _type(word: str) -> PayeeAccount:
    try:
        return PayeeAccount(word)
    except ValueError:
        words = " or ".join(PayeeAccount)
        raise InvalidRefund("type", _("not one of the words known"), words) from None
