"""The client's parameters under a signature of v2 (protocol-v2 section 4)."""

from __future__ import annotations

from collections.abc import Mapping

from django_wxpay.protocol.client_parameters import Signer, parameters_for
from django_wxpay.protocol.facts import PrepayGrant
from django_wxpay.protocol.merchants import Mode, SignType
from django_wxpay.protocol.orders import OrderTerms
from django_wxpay.protocol.secrets import Secret
from django_wxpay.protocol.v2.signing import sign


def client_parameters(
    terms: OrderTerms,
    grant: PrepayGrant,
    *,
    mode: Mode,
    sign_type: SignType,
    key: str | Secret,
    timestamp: int,
    nonce: str,
) -> dict[str, str]:
    """Return the parameters for the client of this order, signed over all of them.

    ``sign_type`` is the one the order was placed with, ``timestamp`` seconds since 1970.
    Raises ``ValueError`` for a trade type that is not paid from a client.
    """
    return parameters_for(
        terms,
        grant,
        signer=_signer(Secret.of(key), sign_type),
        sign_type=sign_type.value,
        partner_id=terms.sub_mch_id if mode is Mode.INSTITUTIONAL else terms.mch_id,
        timestamp=timestamp,
        nonce=nonce,
    )


def _signer(key: Secret, sign_type: SignType) -> Signer:
    def signer(parameters: Mapping[str, str], _names: tuple[str, ...]) -> str:
        return sign(parameters, key, sign_type)

    return signer
