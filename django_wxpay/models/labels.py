"""The labels of WeChat Pay's own fields: the terms of its merchant platform, in words.

A label is for people, and stands in every table and page for the name on the wire, which the admin
prints beside it. A CSV is headed by labels, but for a column of codes such as ``trade_state``,
whose values are those on the wire. Columns of the database and REST keep the name on the wire.
"""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

LABELS: Final[dict[str, Any]] = {
    # Who sells.
    "mch_id": _("merchant number"),
    "appid": _("app ID"),
    "sub_mch_id": _("sub-merchant number"),
    "sub_appid": _("sub-merchant's app ID"),
    # What is ordered.
    "out_trade_no": _("merchant order number"),
    "trade_type": _("trade type"),
    "body": _("description"),
    "total_fee": _("amount"),
    "fee_type": _("currency"),
    "spbill_create_ip": _("terminal IP address"),
    "notify_url": _("notification URL"),
    "device_info": _("device number"),
    "version": _("interface version"),
    "detail": _("goods"),
    "attach": _("attached data"),
    "time_start": _("order begins at"),
    "time_expire": _("order expires at"),
    "goods_tag": _("discount tag"),
    "product_id": _("product ID"),
    "limit_pay": _("payment limits"),
    "openid": _("customer's openid"),
    "sub_openid": _("customer's openid at the sub-merchant"),
    "receipt": _("e-invoice entrance"),
    "profit_sharing": _("profit sharing"),
    "scene_info": _("scene"),
    "fingerprint": _("device fingerprint"),
    "user_type": _("customer's kind of ID"),
    "user_creid": _("customer's ID number"),
    "user_truename": _("customer's real name"),
    # What came of it.
    "trade_state": _("state"),
    "trade_state_desc": _("WeChat Pay says"),
    "err_code": _("error code"),
    "err_code_des": _("error description"),
    "transaction_id": _("WeChat Pay transaction ID"),
    "success_time": _("paid at"),
    "bank_type": _("payer's bank"),
    "payer_total": _("paid by the customer"),
    "payer_currency": _("customer's currency"),
    "cash_fee": _("cash"),
    "cash_fee_type": _("currency of the cash"),
    "settlement_total_fee": _("settled"),
    "coupon_fee": _("coupons"),
    "coupons": _("coupon list"),
    "exchange_rate_type": _("kind of exchange rate"),
    "exchange_rate": _("exchange rate"),
    # What a customer pays with.
    "prepay_id": _("prepay ID"),
    "code_url": _("QR code URL"),
    "mweb_url": _("mobile payment URL"),
    "sign_type": _("signature type"),
    # Discounts.
    "promotion_id": _("promotion ID"),
    "scope": _("scope"),
    "type": _("type"),
    "amount": _("discount"),
    "activity_id": _("activity ID"),
    "wxpay_contribute_amount": _("paid by WeChat Pay"),
    "merchant_contribute_amount": _("paid by the merchant"),
    "other_contribute_amount": _("paid by others"),
    "goods_detail": _("discounted goods"),
    "goods_id": _("goods ID"),
    # Refunds.
    "out_refund_no": _("merchant refund number"),
    "refund_id": _("WeChat Pay refund ID"),
    "refund_fee": _("amount"),
    "refund_desc": _("reason"),
    "refund_status": _("status"),
    "user_received_account": _("paid back to"),
    "channel": _("channel"),
    "funds_account": _("funds from"),
    "settlement_refund_fee": _("settled refund"),
    "payer_refund": _("refund in the customer's currency"),
    "coupon_refund_fee": _("refunded coupons"),
    # Notifications and calls.
    "event_type": _("event type"),
    "interface_url": _("interface URL"),
    "user_ip": _("caller's IP address"),
    "return_code": _("return code"),
    "return_msg": _("return message"),
    "result_code": _("result code"),
    "serial_no": _("serial number"),
}
