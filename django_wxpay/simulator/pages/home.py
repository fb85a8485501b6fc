"""The page for the person who runs the simulator: trades, refunds, merchants, keys and faults."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator.control.keys import ACTIONS, keys
from django_wxpay.simulator.control.ledger import trade_page
from django_wxpay.simulator.faults.catalogue import CATALOGUE, FaultKind, Stage
from django_wxpay.simulator.faults.script import ANY, OPERATIONS, fits
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.notifications.sending import settle_due_refunds
from django_wxpay.simulator.pages.fault_texts import fault_text
from django_wxpay.simulator.pages.messages import Messages, messages_for
from django_wxpay.simulator.pages.notifying import notification_of
from django_wxpay.simulator.pages.order import order_address, refund_row
from django_wxpay.simulator.pages.phone import amount_text
from django_wxpay.simulator.pages.rendering import page
from django_wxpay.simulator.state.accounts import Account, KeyMode
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

# Rows of the tables of trades and refunds; the ledger has them all.
_NEWEST: Final = 50


def home(world: World, request: Request) -> Response:
    """Show the home page."""
    messages = messages_for(request.language)
    labels = {ANY: messages["any_operation"]}
    where = request.query.get("where", ANY)
    where = where if where in OPERATIONS else ANY
    with world.lock:
        now = world.clock.now().astimezone(BEIJING)
        settle_due_refunds(world)
        newest = islice(reversed(list(world.trades)), _NEWEST)
        refunds = islice(reversed(list(world.refunds)), _NEWEST)
        return page(
            "home.html",
            title=messages["simulator"],
            messages=messages,
            now=f"{now:%Y-%m-%d %H:%M:%S} UTC+8",
            trades=[_trade_row(world, messages, trade) for trade in newest],
            refunds=[refund_row(world, messages, refund) for refund in refunds],
            merchants=[_merchant_row(messages, one) for one in world.accounts.values()],
            public_key_id=world.keychain.public_key[0],
            certificates=[
                {
                    "serial_no": one["serial_no"],
                    "signs": f"{one['signs']:.0%}",
                    "expire_time": one["expire_time"][:10],
                }
                for one in keys(world)["certificates"]
            ],
            key_actions=ACTIONS,
            key_modes=[mode.value for mode in KeyMode],
            fault_groups=_fault_groups(messages, where),
            where=where,
            operations=[(name, _operation_label(messages, name)) for name in OPERATIONS],
            waiting_faults=[
                {
                    "name": fault.name,
                    "operation": labels.get(fault.operation, fault.operation),
                    "times": fault.times,
                }
                for fault in world.script
            ],
        )


def _operation_label(messages: Messages, name: str) -> str:
    return messages["any_operation"] if name == ANY else f"{messages[f'where_{name}']} ({name})"


def _fault_groups(messages: Messages, where: str) -> list[dict[str, Any]]:
    """Return the faults that fit, under the headings of what they spoil."""
    groups: dict[Stage, list[FaultKind]] = {}
    for kind in CATALOGUE.values():
        if fits(kind, where):
            stage = next(stage for stage in Stage if stage in kind.stages)
            groups.setdefault(stage, []).append(kind)
    return [
        {
            "label": messages[f"stage_{stage.value}"],
            "faults": [
                {"name": kind.name, "text": fault_text(kind, messages["lang"])}
                for kind in groups[stage]
            ],
        }
        for stage in Stage
        if stage in groups
    ]


def _trade_row(world: World, messages: Messages, trade: Trade) -> dict[str, Any]:
    trade.lapse(world.clock.now())
    return {
        "time": f"{trade.created_at.astimezone(BEIJING):%m-%d %H:%M}",
        "out_trade_no": trade.out_trade_no,
        "mch_id": trade.mch_id,
        "body": trade.terms["body"],
        "amount": amount_text(trade),
        "trade_state": trade.state,
        "notification": notification_of(world, messages, trade),
        "order": order_address(trade),
        "page": trade_page(trade),
    }


def _merchant_row(messages: Messages, account: Account) -> dict[str, str]:
    return {
        "mch_id": account.mch_id,
        "region": messages[account.region.value],
        "mode": messages[account.mode.value],
        "appids": ", ".join(account.appids),
    }
