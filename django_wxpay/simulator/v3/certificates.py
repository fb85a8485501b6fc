"""The list of platform certificates, sealed with the APIv3 key (protocol-v3 section 2.6)."""

from __future__ import annotations

from typing import Any, Final

from django_wxpay.protocol.merchants import Region
from django_wxpay.protocol.times import to_rfc3339
from django_wxpay.protocol.v3.encryption import encrypt_resource
from django_wxpay.simulator.state.accounts import KeyMode
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call, check_permission, checked_parameters
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.keychain import Certificate

_ALGORITHM: Final = "algorithm_type"
_NAME: Final = "certificate"


def certificates(world: World, call: Call) -> Answer:
    """Return the listed certificates; none in the mode PUBLIC_KEY. Lock held."""
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
    return Answer(status=200, content={"data": listed})


def _entry(world: World, certificate: Certificate, api_v3_key: str) -> dict[str, Any]:
    sealed = encrypt_resource(
        certificate.pem.encode(),
        api_v3_key=api_v3_key,
        nonce=world.identifiers.seal_nonce(),
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
