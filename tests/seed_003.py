"""The order query's answer as seed 003 prints it: every member with the example beside it.

In common mode and in institutional mode, and of an order that nobody has paid.
"""

from __future__ import annotations

from typing import Any

from tests.wechatpay.v3 import PUBLIC_KEY_MODE, V3_MERCHANT

OUT_TRADE_NO = "1217752501201407033233368018"
TRANSACTION_ID = "4200752501201407033233368018"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
APPID = "wx8888888888888888"

_BOTH: dict[str, Any] = {
    "out_trade_no": OUT_TRADE_NO,
    "id": TRANSACTION_ID,
    "attach": "Custom data",
    "trade_type": "NATIVE",
    "bank_type": "CMC",
    "success_time": "2018-06-08T10:34:56+08:00",
    "trade_state": "SUCCESS",
    "trade_state_desc": "Payment failed. Place another order and pay it again.",
    "amount": {
        "total": 888,
        "payer_total": 888,
        "currency": "CNY",
        "payer_currency": "HKD",
        "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": 80000000},
    },
    "promotion_detail": [
        {
            "promotion_id": "109519",
            "name": "Single-item discount-6",
            "scope": "SINGLE",
            "type": "DISCOUNT",
            "amount": 5,
            "currency": "HKD",
            "activity_id": "931386",
            "wxpay_contribute_amount": 0,
            "merchant_contribute_amount": 0,
            "other_contribute_amount": 5,
            "goods_detail": [
                {
                    "goods_id": "Product code",
                    "goods_remark": "1001",
                    "discount_amount": 100,
                    "quantity": 1,
                    "price": 528800,
                },
            ],
        },
    ],
}
_COMMON = {"mchid": "1900000109", "appid": APPID}
_INSTITUTIONAL = {
    "sp_mchid": "1900000100",
    "sub_mchid": "1900000109",
    "sp_appid": APPID,
    "sub_appid": APPID,
}

COMMON = {**_COMMON, **_BOTH, "payer": {"openid": OPENID}}
INSTITUTIONAL = {
    **_INSTITUTIONAL,
    **_BOTH,
    "payer": {"sp_openid": OPENID, "sub_openid": OPENID},
}

_UNPAID = {"out_trade_no": OUT_TRADE_NO, "trade_state": "NOTPAY", "trade_state_desc": "Unpaid"}
COMMON_UNPAID = {**_COMMON, **_UNPAID}
INSTITUTIONAL_UNPAID = {**_INSTITUTIONAL, **_UNPAID}

# What REST must say of the payment, in the words of the interface.
PAYMENT: dict[str, Any] = {
    "payer_total": 888,
    "payer_currency": "HKD",
    "cash_fee": None,
    "cash_fee_type": "",
    "settlement_total_fee": None,
    "coupon_fee": None,
    "coupons": [],
    "exchange_rate": {"type": "SETTLEMENT_RATE", "rate": "0.8"},
    "promotions": _BOTH["promotion_detail"],
}

# Where it is asked for, and who asks.
NATIVE_PATH = "/v3/global/transactions/native"
QUERY_PATH = f"/v3/global/transactions/out-trade-no/{OUT_TRADE_NO}"
_GLOBAL = V3_MERCHANT | PUBLIC_KEY_MODE | {"REGION": "global", "MERCHANT_CATEGORY_CODE": "0742"}
MERCHANTS = {
    "common": _GLOBAL,
    "institution": _GLOBAL
    | {
        "MODE": "institutional",
        "MCH_ID": "1900000100",
        "SUB_MCH_ID": "1900000109",
        "SUB_APPID": APPID,
    },
}
ORDER = {
    "trade_type": "NATIVE",
    "body": "Tea",
    "total_fee": 888,
    "out_trade_no": OUT_TRADE_NO,
    "attach": "Custom data",
}
