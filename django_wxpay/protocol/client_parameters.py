"""The parameters that the paying client is handed, per trade type, whoever signs them.

Their names are the same in both protocols (protocol-v2 section 4, protocol-v3 section 5); a
``Signer`` of each protocol decides what of them is signed, and how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django_wxpay.protocol.facts import PrepayGrant, TradeType
from django_wxpay.protocol.orders import OrderTerms

# Takes the parameters and the names of those that APIv3 signs, in their order.
Signer = Callable[[Mapping[str, str], tuple[str, ...]], str]


def parameters_for(
    terms: OrderTerms,
    grant: PrepayGrant,
    *,
    signer: Signer,
    sign_type: str,
    partner_id: str,
    timestamp: int,
    nonce: str,
) -> dict[str, str]:
    """Return the parameters for the client of this order.

    JSAPI and mini programs get six signed names, an app seven, NATIVE its ``code_url`` and
    MWEB its ``mweb_url``. ``timestamp`` is seconds since 1970, ``partner_id`` whom an app pays.
    Raises ``ValueError`` for any other trade type.
    """
    match TradeType(terms.trade_type):
        case TradeType.JSAPI:
            return jsapi(
                # The payer is known under the appid whose openid the order names.
                terms.sub_appid if terms.sub_openid else terms.appid,
                prepay_id=grant.prepay_id,
                signer=signer,
                sign_type=sign_type,
                timestamp=timestamp,
                nonce=nonce,
            )
        case TradeType.APP:
            return app(
                terms.sub_appid or terms.appid,
                partner_id=partner_id,
                prepay_id=grant.prepay_id,
                signer=signer,
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
    appid: str, *, prepay_id: str, signer: Signer, sign_type: str, timestamp: int, nonce: str
) -> dict[str, str]:
    """Return what ``getBrandWCPayRequest`` and ``wx.requestPayment`` take.

    Sources: protocol-v2 section 4.1, protocol-v3 section 5.1.
    """
    parameters = {
        "appId": appid,
        "timeStamp": str(timestamp),
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": sign_type,
    }
    names = ("appId", "timeStamp", "nonceStr", "package")
    return parameters | {"paySign": signer(parameters, names)}


def app(
    appid: str, *, partner_id: str, prepay_id: str, signer: Signer, timestamp: int, nonce: str
) -> dict[str, str]:
    """Return what the app SDK's payment request takes; no parameter names the algorithm.

    Sources: protocol-v2 section 4.2, protocol-v3 section 5.2.
    """
    parameters = {
        "appid": appid,
        "partnerid": partner_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(timestamp),
    }
    names = ("appid", "timestamp", "noncestr", "prepayid")
    return parameters | {"sign": signer(parameters, names)}
