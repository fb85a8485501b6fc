"""WeChat Pay's XML protocol: its codec, its signature and its sealed refund notice.

These six functions are for third parties too; they need no Django and no settings.

Each is imported when it is first used: a module beside them that knows fields and names alone
does not load a library of ciphers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_wxpay.protocol.late_imports import imported_late

if TYPE_CHECKING:
    from django_wxpay.protocol.v2.encryption import decrypt_req_info, encrypt_req_info
    from django_wxpay.protocol.v2.signing import sign, verify
    from django_wxpay.protocol.v2.xml import decode_xml, encode_xml
else:
    __getattr__ = imported_late(
        __name__,
        {
            "decrypt_req_info": "encryption",
            "encrypt_req_info": "encryption",
            "sign": "signing",
            "verify": "signing",
            "decode_xml": "xml",
            "encode_xml": "xml",
        },
    )

__all__ = ["decode_xml", "decrypt_req_info", "encode_xml", "encrypt_req_info", "sign", "verify"]
