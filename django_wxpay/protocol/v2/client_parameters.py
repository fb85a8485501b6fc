"""What the paying client is handed to pay with, per trade type (protocol-v2 section 4)."""

from __future__ import annotations

from django_wxpay.protocol.facts import PrepayGrant, TradeType
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v2.signing import sign


def client_parameters(
    terms: OrderTerms,
    grant: PrepayGrant,
    *,
    mode: Mode,
    sign_type: SignType,
    key: str,
    timestamp: int,
    nonce: str,
) -> dict[str, str]:
    """Return the parameters for the client of this order.

    ``sign_type`` is the one the order was placed with, ``timestamp`` seconds since 1970.
    JSAPI and mini programs get six signed names, an app seven, NATIVE its ``code_url`` and
    MWEB its ``mweb_url``. Raises ``ValueError`` for any other trade type.
    """
    match TradeType(terms.trade_type):
        case TradeType.JSAPI:
            return jsapi(
                _jsapi_appid(terms),
                prepay_id=grant.prepay_id,
                sign_type=sign_type,
                key=key,
                timestamp=timestamp,
                nonce=nonce,
            )
        case TradeType.APP:
            return app(
                terms.sub_appid or terms.appid,
                partner_id=terms.sub_mch_id if mode is Mode.INSTITUTIONAL else terms.mch_id,
                prepay_id=grant.prepay_id,
                sign_type=sign_type,
                key=key,
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
    appid: str, *, prepay_id: str, sign_type: SignType, key: str, timestamp: int, nonce: str
) -> dict[str, str]:
    """Return what ``getBrandWCPayRequest`` and ``wx.requestPayment`` take.

    Source: protocol-v2 section 4.1.
    """
    parameters = {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": sign_type.value,
    }
    return parameters | {"paySign": sign(parameters, key, sign_type)}


def app(
    appid: str,
    *,
    partner_id: str,
    prepay_id: str,
    sign_type: SignType,
    key: str,
    timestamp: int,
    nonce: str,
) -> dict[str, str]:
    """Return what the app SDK's payment request takes (protocol-v2 section 4.2).

    The algorithm is the order's, although no parameter names it.
    """
    parameters = {
        "appid": appid,
        "partnerid": partner_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(timestamp),
    }
    return parameters | {"sign": sign(parameters, key, sign_type)}


def _jsapi_appid(terms: OrderTerms) -> str:
    # The payer is known under the appid whose openid the order names.
    return terms.sub_appid if terms.sub_openid else terms.appid
