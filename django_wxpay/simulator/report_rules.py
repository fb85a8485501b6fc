"""Which fields the two forms of a report carry, and the rule of each (protocol-v2 section 8)."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.fields import OneOf, Text, Time14, Whole
from django_wxpay.protocol.v2.rules import UNIFIEDORDER_RULES, Field
from django_wxpay.simulator.sale_lists import SaleList

# The sheet has room for 16 characters (section 13), so no IPv6.
_IPV4: Final = Text(min=7, max=15, alphabet="[0-9.]", described="an IPv4 address")
_WORDS: Final = OneOf(frozenset({"SUCCESS", "FAIL"}))
_IDENTITY: Final = ("mch_id", "sub_appid", "sub_mch_id", "nonce_str", "sign", "sign_type")

REPORT_RULES: Final[dict[str, Field]] = {
    **{name: UNIFIEDORDER_RULES[name] for name in _IDENTITY},
    "appid": Field(UNIFIEDORDER_RULES["appid"].rule),
    "device_info": UNIFIEDORDER_RULES["device_info"],
    "interface_url": Field(Text(max=128), required=True),
    "execute_time_": Field(Whole(), required=True),
    "return_code": Field(_WORDS, required=True),
    "return_msg": Field(Text(max=128)),
    "result_code": Field(_WORDS, required=True),
    "err_code": Field(Text(max=32)),
    "err_code_des": Field(Text(max=128)),
    "out_trade_no": Field(Text(max=32)),
    "user_ip": Field(_IPV4, required=True),
    "time": Field(Time14()),
}

BATCH_RULES: Final[dict[str, Field]] = {
    **{name: UNIFIEDORDER_RULES[name] for name in ("appid", *_IDENTITY)},
    "device_info": UNIFIEDORDER_RULES["device_info"],
    "interface_url": Field(Text(max=127), required=True),
    "user_ip": Field(_IPV4, required=True),
    "trades": Field(SaleList(), required=True),
}
