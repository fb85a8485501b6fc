"""What the paying client is handed to pay with, signed with the merchant's own RSA key.

The names are v2's; ``signType`` is RSA, for no other is taken for a prepay_id of APIv3
(protocol-v3 section 5). In institutional mode the key is the institution's.
"""

from __future__ import annotations

from django_wxpay.protocol.facts import PrepayGrant, TradeType
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v3.keys import PrivateKey
from django_wxpay.protocol.v3.signing import lines, sign

# What the client and the prepay name the algorithm.
SIGN_TYPE = "RSA"


def client_parameters(
    terms: OrderTerms,
    grant: PrepayGrant,
    *,
    private_key: PrivateKey,
    timestamp: int,
    nonce: str,
    partner_id: str = "",
) -> dict[str, str]:
    """Return the parameters for the client of this order.

    ``timestamp`` is seconds since 1970. ``partner_id`` is whom an app pays, by default the
    merchant that called (``sp_mchid`` in institutional mode, protocol-v3 section 5.2). NATIVE gets
    its ``code_url`` and MWEB its ``mweb_url``. Raises ``ValueError`` for any other trade type.
    """
    match TradeType(terms.trade_type):
        case TradeType.JSAPI:
            # The payer is known under the appid whose openid the order names.
            return jsapi(
                terms.sub_appid if terms.sub_openid else terms.appid,
                prepay_id=grant.prepay_id,
                private_key=private_key,
                timestamp=timestamp,
                nonce=nonce,
            )
        case TradeType.APP:
            return app(
                terms.sub_appid or terms.appid,
                partner_id=partner_id or terms.mch_id,
                prepay_id=grant.prepay_id,
                private_key=private_key,
                timestamp=timestamp,
                nonce=nonce,
            )
        case TradeType.NATIVE:
            return {"code_url": grant.code_url}
        case TradeType.MWEB:
            return {"mweb_url": grant.mweb_url}
        case other:
            raise ValueError(f"{other} is not paid from a client")


def jsapi(
    appid: str, *, prepay_id: str, private_key: PrivateKey, timestamp: int, nonce: str
) -> dict[str, str]:
    """Return what ``getBrandWCPayRequest`` and ``wx.requestPayment`` take.

    Source: protocol-v3 section 5.1.
    """
    package = f"prepay_id={prepay_id}"
    return {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": package,
        "signType": SIGN_TYPE,
        "paySign": sign(lines(appid, str(timestamp), nonce, package), private_key),
    }


def app(
    appid: str,
    *,
    partner_id: str,
    prepay_id: str,
    private_key: PrivateKey,
    timestamp: int,
    nonce: str,
) -> dict[str, str]:
    """Return what the app SDK's payment request takes; the bare prepay_id is signed.

    Source: protocol-v3 section 5.2.
    """
    return {
        "appid": appid,
        "partnerid": partner_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(timestamp),
        "sign": sign(lines(appid, str(timestamp), nonce, prepay_id), private_key),
    }
