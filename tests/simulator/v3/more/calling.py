"""What the tests of other products have in common."""

from __future__ import annotations

from typing import Any

from django_wxpay.protocol.v3.encryption import encrypt_field
from django_wxpay.simulator.v3.demo_keys import TEST_PUBLIC_KEY, TEST_PUBLIC_KEY_ID
from tests.simulator.v3.calling import Answer, Caller

PARTNER = "1900000120"
SUB = "1900000121"
OTHER_SUB = "1900000122"
SERIAL = {"Wechatpay-Serial": TEST_PUBLIC_KEY_ID}


def sealed(text: str) -> str:
    return encrypt_field(text, public_key=TEST_PUBLIC_KEY)


def code_of(answer: Answer) -> tuple[int, str]:
    return answer["status"], answer.get("code", "")


def post(caller: Caller, target: str, body: dict[str, Any], **changes: Any) -> Answer:
    """Post a body with changes; None takes a member away. Its sealed texts name their key."""
    members = {name: value for name, value in (body | changes).items() if value is not None}
    return caller.call("POST", target, members, headers=SERIAL)
