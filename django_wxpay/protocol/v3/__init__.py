"""WeChat Pay's JSON protocol, APIv3: its signatures and its sealed resources.

These four functions are for third parties too; they need no Django and no settings.

Each is imported when it is first used: a module beside them that knows fields and names alone
does not load a library of ciphers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_wxpay.protocol.late_imports import imported_late

if TYPE_CHECKING:
    from django_wxpay.protocol.v3.authorization import build_authorization
    from django_wxpay.protocol.v3.encryption import decrypt_resource
    from django_wxpay.protocol.v3.signing import sign, verify
else:
    __getattr__ = imported_late(
        __name__,
        {
            "build_authorization": "authorization",
            "decrypt_resource": "encryption",
            "sign": "signing",
            "verify": "signing",
        },
    )

__all__ = ["build_authorization", "decrypt_resource", "sign", "verify"]
