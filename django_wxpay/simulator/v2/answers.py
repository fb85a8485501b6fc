"""What an answer's document looks like: the envelope, the refusal, and who signs.

Source: protocol-v2 section 3.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay.protocol.v2 import encode_xml
from django_wxpay.simulator.v2.admission import Call
from django_wxpay.simulator.v2.refusals import GatewayError, ProtocolError
from django_wxpay.simulator.v2.tampering import spoil, write

_ECHOED: Final = ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info")


def accepted(call: Call, told: Mapping[str, str], *, nonce: str) -> dict[str, str]:
    """Return the unsigned fields of a yes."""
    return _envelope(call, nonce) | {"result_code": "SUCCESS"} | dict(told)


def refused(
    call: Call | None, error: GatewayError, *, nonce: str, documented: bool
) -> dict[str, str]:
    """Return the unsigned fields of a no, at the level where it belongs.

    Trouble with the request is told by ``return_code``, unless ``documented``: then by
    ``err_code``, beside a ``return_code`` that is FAIL only where nobody could sign.
    """
    told = {"err_code": error.code, "err_code_des": error.text}
    if isinstance(error, ProtocolError) and not documented:
        return {"return_code": "FAIL", "return_msg": error.text}
    if call is None:
        return {"return_code": "FAIL", "return_msg": error.text} | told
    return _envelope(call, nonce) | {"result_code": "FAIL"} | told


def report_answer(fields: Mapping[str, str]) -> dict[str, str]:
    """Return what payitil/report answers: the codes, and nothing to verify.

    Source: protocol-v2 section 8.3.
    """
    names = ("return_code", "return_msg", "result_code")
    return {name: fields[name] for name in names if name in fields}


def document(call: Call | None, fields: dict[str, str], *, fault: str) -> bytes:
    """Write an answer: signed by the request's algorithm, unless it is a FAIL or a report's."""
    if call is None or "nonce_str" not in fields:
        return spoil(encode_xml(fields), fault)
    return write(fields, key=call.account.api_key, sign_type=call.sign_type, fault=fault)


def _envelope(call: Call, nonce: str) -> dict[str, str]:
    echoed = {name: call.fields[name] for name in _ECHOED if name in call.fields}
    return {"return_code": "SUCCESS", "return_msg": "OK", **echoed, "nonce_str": nonce}
