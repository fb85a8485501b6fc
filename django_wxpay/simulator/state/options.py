"""Options of the simulated gateway, where WeChat Pay's own documents leave room."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from django_wxpay.simulator.v3.demo_keys import KeyMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The switches of protocol-v2 sections 3.2, 3.4, 3.7, 6.1 to 6.4 and 11, and protocol-v3
    section 12.

    The defaults are strict.

    ``error_shape``: whether an unreadable, unsigned or invalid request is answered as the real
    gateway does it (``return_code`` FAIL and a text) or as its tables say (``err_code``).
    ``length_unit``: what the lengths of ``body`` and ``attach`` count.
    ``minimum_expire_s``: how far ahead ``time_expire`` must lie.
    ``close_after_s``: how old an order must be before closeorder takes it; documented as 300.
    ``close_again``: what closing a closed order answers.
    ``unknown_codes``: whether a payment code that the simulator has not issued is that of a
    customer who pays at once, or is refused.
    ``password_from``: the amount, in minor units of the order's currency, from which a customer
    types a password; None is never.
    ``password_s``: how long the customer takes for it, and the bank after an error of its own.
    ``codepay_userpaying``: the status with which mainland v3 says that a password is asked: 202
    is an error's body, 200 an order's (protocol-v3 section 4.1).
    ``reverse_after_s``: how old a charge must be before it can be reversed; documented as 15.
    ``recalls``: how often each v2 order answers a reversal with recall=Y, and is not reversed.
    ``refund_settles_s``: how long a refund is in process.
    ``refund_interval_s``: how much time lies between two refunds of one order; documented as 60.
    ``refund_balance``: what each merchant has for refunds, in minor units; None is no limit.
    ``refund_promotions``: how global answers name the promotions of a refund; ``detail`` is one
    object, the others are lists.
    ``refunds_name_fee``: whether mainland answers have ``amount.refund_fee``, the part of WeChat
    Pay's own fee that comes back.
    ``fee_basis_points``: WeChat Pay's fee for a payment; 60 is 0.60 %.
    ``bills_at_once``: whether a bill is made whenever it is asked for, today's too; documented is
    from 10:00 in Beijing on the day after.
    ``requires_client_certificate``: whether calls below ``/secapi/`` and ``/pay/downloadfundflow``
    need one over plain HTTP and in-process too. Over the TLS of ``serve`` and ``running`` they
    always do.
    ``mainland_cny_only``: whether direct mainland merchants are refused every other currency.
    ``sub_mch_ids``: the sub-merchants that institutions have; empty means any number.
    ``merchant_category_codes``: the codes that global orders may name; empty means any four
    digits.
    ``goods_members``: what a line of goods over v3 may have beside the members of protocol-v3
    sections 3.2 and 4.2.
    ``contribution_spelling``: how global orders spell WeChat Pay's part of a promotion,
    ``wxpay_contribute_amount`` as in the tables or ``wechatpay_...`` as in the examples.
    ``reseal``: whether each attempt at a v3 callback is encrypted anew, or only signed anew.
    ``probe_share``: which share of v3 answers and callbacks has a wrong signature on purpose.
    ``material``: the key pairs that v3 messages are signed with.
    ``live``: whether notifications leave on threads of their own. None means: unless a
    ``clock`` or a ``deliver`` of the caller's own is used.
    ``notify_timeout_s``: how long the receiver of a notification may take (protocol-v2
    section 7.1).
    ``h5_origin``: the start of ``h5_url`` and ``mweb_url``. "" means WeChat Pay's own where the
    gateway was called under one of its names, and else the address that was called.
    ``own_hosts``: further names, without ports, under which the pages and the control plane answer;
    loopback names and the address that is served at need no entry.
    ``ledger_size``: how many requests, reports and notification attempts are remembered.
    ``entropy``: the source of nonces and identifiers.
    """

    error_shape: Literal["realistic", "documented"] = "realistic"
    length_unit: Literal["bytes", "chars"] = "bytes"
    minimum_expire_s: int = 300
    close_after_s: int = 0
    close_again: Literal["ORDERCLOSED", "SUCCESS"] = "ORDERCLOSED"
    unknown_codes: Literal["pay", "refuse"] = "pay"
    password_from: int | None = 300_000
    password_s: float = 10.0
    codepay_userpaying: Literal[200, 202] = 200
    reverse_after_s: int = 0
    recalls: int = 0
    refund_settles_s: float = 3.0
    refund_interval_s: int = 0
    refund_balance: int | None = None
    refund_promotions: Literal["promotion_detail", "refund_detail", "detail"] = "promotion_detail"
    refunds_name_fee: bool = False
    fee_basis_points: int = 60
    bills_at_once: bool = False
    requires_client_certificate: bool = False
    mainland_cny_only: bool = False
    sub_mch_ids: frozenset[str] = frozenset()
    merchant_category_codes: frozenset[str] = frozenset()
    goods_members: frozenset[str] = frozenset({"category", "merchant_category_code"})
    contribution_spelling: Literal["wxpay", "wechatpay"] = "wxpay"
    reseal: bool = False
    probe_share: float = 0.0
    material: KeyMaterial = field(default_factory=KeyMaterial)
    live: bool | None = None
    notify_timeout_s: float = 5.0
    h5_origin: str = ""
    own_hosts: frozenset[str] = frozenset()
    ledger_size: int = 10_000
    entropy: Callable[[int], bytes] = secrets.token_bytes
