"""The ledger as JSON: trades, refunds, reports, requests and notification attempts.

It contains no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django_wxpay.simulator.control.paying import unpayable_reason
from django_wxpay.simulator.faults.catalogue import CATALOGUE
from django_wxpay.simulator.faults.script import Fault
from django_wxpay.simulator.http.messages import HOME
from django_wxpay.simulator.notifications.notices import Attempt, Notice
from django_wxpay.simulator.notifications.sending import settle_due_refunds
from django_wxpay.simulator.state.accounts import Account
from django_wxpay.simulator.state.refunds import Refund
from django_wxpay.simulator.state.trades import Prepay, Trade
from django_wxpay.simulator.state.world import World


def ledger(world: World) -> dict[str, Any]:
    """Return everything that happened since the start or the last reset, oldest first."""
    with world.lock:
        settle_due_refunds(world)
        now = world.clock.now()
        return {
            "now": _time(now),
            "speed": world.clock.speed,
            "merchants": merchants(world),
            "trades": [trade_view(world, trade) for trade in world.trades],
            "refunds": [refund_view(refund) for refund in world.refunds],
            "reports": [{"at": _time(r.at), **r.fields} for r in world.reports],
            "notifications": [_attempt_view(attempt) for attempt in world.attempts],
            "client_failures": [
                _attempt_view(attempt) for attempt in world.attempts if attempt.client_failure
            ],
            "waiting": [_notice_view(notice) for notice in world.outbox],
            "requests": [
                asdict(record) | {"at": _time(record.at), "api": record.api.value}
                for record in world.requests
            ],
        }


def merchants(world: World) -> list[dict[str, Any]]:
    """Return the accounts, without their keys."""
    return [_account_view(account) for account in world.accounts.values()]


def waiting_faults(world: World) -> dict[str, Any]:
    """Return the faults that are waiting."""
    with world.lock:
        return {"waiting": [_fault_view(fault) for fault in world.script]}


def faults(world: World) -> dict[str, Any]:
    """Return the faults that are waiting, and the catalogue."""
    return waiting_faults(world) | {
        "catalogue": [
            {
                "fault": kind.name,
                "description": kind.description,
                "strikes": sorted(stage.value for stage in kind.stages),
                "apis": sorted(api.value for api in kind.apis),
                "executed": kind.executed,
                "seconds": kind.seconds,
                "count": kind.count,
            }
            for kind in CATALOGUE.values()
        ],
    }


def clock(world: World) -> dict[str, Any]:
    """Return the simulated time and how fast it runs."""
    return {"now": _time(world.clock.now()), "speed": world.clock.speed}


def trade_view(world: World, trade: Trade) -> dict[str, Any]:
    """Return one trade; call with the lock held."""
    trade.lapse(world.clock.now())
    terms = trade.terms
    texts = ("appid", "sub_appid", "sub_mch_id", "body", "attach", "notify_url", "time_expire")
    return {
        "mch_id": trade.mch_id,
        "out_trade_no": trade.out_trade_no,
        "api": trade.api.value,
        "trade_state": trade.state,
        "trade_type": terms["trade_type"],
        "total_fee": int(terms["total_fee"]),
        "fee_type": terms.get("fee_type", "CNY"),
        **{name: terms.get(name, "") for name in texts},
        "openid": terms.get("openid", ""),
        "sub_openid": terms.get("sub_openid", ""),
        "transaction_id": trade.transaction_id,
        "charges": trade.charges,
        "reversals": trade.reversals,
        "created_at": _time(trade.created_at),
        "notification": trade.notification_state,
        "payment": dict(trade.payment),
        "page": trade_page(trade),
        "prepays": [_prepay_view(world, trade, prepay) for prepay in trade.prepays],
    }


def refund_view(refund: Refund) -> dict[str, Any]:
    """Return one refund; call with the lock held."""
    return {
        "mch_id": refund.trade.mch_id,
        "out_trade_no": refund.trade.out_trade_no,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "api": refund.api.value,
        "source": refund.source,
        "total_fee": int(refund.trade.terms["total_fee"]),
        "refund_fee": refund.refund_fee,
        "payer_refund": refund.payer_refund,
        "fee_type": refund.trade.terms.get("fee_type", "CNY"),
        "refund_status": refund.status,
        "refund_desc": refund.reason,
        "notify_url": refund.notify_url,
        "created_at": _time(refund.created_at),
        "settles_at": "" if refund.settles_at is None else _time(refund.settles_at),
        "success_time": "" if refund.success_time is None else _time(refund.success_time),
        "updated_at": _time(refund.updated_at),
        "notification": refund.notification_state,
        "notification_attempts": refund.notification_attempts,
    }


def trade_page(trade: Trade) -> str:
    """Return the path of the phone page on which ``trade`` is paid, or its password typed."""
    if trade.is_by_code:
        return f"{HOME}phone/{trade.terms['auth_code']}"
    return _prepay_page(trade.live_prepay, trade)


def _prepay_page(prepay: Prepay, trade: Trade) -> str:
    """Return the path of the phone page on which ``trade`` is paid with ``prepay``."""
    native = trade.terms["trade_type"] == "NATIVE"
    return f"{HOME}phone/{prepay.code if native else prepay.prepay_id}"


def _prepay_view(world: World, trade: Trade, prepay: Prepay) -> dict[str, Any]:
    native = trade.terms["trade_type"] == "NATIVE"
    return {
        "prepay_id": prepay.prepay_id,
        "code_url": prepay.code_url if native else "",
        "created_at": _time(prepay.created_at),
        "expires_at": _time(prepay.expires_at),
        "payable": not unpayable_reason(world, trade, prepay),
        "page": _prepay_page(prepay, trade),
    }


def _account_view(account: Account) -> dict[str, Any]:
    return {
        "mch_id": account.mch_id,
        "name": account.name,
        "mode": account.mode.value,
        "region": account.region.value,
        "appids": list(account.appids),
    }


def _attempt_view(attempt: Attempt) -> Mapping[str, Any]:
    notice = attempt.notice
    return {
        "at": _time(attempt.at),
        "mch_id": notice.trade.mch_id,
        "out_trade_no": notice.trade.out_trade_no,
        "out_refund_no": notice.refund.out_refund_no if notice.refund else "",
        "api": notice.api.value,
        "event_type": notice.event_type,
        "event_id": notice.event_id,
        "signed_by": attempt.signed_by,
        "url": notice.url,
        "attempt": attempt.number,
        "status": attempt.status,
        "body": attempt.body,
        "error": attempt.error,
        "accepted": attempt.accepted,
        "fault": attempt.fault,
        "client_failure": attempt.client_failure,
    }


def _notice_view(notice: Notice) -> Mapping[str, Any]:
    return {
        "mch_id": notice.trade.mch_id,
        "out_trade_no": notice.trade.out_trade_no,
        "event_type": notice.event_type,
        "attempt": notice.attempts + 1,
        "due_at": _time(notice.due_at),
    }


def _fault_view(fault: Fault) -> Mapping[str, Any]:
    return {
        "fault": fault.name,
        "operation": fault.operation,
        "times": fault.times,
        "seconds": fault.seconds,
        "count": fault.count,
        "executed": fault.executed,
        "host": fault.host,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
