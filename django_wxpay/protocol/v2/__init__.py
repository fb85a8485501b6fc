"""WeChat Pay's XML protocol: its codec, its signature and its sealed refund notice.

These six functions are for third parties too; they need no Django and no settings.
"""

from __future__ import annotations

from django_wxpay.protocol.v2.encryption import decrypt_req_info, encrypt_req_info
from django_wxpay.protocol.v2.signing import sign, verify
from django_wxpay.protocol.v2.xml import decode_xml, encode_xml

__all__ = ["decode_xml", "decrypt_req_info", "encode_xml", "encrypt_req_info", "sign", "verify"]
