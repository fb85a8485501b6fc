"""WeChat Pay's JSON protocol, APIv3: its signatures and its sealed resources.

These four functions are for third parties too; they need no Django and no settings.
"""

from __future__ import annotations

from django_wxpay.protocol.v3.authorization import build_authorization
from django_wxpay.protocol.v3.encryption import decrypt_resource
from django_wxpay.protocol.v3.signing import sign, verify

__all__ = ["build_authorization", "decrypt_resource", "sign", "verify"]
