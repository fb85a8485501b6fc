"""payitil/report: what merchants tell of their calls' latency (protocol-v2 section 8).

One path takes two forms: one call, or a batch of a terminal's sales (8.5). Who sends
``trades``, or names the batch's interface, means the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django_wxpay.protocol.v2.batch_reports import BATCH_PATH
from django_wxpay.protocol.v2.rules import check_fields
from django_wxpay.simulator.admission import Call
from django_wxpay.simulator.checking import check_required, checked
from django_wxpay.simulator.refusals import invalid
from django_wxpay.simulator.report_rules import BATCH_RULES, REPORT_RULES
from django_wxpay.simulator.world import Report, World

# Names under which some clients send the time; the wire name ends with an underscore (8.2).
_MISNOMERS: Final = ("execute_time", "execute_time_cost")


def report(world: World, call: Call) -> dict[str, str]:
    """Take a report down; its answer adds nothing. Call with the lock held."""
    is_batch = "trades" in call.fields or _is_about_sales(call.fields)
    rules = BATCH_RULES if is_batch else REPORT_RULES
    for name in _MISNOMERS:
        if name in call.fields and not is_batch:
            raise invalid(name, "the field is called execute_time_")
    check_required(rules, call)
    if is_batch:
        _check_batch(call.fields)
    with checked():
        check_fields(rules, call.fields, mode=call.account.mode)
    kept = {name: text for name, text in call.fields.items() if name not in {"sign", "nonce_str"}}
    world.reports.append(Report(at=world.clock.now(), fields=kept))
    return {}


def _check_batch(fields: Mapping[str, str]) -> None:
    of_one_call = [*(REPORT_RULES.keys() - BATCH_RULES.keys()), *_MISNOMERS]
    for name in sorted(of_one_call):
        if name in fields:
            raise invalid(name, "it has no place beside trades")
    if not _is_about_sales(fields):
        raise invalid("interface_url", f"a batch is told under {BATCH_PATH}")


def _is_about_sales(fields: Mapping[str, str]) -> bool:
    return fields.get("interface_url", "").endswith(BATCH_PATH)
