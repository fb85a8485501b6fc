"""payitil/report: what merchants tell of their calls' latency (protocol-v2 section 8)."""

from __future__ import annotations

from typing import Final

from django_wxpay.protocol.fields import OneOf, Text, Time14, Whole
from django_wxpay.protocol.v2.rules import UNIFIEDORDER_RULES, Field, check_fields
from django_wxpay.simulator.admission import Call
from django_wxpay.simulator.checking import check_required, checked
from django_wxpay.simulator.refusals import invalid
from django_wxpay.simulator.world import Report, World

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

# Names under which some clients send the time; the wire name ends with an underscore (8.2).
_MISNOMERS: Final = ("execute_time", "execute_time_cost")


def report(world: World, call: Call) -> dict[str, str]:
    """Take a report down; its answer adds nothing. Call with the lock held."""
    for name in _MISNOMERS:
        if name in call.fields:
            raise invalid(name, "the field is called execute_time_")
    check_required(REPORT_RULES, call)
    with checked():
        check_fields(REPORT_RULES, call.fields, mode=call.account.mode)
    kept = {name: text for name, text in call.fields.items() if name not in {"sign", "nonce_str"}}
    world.reports.append(Report(at=world.clock.now(), fields=kept))
    return {}
