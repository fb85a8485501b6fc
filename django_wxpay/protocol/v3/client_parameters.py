"""The client's parameters under a signature of APIv3, with the merchant's own RSA key.

In institutional mode the key is the institution's (protocol-v3 section 5).
"""

from __future__ import annotations

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from django_wxpay.protocol.client_parameters import Signer, parameters_for
from django_wxpay.protocol.facts import PrepayGrant
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.v3.keys import PrivateKey, load_private_key
from django_wxpay.protocol.v3.signing import lines, sign

# No other algorithm is taken for a prepay_id of APIv3 (protocol-v3 section 5).
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
    merchant that called (``sp_mchid`` in institutional mode, protocol-v3 section 5.2). Raises
    ``ValueError`` for a trade type that is not paid from a client.
    """
    return parameters_for(
        terms,
        grant,
        signer=_signer(load_private_key(private_key)),
        sign_type=SIGN_TYPE,
        partner_id=partner_id or terms.mch_id,
        timestamp=timestamp,
        nonce=nonce,
    )


def _signer(private_key: RSAPrivateKey) -> Signer:
    def signer(parameters: Mapping[str, str], names: tuple[str, ...]) -> str:
        return sign(lines(*(parameters[name] for name in names)), private_key)

    return signer
