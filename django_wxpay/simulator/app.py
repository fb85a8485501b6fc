"""The simulated gateway: a WSGI application, and its control plane as Python methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django_wxpay.protocol.merchants import Merchant
from django_wxpay.simulator.control import (
    actions,
    announcing,
    keys,
    ledger,
    product_actions,
    refund_actions,
)
from django_wxpay.simulator.control.arguments import Arguments
from django_wxpay.simulator.http.messages import Environ, StartResponse
from django_wxpay.simulator.http.routing import respond
from django_wxpay.simulator.notifications import sending
from django_wxpay.simulator.notifications.delivery import Deliver, HttpDeliver
from django_wxpay.simulator.state.accounts import DEMO_MERCHANTS, Account, open_accounts
from django_wxpay.simulator.state.clock import Clock, system_time
from django_wxpay.simulator.state.journal import Journal
from django_wxpay.simulator.state.options import Options
from django_wxpay.simulator.state.world import World


class Simulator:
    """A simulated WeChat Pay gateway, made by ``create_app``.

    The methods are the control plane's routes: the same arguments, the same JSON-like
    values. They raise ``ControlError``.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._look: Callable[[], object] = _nothing

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request."""
        self._look()
        return respond(self._world, environ, start_response)

    @property
    def client_certificates(self) -> list[str]:
        """The merchants' own certificates as PEM, for ``tls_context``."""
        accounts = self._world.accounts.values()
        return [pem for account in accounts for pem in account.client_certificates]

    def follow(self, look: Callable[[], object]) -> None:
        """Call ``look`` before each request, so that it may let the simulator ``learn``."""
        self._look = look

    def learn(self, merchants: Iterable[Merchant | Account]) -> None:
        """Know ``merchants`` with the keys that they have now; those known before stay.

        A certificate of a merchant's own stays valid, as at WeChat Pay until it is revoked. Raises
        ``ConfigurationError`` as ``create_app`` does, and has learned nothing then.
        """
        accounts = open_accounts(merchants, self._world.options.material)
        with self._world.lock:
            self._world.learn(accounts)

    def now(self) -> datetime:
        """Return the simulated time."""
        return self._world.clock.now()

    def pay(self, mch_id: str, out_trade_no: str, **how: Any) -> dict[str, Any]:
        """Let the customer pay, or type the password of a payment code, and return the trade.

        ``how``: ``openid``, ``sub_openid``, ``bank_type``, ``coupons`` (each with
        ``coupon_id``, ``coupon_type`` and ``coupon_fee``), ``cash_fee``, ``cash_fee_type``,
        ``rate_value`` (x 10^8), ``promotion_detail``, and ``force`` for a payment after expiry
        or close. ``payer_total``, ``payer_currency`` and ``exchange_rate`` (x 10^8, or the
        object of v3) are v3's names of three of them.
        """
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no, **how}
        return actions.pay(self._world, Arguments(given))

    def payment_code(self, behaviour: str = "pays", *, mch_id: str = "") -> dict[str, Any]:
        """Let a customer show a payment code; return ``auth_code``, ``openid``, ``expires_at``.

        ``behaviour`` is pays, password_pays, password_cancels, password_ignored,
        bank_error_pays, bank_error_refuses, not_enough, expired, system_error_pays, or person
        for somebody at the phone page. ``mch_id`` is the merchant whose openid is returned.
        """
        given = {"behaviour": behaviour, **({"mch_id": mch_id} if mch_id else {})}
        return actions.show_code(self._world, Arguments(given))

    def set_state(self, mch_id: str, out_trade_no: str, trade_state: str) -> dict[str, Any]:
        """Put a trade into any state without a notification, and return it."""
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no, "trade_state": trade_state}
        return actions.set_state(self._world, Arguments(given))

    def notify(self, mch_id: str, out_trade_no: str) -> dict[str, Any]:
        """Send the notification of a paid trade again, and return the trade."""
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no}
        return actions.notify(self._world, Arguments(given))

    def announce(self, mch_id: str, resource: dict[str, Any], **how: Any) -> dict[str, Any]:
        """Notify the shop of an event of any product, once; return its answer.

        ``how``: ``notify_url``, which must be given, ``event_type``, ``id``, ``original_type``,
        and ``api``: v3 seals and signs ``resource``, v2 signs it as fields, by their
        ``sign_type`` or else MD5. The answer has ``accepted``, ``status``, ``body``, and ``error``
        where none came.
        """
        return announcing.announce(
            self._world, Arguments({"mch_id": mch_id, "resource": resource, **how})
        )

    def refund(self, mch_id: str, out_trade_no: str, **how: Any) -> dict[str, Any]:
        """Refund as the merchant does on the platform, and return the refund.

        ``how``: ``refund_fee`` (all that is left), ``out_refund_no`` (a new one),
        ``refund_desc``, ``notify_url`` (without one, nothing is notified).
        """
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no, **how}
        return refund_actions.refund(self._world, Arguments(given))

    def settle_refund(
        self, mch_id: str, out_refund_no: str, status: str = "SUCCESS"
    ) -> dict[str, Any]:
        """End a refund in process now, as SUCCESS, ABNORMAL or CLOSED, and return it."""
        given = {"mch_id": mch_id, "out_refund_no": out_refund_no, "status": status}
        return refund_actions.settle_refund(self._world, Arguments(given))

    def set_balance(self, mch_id: str, balance: int | None) -> dict[str, Any]:
        """Set what a merchant has for refunds, in minor units; None is no limit."""
        given = {"mch_id": mch_id, "balance": balance}
        return refund_actions.set_balance(self._world, Arguments(given))

    def refund_notice(
        self, mch_id: str, out_trade_no: str, out_refund_no: str, **how: Any
    ) -> dict[str, Any]:
        """Notify the shop of the result of a refund, and return the refund.

        ``how``: ``refund_fee`` (the whole amount), ``status`` (SUCCESS, ABNORMAL or CLOSED),
        ``notify_url`` (the refund's own, or else the order's).
        """
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no, "out_refund_no": out_refund_no}
        return refund_actions.refund_notice(self._world, Arguments(given | how))

    def complain(self, mch_id: str, out_trade_no: str, **how: Any) -> dict[str, Any]:
        """Let the payer of a paid trade complain, and return the ``complaint_id``.

        ``how``: ``detail``, ``phone``. Nothing is notified of it.
        """
        given = {"mch_id": mch_id, "out_trade_no": out_trade_no, **how}
        return product_actions.complain(self._world, Arguments(given))

    def settle_transfer(
        self, mch_id: str, out_bill_no: str, state: str = "SUCCESS", fail_reason: str = ""
    ) -> dict[str, Any]:
        """Let the payee confirm a transfer, or let it FAIL, and return it; nothing is notified."""
        given = {"mch_id": mch_id, "out_bill_no": out_bill_no, "state": state}
        given["fail_reason"] = fail_reason
        return product_actions.settle_transfer(self._world, Arguments(given))

    def pay_combined(self, mch_id: str, combine_out_trade_no: str) -> dict[str, Any]:
        """Let the customer pay all orders of a combined one; nothing is notified."""
        given = {"mch_id": mch_id, "combine_out_trade_no": combine_out_trade_no}
        return product_actions.pay_combined(self._world, Arguments(given))

    @property
    def public_key(self) -> tuple[str, str]:
        """The id of WeChat Pay's public key, and its PEM."""
        return self._world.keychain.public_key

    def keys(self) -> dict[str, Any]:
        """Return the platform certificates, the public key and the merchants' key modes."""
        return keys.keys(self._world)

    def rotate_certificate(self) -> dict[str, Any]:
        """List a new platform certificate beside the one that signs; return the keys."""
        return self._change_keys(action="rotate")

    def switch_certificate(self, share: float = 1.0) -> dict[str, Any]:
        """Let the new certificate sign ``share`` of all messages; return the keys."""
        return self._change_keys(action="switch", share=share)

    def drop_certificate(self) -> dict[str, Any]:
        """Remove the old certificate from the list; return the keys."""
        return self._change_keys(action="drop")

    def migrate(self, share: float | None = None, *, mch_id: str = "") -> dict[str, Any]:
        """Start the migration of one merchant or all to the public key; return the keys.

        ``share`` of their callbacks is signed with it, by default a share that grows with the
        clock in seven days; of answers, those to requests that name it.
        """
        return self._change_keys(action="migrate", callback_share=share, mch_id=mch_id)

    def set_key_mode(self, mode: str, *, mch_id: str = "") -> dict[str, Any]:
        """Set the mode of one merchant or all: certificate, public_key or migration."""
        return self._change_keys(action="mode", mode=mode, mch_id=mch_id)

    def advance(self, seconds: float) -> int:
        """Move the clock forward and return the number of notifications sent on the way."""
        sent: int = actions.move_clock(self._world, Arguments({"advance_s": seconds}))["sent"]
        return sent

    def set_speed(self, speed: float) -> None:
        """Let ``speed`` simulated seconds pass in a real one."""
        actions.move_clock(self._world, Arguments({"speed": speed}))

    def deliver_due(self) -> int:
        """Send what is due and return the number of notifications."""
        return sending.send_due(self._world)

    def inject(self, fault: str, **where: Any) -> dict[str, Any]:
        """Script a fault, and return all that are waiting.

        ``where``: ``operation``, ``times``, ``seconds``, ``count``, ``executed``, ``host``.
        """
        return actions.inject(self._world, Arguments({"fault": fault, **where}))

    def clear_faults(self) -> None:
        """Drop every waiting fault."""
        actions.clear_faults(self._world, Arguments({}))

    def ledger(self) -> dict[str, Any]:
        """Return every trade, report, request and notification attempt."""
        return ledger.ledger(self._world)

    def reset(self) -> None:
        """Drop all state and return to real time."""
        self._world.reset()

    def _change_keys(self, **given: Any) -> dict[str, Any]:
        return keys.change_keys(self._world, Arguments(given))


def _nothing() -> None:
    """Follow nobody."""


def create_app(
    merchants: Iterable[Merchant | Account] = DEMO_MERCHANTS,
    *,
    clock: Callable[[], datetime] | None = None,
    deliver: Deliver | None = None,
    options: Options | None = None,
    log: Callable[[str], object] | None = None,
) -> Simulator:
    """Return a simulated WeChat Pay gateway for ``merchants``.

    An ``Account`` is what WeChat Pay knows of a merchant, without the merchant's private key.

    ``clock`` returns aware moments. ``deliver`` sends notifications; the default posts them
    over HTTP. With either of them, notifications are sent inside the call that makes them
    due, one after the other, unless ``options.live`` says otherwise. ``log`` takes a line, without
    its end, for each call and each notification, from any thread and one at a time. Raises
    ``ConfigurationError`` for merchants that contradict one another, and for v3 keys that
    are invalid or not this gateway's.
    """
    options = options or Options()
    live = options.live
    if live is None:
        live = clock is None and deliver is None
    return Simulator(
        World(
            options=options,
            accounts=open_accounts(merchants, options.material),
            clock=Clock(clock or system_time),
            deliver=deliver or HttpDeliver(options.notify_timeout_s),
            live=live,
            journal=Journal(log),
        )
    )
