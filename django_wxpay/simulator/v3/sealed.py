"""Texts encrypted between a merchant and WeChat Pay, and the test of that (the security echo).

They are opened before anything is kept or compared, for encrypted anew the same text is never alike
twice. Sources: protocol-v3 sections 9 and 13.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django_wxpay.protocol.errors import MalformedMessage
from django_wxpay.protocol.rules import Url
from django_wxpay.protocol.v3.authorization import read_authorization
from django_wxpay.protocol.v3.encryption import decrypt_field, encrypt_field
from django_wxpay.protocol.v3.key_names import key_name
from django_wxpay.simulator.state.world import World
from django_wxpay.simulator.v3.admission import Call
from django_wxpay.simulator.v3.answers import Answer, V3Refusal, wrong
from django_wxpay.simulator.v3.more.checking import checked_body
from django_wxpay.simulator.v3.schemas import SEALED, record, short, text
from django_wxpay.simulator.v3.validation import BodyValidator

_OF_IDENTITY: Final = ("number", "name")
_ECHO: Final = BodyValidator(
    record(
        {"echo_message": short(1024)},
        {"encrypted_echo_message": SEALED, "notify_url": text(Url(max=256))},
    )
)


def opened(world: World, call: Call, sealed: str, *, at: str) -> str:
    """Return a text of the body that is encrypted for WeChat Pay; ``at`` points to it.

    The header ``Wechatpay-Serial`` has to name the key.
    """
    serial = call.request.headers.get("wechatpay-serial", "")
    key = world.keychain.private_key(call.account, serial) if serial else None
    if key is None:
        raise V3Refusal(
            "PARAM_ERROR",
            chinese="Http头Wechatpay-Serial有误，请使用加密敏感信息的证书序列号或公钥ID",
            english="The Wechatpay-Serial header does not name the key of the encrypted members.",
        )
    try:
        return decrypt_field(sealed, private_key=key)
    except MalformedMessage:
        raise wrong(at, "not encrypted for the key in Wechatpay-Serial") from None


def with_open_identity(
    world: World, call: Call, body: Mapping[str, Any], *, holder: str
) -> dict[str, Any]:
    """Return a body with the identity of the payer in ``holder``, if it has one, in plain text."""
    person = body.get(holder, {})
    if "identity" not in person:
        return dict(body)
    identity = person["identity"]
    plain = {
        name: opened(world, call, identity[name], at=f"/{holder}/identity/{name}")
        for name in _OF_IDENTITY
    }
    return {**body, holder: {**person, "identity": {**identity, **plain}}}


def sealed_for(call: Call, plain: str) -> str:
    """Return ``plain`` encrypted for the certificate that the caller has signed with."""
    authorization = read_authorization(call.request.headers["authorization"])
    serial = key_name(authorization.serial_no) if authorization else ""
    return encrypt_field(plain, public_key=call.account.certificates[serial])


def echo(world: World, call: Call) -> Answer:
    """Give both texts back, the encrypted one for the merchant; lock held."""
    body = checked_body(call, _ECHO)
    content = {"echo_message": body["echo_message"]}
    if "encrypted_echo_message" in body:
        sealed = body["encrypted_echo_message"]
        plain = opened(world, call, sealed, at="/encrypted_echo_message")
        content["encrypted_echo_message"] = sealed_for(call, plain)
    elif not call.request.headers.get("wechatpay-serial"):
        raise V3Refusal("PARAM_ERROR", english="The Wechatpay-Serial header is missing.")
    return Answer(status=200, content=content)
