"""The list of platform certificates, sealed under the merchant's APIv3 key.

Source: protocol-v3 section 2.6.
"""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.simulator.state.accounts import KeyMode
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.answers import Said
from django_wxpay.simulator.v3.authorizing import Call
from django_wxpay.simulator.v3.checking import check_permission, checked_parameters
from django_wxpay.simulator.v3.minting import Certificate
from django_wxpay.simulator.v3.refusals import V3Refusal, wrong

_ALGORITHM: Final = "algorithm_type"
_NAME: Final = "certificate"


def certificates(world: World, call: Call) -> Said:
    """Return the usable certificates; a merchant of the public key has none. Lock held."""
    known = {_ALGORITHM} if call.route.region is Region.MAINLAND else set()
    algorithm = checked_parameters(call, known).get(_ALGORITHM, "RSA")
    if algorithm not in {"RSA", "SM2", "ALL"}:
        raise wrong(_ALGORITHM, "not RSA, SM2 or ALL", value=algorithm, location="query")
    check_permission(call)
    if not call.account.api_v3_key:
        raise V3Refusal(
            "INVALID_REQUEST",
            chinese="商户尚未设置APIv3密钥",
            english="The merchant has not set an APIv3 key.",
        )
    if world.keychain.mode(call.account) is KeyMode.PUBLIC_KEY or algorithm == "SM2":
        raise V3Refusal("RESOURCE_NOT_EXISTS")
    listed = [_entry(world, one, call.account.api_v3_key) for one in world.keychain.certificates()]
    return Said(status=200, content={"data": listed})


def _entry(world: World, certificate: Certificate, api_v3_key: str) -> dict[str, Any]:
    sealed = encrypt_resource(
        certificate.pem.encode(),
        api_v3_key=api_v3_key,
        nonce=world.numbers.seal_nonce(),
        associated_data=_NAME,
        original_type=_NAME,
    )
    del sealed["original_type"]
    return {
        "serial_no": certificate.serial_no,
        "effective_time": to_rfc3339(certificate.effective_at),
        "expire_time": to_rfc3339(certificate.expires_at),
        "encrypt_certificate": sealed,
    }
