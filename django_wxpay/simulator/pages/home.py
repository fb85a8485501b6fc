"""The page for the person who runs the simulator: trades, merchants, clock and faults."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from django_wxpay.protocol.times import BEIJING
from django_wxpay.simulator.control.keys import ACTIONS, keys
from django_wxpay.simulator.control.ledger import page_path
from django_wxpay.simulator.faults.catalogue import CATALOGUE
from django_wxpay.simulator.faults.faults import ANY, OPERATIONS
from django_wxpay.simulator.http.messages import Request, Response
from django_wxpay.simulator.pages.messages import words_for
from django_wxpay.simulator.pages.phone import amount_text
from django_wxpay.simulator.pages.rendering import Markup, joined, page, render
from django_wxpay.simulator.state.accounts import KeyMode
from django_wxpay.simulator.state.trades import Trade
from django_wxpay.simulator.state.world import World

# Rows of the table of trades; the ledger has them all.
_NEWEST: Final = 50

Words = Mapping[str, str]


def home(world: World, request: Request) -> Response:
    """Show the home page."""
    words = words_for(request.language)
    with world.lock:
        now = world.clock.now().astimezone(BEIJING)
        parts = {
            "trade_table": _trade_table(world, words),
            "merchant_rows": _merchant_rows(world, words),
            "fault_list": _fault_list(world, words),
            "certificate_rows": _certificate_rows(world),
            "public_key_id": world.keychain.public_key[0],
        }
    values = {
        **words,
        **parts,
        "now": f"{now:%Y-%m-%d %H:%M:%S} UTC+8",
        "fault_options": joined([_option(name) for name in CATALOGUE]),
        "action_options": joined([_option(name) for name in ACTIONS]),
        "mode_options": joined([_option(""), *(_option(mode.value) for mode in KeyMode)]),
        "operation_options": joined([_option(name, words) for name in OPERATIONS]),
        "fault_notes": joined(
            [
                render("note.html", {"name": kind.name, "text": kind.description})
                for kind in CATALOGUE.values()
            ]
        ),
    }
    content = render("home.html", values)
    return page(content, kind="home", title=words["simulator"], lang=words["lang"])


def _trade_table(world: World, words: Words) -> Markup:
    newest = list(islice(reversed(list(world.trades)), _NEWEST))
    if not newest:
        return render("hint.html", {"text": words["no_trades"]})
    rows = joined([_trade_row(world, words, trade) for trade in newest])
    return render("trade_table.html", {**words, "rows": rows})


def _trade_row(world: World, words: Words, trade: Trade) -> Markup:
    trade.lapse(world.clock.now())
    return render(
        "trade_row.html",
        {
            "time": f"{trade.created_at.astimezone(BEIJING):%m-%d %H:%M}",
            "out_trade_no": trade.out_trade_no,
            "mch_id": trade.mch_id,
            "body": trade.terms["body"],
            "amount": amount_text(trade),
            "trade_state": trade.state,
            "told": words.get(trade.told, ""),
            "page": page_path(trade.live_prepay, trade),
            "open_phone": words["open_phone"],
        },
    )


def _merchant_rows(world: World, words: Words) -> Markup:
    return joined(
        [
            render(
                "merchant_row.html",
                {
                    "mch_id": account.mch_id,
                    "region": words[account.region.value],
                    "mode": words[account.mode.value],
                    "appids": ", ".join(account.appids),
                },
            )
            for account in world.accounts.values()
        ]
    )


def _certificate_rows(world: World) -> Markup:
    return joined(
        [
            render(
                "certificate_row.html",
                {
                    "serial_no": one["serial_no"],
                    "signs": f"{one['signs']:.0%}",
                    "expire_time": one["expire_time"][:10],
                },
            )
            for one in keys(world)["certificates"]
        ]
    )


def _fault_list(world: World, words: Words) -> Markup:
    waiting = list(world.script)
    if not waiting:
        return render("hint.html", {"text": words["no_faults"]})
    items = [
        render(
            "fault_row.html",
            {
                "name": fault.name,
                "operation": _where(fault.operation, words),
                "times": str(fault.times),
            },
        )
        for fault in waiting
    ]
    return Markup(f'<ul class="waiting">{joined(items)}</ul>')


def _option(name: str, words: Words | None = None) -> Markup:
    label = name if words is None else _where(name, words)
    return render("option.html", {"value": name, "label": label})


def _where(operation: str, words: Words) -> str:
    return words["any_operation"] if operation == ANY else operation
